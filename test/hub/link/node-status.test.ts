/** What a device says of its own check, on its Device. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeviceFacts, deviceStatus } from '#hub/link/node-status.js';
import type { DeviceStatus, DeviceUpdate } from '#protocol/fleet/v1alpha1/device.js';
import type { AgentUpdate } from '#protocol/link/agent-update.js';
import { preflightState } from '#protocol/link/board-finding.js';
import { helloSchema } from '#protocol/link/hello.js';
import { device } from '#test/helpers/objects.js';

const NOW = '2026-11-20T12:00:00Z';
const LATER = '2026-11-20T13:00:00Z';
const ERROR = { check: 'packages', severity: 'error', message: 'not installed: conmon' } as const;

function facts(findings: Parameters<typeof preflightState>[0]): DeviceFacts {
  const hello = helloSchema.parse({
    agentVersion: '1',
    bootId: 'b',
    profile: '',
    spool: 's',
    cadenceClass: 'idle',
    labels: {},
    node: {},
    has: {},
  });
  const condition = { ...preflightState(findings), lastTransitionTime: NOW, lastHeartbeatTime: NOW };
  return {
    device: 'kitchen',
    epoch: 1,
    hello,
    report: { status: { conditions: [condition] } },
    update: undefined,
  };
}

test('PreflightFailed follows what the board says, and is not there for a board that never had anything', () => {
  const clean = deviceStatus(device().status, facts([]), NOW);
  assert.equal(clean.conditions, undefined);
  const failed: DeviceStatus = deviceStatus(clean, facts([ERROR]), NOW);
  assert.deepEqual(failed.conditions, [
    {
      type: 'PreflightFailed',
      status: 'True',
      reason: 'Errors',
      message: 'packages: not installed: conmon',
      lastTransitionTime: NOW,
    },
  ]);
  assert.deepEqual(deviceStatus(failed, facts([ERROR]), LATER).conditions, failed.conditions);
  const [mended] = deviceStatus(failed, facts([]), LATER).conditions ?? [];
  assert.deepEqual([mended?.status, mended?.reason, mended?.lastTransitionTime], ['False', 'Passed', LATER]);
});

test('of a failed update the record stands, but for who runs the release by another card', () => {
  const failed = {
    offer: 'r/1',
    version: '2.0.0',
    state: 'Failed',
    reason: 'no outcome',
    time: NOW,
  } as const;
  const after = (update: AgentUpdate, before: DeviceUpdate = failed) =>
    deviceStatus({ update: before }, { ...facts([]), update }, LATER).update;
  const last = { offer: 'r/1', version: '2.0.0' };
  // The hub gave up what the device is still at.
  assert.deepEqual(
    after({ release: '1.0.0', hasKey: true, last: { ...last, state: 'Downloading' } }),
    failed,
  );
  assert.equal(
    after({ release: '2.0.0', hasKey: true, last: { ...last, state: 'Updated' } })?.state,
    'Updated',
  );
  assert.equal(
    after({ release: '1.0.0', hasKey: true, last: { ...last, offer: 'r/2', state: 'Downloading' } })?.state,
    'Downloading',
  );
  // A new card knows of no offers.
  assert.deepEqual(after({ release: '1.0.0', hasKey: true }), failed);
  assert.equal(after({ release: '2.0.0', hasKey: true }), undefined);
  assert.equal(after({ release: '1.0.0', hasKey: true }, { ...last, state: 'OnTrial' }), undefined);
});
