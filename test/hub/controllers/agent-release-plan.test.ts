/** What the planner of agent releases offers to whom, and what a rollout's status says. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type FleetDevice,
  LOST_AFTER_MS,
  OFFER_LIMIT_MS,
  offerOf,
} from '#hub/controllers/agent-release/assign.js';
import { planFleet } from '#hub/controllers/agent-release/plan.js';
import { rolloutStatus } from '#hub/controllers/agent-release/status.js';
import type { AgentRelease, AgentRollout } from '#protocol/fleet/v1alpha1/agent-release.js';
import type { UpdateState } from '#protocol/link/agent-update.js';
import { formatTime } from '#protocol/meta/time.js';
import { agentRelease, fleetDevice } from '#test/helpers/agent-releases.js';

const NOW = Date.UTC(2026, 5, 1);

function fleet(size: number, changes: Partial<FleetDevice> = {}): FleetDevice[] {
  return Array.from({ length: size }, (_, index) => fleetDevice({ name: `pi-${index}`, ...changes }));
}

function offered(releases: readonly AgentRelease[], devices: readonly FleetDevice[], now = NOW): string[] {
  return planFleet(releases, devices, now)
    .steps.flatMap((step) => (step.kind === 'offer' ? [`${step.device} ${step.release}`] : []))
    .sort();
}

function withdrawn(releases: readonly AgentRelease[], devices: readonly FleetDevice[], now = NOW): string[] {
  return planFleet(releases, devices, now).steps.flatMap((step) =>
    step.kind === 'withdraw' ? [step.device] : [],
  );
}

function rollout(changes: Partial<AgentRollout>, version = '2.0.0'): AgentRelease {
  return agentRelease({ version, rollout: changes });
}

/** A device that was offered the release and says this of it. */
function at(
  release: AgentRelease,
  name: string,
  state: UpdateState | undefined,
  more: Partial<FleetDevice> = {},
): FleetDevice {
  const offer = offerOf(release);
  const { version } = release.spec;
  return fleetDevice({
    name,
    offered: { release: release.metadata.name, offer, time: formatTime(NOW) },
    ...(state === undefined ? {} : { update: { offer, version, state, reason: `reason of ${name}` } }),
    ...more,
  });
}

test('what holds a device up is in the message, unless it was said of an earlier offer', () => {
  const release = rollout({});
  const other = rollout({}, '1.9.0');
  const message = (device: FleetDevice) => {
    const [first] = planFleet([release], [device], NOW).rollouts;
    assert.ok(first);
    return rolloutStatus(first, NOW).message;
  };
  assert.equal(
    message(at(release, 'one', 'Installing')),
    '0 of 1 devices run it; one is held up: reason of one',
  );
  const { update } = at(other, 'one', 'Failed');
  assert.equal(message(at(release, 'one', undefined, { update })), '0 of 1 devices run it');
});

test('a release is offered to every device of its architecture that runs an earlier one', () => {
  const release = rollout({ maxInFlight: 100 });
  const devices = [
    fleetDevice({ name: 'old' }),
    fleetDevice({ name: 'same', running: '2.0.0' }),
    fleetDevice({ name: 'later', running: '2.0.1' }),
    fleetDevice({ name: 'other', architecture: 'riscv64' }),
    fleetDevice({ name: 'by-hand', running: undefined }),
    fleetDevice({ name: 'away', online: false }),
    fleetDevice({ name: 'odd', running: 'from-a-card' }),
  ];
  assert.deepEqual(offered([release], devices), ['odd 2.0.0', 'old 2.0.0']);
  const [own] = planFleet([release], devices, NOW).rollouts;
  assert.ok(own);
  const status = rolloutStatus(own, NOW);
  assert.equal(status.desired, 4);
  assert.equal(status.updated, 1);
  assert.equal(status.pending, 3);
  assert.equal(status.notUpdatable, 1);
  assert.equal(status.failed, 0);
  assert.equal(status.phase, 'Progressing');
  assert.match(status.message ?? '', /1 of 4 devices run it; 1 are offline; 1 run a later version/);
});

test('going back to an earlier version must be said', () => {
  const devices = [fleetDevice({ name: 'later', running: '3.0.0' })];
  assert.deepEqual(offered([rollout({})], devices), []);
  assert.deepEqual(offered([agentRelease({ version: '2.0.0', allowDowngrade: true })], devices), [
    'later 2.0.0',
  ]);
});

test('the release made last wins, also while it is paused or halted', () => {
  const first = agentRelease({ version: '2.0.0', createdAt: NOW - 2000 });
  const second = agentRelease({ version: '3.0.0', createdAt: NOW - 1000, rollout: { paused: true } });
  assert.deepEqual(offered([first, second], fleet(3)), []);
  const third = agentRelease({ version: '1.5.0', createdAt: NOW });
  assert.deepEqual(offered([first, second, third], fleet(1)), ['pi-0 1.5.0']);
  const [, , superseded] = planFleet([first, second, third], fleet(1), NOW).rollouts;
  assert.ok(superseded);
  assert.equal(rolloutStatus(superseded, NOW).phase, 'Superseded');
});

