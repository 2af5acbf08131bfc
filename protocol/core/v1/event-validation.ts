/** Rules of events: an event lies in the namespace of what it is about; cluster-scoped things go to `default`. */
import { type FieldError, invalid, required } from '../../meta/field-error.js';
import type { Event } from './event.js';
import { NAMESPACE } from './well-known.js';

/** Notes longer than this are refused, in characters. */
const MAX_NOTE = 1024;

export function validateEvent(event: Event): FieldError[] {
  const errors: FieldError[] = [];
  const about = event.involvedObject.namespace ?? '';
  const own = event.metadata.namespace ?? '';
  const settled = about === own || (about === '' && (own === NAMESPACE.default || own === NAMESPACE.system));
  if (!settled) {
    errors.push(invalid('involvedObject.namespace', about, 'does not match event.namespace'));
  }
  // Only events with eventTime follow the newer, stricter rules.
  if (event.eventTime === undefined) return errors;
  if (event.reportingComponent === '') errors.push(required('reportingController'));
  if (event.reportingInstance === '') errors.push(required('reportingInstance'));
  if (!event.action) errors.push(required('action'));
  if (!event.reason) errors.push(required('reason'));
  if ((event.message ?? '').length > MAX_NOTE) {
    errors.push(invalid('message', '', `can have at most ${MAX_NOTE} characters`));
  }
  if (event.type !== 'Normal' && event.type !== 'Warning')
    errors.push(invalid('type', '', `has invalid value: ${event.type ?? ''}`));
  return errors;
}
