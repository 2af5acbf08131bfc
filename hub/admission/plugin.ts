/**
 * Admission plug-ins: what is asked between authorization and the store. Mutating plug-ins may change the
 * object of the request and run before the strategy; validating ones only refuse and run after it, on the
 * object as it would be stored. A refusal is an ApiError. One object may be both. Plug-ins see every write,
 * and reads only as connects (exec, attach, port-forward).
 */
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { RequestScope } from '../registry/resource-storage.js';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

export interface AdmissionAttributes {
  readonly operation: Operation;
  readonly scope: RequestScope;
  /** '' for core. */
  readonly group: string;
  readonly version: string;
  /** Plural: 'pods'. */
  readonly resource: string;
  readonly kind: string;
  /** '' for the object itself. */
  readonly subresource: string;
  /** '' while a generateName is still open. */
  readonly name: string;
  /** The new object, private to this request and mutable in the mutating phase; undefined for DELETE. */
  readonly object: KubernetesObject | undefined;
  /** The stored object, frozen; undefined for CREATE. */
  readonly oldObject: Readonly<KubernetesObject> | undefined;
}

interface Plugin {
  /** As in messages and logs: 'NamespaceLifecycle'. */
  readonly name: string;
  /** Cheap test by operation and resource; `admit` and `validate` are not called when it is false. */
  handles(operation: Operation, group: string, resource: string, subresource: string): boolean;
}

export interface MutatingPlugin extends Plugin {
  /** Changes `attributes.object` in place. Must be idempotent. */
  admit(attributes: AdmissionAttributes): void | Promise<void>;
}

export interface ValidatingPlugin extends Plugin {
  /** Refuses by throwing an ApiError; never changes anything. */
  validate(attributes: AdmissionAttributes): void | Promise<void>;
}

/** The phases as the registry calls them. They return a promise only when a plug-in does. */
export interface Admission {
  mutate(attributes: AdmissionAttributes): void | Promise<void>;
  validate(attributes: AdmissionAttributes): void | Promise<void>;
}
