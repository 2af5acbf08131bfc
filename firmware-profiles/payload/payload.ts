/**
 * What every card of one agent version carries, however many cards: one archive with Node.js for arm64, the agent's
 * release and the Debian packages that a board's system lacks. Built by `build-payload.ts`, or brought along from
 * another machine.
 */
import { createReadStream } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { z } from 'zod';
import { CardError } from '../card-error.js';
import { digestOf } from '../lib/digest.js';
import { fileTrouble } from '../lib/file-trouble.js';

/** Of the archive; its first member, so that it is read without unpacking the rest. */
export const PAYLOAD_MANIFEST = 'payload.json';

const manifestSchema = z.object({
  agentVersion: z.string().min(1),
  nodeVersion: z.string().min(1),
  /** Release of Debian that its packages are for: bookworm. */
  suite: z.string().min(1),
});
export type PayloadManifest = z.infer<typeof manifestSchema>;

export interface Payload extends PayloadManifest {
  /** payload.tar.gz on this machine. */
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** Reads an archive that was built before to its end. Throws CardError when it is not one, or only a part of one. */
export async function openPayload(file: string): Promise<Payload> {
  await access(file).catch((error: unknown) => {
    throw new CardError(`cannot read the payload ${file}: ${fileTrouble(error)}`);
  });
  try {
    const manifest = manifestSchema.parse(JSON.parse(await readManifest(file)));
    const { size } = await stat(file);
    return { file, sha256: await digestOf(file), bytes: size, ...manifest };
  } catch (error) {
    const [why] = fileTrouble(error).split('\n');
    throw new CardError(
      `${file} is not a payload of Covey, or only a part of one (${why}): take one that covey flash has made, or none`,
      { cause: error },
    );
  }
}

/** The archive that is kept as `file`; `make` writes it when there is none, or one that is damaged. */
export async function keptPayload(file: string, make: () => Promise<void>): Promise<Payload> {
  const kept = await openPayload(file).catch(() => undefined);
  if (kept !== undefined) return kept;
  await make();
  return openPayload(file);
}

async function readManifest(file: string): Promise<string> {
  const members = extract();
  const fed = pipeline(createReadStream(file), createGunzip(), members);
  // A failure ends the loop below first, and says the same.
  fed.catch(() => undefined);
  let manifest: string | undefined;
  for await (const member of members) {
    let text = '';
    if (manifest === undefined) {
      if (member.header.name !== PAYLOAD_MANIFEST) break;
      for await (const chunk of member) text += String(chunk);
      manifest = text;
    }
    member.resume();
  }
  if (manifest === undefined) throw new Error(`it does not begin with ${PAYLOAD_MANIFEST}`);
  // What follows is not unpacked, but its checksums are looked at: a copy that was cut off is found out here, not on the board.
  await fed;
  return manifest;
}
