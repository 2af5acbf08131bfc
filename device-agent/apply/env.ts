/**
 * A container's environment, made as kubelet makes it: the image's, then envFrom in order, then env in
 * order, each value expanded with what came before it. A reference to something that the hub could not
 * resolve fails with the message that kubelet gives, unless it is optional. There are no service variables.
 */
import type { Container, EnvVar } from '#protocol/core/v1/pod.js';
import type { ResolvedInputs } from '#protocol/link/assignment.js';
import { containerResource } from '../lib/downward-api.js';
import { expand } from './expansion.js';
import { type FieldContext, fieldValue } from './field-ref.js';

/** The container's configuration names something that is not there: CreateContainerConfigError. */
export class ContainerConfigError extends Error {
  override readonly name = 'ContainerConfigError';
}

export interface EnvInput {
  readonly container: Container;
  readonly resolved: ResolvedInputs;
  readonly fields: FieldContext;
  /** `NAME=value` lines of the image. */
  readonly imageEnv: readonly string[];
  /** Where the container's hardware is; the pod's own variables may use these, and may replace them. */
  readonly hardware?: ReadonlyMap<string, string>;
}

/** A name that the shell of a container can use; others in envFrom are left out, as kubelet does. */
const ENV_NAME = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

/** Name → value in order of definition. Throws ContainerConfigError. */
export function buildEnv(input: EnvInput): ReadonlyMap<string, string> {
  const own = new Map<string, string>(input.hardware);
  for (const source of input.container.envFrom ?? []) addSource(own, source, input.resolved);
  for (const variable of input.container.env ?? []) {
    const value = variableValue(variable, own, input);
    if (value !== undefined) own.set(variable.name, value);
  }
  const all = new Map<string, string>();
  for (const line of input.imageEnv) {
    const at = line.indexOf('=');
    if (at > 0) all.set(line.slice(0, at), line.slice(at + 1));
  }
  for (const [name, value] of own) all.set(name, value);
  return all;
}

function addSource(
  env: Map<string, string>,
  source: NonNullable<Container['envFrom']>[number],
  resolved: ResolvedInputs,
): void {
  const { prefix = '', configMapRef, secretRef } = source;
  const reference = configMapRef ?? secretRef;
  if (reference === undefined) return;
  const [kind, data] =
    configMapRef === undefined
      ? (['secret', resolved.secrets[reference.name ?? '']] as const)
      : (['configmap', textOf(resolved, reference.name ?? '')] as const);
  if (data === undefined) {
    if (reference.optional === true) return;
    throw new ContainerConfigError(`${kind} "${reference.name ?? ''}" not found`);
  }
  for (const [key, bytes] of Object.entries(data)) {
    const name = prefix + key;
    if (ENV_NAME.test(name)) env.set(name, decode(bytes));
  }
}

/** The ConfigMap's text; binary data is for volumes only. */
function textOf(resolved: ResolvedInputs, name: string): Readonly<Record<string, string>> | undefined {
  const data = resolved.configMaps[name];
  const binary = resolved.binaryKeys?.[name];
  if (data === undefined || binary === undefined) return data;
  return Object.fromEntries(Object.entries(data).filter(([key]) => !binary.includes(key)));
}

function variableValue(
  variable: EnvVar,
  before: ReadonlyMap<string, string>,
  input: EnvInput,
): string | undefined {
  const source = variable.valueFrom;
  if (source === undefined) return expand(variable.value ?? '', before);
  if (source.fieldRef !== undefined) {
    const value = fieldValue(source.fieldRef.fieldPath, input.fields);
    if (value === undefined)
      throw new ContainerConfigError(`unsupported fieldPath: ${source.fieldRef.fieldPath}`);
    return value;
  }
  if (source.resourceFieldRef !== undefined) {
    const { resource, containerName } = source.resourceFieldRef;
    const container = containerName === undefined ? input.container : containerByName(input, containerName);
    const value = containerResource(source.resourceFieldRef, container, input.fields.allocatable);
    if (value === undefined) throw new ContainerConfigError(`unsupported container resource : ${resource}`);
    return value;
  }
  if (source.configMapKeyRef !== undefined)
    return keyValue(
      'configmap',
      'ConfigMap',
      textOf(input.resolved, source.configMapKeyRef.name ?? ''),
      source.configMapKeyRef,
      input,
    );
  if (source.secretKeyRef !== undefined)
    return keyValue(
      'secret',
      'Secret',
      input.resolved.secrets[source.secretKeyRef.name ?? ''],
      source.secretKeyRef,
      input,
    );
  throw new ContainerConfigError(
    `environment variable ${variable.name} has a source that this device does not support`,
  );
}

function keyValue(
  kind: string,
  title: string,
  data: Readonly<Record<string, string>> | undefined,
  reference: { name?: string | undefined; key: string; optional?: boolean | undefined },
  input: EnvInput,
): string | undefined {
  const { name = '', key, optional } = reference;
  if (data === undefined) {
    if (optional === true) return undefined;
    throw new ContainerConfigError(`${kind} "${name}" not found`);
  }
  const bytes = data[key];
  if (bytes === undefined) {
    if (optional === true) return undefined;
    const namespace = input.fields.pod.metadata.namespace ?? 'default';
    throw new ContainerConfigError(`couldn't find key ${key} in ${title} ${namespace}/${name}`);
  }
  return decode(bytes);
}

function containerByName(input: EnvInput, name: string): Container {
  const { containers, initContainers = [] } = input.fields.pod.spec;
  const found = [...containers, ...initContainers].find((one) => one.name === name);
  if (found === undefined) throw new ContainerConfigError(`container ${name} not found`);
  return found;
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
