/** The guard against evicting a whole fleet: what it says, that its index says the same as a look at all, and its work. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FleetGuard, type FleetMember } from '#hub/controllers/device-lifecycle/fleet-guard.js';

const BEAT_MS = 2_000;
const NOW = 100_000;

/** Devices as the link and the judge know them; reads are counted. */
class Fleet {
  readonly members = new Map<string, FleetMember>();
  reads = 0;
  readonly guard = new FleetGuard((device) => {
    this.reads += 1;
    return this.members.get(device);
  });

  /** As the controller learns of it. */
  set(device: string, member: FleetMember | undefined, now: number): void {
    if (member === undefined) this.members.delete(device);
    else this.members.set(device, member);
    this.guard.refresh(device, now);
  }

  /** A beat: nobody is told. */
  beats(device: string, now: number): void {
    const member = this.members.get(device);
    if (member !== undefined) this.members.set(device, { ...member, lastHeard: now });
  }
}

function fleetOf(missing: number, present: number): Fleet {
  const fleet = new Fleet();
  const add = (device: string, lastHeard: number, dead: boolean) =>
    fleet.set(device, { lastHeard, beatInterval: BEAT_MS, dead }, NOW);
  for (let i = 0; i < missing; i += 1) add(`m${i}`, 0, true);
  for (let i = 0; i < present; i += 1) add(`p${i}`, NOW, false);
  return fleet;
}

describe('the guard against a broken link of the hub', () => {
  const cases: ReadonlyArray<readonly [number, number, boolean]> = [
    [1, 0, false],
    [1, 2, false],
    [2, 1, false],
    [2, 0, false],
    [3, 0, true],
    [3, 1, true],
    [3, 3, false],
    [40, 60, false],
    [60, 40, true],
  ];
  for (const [missing, present, held] of cases)
    test(`${missing} of ${missing + present} missing: ${held ? 'holds evictions back' : 'fails over at once'}`, () => {
      assert.equal(fleetOf(missing, present).guard.heldUntil('m0', NOW) !== undefined, held);
    });

  test('after a minute devices are given up one by one', () => {
    const { guard } = fleetOf(4, 0);
    assert.deepEqual(
      ['m0', 'm1', 'm2', 'm3'].map((name) => guard.heldUntil(name, NOW)),
      [62_000, 72_000, 82_000, 92_000],
    );
  });

  test('devices that died long apart are no mass failure', () => {
    const fleet = new Fleet();
    for (const [name, lastHeard] of [
      ['a', 0],
      ['b', 100_000],
      ['c', 200_000],
    ] as const)
      fleet.set(name, { lastHeard, beatInterval: BEAT_MS, dead: true }, 300_000);
    fleet.set('d', { lastHeard: 300_000, beatInterval: BEAT_MS, dead: false }, 300_000);
    assert.equal(fleet.guard.heldUntil('c', 300_000), undefined);
  });

  test('who has fallen silent counts as missing before anybody has judged it', () => {
    const fleet = fleetOf(1, 3);
    fleet.beats('m0', NOW);
    fleet.guard.refresh('m0', NOW);
    assert.equal(fleet.guard.heldUntil('m0', NOW + 2 * BEAT_MS), undefined);
    assert.notEqual(fleet.guard.heldUntil('m0', NOW + 2 * BEAT_MS + 1), undefined);
  });
});

test('the work for one device does not grow with the number of dead ones', () => {
  for (const devices of [1_000, 10_000]) {
    const fleet = fleetOf(devices, 0);
    fleet.reads = 0;
    for (const device of fleet.members.keys()) assert.notEqual(fleet.guard.heldUntil(device, NOW), undefined);
    assert.equal(fleet.reads, 0, `${devices} dead devices`);
  }
});

test('a device that beats is looked at once per two of its beats at most, however many ask', () => {
  const devices = 1_000;
  const fleet = fleetOf(1, devices);
  fleet.reads = 0;
  const minute = 60_000;
  for (let now = NOW; now < NOW + minute; now += 100) {
    if (now % BEAT_MS === 0) for (const device of fleet.members.keys()) fleet.beats(device, now);
    for (let asked = 0; asked < 10; asked += 1) fleet.guard.heldUntil('m0', now);
  }
  const most = (devices + 1) * Math.ceil(minute / (2 * BEAT_MS));
  assert.ok(fleet.reads <= most, `${fleet.reads} looks, ${most} at most`);
});

test('the index says what a look at the whole fleet says', () => {
  const beat = fc.constantFrom(0, 2_000, 30_000, 60_000);
  const name = fc.constantFrom(...'abcdefghij');
  const step = fc.oneof(
    fc.record({ do: fc.constant('pass' as const), ms: fc.nat(20_000) }),
    fc.record({ do: fc.constant('set' as const), name, beatInterval: beat, dead: fc.boolean() }),
    fc.record({ do: fc.constant('beat' as const), name }),
    fc.record({ do: fc.constant('remove' as const), name }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const fleet = new Fleet();
      let now = NOW;
      for (const one of steps) {
        if (one.do === 'pass') now += one.ms;
        else if (one.do === 'remove') fleet.set(one.name, undefined, now);
        else if (one.do === 'set')
          fleet.set(one.name, { lastHeard: now, beatInterval: one.beatInterval, dead: one.dead }, now);
        else {
          const known = fleet.members.get(one.name);
          fleet.beats(one.name, now);
          // After a silence, and from who is dead, it is told.
          if (known !== undefined && (known.dead || now - known.lastHeard >= 2 * known.beatInterval))
            fleet.guard.refresh(one.name, now);
        }
        for (const [device, { dead }] of fleet.members)
          if (dead) assert.equal(fleet.guard.heldUntil(device, now), lookAtAll(device, fleet.members, now));
      }
    }),
  );
});

/** The same by its definition. */
function lookAtAll(
  device: string,
  members: ReadonlyMap<string, FleetMember>,
  now: number,
): number | undefined {
  const fleet = [...members].map(([name, { lastHeard, beatInterval, dead }]) => ({
    name,
    lastHeard,
    beatInterval,
    missing: dead || now - lastHeard > 2 * beatInterval,
  }));
  const self = fleet.find(({ name }) => name === device);
  if (self === undefined) return undefined;
  const present = fleet.filter(({ missing }) => !missing).length;
  const cohort = fleet
    .filter(
      ({ missing, lastHeard, beatInterval }) =>
        missing && Math.abs(lastHeard - self.lastHeard) <= 10_000 + Math.max(beatInterval, self.beatInterval),
    )
    .sort((a, b) => a.lastHeard - b.lastHeard || (a.name < b.name ? -1 : 1));
  if (cohort.length <= 2 || cohort.length <= (present + cohort.length) / 2) return undefined;
  const last = Math.max(...cohort.map(({ lastHeard, beatInterval }) => lastHeard + beatInterval));
  return last + 60_000 + cohort.indexOf(self) * 10_000;
}
