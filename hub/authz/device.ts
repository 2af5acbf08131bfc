/**
 * What devices may do: see themselves, the pods bound to them and what those refer to; report on these;
 * write events and their own lease; pull from the hub's own registry. For writes this is the outer fence only: whose pod it is, is checked
 * against the stored object by the device-restriction admission plug-in. Nothing else is allowed to a device
 * by this authorizer, and whatever concerns other devices is denied outright.
 */
import { API_GROUP, NAMESPACE } from '#protocol/core/v1/well-known.js';
import { deviceOfUsername, FLEET_GROUP, FLEET_IDENTITY } from '#protocol/fleet/v1alpha1/well-known.js';
import {
  type Authorizer,
  NO_OPINION,
  type PathAttributes,
  type ResourceAttributes,
  type Verdict,
} from './authorizer.js';
import type { DeviceGraph } from './device-graph.js';

const READ = new Set(['get', 'list', 'watch']);
const CHANGE = new Set(['update', 'patch']);
const ALLOW: Verdict = { decision: 'Allow', reason: '' };

export function deviceAuthorizer(graph: DeviceGraph): Authorizer {
  return {
    authorize(attributes) {
      const { user } = attributes;
      if (!user.groups.includes(FLEET_IDENTITY.devicesGroup)) return NO_OPINION;
      const device = deviceOfUsername(user.username);
      if (device === undefined) return deny(`no device is called ${JSON.stringify(user.username)}`);
      if (attributes.kind === 'path') return decidePath(attributes);
      return decide(graph, device, attributes);
    },
  };
}

/** Devices pull from the hub's own registry; other paths are as for everybody. */
function decidePath({ verb, path }: PathAttributes): Verdict {
  const inRegistry = path === '/v2' || path.startsWith('/v2/');
  return inRegistry && (verb === 'get' || verb === 'head') ? ALLOW : NO_OPINION;
}

function decide(graph: DeviceGraph, device: string, attributes: ResourceAttributes): Verdict {
  const { group, resource } = attributes;
  switch (group === '' ? resource : `${resource}.${group}`) {
    case 'nodes':
    case `devices.${FLEET_GROUP}`:
      return decideSelf(device, attributes);
    case 'pods':
      return decidePod(graph, device, attributes);
    case 'configmaps':
    case 'secrets':
      return decideReferenced(graph, device, attributes);
    case 'serviceaccounts':
      return decideServiceAccount(graph, device, attributes);
    case 'events':
    case `events.${API_GROUP.events}`:
      return allowIf(
        attributes.verb === 'create' || CHANGE.has(attributes.verb),
        'devices only write events',
      );
    case `leases.${API_GROUP.coordination}`:
      return decideLease(device, attributes);
    default:
      return NO_OPINION;
  }
}

/** Its node and its Device: reads, and changes of the object and its status. Names of creations are checked later. */
function decideSelf(device: string, { verb, subresource, name, fieldSelector }: ResourceAttributes): Verdict {
  if (verb === 'create' && subresource === '') return ALLOW;
  if (verb === 'list' || verb === 'watch') {
    const own = name === device || fieldSelector === `metadata.name=${device}`;
    return allowIf(own, 'a device can only list and watch itself');
  }
  const known = subresource === '' || subresource === 'status';
  return allowIf(
    name === device && known && (verb === 'get' || CHANGE.has(verb)),
    `device ${JSON.stringify(device)} can only read and change itself`,
  );
}

function decidePod(graph: DeviceGraph, device: string, attributes: ResourceAttributes): Verdict {
  const { verb, subresource, namespace, name, fieldSelector = '' } = attributes;
  if (verb === 'list' || verb === 'watch') {
    const own = fieldSelector.split(',').includes(`spec.nodeName=${device}`);
    return allowIf(own, 'a device can only list and watch pods with its own spec.nodeName field selector');
  }
  if (verb === 'get' && (subresource === '' || subresource === 'status')) {
    return allowIf(
      graph.deviceOf(namespace, name) === device,
      `pod ${JSON.stringify(name)} is not bound to device ${JSON.stringify(device)}`,
    );
  }
  const report = subresource === 'status' && CHANGE.has(verb);
  const remove = subresource === '' && verb === 'delete';
  return allowIf(report || remove, 'a device can only report on pods and delete them');
}

function decideReferenced(graph: DeviceGraph, device: string, attributes: ResourceAttributes): Verdict {
  const { verb, subresource, namespace, name, resource, fieldSelector } = attributes;
  const named = name !== '' && (verb === 'get' || fieldSelector === `metadata.name=${name}`);
  const kind = resource === 'secrets' ? 'secrets' : 'configmaps';
  return allowIf(
    READ.has(verb) && subresource === '' && named && graph.reaches(device, kind, namespace, name),
    `no relationship found between device ${JSON.stringify(device)} and this object`,
  );
}

function decideServiceAccount(graph: DeviceGraph, device: string, attributes: ResourceAttributes): Verdict {
  const { verb, subresource, namespace, name } = attributes;
  const asked = (verb === 'get' && subresource === '') || (verb === 'create' && subresource === 'token');
  return allowIf(
    asked && graph.reaches(device, 'serviceaccounts', namespace, name),
    `no relationship found between device ${JSON.stringify(device)} and this object`,
  );
}

function decideLease(device: string, { verb, namespace, name }: ResourceAttributes): Verdict {
  if (namespace !== NAMESPACE.nodeLease) return deny(`devices have leases in ${NAMESPACE.nodeLease} only`);
  if (verb === 'create') return ALLOW;
  return allowIf(
    name === device && (verb === 'get' || CHANGE.has(verb)),
    'a device can only use its own lease',
  );
}

function allowIf(condition: boolean, reason: string): Verdict {
  return condition ? ALLOW : deny(reason);
}

function deny(reason: string): Verdict {
  return { decision: 'Deny', reason };
}
