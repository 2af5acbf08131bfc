/**
 * What stands in the first sector of a card until everything else is written and verified: a sentence for people,
 * and for Covey which card it is and how far it got. It is ASCII and shorter than a sector, so it carries no boot
 * signature, and no firmware starts an unfinished card. A sector is written whole or not at all; what is read back
 * damaged counts as no mark.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';

/** The first bytes of a card: the mark while unfinished, then MBR and, where there is one, the GPT header. */
export const HEAD_BYTES = 4096;

const TITLE = 'COVEY UNFINISHED CARD: do not boot. Run the same "covey flash" again to finish it.\n';
/** The boot signature is at 510. */
const MAX_BYTES = 510;

const markSchema = z.strictObject({
  v: z.literal(1),
  /** CardSource's identity. */
  image: z.string().regex(/^[0-9a-f]{64}$/),
  /** Which card: name and claim's id. */
  card: z.string().max(80),
  /** Everything before this byte is written and verified. */
  position: z.int().min(0),
  bytes: z.int().min(0),
});

export type UnfinishedMark = Omit<z.infer<typeof markSchema>, 'v'>;

/** Exactly HEAD_BYTES, into `head`. */
export function writeMark(head: Buffer, mark: UnfinishedMark): void {
  const json = JSON.stringify({ v: 1, ...mark });
  const text = `${TITLE}${json}\n${checksum(json)}\n`;
  if (Buffer.byteLength(text) > MAX_BYTES || /[^\n -~]/.test(text))
    throw new Error(`the mark of ${mark.card} does not fit in a sector`);
  head.fill(0, 0, HEAD_BYTES);
  head.write(text, 'ascii');
}

/** Undefined when there is no whole mark. */
export function readMark(head: Buffer): UnfinishedMark | undefined {
  if (!isMarked(head)) return undefined;
  const [, json = '', sum = ''] = head.toString('ascii', 0, MAX_BYTES).split('\n');
  if (checksum(json) !== sum) return undefined;
  const parsed = markSchema.safeParse(JSON.parse(json));
  if (!parsed.success) return undefined;
  const { v: _version, ...mark } = parsed.data;
  return mark;
}

/** Whether the card says that it is unfinished, be the rest readable or not. */
export function isMarked(head: Buffer): boolean {
  return head.toString('ascii', 0, TITLE.length) === TITLE;
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
