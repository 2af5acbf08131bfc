/**
 * Namespaces: kept alive, once deleted, by spec.finalizers until the namespace controller has emptied them
 * and posts the rest through the `finalize` endpoint.
 */
import type { Namespace } from '#protocol/core/v1/namespace.js';
import { FINALIZER, LABEL } from '#protocol/core/v1/well-known.js';
import { keepAllButStatus, keepStatus, type Strategy } from '../strategy.js';

export const namespaceStrategy: Strategy<Namespace> = {
  countsGeneration: false,
  prepareForCreate(namespace) {
    const finalizers = namespace.spec.finalizers ?? [];
    if (!finalizers.includes(FINALIZER.kubernetes)) {
      namespace.spec = { ...namespace.spec, finalizers: [...finalizers, FINALIZER.kubernetes] };
    }
    namespace.status = { phase: 'Active' };
    label(namespace);
  },
  updates: {
    '': {
      prepare(namespace, old) {
        namespace.spec = old.spec;
        keepStatus(namespace, old);
        label(namespace);
      },
    },
    status: { prepare: keepAllButStatus },
    finalize: {
      prepare(namespace, old) {
        const { spec } = namespace;
        keepAllButStatus(namespace, old);
        namespace.spec = spec;
        namespace.status = old.status;
      },
    },
  },
  markDeleting(namespace) {
    namespace.status = { ...namespace.status, phase: 'Terminating' };
  },
  holdsDeletion: (namespace) => (namespace.spec.finalizers?.length ?? 0) > 0,
};

/** Every namespace carries its name as a label, so that label selectors can name it. */
function label(namespace: Namespace): void {
  const { metadata } = namespace;
  if (metadata.labels?.[LABEL.metadataName] === metadata.name) return;
  metadata.labels = { ...metadata.labels, [LABEL.metadataName]: metadata.name };
}
