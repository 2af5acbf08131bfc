/**
 * For which architectures the images of this registry are built, answered from memory so that the scheduler
 * can ask at every decision. Read from the stored manifests and their configs at the start and after every
 * change of a repository; what cannot be told (no config, no platform in an index) is not known.
 */
import { HUB_REGISTRY_HOST } from '#protocol/fleet/v1alpha1/well-known.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { ManifestStore } from './manifest-store.js';

export class ImagePlatforms {
  readonly #manifests: ManifestStore;
  readonly #logger: Logger;
  /** Repository → tag or digest → architectures. */
  readonly #repositories = new Map<string, ReadonlyMap<string, readonly string[]>>();
  readonly #subscribers = new Set<() => void>();
  #last: Promise<void> = Promise.resolve();

  constructor(manifests: ManifestStore, logger: Logger) {
    this.#manifests = manifests;
    this.#logger = logger;
  }

  /** Reads every repository. Never rejects: one that cannot be read is logged and not known. */
  async load(): Promise<void> {
    for (const name of await this.#manifests.repositories()) await this.refresh(name);
  }

  /** Reads one repository anew; calls follow each other. Never rejects. */
  refresh(name: string): Promise<void> {
    this.#last = this.#last.then(() => this.#read(name));
    return this.#last;
  }

  /**
   * Architectures (`amd64`, `arm64`, `arm`) of an image reference with tag or digest, as pods name it;
   * undefined for those of other registries and for what is not known.
   */
  architectures(image: string): readonly string[] | undefined {
    if (!image.startsWith(`${HUB_REGISTRY_HOST}/`)) return undefined;
    const [tagged = '', digest] = image.slice(HUB_REGISTRY_HOST.length + 1).split('@', 2);
    const colon = tagged.lastIndexOf(':');
    const name = colon < 0 ? tagged : tagged.slice(0, colon);
    const tag = colon < 0 ? 'latest' : tagged.slice(colon + 1);
    return this.#repositories.get(name)?.get(digest ?? tag);
  }

  /** Calls `changed` after a repository was read. */
  subscribe(changed: () => void): Disposable {
    this.#subscribers.add(changed);
    return { [Symbol.dispose]: () => void this.#subscribers.delete(changed) };
  }

  async #read(name: string): Promise<void> {
    const known = new Map<string, readonly string[]>();
    try {
      for (const reference of await this.#manifests.references(name)) {
        const architectures = await this.#manifests.architectures(name, reference);
        if (architectures.length > 0) known.set(reference, architectures);
      }
    } catch (error) {
      this.#logger.warn({ err: error, repository: name }, 'the platforms of images could not be read');
    }
    this.#repositories.set(name, known);
    for (const changed of this.#subscribers) changed();
  }
}
