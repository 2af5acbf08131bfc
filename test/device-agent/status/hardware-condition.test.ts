/** The condition of a pod with hardware, and which of its changes are events. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { PodHardware } from '#device-agent/hardware/pod-hardware.js';
import { hardwareCondition, hardwareEvent } from '#device-agent/status/hardware-condition.js';
import type { PodStatus } from '#protocol/core/v1/pod.js';

const HELD: PodHardware = { held: true, missing: new Map(), outdated: new Set() };
const UNIT = 'covey.dev/radio (usb:1:2:A)';
const STATES: Readonly<Record<string, PodHardware>> = {
  attached: HELD,
  missing: {
    ...HELD,
    missing: new Map([
      ['a', [UNIT]],
      ['b', [UNIT]],
    ]),
  },
  renumbered: { ...HELD, outdated: new Set(['uid-a-0']) },
  short: {
    ...HELD,
    held: false,
    shortage: { resource: 'covey.dev/radio', wanted: 2, free: 1, awaited: true },
  },
};

const statusOf = (state: string): PodStatus => {
  const condition = hardwareCondition(STATES[state]);
  return { conditions: condition === undefined ? [] : [condition] };
};

test('the condition is True only while everything is attached and in the containers', () => {
  assert.equal(hardwareCondition(undefined), undefined);
  assert.equal(hardwareCondition({ ...HELD, held: false }), undefined);
  assert.deepEqual(
    Object.keys(STATES).map((state) => {
      const { status, reason, message } = hardwareCondition(STATES[state]) ?? {};
      return [status, reason, message];
    }),
    [
      ['True', 'HardwareAttached', undefined],
      ['False', 'HardwareMissing', `not attached to this device: ${UNIT}`],
      [
        'False',
        'HardwareRenumbered',
        'attached under another device number: the containers that have it are restarted',
      ],
      [
        'False',
        'HardwareUnavailable',
        'Allocate failed due to requested number of devices unavailable for covey.dev/radio. Requested: 2, Available: 1',
      ],
    ],
  );
});

test('each change to the worse is one warning, and the way back is told', () => {
  const event = (before: string | undefined, now: string) => {
    const told = hardwareEvent(before === undefined ? undefined : statusOf(before), statusOf(now));
    return told && `${told.type} ${told.reason}`;
  };
  assert.equal(event(undefined, 'attached'), undefined);
  assert.equal(event('attached', 'attached'), undefined);
  assert.equal(event('attached', 'missing'), 'Warning HardwareMissing');
  assert.equal(event('missing', 'missing'), undefined);
  assert.equal(event('missing', 'renumbered'), 'Warning HardwareRenumbered');
  assert.equal(event('renumbered', 'attached'), 'Normal HardwareAttached');
  assert.equal(event(undefined, 'short'), 'Warning HardwareUnavailable');
});
