/** Signal names as images and pods write them. */
import { constants } from 'node:os';
import { RuntimeError } from './runtime.js';

const FIRST_REALTIME = 34;
const LAST_REALTIME = 64;

/** Number of 'SIGTERM', 'term', '15' or 'SIGRTMIN+3'. Throws RuntimeError for anything else. */
export function signalNumber(name: string): number {
  const text = name.trim().toUpperCase();
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= LAST_REALTIME) return number;
  }
  const long = text.startsWith('SIG') ? text : `SIG${text}`;
  const known = (constants.signals as Readonly<Record<string, number>>)[long];
  if (known !== undefined) return known;
  const realtime = /^SIGRTM(IN|AX)(?:([+-])(\d{1,2}))?$/.exec(long);
  if (realtime) {
    const offset = Number(`${realtime[2] ?? '+'}${realtime[3] ?? '0'}`);
    const number = (realtime[1] === 'IN' ? FIRST_REALTIME : LAST_REALTIME) + offset;
    if (number >= FIRST_REALTIME && number <= LAST_REALTIME) return number;
  }
  throw new RuntimeError('Unsupported', `unknown signal "${name}"`);
}
