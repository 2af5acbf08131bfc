/** Rules of ConfigMaps and Secrets: keys, sizes, and the keys that a Secret's type asks for. */
import { decodedLength } from '../../lib/base64.js';
import { type FieldError, invalid, required, tooLong } from '../../meta/field-error.js';
import { checkConfigKey } from '../../meta/names.js';
import { utf8Length } from '../../meta/object-meta-validation.js';
import type { ConfigMap } from './config-map.js';
import { SECRET_TYPES, type Secret } from './secret.js';
import { ANNOTATION } from './well-known.js';

/** All values of one ConfigMap or Secret together, in bytes. */
const MAX_DATA_BYTES = 1024 * 1024;

export function validateConfigMap(configMap: ConfigMap): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(configMap.data ?? {})) {
    errors.push(...keyErrors('data', key));
    if (configMap.binaryData?.[key] !== undefined) {
      errors.push(invalid(`data[${key}]`, key, `duplicate of key present in binaryData`));
    }
    size += utf8Length(value);
  }
  for (const [key, value] of Object.entries(configMap.binaryData ?? {})) {
    errors.push(...keyErrors('binaryData', key));
    size += decodedLength(value);
  }
  if (size > MAX_DATA_BYTES) errors.push(tooLong('', MAX_DATA_BYTES));
  return errors;
}

function keyErrors(field: string, key: string): FieldError[] {
  return checkConfigKey(key).map((problem) => invalid(`${field}[${key}]`, key, problem));
}

/** Keys that must be there, by type. */
const REQUIRED_KEYS: Readonly<Record<string, readonly string[]>> = {
  [SECRET_TYPES.dockercfg]: ['.dockercfg'],
  [SECRET_TYPES.dockerConfigJson]: ['.dockerconfigjson'],
  [SECRET_TYPES.sshAuth]: ['ssh-privatekey'],
  [SECRET_TYPES.tls]: ['tls.crt', 'tls.key'],
};

export function validateSecret(secret: Secret): FieldError[] {
  const errors: FieldError[] = [];
  const data = secret.data ?? {};
  let size = 0;
  for (const [key, value] of Object.entries(data)) {
    errors.push(...keyErrors('data', key));
    size += decodedLength(value);
  }
  if (size > MAX_DATA_BYTES) errors.push(tooLong('data', MAX_DATA_BYTES));
  for (const key of REQUIRED_KEYS[secret.type] ?? []) {
    if (data[key] === undefined) errors.push(required(`data[${key}]`));
  }
  if (
    secret.type === SECRET_TYPES.basicAuth &&
    data['username'] === undefined &&
    data['password'] === undefined
  ) {
    errors.push(required('data[username]'), required('data[password]'));
  }
  if (
    secret.type === SECRET_TYPES.serviceAccountToken &&
    !secret.metadata.annotations?.[ANNOTATION.serviceAccountName]
  ) {
    errors.push(required(`metadata.annotations[${ANNOTATION.serviceAccountName}]`));
  }
  return errors;
}
