/** Levenshtein's distance: how many letters must be added, left out or changed to make one text of another. Pure. */
export function editDistance(one: string, other: string): number {
  const letters = [...other];
  // Distances of the letters of `one` seen so far to every beginning of `other`.
  let row = Array.from({ length: letters.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...one].entries()) {
    const next = [index + 1];
    for (const [at, wanted] of letters.entries()) {
      const [kept = 0, added = 0, left = 0] = [row[at], next[at], row[at + 1]];
      next.push(Math.min(kept + (letter === wanted ? 0 : 1), added + 1, left + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
