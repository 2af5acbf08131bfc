/** An image store that only pretends: every well-named image is pulled at once and is empty. */
import { createHash } from 'node:crypto';
import { ImageError, type ImageStore, type LocalImage } from './image-store.js';
import { formatReference, parseReference } from './reference.js';

export function createHollowImageStore(): ImageStore {
  const images = new Map<string, LocalImage>();
  const roots = new Set<string>();
  return {
    async find(reference) {
      return images.get(formatReference(parseReference(reference)));
    },
    async pull(reference, { signal }) {
      signal.throwIfAborted();
      const parsed = parseReference(reference);
      const name = formatReference(parsed);
      const known = images.get(name);
      if (known) return known;
      const digest = parsed.digest ?? `sha256:${createHash('sha256').update(name).digest('hex')}`;
      const image: LocalImage = {
        reference: name,
        manifestDigest: digest,
        imageId: `${parsed.registry}/${parsed.repository}@${digest}`,
        sizeBytes: 0,
        config: {
          entrypoint: ['/pretend'],
          command: [],
          env: [],
          workingDir: '/',
          user: '',
          stopSignal: 'SIGTERM',
        },
      };
      images.set(name, image);
      return image;
    },
    async importArchive(path) {
      throw new ImageError('ErrImagePull', `${path}: a hollow device takes no archives`);
    },
    async list() {
      return [...images.values()];
    },
    async mountRootfs(_, containerId) {
      roots.add(containerId);
      return '/';
    },
    async unmountRootfs(containerId) {
      roots.delete(containerId);
    },
    async listRootfs() {
      return [...roots];
    },
    async collectGarbage(inUse) {
      const keep = new Set([...inUse].map((name) => formatReference(parseReference(name))));
      for (const name of images.keys()) if (!keep.has(name)) images.delete(name);
      return 0;
    },
    async [Symbol.asyncDispose]() {},
  };
}
