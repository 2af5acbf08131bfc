/** How long work tells how far it is. Whoever shows it decides how often; whoever works just calls. */
export interface Progress {
  /** A new piece of work, for people: 'unpacking raspios.img.xz'. */
  begin(title: string, totalBytes: number): void;
  advance(doneBytes: number): void;
  /** The piece of work is done. */
  end(): void;
}

export const noProgress: Progress = {
  begin: () => undefined,
  advance: () => undefined,
  end: () => undefined,
};
