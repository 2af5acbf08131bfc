/** Rules of leases. */
import { type FieldError, invalid } from '../../meta/field-error.js';
import type { Lease } from './lease.js';

export function validateLease(lease: Lease): FieldError[] {
  const errors: FieldError[] = [];
  const { leaseDurationSeconds, leaseTransitions, holderIdentity } = lease.spec;
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
    errors.push(invalid('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0'));
  }
  if (leaseTransitions !== undefined && leaseTransitions < 0) {
    errors.push(invalid('spec.leaseTransitions', leaseTransitions, 'must be greater than or equal to 0'));
  }
  if (holderIdentity === '' && lease.spec.strategy !== undefined) {
    errors.push(invalid('spec.holderIdentity', holderIdentity, 'must not be empty'));
  }
  return errors;
}