test('a selector leaves other devices to other releases', () => {
  const all = agentRelease({ version: '2.0.0', createdAt: NOW - 1000 });
  const canary = agentRelease({
    version: '3.0.0',
    createdAt: NOW,
    rollout: { selector: { matchLabels: { ring: 'canary' } } },
  });
  const devices = [fleetDevice({ name: 'a', labels: { ring: 'canary' } }), fleetDevice({ name: 'b' })];
  assert.deepEqual(offered([all, canary], devices), ['a 3.0.0', 'b 2.0.0']);
});

test('the percentage counts those that run it, are at it or failed', () => {
  const release = rollout({ percentage: 30, maxInFlight: 100, maxFailures: 5 });
  assert.equal(offered([release], fleet(10)).length, 3);
  const some = [
    at(release, 'updated', 'Updated', { running: '2.0.0', offered: undefined }),
    at(release, 'failed', 'Failed', { offered: undefined }),
    ...fleet(8),
  ];
  assert.equal(offered([release], some).length, 1);
  assert.equal(offered([rollout({ percentage: 0 })], fleet(10)).length, 0);
  assert.equal(offered([rollout({ percentage: 1 })], fleet(10)).length, 1);
});

test('no more are at it than maxInFlight', () => {
  const release = rollout({ maxInFlight: 2 });
  assert.equal(offered([release], fleet(10)).length, 2);
  assert.equal(offered([release], [at(release, 'busy', 'Downloading'), ...fleet(9)]).length, 1);
  const onTrial = at(release, 'busy', 'OnTrial', { running: '2.0.0' });
  assert.equal(offered([release], [onTrial, ...fleet(9)]).length, 1);
});

test('failures halt the rollout, call off what can be called off, and are not tried again', () => {
  const release = rollout({ maxFailures: 2, maxInFlight: 100 });
  const one = at(release, 'one', 'Failed', { offered: undefined });
  const two = at(release, 'two', 'Failed', { offered: undefined });
  const downloading = at(release, 'downloading', 'Downloading');
  const onTrial = at(release, 'on-trial', 'OnTrial', { running: '2.0.0' });
  assert.deepEqual(offered([release], [one, ...fleet(1)]), ['pi-0 2.0.0']);
  const devices = [one, two, downloading, onTrial, ...fleet(5)];
  assert.deepEqual(offered([release], devices), []);
  assert.deepEqual(withdrawn([release], devices), ['downloading']);
  const [own] = planFleet([release], devices, NOW).rollouts;
  assert.ok(own);
  const status = rolloutStatus(own, NOW);
  assert.equal(status.phase, 'Halted');
  assert.match(status.message ?? '', /^halted at 2 of at most 2 failures; one: reason of one/);
  assert.deepEqual(
    status.failures?.map(({ device }) => device),
    ['one', 'two'],
  );
  // Another attempt forgets them.
  const again = { ...release, spec: { ...release.spec, rollout: { ...release.spec.rollout, attempt: 2 } } };
  assert.ok(offered([again], [one]).includes('one 2.0.0'));
});

test('pausing calls off those that have not switched', () => {
  const release = rollout({ paused: true });
  const devices = [at(release, 'a', 'Installing'), at(release, 'b', undefined), at(release, 'c', 'OnTrial')];
  assert.deepEqual(withdrawn([release], devices), ['a', 'b']);
  const [own] = planFleet([release], devices, NOW).rollouts;
  assert.equal(own && rolloutStatus(own, NOW).phase, 'Paused');
});

test('a device that goes offline while it updates is no failure, and gives up its place after a while', () => {
  const release = rollout({ maxInFlight: 1 });
  const gone = (ago: number) => at(release, 'gone', 'Downloading', { online: false, lastHeard: NOW - ago });
  assert.deepEqual(offered([release], [gone(1000), ...fleet(1)]), []);
  const later = [gone(LOST_AFTER_MS + 1), ...fleet(1)];
  assert.deepEqual(offered([release], later), ['pi-0 2.0.0']);
  assert.deepEqual(withdrawn([release], later), ['gone']);
  const [own] = planFleet([release], later, NOW).rollouts;
  assert.equal(own && rolloutStatus(own, NOW).failed, 0);
});

test('a device that is not back from its trial in time counts as a failure until it is heard again', () => {
  const silent = { running: '2.0.0', online: false, lastHeard: NOW - LOST_AFTER_MS - 1 };
  const release = rollout({ maxFailures: 2 });
  const dark = (name: string, more: Partial<FleetDevice> = {}) =>
    at(release, name, 'OnTrial', { ...silent, ...more });
  const one = [dark('a'), ...fleet(1)];
  assert.deepEqual(offered([release], one), ['pi-0 2.0.0']);
  const two = [dark('a'), dark('b'), at(release, 'c', 'Downloading'), ...fleet(1)];
  assert.deepEqual(offered([release], two), []);
  assert.ok(withdrawn([release], two).includes('c'));
  const [own] = planFleet([release], two, NOW).rollouts;
  const status = own && rolloutStatus(own, NOW);
  assert.deepEqual([status?.phase, status?.failed, status?.failures], ['Halted', 0, []]);
  assert.match(status?.message ?? '', /^halted at 2 of at most 2 failures; not back from the trial: a, b/);
  const back = [dark('a'), dark('b', { online: true }), ...fleet(1)];
  assert.deepEqual(offered([release], back), ['pi-0 2.0.0']);
});

