/** The store's errors in one place, so that each condition has one wording: what, which value, what to do. */
import { StoreError } from './store.js';

export function keyExists(key: string, revision: number): StoreError {
  return new StoreError('KEY_EXISTS', `key "${key}" exists already (revision ${revision})`, {
    key,
    revision,
  });
}

export function notFound(key: string): StoreError {
  return new StoreError('NOT_FOUND', `key "${key}" does not exist`, { key });
}

export function conflict(key: string, expected: number, revision: number): StoreError {
  return new StoreError(
    'CONFLICT',
    `key "${key}" was changed: expected revision ${expected}, it is at ${revision}; read it again and retry`,
    { key, revision },
  );
}

export function expired(revision: number, floor: number): StoreError {
  return new StoreError(
    'EXPIRED',
    `revision ${revision} is compacted, history starts at ${floor}; list again without a revision`,
    { revision: floor },
  );
}

export function futureRevision(revision: number, current: number): StoreError {
  return new StoreError(
    'FUTURE_REVISION',
    `revision ${revision} is not reached, the store is at ${current}; list again without a revision`,
    { revision: current },
  );
}

export function closed(): StoreError {
  return new StoreError('CLOSED', 'the store is closed');
}

export function damaged(where: string, what: string, cause?: unknown): StoreError {
  return new StoreError(
    'DAMAGED',
    `${where} is damaged: ${what}; restore a backup into an empty directory (covey restore)`,
    { cause },
  );
}
