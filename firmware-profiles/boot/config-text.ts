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

/** An editor may have given it other line ends, or a person copied it: every block goes. */
function withoutBlock(text: string): string {
  const kept: string[] = [];
  let inBlock = false;
  for (const line of text.split('\n')) {
    const plain = line.trimEnd();
    if (plain === BEGIN) inBlock = true;
    if (!inBlock) kept.push(line);
    if (plain === END) inBlock = false;
  }
  // A block that somebody cut off ends with the file.
  if (inBlock) kept.push('');
  return kept.join('\n');
}
