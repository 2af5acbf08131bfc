/** What every card of one agent version carries, however many cards: see `build-payload.ts`. */

export interface Payload {
  /** payload.tar.gz on this machine, in the cache. */
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly agentVersion: string;
  readonly nodeVersion: string;
  /** Release of Debian that its packages are for. */
  readonly suite: string;
}
