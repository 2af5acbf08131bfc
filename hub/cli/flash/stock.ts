/**
 * What the cards of one run have in common, each part made once: each base image, unpacked or built for a profile, and
 * the payload for its release of Debian.
 */
import { join, resolve } from 'node:path';
import { buildImage } from '#firmware-profiles/build/build-image.js';
import { type PreparedBase, prepareBase } from '#firmware-profiles/flash/flash-card.js';
import type { WorkDirectory } from '#firmware-profiles/flash/work-directory.js';
import { type BaseImage, openBaseImage } from '#firmware-profiles/image/base-image.js';
import type { Progress } from '#firmware-profiles/lib/progress.js';
import { buildPayload, defaultCache } from '#firmware-profiles/payload/build-payload.js';
import { openPayload, type Payload } from '#firmware-profiles/payload/payload.js';
import { suiteOf } from '#firmware-profiles/payload/suite.js';
import type { FirmwareProfile } from '#firmware-profiles/profile.js';
import { COVEY_VERSION } from '../../lib/version.js';
import { bundledAgent } from '../programs.js';
import type { CardOrder, ImageFile } from './card-order.js';
import type { FlashRequest } from './options.js';

export interface StockOptions {
  readonly request: FlashRequest;
  readonly work: WorkDirectory;
  readonly progress: Progress;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export class Stock {
  readonly #options: StockOptions;
  readonly #bases = new Map<string, Promise<PreparedBase>>();
  readonly #images = new Map<string, Promise<BaseImage>>();
  readonly #payloads = new Map<string, Promise<Payload>>();

  constructor(options: StockOptions) {
    this.#options = options;
  }

  /** Rejects with a CardError when the image does not fit the profile. */
  base({ profile, image }: Pick<CardOrder, 'profile' | 'image'>): Promise<PreparedBase> {
    return once(this.#bases, JSON.stringify([profile.metadata.name, image]), async () =>
      prepareBase(await (image === undefined ? this.#build(profile) : this.#open(image)), profile),
    );
  }

  async payload({ facts }: PreparedBase): Promise<Payload> {
    const { request, say, signal } = this.#options;
    const { payload } = request;
    if (payload !== undefined) return once(this.#payloads, payload, () => openPayload(payload));
    const { suite, from } =
      request.suite === undefined ? suiteOf(facts) : { suite: request.suite, from: undefined };
    return once(this.#payloads, suite, () => {
      if (from !== undefined) say(`the image is Debian ${suite} (${from})`);
      return buildPayload({
        suite,
        bundle: bundledAgent(),
        agentVersion: COVEY_VERSION,
        progress: say,
        signal,
      });
    });
  }

  #open({ file, sha256 }: ImageFile): Promise<BaseImage> {
    const { work, progress, signal } = this.#options;
    return once(this.#images, JSON.stringify([resolve(file), sha256]), async () => {
      const { path: workDirectory } = await work.sub();
      return openBaseImage({ file, sha256, workDirectory, progress, signal });
    });
  }

  async #build(profile: FirmwareProfile): Promise<BaseImage> {
    const { request, work, say, signal, progress } = this.#options;
    const { path } = await work.sub();
    const file = join(path, 'built.img');
    await buildImage({ profile, file, cache: defaultCache(), suite: request.suite, progress: say, signal });
    return openBaseImage({ file, workDirectory: path, progress, signal });
  }
}

/** Makes what a key stands for when it is first asked for. */
export function once<T>(made: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const found = made.get(key);
  if (found !== undefined) return found;
  const promise = make();
  made.set(key, promise);
  return promise;
}
