/** Which files configMap, secret, downwardAPI and projected volumes show. Pure. */
import type { Pod } from '#protocol/core/v1/pod.js';
import type { DownwardAPIVolumeFile, KeyToPath, Volume, VolumeProjection } from '#protocol/core/v1/volume.js';
import type { ResolvedInputs } from '#protocol/link/assignment.js';
import type { DeviceCapacity } from '../lib/downward-api.js';
import { downwardValue } from './downward.js';
import type { VolumeFile } from './keyed-volume.js';
import { VolumeError } from './volumes.js';

export interface KeyedInputs {
  readonly pod: Pod;
  readonly resolved: ResolvedInputs;
  readonly capacity: DeviceCapacity;
}

type Files = Map<string, VolumeFile>;

const DEFAULT_MODE = 0o644;
/** Every namespace has it; a hub may send the certificate with the service account only. */
const ROOT_CA = 'kube-root-ca.crt';

/** The files of a volume; undefined when the volume is of another kind. Throws VolumeError. */
export function keyedFiles(volume: Volume, inputs: KeyedInputs): Files | undefined {
  if (volume.configMap) return fromConfigMap(volume.configMap, volume.configMap.defaultMode, inputs);
  if (volume.secret) {
    const { secretName, ...keys } = volume.secret;
    return fromSecret({ name: secretName, ...keys }, volume.secret.defaultMode, inputs);
  }
  if (volume.downwardAPI)
    return fromDownward(volume.downwardAPI.items, volume.downwardAPI.defaultMode, inputs);
  if (!volume.projected) return undefined;
  const files: Files = new Map();
  for (const source of volume.projected.sources ?? []) {
    for (const [path, file] of fromProjection(source, volume.projected.defaultMode, inputs))
      files.set(path, file);
  }
  return files;
}

/** token, ca.crt and namespace, as every pod finds them. */
export function serviceAccountFiles(inputs: KeyedInputs): Files {
  const account = inputs.resolved.serviceAccount;
  const file = (text: string): VolumeFile => ({ data: Buffer.from(text), mode: DEFAULT_MODE });
  return new Map([
    ['token', file(account?.token ?? '')],
    ['ca.crt', file(account?.caCertificate ?? '')],
    ['namespace', file(inputs.pod.metadata.namespace ?? '')],
  ]);
}

function fromProjection(source: VolumeProjection, mode: number | undefined, inputs: KeyedInputs): Files {
  if (source.configMap) return fromConfigMap(source.configMap, mode, inputs);
  if (source.secret) return fromSecret(source.secret, mode, inputs);
  if (source.downwardAPI) return fromDownward(source.downwardAPI.items, mode, inputs);
  if (source.serviceAccountToken) {
    const account = inputs.resolved.serviceAccount;
    if (!account) throw new VolumeError('no service account token was sent for this pod');
    const file = { data: Buffer.from(account.token), mode: mode ?? DEFAULT_MODE };
    return new Map([[source.serviceAccountToken.path, file]]);
  }
  const kind = Object.keys(source)[0] ?? 'empty';
  throw new VolumeError(`projected volume source "${kind}" is not supported by this device`);
}

interface KeyedSource {
  readonly name?: string | undefined;
  readonly items?: readonly KeyToPath[] | undefined;
  readonly optional?: boolean | undefined;
}

function fromConfigMap(source: KeyedSource, mode: number | undefined, inputs: KeyedInputs): Files {
  const name = source.name ?? '';
  const account = inputs.resolved.serviceAccount;
  const certificate =
    name === ROOT_CA && account
      ? { 'ca.crt': Buffer.from(account.caCertificate).toString('base64') }
      : undefined;
  const data = inputs.resolved.configMaps[name] ?? certificate;
  return selectKeys(data, source, mode, `configmap "${name}"`);
}

function fromSecret(source: KeyedSource, mode: number | undefined, inputs: KeyedInputs): Files {
  const name = source.name ?? '';
  return selectKeys(inputs.resolved.secrets[name], source, mode, `secret "${name}"`);
}

function selectKeys(
  data: Readonly<Record<string, string>> | undefined,
  source: KeyedSource,
  defaultMode: number | undefined,
  what: string,
): Files {
  const files: Files = new Map();
  if (data === undefined) {
    if (source.optional) return files;
    throw new VolumeError(`${what} not found`);
  }
  const items: readonly KeyToPath[] = source.items ?? Object.keys(data).map((key) => ({ key, path: key }));
  for (const item of items) {
    const value = data[item.key];
    if (value !== undefined)
      files.set(item.path, {
        data: Buffer.from(value, 'base64'),
        mode: item.mode ?? defaultMode ?? DEFAULT_MODE,
      });
    else if (!source.optional) throw new VolumeError(`${what}: references non-existent key: ${item.key}`);
  }
  return files;
}

function fromDownward(
  items: readonly DownwardAPIVolumeFile[] | undefined,
  mode: number | undefined,
  inputs: KeyedInputs,
): Files {
  return new Map(
    (items ?? []).map((item) => [
      item.path,
      {
        data: Buffer.from(downwardValue(inputs.pod, item, inputs.capacity)),
        mode: item.mode ?? mode ?? DEFAULT_MODE,
      },
    ]),
  );
}
