/**
 * The kernel's command line as text. A word with a quoted value stays one word; nothing that is there is lost unless
 * it is asked for, but for a quote without its partner, in which the kernel would take in all that is added behind it.
 * Every function gives the same text when it is applied to its own result.
 */

const WORD = /(?:[^\s"]|"[^"]*")+/g;

/** The words of the first line that has any. */
export function wordsOf(text: string): string[] {
  for (const line of text.split('\n')) {
    const words = line.match(WORD);
    if (words !== null) return [...words];
  }
  return [];
}

/** What stands before '='; the whole word when there is none. */
export function keyOf(word: string): string {
  const [key = ''] = word.split('=', 1);
  return key;
}

/** Each word stands exactly once, at its place if it was there, else at the end. Its opposite is taken out. */
export function withWords(text: string, wanted: readonly string[]): string {
  const opposites = wanted.flatMap((word) =>
    word.startsWith('cgroup_enable=') ? [word.replace('cgroup_enable=', 'cgroup_disable=')] : [],
  );
  const kept = wordsOf(text).filter(
    (word, index, all) =>
      !opposites.includes(word) && !(wanted.includes(word) && all.indexOf(word) !== index),
  );
  return lineOf([...kept, ...[...new Set(wanted)].filter((word) => !kept.includes(word))]);
}

/** Every word with one of these keys goes; the others keep their order. */
export function withoutKeys(text: string, keys: readonly string[]): string {
  return lineOf(wordsOf(text).filter((word) => !keys.includes(keyOf(word))));
}

function lineOf(words: readonly string[]): string {
  return `${words.join(' ')}\n`;
}
