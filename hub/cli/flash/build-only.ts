/**
 * `covey flash --build` without a name: the image alone, which is nobody's yet and needs no hub. Cards are made of it
 * later, by `--image`, here or on a machine that cannot build. The file appears whole or not at all.
 */
import { buildImage } from '#firmware-profiles/build/build-image.js';
import { CardError } from '#firmware-profiles/card-error.js';
import { kindOf } from '#firmware-profiles/flash/direct-file.js';
import { checkTarget } from '#firmware-profiles/flash/open-target.js';
import { digestOf } from '#firmware-profiles/lib/digest.js';
import { defaultCache } from '#firmware-profiles/payload/build-payload.js';
import { systemClock } from '../../lib/system-clock.js';
import { CommandError, type Output } from '../command.js';
import { profileNamed } from '../known-profiles.js';
import type { FlashRequest } from './options.js';
import { openStateDirectory } from './state-directory.js';
import { lockTarget } from './target-lock.js';

/** Rejects with an error for the person, or with the signal's reason. */
export async function buildOnly(request: FlashRequest, output: Output, signal: AbortSignal): Promise<void> {
  const { to, size, suite, consent, dataDir } = request;
  if ((await kindOf(to)) === 'device')
    throw new CardError(
      `${to} is a disk, and a disk becomes the card of a device: give its --name; without one, --to is a file for the image`,
    );
  const profile = await profileNamed(request.card.profile ?? '', dataDir);
  const directory = await openStateDirectory({ given: request.state, env: process.env, clock: systemClock });
  await using _target = await lockTarget(directory, to);
  const { mustBeFinished } = await checkTarget({ path: to, consent });
  if (mustBeFinished) throw new CommandError(`${to} exists: remove it, or overwrite it with --force`);
  const { sizeBytes } = await buildImage({
    profile,
    file: to,
    sizeBytes: size,
    cache: defaultCache(),
    suite,
    progress: (line) => output.err(`${line}\n`),
    signal,
  });
  const digest = await digestOf(to);
  output.out(`${to} is built: ${sizeBytes} bytes, sha256 ${digest}; make cards of it with --image ${to}\n`);
}
