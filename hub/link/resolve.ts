/**
 * Makes a pod's assignment from the pod and the objects that it reads. Pure: the same objects give the same
 * revision, on every run of the hub, so that a device that has it already is not sent it again. What does not
 * exist is left out; the device reports that its container cannot be configured.
 */
import { createHash } from 'node:crypto';
import type { ConfigMap } from '#protocol/core/v1/config-map.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { SECRET_TYPES, type Secret } from '#protocol/core/v1/secret.js';
import type { FailoverClass, ResolvedInputs, RunAssignment } from '#protocol/link/assignment.js';
import { podReferences } from './references.js';

export interface Sources {
  configMap(key: string): ConfigMap | undefined;
  secret(key: string): Secret | undefined;
}

/** A service-account token that was issued for the pod. */
export interface PodToken {
  readonly name: string;
  readonly token: string;
  readonly caCertificate: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

type Credential = ResolvedInputs['pullCredentials'][number];

/** Everything that the pod reads, except its token. */
export function resolveInputs(pod: Pod, sources: Sources): Omit<ResolvedInputs, 'serviceAccount'> {
  const references = podReferences(pod);
  const namespace = pod.metadata.namespace ?? '';
  const configMaps: ResolvedInputs['configMaps'] = {};
  const binaryKeys: NonNullable<ResolvedInputs['binaryKeys']> = {};
  for (const name of references.configMaps) {
    const found = sources.configMap(`${namespace}/${name}`);
    if (found === undefined) continue;
    configMaps[name] = configMapBytes(found);
    const binary = Object.keys(found.binaryData ?? {});
    if (binary.length > 0) binaryKeys[name] = binary;
  }
  const secrets: ResolvedInputs['secrets'] = {};
  for (const name of references.secrets) {
    const found = sources.secret(`${namespace}/${name}`);
    if (found !== undefined) secrets[name] = found.data ?? {};
  }
  const pullCredentials = references.pullSecrets.flatMap((name) => {
    const found = sources.secret(`${namespace}/${name}`);
    return found === undefined ? [] : pullCredentialsOf(found);
  });
  const binary = Object.keys(binaryKeys).length === 0 ? {} : { binaryKeys };
  return { configMaps, secrets, ...binary, pullCredentials };
}

function configMapBytes(configMap: ConfigMap): Record<string, string> {
  const text = Object.entries(configMap.data ?? {});
  return {
    ...(configMap.binaryData ?? {}),
    ...Object.fromEntries(text.map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
  };
}

/** Credentials of a dockerconfigjson or dockercfg Secret; one that cannot be read gives none. */
export function pullCredentialsOf(secret: Secret): Credential[] {
  const modern = secret.type === SECRET_TYPES.dockerConfigJson;
  const data = secret.data?.[modern ? '.dockerconfigjson' : '.dockercfg'];
  if (data === undefined) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(data, 'base64').toString('utf8'));
  } catch {
    // Not JSON: the pull then fails without credentials, with the registry's own words on the pod.
    return [];
  }
  const auths = modern ? (parsed as { auths?: unknown } | null)?.auths : parsed;
  if (typeof auths !== 'object' || auths === null) return [];
  return Object.entries(auths as Record<string, unknown>).flatMap(([registry, entry]) => {
    const credential = credentialOf(entry);
    return credential === undefined ? [] : [{ registry: registryHost(registry), ...credential }];
  });
}

function credentialOf(entry: unknown): { username: string; password: string } | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { username, password, auth } = entry as Record<string, unknown>;
  if (typeof username === 'string' && typeof password === 'string') return { username, password };
  if (typeof auth !== 'string') return undefined;
  const [user, ...rest] = Buffer.from(auth, 'base64').toString('utf8').split(':');
  return user === undefined || rest.length === 0 ? undefined : { username: user, password: rest.join(':') };
}

/** 'https://index.docker.io/v1/' → 'docker.io', 'https://r.example:5000/v2' → 'r.example:5000'. */
function registryHost(key: string): string {
  const host = key.replace(/^https?:\/\//, '').split('/')[0] ?? key;
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
}

/** The pod as the device gets it: metadata and spec, without what only the API needs. */
export function podForDevice(pod: Pod): Pod {
  const { managedFields: _m, resourceVersion: _r, selfLink: _s, ...metadata } = pod.metadata;
  return { apiVersion: pod.apiVersion, kind: pod.kind, metadata, spec: pod.spec, status: {} };
}

export interface AssignmentContent {
  readonly failoverClass: FailoverClass;
  readonly pod: Pod;
  readonly resolved: Omit<ResolvedInputs, 'serviceAccount'>;
}

/** Digest of everything but the token: 20 characters. */
export function contentRevision(content: AssignmentContent): string {
  return createHash('sha256').update(stableJson(content)).digest('base64url').slice(0, 20);
}

/** The revision of an assignment: its content, and when its token expires, which the hub reads back. */
export function fullRevision(content: string, token: PodToken | undefined): string {
  return token === undefined ? content : `${content}.${Math.floor(token.expires / 1000)}`;
}

export function parseRevision(revision: string): { content: string; tokenExpires: number | undefined } {
  const [content = '', expires] = revision.split('.');
  const seconds = Number(expires);
  return {
    content,
    tokenExpires: expires === undefined || !Number.isSafeInteger(seconds) ? undefined : seconds * 1000,
  };
}

export function runAssignment(
  content: AssignmentContent,
  revision: string,
  token: PodToken | undefined,
): RunAssignment {
  const { name, token: text, caCertificate } = token ?? {};
  return {
    action: 'run',
    uid: content.pod.metadata.uid,
    revision,
    failoverClass: content.failoverClass,
    pod: content.pod,
    resolved: {
      ...content.resolved,
      ...(name === undefined || text === undefined || caCertificate === undefined
        ? {}
        : { serviceAccount: { name, token: text, caCertificate } }),
    },
  };
}

/** JSON with sorted keys, so that equal content has equal text. For JSON values; undefined fields are left out. */
function stableJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(stableJson).join(',')}]`;
  const fields = value as Readonly<Record<string, unknown>>;
  let text = '';
  for (const key of Object.keys(fields).sort()) {
    const field = fields[key];
    if (field === undefined) continue;
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${stableJson(field)}`;
  }
  return `{${text}}`;
}
