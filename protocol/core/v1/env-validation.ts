/** Rules of environment variables and of references to fields and resources. */
import { type FieldError, invalid, notSupported, required } from '../../meta/field-error.js';
import { checkEnvName, checkQualifiedName } from '../../meta/names.js';
import type { EnvFromSource, EnvVar, EnvVarSource } from './container.js';
import type { ObjectFieldSelector, ResourceFieldSelector } from './reference.js';

const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

const SUBSCRIPT = /^(metadata\.(?:labels|annotations))\['(.+)'\]$/;

export function validateFieldRef(
  reference: ObjectFieldSelector,
  known: readonly string[],
  field: string,
): FieldError[] {
  if (reference.apiVersion === '') return [required(`${field}.apiVersion`)];
  const { fieldPath } = reference;
  if (fieldPath === '') return [required(`${field}.fieldPath`)];
  const subscript = SUBSCRIPT.exec(fieldPath);
  if (subscript) {
    const key = subscript[2] ?? '';
    const name = subscript[1] === 'metadata.annotations' ? key.toLowerCase() : key;
    return checkQualifiedName(name).map((problem) => invalid(field, key, problem));
  }
  return known.includes(fieldPath) ? [] : [notSupported(`${field}.fieldPath`, fieldPath, known)];
}

const RESOURCE_FIELDS = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];

export function validateResourceFieldRef(
  reference: ResourceFieldSelector,
  inVolume: boolean,
  field: string,
): FieldError[] {
  if (inVolume && !reference.containerName) return [required(`${field}.containerName`)];
  if (reference.resource === '') return [required(`${field}.resource`)];
  const known =
    RESOURCE_FIELDS.includes(reference.resource) || /^(limits|requests)\.hugepages-/.test(reference.resource);
  return known ? [] : [notSupported(`${field}.resource`, reference.resource, RESOURCE_FIELDS)];
}

const ONE_OF = 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`';

function sourceErrors(source: EnvVarSource, field: string): FieldError[] {
  const errors: FieldError[] = [];
  let count = 0;
  if (source.fieldRef) {
    count += 1;
    errors.push(...validateFieldRef(source.fieldRef, ENV_FIELDS, `${field}.fieldRef`));
  }
  if (source.resourceFieldRef) {
    count += 1;
    errors.push(...validateResourceFieldRef(source.resourceFieldRef, false, `${field}.resourceFieldRef`));
  }
  for (const name of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const reference = source[name];
    if (!reference) continue;
    count += 1;
    if (!reference.name) errors.push(required(`${field}.${name}.name`));
    if (reference.key === '') errors.push(required(`${field}.${name}.key`));
  }
  if (source.fileKeyRef) {
    count += 1;
    for (const name of ['volumeName', 'path', 'key'] as const) {
      if (source.fileKeyRef[name] === '') errors.push(required(`${field}.fileKeyRef.${name}`));
    }
  }
  if (count === 0) errors.unshift(invalid(field, '', ONE_OF));
  if (count > 1) errors.push(invalid(field, '', 'may not have more than one field specified at a time'));
  return errors;
}

export function validateEnv(env: readonly EnvVar[], field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, variable] of env.entries()) {
    const at = `${field}[${index}]`;
    if (variable.name === '') errors.push(required(`${at}.name`));
    else
      for (const problem of checkEnvName(variable.name))
        errors.push(invalid(`${at}.name`, variable.name, problem));
    if (!variable.valueFrom) continue;
    if (variable.value) {
      errors.push(invalid(`${at}.valueFrom`, '', 'may not be specified when `value` is not empty'));
    }
    errors.push(...sourceErrors(variable.valueFrom, `${at}.valueFrom`));
  }
  return errors;
}

export function validateEnvFrom(sources: readonly EnvFromSource[], field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, source] of sources.entries()) {
    const at = `${field}[${index}]`;
    if (source.prefix) {
      for (const problem of checkEnvName(source.prefix))
        errors.push(invalid(`${at}.prefix`, source.prefix, problem));
    }
    if (source.configMapRef && source.secretRef) {
      errors.push(invalid(field, '', 'may not have more than one field specified at a time'));
    }
    if (!source.configMapRef && !source.secretRef) {
      errors.push(invalid(field, '', 'must specify one of: `configMapRef` or `secretRef`'));
    }
    if (source.configMapRef && !source.configMapRef.name) errors.push(required(`${at}.configMapRef.name`));
    if (source.secretRef && !source.secretRef.name) errors.push(required(`${at}.secretRef.name`));
  }
  return errors;
}
