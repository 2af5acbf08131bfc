/** What the operations on one resource share. Made once per resource; nothing in it changes. */

import type { KindInfo } from '#protocol/kind-info.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { FieldError } from '#protocol/meta/field-error.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { Admission, AdmissionAttributes, Operation } from '../admission/plugin.js';
import type { Store } from '../store/store.js';
import type { RequestScope } from './resource-storage.js';
import type { Strategy } from './strategy.js';

export interface ResourceContext {
  readonly kind: KindInfo;
  readonly strategy: Strategy;
  readonly store: Store;
  readonly admission: Admission;
  readonly clock: Clock;
  /** Makes uids. */
  readonly newUid: () => string;
  /** 0 to 1, for generated names. */
  readonly random: () => number;
  readonly logger: Logger;
  /** The schema's own rules for an object that has been decoded. */
  readonly validate: (object: Readonly<KubernetesObject>) => readonly FieldError[];
}

/** Attributes of a write for the admission plug-ins. */
export function admissionAttributes(
  context: ResourceContext,
  scope: RequestScope,
  operation: Operation,
  subresource: string,
  name: string,
  object: KubernetesObject | undefined,
  oldObject: Readonly<KubernetesObject> | undefined,
): AdmissionAttributes {
  const { group, version, resource, kind } = context.kind;
  return { operation, scope, group, version, resource, kind, subresource, name, object, oldObject };
}
