/**
 * Holds devices to their own: whatever a device writes must be itself (node, Device, lease), the status or
 * the removal of a pod bound to it, a token for such a pod, or an event. This is the exact check, on the
 * stored object; the device authorizer before it only knows names.
 */

import type { TokenRequest } from '#protocol/authentication/v1/token-request.js';
import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import { deviceOfUsername, FLEET_GROUP, FLEET_IDENTITY } from '#protocol/fleet/v1alpha1/well-known.js';
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
      return checkNode(attributes, device);
    case `devices.${FLEET_GROUP}`:
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

/** Taints are the hub's judgement of a device; it may bring its own when its node is made, not change them. */
function checkNode(attributes: AdmissionAttributes, device: string): void {
  checkSelf(attributes, device);
  if (attributes.operation !== 'UPDATE') return;
  const node = attributes.object as Node;
  const old = attributes.oldObject as Readonly<Node>;
  if (!sameJson(node.spec.taints ?? [], old.spec.taints ?? [])) {
    throw refusal(attributes, `device ${JSON.stringify(device)} is not allowed to modify taints`);
  }
}

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
