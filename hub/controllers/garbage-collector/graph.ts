/**
 * Every object of every kind by uid, and the dependents of each owner: the shared informers' own indexes are
 * the graph, nothing is stored twice. Events are left out: they are many, own nothing and expire by themselves.
 */
import type { KindInfo } from '#protocol/kind-info.js';
import { KINDS } from '#protocol/kinds.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { Indexes } from '../../cache/indexer.js';
import type { InformerFactory } from '../../cache/informer-factory.js';
import type { Informer, ObjectHandlers } from '../../cache/types.js';

const BY_UID = 'uid';
const BY_OWNER = 'owner';

const indexes: Indexes<KubernetesObject> = {
  [BY_UID]: (object) => [object.metadata.uid],
  [BY_OWNER]: (object) => (object.metadata.ownerReferences ?? []).map((owner) => owner.uid),
};

export interface GraphNode {
  readonly kind: KindInfo;
  readonly object: KubernetesObject;
}

export class OwnershipGraph {
  readonly #informers: ReadonlyArray<{
    readonly kind: KindInfo;
    readonly informer: Informer<KubernetesObject>;
  }>;
  readonly #kinds: ReadonlyMap<string, KindInfo>;

  constructor(factory: InformerFactory) {
    const kinds = KINDS.filter(isCollected);
    this.#informers = kinds.map((kind) => ({ kind, informer: factory.informer(kind, indexes) }));
    this.#kinds = new Map(
      KINDS.filter((kind) => kind.verbs.includes('get')).map((kind) => [kindKey(kind), kind]),
    );
  }

  async synced(signal: AbortSignal): Promise<void> {
    // One after the other: they fill at the same time anyway, and the signal gets one listener, not one per kind.
    for (const { informer } of this.#informers) await informer.synced(signal);
  }

  /** `handlers` is made once per kind. */
  subscribe(handlers: (kind: KindInfo) => ObjectHandlers<KubernetesObject>): Disposable {
    const subscriptions = this.#informers.map(({ kind, informer }) => informer.subscribe(handlers(kind)));
    return {
      [Symbol.dispose]: () => {
        for (const subscription of subscriptions) subscription[Symbol.dispose]();
      },
    };
  }

  find(uid: string): GraphNode | undefined {
    for (const { kind, informer } of this.#informers)
      for (const object of informer.byIndex(BY_UID, uid)) return { kind, object };
    return undefined;
  }

  dependents(uid: string): readonly GraphNode[] {
    const found: GraphNode[] = [];
    for (const { kind, informer } of this.#informers)
      for (const object of informer.byIndex(BY_OWNER, uid)) found.push({ kind, object });
    return found;
  }

  /** The kind that an owner reference names; undefined when it is not served here. */
  kindOf(apiVersion: string, kind: string): KindInfo | undefined {
    return this.#kinds.get(`${apiVersion}/${kind}`);
  }
}

function kindKey(kind: KindInfo): string {
  return `${kind.group === '' ? kind.version : `${kind.group}/${kind.version}`}/${kind.kind}`;
}

function isCollected(kind: KindInfo): boolean {
  const { verbs } = kind;
  return (
    kind.kind !== 'Event' && verbs.includes('list') && verbs.includes('watch') && verbs.includes('delete')
  );
}
