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

/** Looks at an archive that was built before. Throws CardError when it is not one. */
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
    throw new CardError(`${file} is not a payload of Covey (${why}): build it again with covey flash`, {
      cause: error,
    });
  }
}

async function readManifest(file: string): Promise<string> {
  const members = extract();
  const fed = pipeline(createReadStream(file), createGunzip(), members);
  // A failure ends the loop below; stopping before the end is none.
  fed.catch(() => undefined);
  for await (const member of members) {
    if (member.header.name !== PAYLOAD_MANIFEST) break;
    let text = '';
    for await (const chunk of member) text += String(chunk);
    return text;
  }
  throw new Error(`it does not begin with ${PAYLOAD_MANIFEST}`);
}
