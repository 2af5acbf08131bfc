/** What ConfigMap and Secret share: once `immutable` is set, neither it nor the data changes again. */
import { type FieldError, forbidden } from '#protocol/meta/field-error.js';
import { sameJson } from '../../lib/same-json.js';

const WHY = 'field is immutable when `immutable` is set';

export function validateImmutable<T extends { readonly immutable?: boolean | undefined }>(
  object: Readonly<T>,
  old: Readonly<T>,
  fields: ReadonlyArray<keyof T & string>,
): FieldError[] {
  if (old.immutable !== true) return [];
  const errors: FieldError[] = [];
  if (object.immutable !== true) errors.push(forbidden('immutable', WHY));
  for (const field of fields) {
    if (!sameJson(object[field] ?? {}, old[field] ?? {})) errors.push(forbidden(field, WHY));
  }
  return errors;
}
