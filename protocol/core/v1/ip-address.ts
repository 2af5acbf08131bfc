/** Checks of IP addresses in text. */
import { type FieldError, invalid } from '../../meta/field-error.js';

const V4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const GROUP = /^[0-9a-fA-F]{1,4}$/;

function isIpv4(text: string): boolean {
  return V4.test(text);
}

/** RFC 4291 text forms, an embedded IPv4 tail included; no zone. */
function isIpv6(text: string): boolean {
  if (!text.includes(':')) return false;
  const halves = text.split('::');
  if (halves.length > 2) return false;
  let groups = 0;
  for (const [position, half] of halves.entries()) {
    if (half === '') continue;
    const parts = half.split(':');
    for (const [index, part] of parts.entries()) {
      const last = position === halves.length - 1 && index === parts.length - 1;
      if (last && isIpv4(part)) groups += 2;
      else if (GROUP.test(part)) groups += 1;
      else return false;
    }
  }
  return halves.length === 2 ? groups < 8 : groups === 8;
}

export function checkIp(text: string, field: string): FieldError[] {
  return isIpv4(text) || isIpv6(text)
    ? []
    : [invalid(field, text, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')];
}