test('an offer without an outcome fails in the end, for good', () => {
  const release = rollout({});
  const stuck = at(release, 'stuck', 'Downloading');
  const [before] = planFleet([release], [stuck], NOW + OFFER_LIMIT_MS).rollouts;
  assert.equal(before?.halted, false);
  const plan = planFleet([release], [stuck], NOW + OFFER_LIMIT_MS + 1);
  assert.equal(plan.rollouts[0]?.halted, true);
  const update = {
    offer: offerOf(release),
    version: '2.0.0',
    state: 'Failed',
    reason: 'no outcome within 6 hours',
  } as const;
  assert.deepEqual(plan.steps, [{ kind: 'give-up', device: 'stuck', update }]);
  const after = planFleet([release], [{ ...stuck, offered: undefined, update }], NOW + OFFER_LIMIT_MS + 2);
  assert.equal(after.rollouts[0]?.halted, true);
  assert.deepEqual(after.steps, []);
});

test('a trial of many hours is no failure while it lasts, and a device that is silent meanwhile keeps its place', () => {
  const release = rollout({ healthySeconds: 86_400, maxInFlight: 1 });
  const long = (more: Partial<FleetDevice>) =>
    at(release, 'slow', 'OnTrial', { running: '2.0.0', lastHeard: NOW, ...more });
  const plan = planFleet([release], [long({})], NOW + OFFER_LIMIT_MS + 1);
  assert.deepEqual([plan.steps, plan.rollouts[0]?.halted], [[], false]);
  const silent = [long({ online: false }), ...fleet(1)];
  assert.deepEqual(offered([release], silent, NOW + LOST_AFTER_MS + 1), []);
});

test('another attempt leaves a trial alone, and counts it', () => {
  const release = rollout({ maxInFlight: 1 });
  const onTrial = at(release, 'busy', 'OnTrial', { running: '2.0.0' });
  const again = { ...release, spec: { ...release.spec, rollout: { ...release.spec.rollout, attempt: 2 } } };
  const plan = planFleet([again], [onTrial, ...fleet(1)], NOW);
  assert.deepEqual(plan.steps, []);
  assert.deepEqual(
    plan.rollouts[0]?.members.map(({ standing }) => standing),
    ['updating', 'pending'],
  );
});

test('a failure is remembered when its device is gone, has a new card, or was offered another release', () => {
  const release = rollout({});
  const [failed] = planFleet([release], [at(release, 'bad', 'Failed', { offered: undefined })], NOW).rollouts;
  assert.ok(failed);
  const halted = { ...release, status: rolloutStatus(failed, NOW) };
  const other = rollout({}, '1.9.0');
  for (const bad of [
    [],
    [fleetDevice({ name: 'bad' })],
    [at(other, 'bad', 'Updated', { running: '1.9.0' })],
  ]) {
    const { steps, rollouts } = planFleet([halted], [...bad, ...fleet(2)], NOW);
    assert.ok(!steps.some(({ kind }) => kind === 'offer'));
    const [own] = rollouts;
    assert.ok(own?.halted);
    const status = rolloutStatus(own, NOW);
    assert.match(status.message ?? '', /^halted at 1 of at most 1 failures; bad: reason of bad/);
    assert.equal(status.failures?.length, 1);
  }
  const mended = planFleet([halted], [fleetDevice({ name: 'bad', running: '2.0.0' }), ...fleet(1)], NOW);
  assert.equal(mended.rollouts[0]?.halted, false, 'it runs the release after all');
  const again = { ...halted, spec: { ...halted.spec, rollout: { ...halted.spec.rollout, attempt: 2 } } };
  assert.deepEqual(offered([again], fleet(1)), ['pi-0 2.0.0']);
});

test('offers of a release that is gone are withdrawn; it is complete when all run it', () => {
  const release = rollout({});
  assert.deepEqual(withdrawn([], [at(release, 'a', 'Downloading')]), ['a']);
  const updated = at(release, 'a', 'Updated', { running: '2.0.0' });
  assert.deepEqual(withdrawn([release], [updated]), ['a']);
  const [own] = planFleet([release], [updated], NOW).rollouts;
  assert.ok(own);
  const status = rolloutStatus(own, NOW);
  assert.equal(status.phase, 'Complete');
  assert.equal(status.conditions?.find(({ type }) => type === 'Complete')?.status, 'True');
  assert.equal(status.conditions?.find(({ type }) => type === 'Halted')?.status, 'False');
});
