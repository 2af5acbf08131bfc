/** The shared times of failover: what hub and device rely on holds for every class. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLEET_ANNOTATION } from '#protocol/fleet/v1alpha1/well-known.js';
import {
  AGENT_STOP_BUDGET_MS,
  cadence,
  failoverClassOf,
  LONGEST_LEASE_MS,
  strictestClass,
} from '#protocol/link/lease-policy.js';

const classes = ['fast', 'exclusive', 'relaxed', 'idle'] as const;

test('the stop margin covers the time that a device may need to stop', () => {
  for (const one of classes) assert.ok(cadence(one).stopMarginMs > AGENT_STOP_BUDGET_MS, one);
});

test('death takes at least two missed beats, and a lease that matters outlives as many', () => {
  for (const one of classes) {
    assert.ok(cadence(one).deadAfterMs > 2 * cadence(one).beatIntervalMs, one);
  }
  assert.ok(cadence('exclusive').leaseMs > 2 * cadence('exclusive').beatIntervalMs);
  for (const one of classes) assert.ok(cadence(one).leaseMs <= LONGEST_LEASE_MS, one);
});

test('a pod chooses its class by annotation, then device, then owner', () => {
  const stateful = { ownerReferences: [{ kind: 'StatefulSet', controller: true }] };
  assert.equal(failoverClassOf({ metadata: {} }), 'fast');
  assert.equal(failoverClassOf({ metadata: {} }, 'relaxed'), 'relaxed');
  assert.equal(failoverClassOf({ metadata: {} }, 'nonsense'), 'fast');
  assert.equal(failoverClassOf({ metadata: stateful }, 'relaxed'), 'exclusive');
  assert.equal(
    failoverClassOf({ metadata: { ...stateful, annotations: { [FLEET_ANNOTATION.failoverClass]: 'fast' } } }),
    'fast',
  );
});

test('the strictest class on a device decides its cadence', () => {
  assert.equal(strictestClass([]), 'idle');
  assert.equal(strictestClass(['relaxed']), 'relaxed');
  assert.equal(strictestClass(['relaxed', 'fast', 'relaxed']), 'fast');
  assert.equal(strictestClass(['fast', 'exclusive']), 'exclusive');
});
