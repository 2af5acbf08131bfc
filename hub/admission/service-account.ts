/**
 * Every pod runs as a service account that exists: `default` unless it names one. The account lends its pull
 * secrets to pods that bring none. The token itself is mounted by the device (the assignment carries it), so
 * no volume is added. A namespace's default account is made moments after the namespace: a pod that comes in
 * between waits for it, at most a second.
 */
import type { Pod } from '#protocol/core/v1/pod.js';
import type { ServiceAccount } from '#protocol/core/v1/service-account.js';
import type { Clock } from '#protocol/lib/clock.js';
import { ApiError } from '#protocol/meta/status.js';
import type { AdmissionAttributes, MutatingPlugin, ValidatingPlugin } from './plugin.js';

const DEFAULT_SERVICE_ACCOUNT = 'default';
const WAIT_STEP_MS = 50;
const WAIT_STEPS = 20;

export type ServiceAccountLookup = (
  namespace: string,
  name: string,
) => Promise<Readonly<ServiceAccount> | undefined>;

export function serviceAccountAdmission(
  lookup: ServiceAccountLookup,
  clock: Clock,
): MutatingPlugin & ValidatingPlugin {
  return {
    name: 'ServiceAccount',
    handles: (operation, group, resource, subresource) =>
      operation === 'CREATE' && group === '' && resource === 'pods' && subresource === '',
    async admit(attributes) {
      const pod = attributes.object as Pod;
      const name = pod.spec.serviceAccountName || pod.spec.serviceAccount || DEFAULT_SERVICE_ACCOUNT;
      const account = await find(lookup, clock, attributes, name);
      const spec = { ...pod.spec, serviceAccountName: name, serviceAccount: name };
      const { imagePullSecrets } = account;
      if ((spec.imagePullSecrets?.length ?? 0) === 0 && imagePullSecrets !== undefined) {
        spec.imagePullSecrets = imagePullSecrets;
      }
      pod.spec = spec;
    },
    validate(attributes) {
      const pod = attributes.object as Pod;
      if (!pod.spec.serviceAccountName) throw refusal(attributes, 'no service account specified for pod');
    },
  };
}

async function find(
  lookup: ServiceAccountLookup,
  clock: Clock,
  attributes: AdmissionAttributes,
  name: string,
): Promise<Readonly<ServiceAccount>> {
  const { namespace, signal } = attributes.scope;
  const steps = name === DEFAULT_SERVICE_ACCOUNT ? WAIT_STEPS : 0;
  for (let step = 0; ; step += 1) {
    const account = await lookup(namespace, name);
    if (account !== undefined) return account;
    if (step >= steps) break;
    await clock.sleep(WAIT_STEP_MS, signal);
  }
  throw refusal(
    attributes,
    `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`,
  );
}

function refusal({ name }: AdmissionAttributes, why: string): ApiError {
  return ApiError.forbidden({ group: '', resource: 'pods' }, name, why);
}
