/**
 * Which cards of a batch are finished, in a file beside them: what each was made of and what it became. A run that
 * was cut off goes on with the others. Replaced as a whole after each card. Mode 0600: it holds no secret, but a
 * digest of what secrets are among.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { fileTrouble } from '#firmware-profiles/lib/file-trouble.js';
import { readFileIfPresent, writeFileDurably } from '../../lib/files.js';
import { CommandError } from '../command.js';

const stateSchema = z.strictObject({
  version: z.literal(1),
  cards: z.record(
    z.string(),
    z.strictObject({
      to: z.string(),
      /** Digest of what was asked for. */
      order: z.string(),
      sha256: z.string(),
      bytes: z.number(),
      finished: z.string(),
    }),
  ),
});

export type FinishedCard = z.infer<typeof stateSchema>['cards'][string];

const READ_BYTES = 2 ** 20;

export class BatchState {
  readonly path: string;
  readonly #cards: Map<string, FinishedCard>;
  /** One write at a time: cards may finish at the same moment. */
  #written: Promise<void> = Promise.resolve();

  private constructor(path: string, cards: Map<string, FinishedCard>) {
    this.path = path;
    this.#cards = cards;
  }

  /** Beside the outputs of a template such as out/{name}.img. */
  static pathFor(template: string): string {
    return join(dirname(`${template.split('{name}')[0] ?? ''}x`), 'covey-cards.json');
  }

  static async open(path: string): Promise<BatchState> {
    const text = await readFileIfPresent(path).catch((error: unknown) => {
      throw new CommandError(
        `cannot read ${path}, where it stands which cards are finished: ${fileTrouble(error)}`,
      );
    });
    if (text === undefined) return new BatchState(path, new Map());
    try {
      return new BatchState(path, new Map(Object.entries(stateSchema.parse(JSON.parse(text)).cards)));
    } catch (error) {
      throw new CommandError(
        `${path} is damaged (${(error as Error).message.split('\n')[0]}): remove it to make all cards anew`,
      );
    }
  }

  /**
   * Whether the card is finished as ordered and still what it was: its file is read for that. One that cannot be read
   * is none; what it is instead is said when it is to be written.
   */
  async isFinished(name: string, to: string, order: string): Promise<boolean> {
    const card = this.#cards.get(name);
    if (card === undefined || card.to !== to || card.order !== order) return false;
    const digest = createHash('sha256');
    try {
      for await (const chunk of createReadStream(to, { end: card.bytes - 1, highWaterMark: READ_BYTES }))
        digest.update(chunk as Buffer);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      return false;
    }
    return digest.digest('hex') === card.sha256;
  }

  /** Resolves once it is on disk. */
  finish(name: string, card: FinishedCard): Promise<void> {
    this.#cards.set(name, card);
    const cards = Object.fromEntries(this.#cards);
    const text = `${JSON.stringify({ version: 1, cards }, undefined, 2)}\n`;
    this.#written = this.#written.catch(() => undefined).then(() => writeFileDurably(this.path, text));
    return this.#written;
  }
}

/** Names what a card was asked to be, whatever the order of its parts. */
export function orderDigest(order: unknown): string {
  return createHash('sha256').update(JSON.stringify(order)).digest('hex').slice(0, 32);
}
