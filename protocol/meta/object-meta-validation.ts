/** Validation of metadata: name, namespace, labels, annotations, owners, finalizers. */
import type { KindInfo } from '../kind-info.js';
import { type FieldError, forbidden, invalid, required } from './field-error.js';
import {
  checkDns1123Label,
  checkDns1123Subdomain,
  checkLabelValue,
  checkPathSegment,
  checkQualifiedName,
  type NameCheck,
} from './names.js';
import type { KubernetesObject, OwnerReference } from './object-meta.js';

/** All annotations of an object together, keys and values, in bytes. */
const MAX_ANNOTATIONS_BYTES = 256 * 1024;

const NAME_CHECKS = {
  subdomain: checkDns1123Subdomain,
  label: checkDns1123Label,
  'path-segment': checkPathSegment,
} as const satisfies Record<KindInfo['nameRule'], NameCheck>;

/** Errors of an object's metadata under its kind's rules. */
export function validateObjectMeta(info: KindInfo, object: KubernetesObject): FieldError[] {
  const { metadata } = object;
  const errors: FieldError[] = [];
  const checkName = NAME_CHECKS[info.nameRule];
  if (metadata.generateName) {
    const base = metadata.generateName.endsWith('-')
      ? `${metadata.generateName.slice(0, -1)}a`
      : metadata.generateName;
    for (const problem of checkName(base)) {
      errors.push(invalid('metadata.generateName', metadata.generateName, problem));
    }
  }
  if (metadata.name === '') {
    if (!metadata.generateName) errors.push(required('metadata.name', 'name or generateName is required'));
  } else {
    for (const problem of checkName(metadata.name))
      errors.push(invalid('metadata.name', metadata.name, problem));
  }
  errors.push(...validateNamespaceField(info, metadata.namespace));
  if (metadata.labels) errors.push(...validateLabels(metadata.labels, 'metadata.labels'));
  if (metadata.annotations) errors.push(...validateAnnotations(metadata.annotations, 'metadata.annotations'));
  if (metadata.ownerReferences) errors.push(...validateOwners(metadata.ownerReferences));
  for (const finalizer of metadata.finalizers ?? []) {
    for (const problem of checkQualifiedName(finalizer)) {
      errors.push(invalid('metadata.finalizers', finalizer, problem));
    }
  }
  return errors;
}

function validateNamespaceField(info: KindInfo, namespace: string | undefined): FieldError[] {
  if (info.namespaced) {
    if (!namespace) return [required('metadata.namespace')];
    return checkDns1123Label(namespace).map((problem) => invalid('metadata.namespace', namespace, problem));
  }
  return namespace ? [forbidden('metadata.namespace', 'not allowed on this type')] : [];
}

export function validateLabels(labels: Readonly<Record<string, string>>, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of Object.keys(labels)) {
    const value = labels[key] ?? '';
    for (const problem of checkQualifiedName(key)) errors.push(invalid(field, key, problem));
    for (const problem of checkLabelValue(value)) errors.push(invalid(field, value, problem));
  }
  return errors;
}

export function validateAnnotations(
  annotations: Readonly<Record<string, string>>,
  field: string,
): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const key of Object.keys(annotations)) {
    for (const problem of checkQualifiedName(key.toLowerCase())) errors.push(invalid(field, key, problem));
    size += utf8Length(key) + utf8Length(annotations[key] ?? '');
  }
  if (size > MAX_ANNOTATIONS_BYTES) {
    errors.push({
      type: 'FieldValueTooLong',
      field,
      message: `Too long: may not be more than ${MAX_ANNOTATIONS_BYTES} bytes`,
    });
  }
  return errors;
}

/** Bytes of a text in UTF-8. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x80) continue;
    // A surrogate pair is two units here and four bytes there.
    length += code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 1 : 2;
  }
  return length;
}

function validateOwners(owners: readonly OwnerReference[]): FieldError[] {
  const errors: FieldError[] = [];
  let controller: OwnerReference | undefined;
  for (const owner of owners) {
    const field = 'metadata.ownerReferences';
    if (owner.apiVersion === '')
      errors.push(invalid(`${field}.apiVersion`, owner.apiVersion, 'version must not be empty'));
    if (owner.kind === '') errors.push(invalid(`${field}.kind`, owner.kind, 'must not be empty'));
    if (owner.name === '') errors.push(invalid(`${field}.name`, owner.name, 'must not be empty'));
    if (owner.uid === '') errors.push(invalid(`${field}.uid`, owner.uid, 'must not be empty'));
    if (owner.controller !== true) continue;
    if (controller) {
      errors.push(
        invalid(
          field,
          owners,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller.kind}/${controller.name} and ${owner.kind}/${owner.name}`,
        ),
      );
    }
    controller = owner;
  }
  return errors;
}
