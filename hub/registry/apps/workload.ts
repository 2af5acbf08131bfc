/** What Deployment and ReplicaSet share: the selector is fixed for life, status and scale are apart. */
import { type FieldError, invalid } from '#protocol/meta/field-error.js';
import type { LabelSelector } from '#protocol/meta/label-selector-schema.js';
import { sameJson } from '../../lib/same-json.js';

interface Selecting {
  readonly spec: { readonly selector: LabelSelector };
}

export function validateSelectorUnchanged(object: Selecting, old: Selecting): FieldError[] {
  const { selector } = object.spec;
  return sameJson(selector, old.spec.selector)
    ? []
    : [invalid('spec.selector', selector, 'field is immutable')];
}
