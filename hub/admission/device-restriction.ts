/**
 * Holds devices to their own: whatever a device writes must be itself (the status of its Node and Device, its
 * lease), the status or the removal of a pod bound to it, a token for such a pod, or an event. This is the
 * exact check, on the stored object; the device authorizer before it only knows names.
 */
import type { TokenRequest } from '#protocol/authentication/v1/token-request.js';
import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { API_GROUP, LABEL } from '#protocol/core/v1/well-known.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import {
  deviceOfUsername,
  FLEET_GROUP,
  FLEET_IDENTITY,
  isReservedLabel,
} from '#protocol/fleet/v1alpha1/well-known.js';
import { ApiError } from '#protocol/meta/status.js';
import { sameJson } from '../lib/same-json.js';
import type { AdmissionAttributes, ValidatingPlugin } from './plugin.js';

export type PodLookup = (namespace: string, name: string) => Promise<Readonly<Pod> | undefined>;

export function deviceRestriction(findPod: PodLookup): ValidatingPlugin {
  return {
    name: 'DeviceRestriction',
    handles: () => true,
    validate(attributes) {
      const { user } = attributes.scope;
      if (!user.groups.includes(FLEET_IDENTITY.devicesGroup)) return undefined;
      const device = deviceOfUsername(user.username);
      if (device === undefined) throw refusal(attributes, 'the user is in the group of devices but is none');
      return check(attributes, device, findPod);
    },
  };
}

function check(attributes: AdmissionAttributes, device: string, findPod: PodLookup): void | Promise<void> {
  const { group, resource } = attributes;
  switch (group === '' ? resource : `${resource}.${group}`) {
    case 'nodes':
    case `devices.${FLEET_GROUP}`:
      return checkOwn(attributes, device);
    case `leases.${API_GROUP.coordination}`:
      return checkSelf(attributes, device);
    case 'pods':
      return checkPod(attributes, device);
    case 'serviceaccounts':
      return checkToken(attributes, device, findPod);
    case 'events':
    case `events.${API_GROUP.events}`:
      if (attributes.operation !== 'DELETE') return undefined;
      throw refusal(attributes, 'devices do not delete events');
    default:
      throw refusal(attributes, `device ${JSON.stringify(device)} may not write ${resource}`);
  }
}

function checkSelf(attributes: AdmissionAttributes, device: string): void {
  const { operation, name } = attributes;
  if (operation === 'DELETE' || name !== device) {
    throw refusal(attributes, `device ${JSON.stringify(device)} may only create and change its own`);
  }
}

/**
 * What a device may not say of itself: its spec (taints and cordons are the hub's and the administrator's
 * judgement, failover class and revocation its owner's) and its labels, which decide what is scheduled to it.
 * The hub labels a Node from the device's hello. A Node that the device makes may name its own host and
 * platform and otherwise nothing that is reserved. Nor what decides how it is removed: its finalizers and owners, by
 * which it could not be got rid of, or without its certificates and claims being cleaned up; nor the annotations of
 * its Device, by which people steer it.
 */
function checkOwn(attributes: AdmissionAttributes, device: string): void {
  checkSelf(attributes, device);
  const { object, oldObject, subresource } = attributes;
  if (subresource !== '') return;
  const { metadata, spec } = object as Node | Device;
  const why = (what: string) => `device ${JSON.stringify(device)} is not allowed to modify ${what}`;
  const before = oldObject?.metadata;
  for (const field of attributes.resource === 'devices' ? [...LIFE, 'annotations' as const] : LIFE) {
    if (!sameJson(filled(metadata[field]), filled(before?.[field]))) throw refusal(attributes, why(field));
  }
  if (oldObject === undefined) {
    const reserved = Object.keys(metadata.labels ?? {}).find(
      (label) => isReservedLabel(label) && !OWN_LABELS.has(label),
    );
    if (reserved === undefined) return;
    throw refusal(attributes, `device ${JSON.stringify(device)} is not allowed to set label ${reserved}`);
  }
  const old = oldObject as Readonly<Node | Device>;
  if (!sameJson(taintsOf(spec), taintsOf(old.spec))) throw refusal(attributes, why('taints'));
  if (!sameJson(spec, old.spec)) throw refusal(attributes, why('its spec'));
  if (!sameJson(metadata.labels ?? {}, old.metadata.labels ?? {})) throw refusal(attributes, why('labels'));
}

const LIFE = ['finalizers', 'ownerReferences'] as const;

/** An empty list or map says as much as none. */
function filled(value: object | undefined): object | undefined {
  return value === undefined || Object.keys(value).length === 0 ? undefined : value;
}

const taintsOf = (spec: Node['spec'] | Device['spec']) => ('taints' in spec ? (spec.taints ?? []) : []);

const OWN_LABELS: ReadonlySet<string> = new Set([LABEL.hostname, LABEL.os, LABEL.arch]);

function checkPod(attributes: AdmissionAttributes, device: string): void {
  const { operation, subresource } = attributes;
  const report = operation === 'UPDATE' && subresource === 'status';
  const removal = operation === 'DELETE' && subresource === '';
  if (!report && !removal) {
    throw refusal(attributes, `device ${JSON.stringify(device)} may only report on pods and delete them`);
  }
  const bound = (attributes.oldObject as Readonly<Pod>).spec.nodeName;
  if (bound !== device) {
    throw refusal(attributes, `the pod is not bound to device ${JSON.stringify(device)}`);
  }
}

async function checkToken(
  attributes: AdmissionAttributes,
  device: string,
  findPod: PodLookup,
): Promise<void> {
  const { subresource, scope, name } = attributes;
  const reference = (attributes.object as TokenRequest | undefined)?.spec?.boundObjectRef;
  if (subresource !== 'token' || reference?.kind !== 'Pod' || !reference.name || !reference.uid) {
    throw refusal(attributes, 'a device may only request tokens that are bound to a pod by name and uid');
  }
  const pod = await findPod(scope.namespace, reference.name);
  if (pod?.spec.nodeName !== device || pod.metadata.uid !== reference.uid) {
    throw refusal(attributes, `the pod is not bound to device ${JSON.stringify(device)}`);
  }
  if (pod.spec.serviceAccountName !== name) {
    throw refusal(attributes, `the pod does not run as service account ${JSON.stringify(name)}`);
  }
}

function refusal({ group, resource, name }: AdmissionAttributes, why: string): ApiError {
  return ApiError.forbidden({ group, resource }, name, why);
}
