/** Hardware on a whole agent: a hollow device that claims some, on a fake clock, with the test as the hub. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { removeAssignment, runAssignment } from '#test/helpers/assignments.js';
import { device } from '#test/helpers/hollow-agent.js';

const GPIO = 'covey.dev/gpio';
const gpioPod = (amount = 1, more: object = {}) =>
  runAssignment({
    spec: {
      containers: [
        { name: 'main', image: 'x:1', resources: { limits: { [GPIO]: String(amount) } }, ...more },
      ],
    } as never,
  });

test('hardware is capacity; a pod that finds too little is rejected as kubelet does', async (t) => {
  const { link, pass, report } = await device(t, { args: ['--claim-hardware', 'gpio=2'] });
  await pass(100);
  assert.equal(link.nodeReports.at(-1)?.status.capacity?.[GPIO], '2');
  assert.equal(link.nodeReports.at(-1)?.status.allocatable?.[GPIO], '2');
  const first = gpioPod(2);
  await link.assign(first);
  await pass(1_000);
  assert.equal(report(first.uid).status.phase, 'Running');
  assert.ok(link.reasons(first.uid).includes('HardwareAllocated'));
  const second = gpioPod();
  await link.assign(second);
  await pass(1_000);
  const { status } = report(second.uid);
  assert.equal(status.phase, 'Failed');
  assert.equal(status.reason, 'UnexpectedAdmissionError');
  assert.match(status.message ?? '', /unavailable for covey\.dev\/gpio\. Requested: 1, Available: 0/);
  assert.ok(link.reasons(second.uid).includes('UnexpectedAdmissionError'));
});

test('a pod waits for hardware that a pod which is being stopped holds', async (t) => {
  const { link, pass, report } = await device(t, { args: ['--claim-hardware', 'gpio=1'] });
  const first = gpioPod(1, { lifecycle: { preStop: { sleep: { seconds: 5 } } } });
  await link.assign(first);
  await pass(1_000);
  await link.assign(removeAssignment(first.uid, 10));
  const second = gpioPod();
  await link.assign(second);
  await pass(1_000);
  assert.equal(
    report(second.uid).status.containerStatuses?.[0]?.state.waiting?.reason,
    'HardwareUnavailable',
  );
  assert.equal(report(second.uid).status.phase, 'Pending');
  await pass(10_000);
  assert.equal(report(first.uid).removed, true);
  assert.equal(report(second.uid).status.phase, 'Running');
});

test('a pod that has ended gives its hardware back, and a restarted agent knows who has it', async (t) => {
  const machine = await device(t, {
    args: ['--claim-hardware', 'gpio=1'],
    behaviour: ({ container }) =>
      container.command?.[0] === 'end' ? { afterMs: 100, exitCode: 0 } : undefined,
  });
  const { link, pass, report } = machine;
  const ends = gpioPod(1, { command: ['end'] });
  ends.pod.spec.restartPolicy = 'Never';
  await link.assign(ends);
  await pass(2_000);
  assert.equal(report(ends.uid).status.phase, 'Succeeded');
  const next = gpioPod();
  await link.assign(next);
  await pass(1_000);
  assert.equal(report(next.uid).status.phase, 'Running');
  await machine.agent[Symbol.asyncDispose]();
  await machine.start();
  const late = gpioPod();
  await link.assign(late);
  await pass(1_000);
  assert.equal(report(next.uid).status.phase, 'Running');
  assert.equal(report(late.uid).status.reason, 'UnexpectedAdmissionError');
});
