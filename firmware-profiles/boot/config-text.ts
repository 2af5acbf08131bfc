/**
 * `config.txt` of the Raspberry Pi firmware. Covey's settings stand in one marked block at the end, below an `[all]`
 * of its own, so that they hold whatever section the file ends with; what a person wrote above it stays as it is.
 */

const BEGIN = '# Covey: begin';
const END = '# Covey: end';

/** The text with a block of exactly these settings, or without a block when there are none. */
export function withSettings(text: string, settings: readonly string[]): string {
  const above = withoutBlock(text);
  if (settings.length === 0) return above;
  const gap = above === '' || above.endsWith('\n') ? '' : '\n';
  return `${above}${gap}${[BEGIN, '[all]', ...settings, END].join('\n')}\n`;
}

function withoutBlock(text: string): string {
  const lines = text.split('\n');
  const begin = lines.indexOf(BEGIN);
  if (begin < 0) return text;
  const end = lines.indexOf(END, begin);
  // A block that somebody cut off ends with the file.
  const rest = end < 0 ? [''] : lines.slice(end + 1);
  return [...lines.slice(0, begin), ...rest].join('\n');
}
