/** The scale subresource of workloads: the number of replicas and the selector in text form. */
import type { Scale } from '#protocol/autoscaling/v1/scale.js';
import { invalid } from '#protocol/meta/field-error.js';
import { formatLabelSelector } from '#protocol/meta/label-selector.js';
import type { LabelSelector } from '#protocol/meta/label-selector-schema.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError } from '#protocol/meta/status.js';
import type { Projection } from '../strategy.js';

interface Scalable extends KubernetesObject {
  spec: { replicas: number; selector: LabelSelector };
  status: { replicas?: number | undefined };
}

export function scaleProjection<T extends Scalable>(): Projection<T> {
  return {
    view({ metadata, spec, status }): Scale {
      const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
      return {
        apiVersion: 'autoscaling/v1',
        kind: 'Scale',
        metadata: {
          name,
          uid,
          ...(namespace === undefined ? {} : { namespace }),
          ...(resourceVersion === undefined ? {} : { resourceVersion }),
          ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
        },
        spec: { replicas: spec.replicas },
        status: { replicas: status.replicas ?? 0, selector: formatLabelSelector(spec.selector) },
      };
    },
    apply(object, view) {
      const replicas = (view as Scale).spec.replicas ?? 0;
      if (replicas < 0) {
        const why = 'must be greater than or equal to 0';
        throw ApiError.invalid({ group: 'autoscaling', kind: 'Scale' }, object.metadata.name, [
          invalid('spec.replicas', replicas, why),
        ]);
      }
      object.spec = { ...object.spec, replicas };
    },
  };
}
