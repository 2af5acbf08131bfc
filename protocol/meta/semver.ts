/** Semantic versions (semver.org, 2.0.0): what is one, and which of two comes first. Build metadata does not count. */

const NUMBER = '(?:0|[1-9]\\d{0,8})';
const IDENTIFIER = '(?:0|[1-9]\\d{0,8}|\\d*[A-Za-z-][0-9A-Za-z-]*)';
const VERSION = new RegExp(
  `^(${NUMBER})\\.(${NUMBER})\\.(${NUMBER})(?:-(${IDENTIFIER}(?:\\.${IDENTIFIER})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);

export function isSemver(text: string): boolean {
  return VERSION.test(text);
}

/** Negative when `left` comes first. Throws a RangeError for what is no semantic version. */
export function compareSemver(left: string, right: string): number {
  const a = parse(left);
  const b = parse(right);
  for (const [index, number] of a.numbers.entries()) {
    const difference = number - (b.numbers[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return comparePrerelease(a.prerelease, b.prerelease);
}

function parse(text: string): { numbers: readonly number[]; prerelease: readonly string[] } {
  const match = VERSION.exec(text);
  if (match === null)
    throw new RangeError(`${JSON.stringify(text)} is no semantic version such as 1.2.3 or 1.2.3-rc.1`);
  return { numbers: match.slice(1, 4).map(Number), prerelease: match[4]?.split('.') ?? [] };
}

function comparePrerelease(left: readonly string[], right: readonly string[]): number {
  // A version without one comes after all that have one.
  if (left.length === 0 || right.length === 0) return right.length - left.length;
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const a = left[index];
    const b = right[index];
    if (a === undefined) return -1;
    if (b === undefined) return 1;
    const difference = compareIdentifiers(a, b);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Numbers come before words, and by value. */
function compareIdentifiers(left: string, right: string): number {
  const [a, b] = [left, right].map((text) => (/^\d+$/.test(text) ? Number(text) : undefined));
  if (a !== undefined && b !== undefined) return a - b;
  if (a !== undefined) return -1;
  if (b !== undefined) return 1;
  return left < right ? -1 : left > right ? 1 : 0;
}
