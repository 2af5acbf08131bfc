/** Names inside a layer's archive: where an entry goes, and what whiteouts mean. Pure. */
import { ImageError } from './image-store.js';

export type EntryTarget =
  | { readonly kind: 'entry'; readonly parent: string; readonly name: string }
  /** The file of that name in lower layers is hidden. */
  | { readonly kind: 'whiteout'; readonly parent: string; readonly name: string }
  /** Everything that lower layers have in `parent` is hidden. */
  | { readonly kind: 'opaque'; readonly parent: string }
  | { readonly kind: 'root' }
  /** Bookkeeping of other engines. */
  | { readonly kind: 'ignored' };

const OPAQUE = '.wh..wh..opq';
const WHITEOUT = '.wh.';
const MAX_PATH = 4096;

/** Throws ImageError for names that could leave the layer. */
export function entryTarget(path: string): EntryTarget {
  const parts = safeParts(path);
  const name = parts.pop();
  if (name === undefined) return { kind: 'root' };
  const parent = parts.join('/');
  if (name === OPAQUE) return { kind: 'opaque', parent };
  if (name.startsWith('.wh..wh.')) return { kind: 'ignored' };
  if (!name.startsWith(WHITEOUT)) return { kind: 'entry', parent, name };
  const hidden = name.slice(WHITEOUT.length);
  if (hidden === '' || hidden === '.' || hidden === '..') throw refused(path);
  return { kind: 'whiteout', parent, name: hidden };
}

/** The parts of a path inside the layer; throws ImageError for '..', NUL and overlong paths. */
export function safeParts(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..') || path.includes('\0') || path.length > MAX_PATH) throw refused(path);
  return parts;
}

function refused(path: string): ImageError {
  const shown = JSON.stringify(path.slice(0, 200));
  return new ImageError('ErrImagePull', `layer entry ${shown} would leave the image's root: refused`);
}
