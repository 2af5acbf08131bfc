/** Laws of rollouts of agent releases, over random fleets that live through random days. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type FleetDevice, memberOf, offerOf } from '#hub/controllers/agent-release/assign.js';
import { planFleet } from '#hub/controllers/agent-release/plan.js';
import type { AgentRelease } from '#protocol/fleet/v1alpha1/agent-release.js';
import type { UpdateState } from '#protocol/link/agent-update.js';
import { agentRelease, fleetDevice } from '#test/helpers/agent-releases.js';

const NOW = 1_000_000;

interface Day {
  /** Which of the devices acts. */
  readonly device: number;
  readonly does: 'download' | 'try' | 'succeed' | 'fail' | 'leave' | 'return';
}

const days = fc.array(
  fc.record<Day>({
    device: fc.nat(40),
    does: fc.constantFrom('download', 'try', 'succeed', 'fail', 'leave', 'return'),
  }),
  { maxLength: 120 },
);
const settings = fc.record({
  size: fc.integer({ min: 1, max: 40 }),
  percentage: fc.integer({ min: 0, max: 100 }),
  maxInFlight: fc.integer({ min: 1, max: 10 }),
  maxFailures: fc.integer({ min: 1, max: 5 }),
});

/** What a device does with its offer; nothing that it could not do. */
function live(device: FleetDevice, { does }: Day, release: AgentRelease): FleetDevice {
  if (does === 'leave' || does === 'return') return { ...device, online: does === 'return', lastHeard: NOW };
  const offer = offerOf(release);
  const state = device.update?.offer === offer ? device.update.state : undefined;
  const { version } = release.spec;
  const becomes = (next: UpdateState, running = device.running): FleetDevice => ({
    ...device,
    running,
    update: { offer, version, state: next },
  });
  if (does === 'download')
    return state === undefined && device.offered?.offer === offer ? becomes('Downloading') : device;
  if (does === 'try')
    return state === 'Downloading' && device.offered?.offer === offer ? becomes('OnTrial', version) : device;
  if (state !== 'OnTrial') return device;
  return does === 'succeed' ? becomes('Updated') : becomes('Failed', '1.0.0');
}

function carryOut(release: AgentRelease, devices: readonly FleetDevice[]): FleetDevice[] {
  const { steps } = planFleet([release], devices, NOW);
  return devices.map((device) => {
    const step = steps.find((one) => one.device === device.name);
    if (step === undefined) return device;
    return {
      ...device,
      offered: step.kind === 'offer' ? { release: step.release, offer: step.offer } : undefined,
    };
  });
}

function standings(release: AgentRelease, devices: readonly FleetDevice[]): Record<string, number> {
  const counts: Record<string, number> = { updated: 0, failed: 0, updating: 0 };
  for (const device of devices) {
    const { standing } = memberOf(device, release, NOW);
    counts[standing] = (counts[standing] ?? 0) + 1;
  }
  return counts;
}

test('never beyond the percentage, never more at once, nothing new once halted', () => {
  fc.assert(
    fc.property(settings, days, ({ size, ...rollout }, story) => {
      const release = agentRelease({ version: '2.0.0', rollout });
      const limit = Math.ceil((size * rollout.percentage) / 100);
      let devices = Array.from({ length: size }, (_, index) => fleetDevice({ name: `d${index}` }));
      for (const day of story) {
        const before = devices.filter(({ offered }) => offered !== undefined).length;
        const halted = (standings(release, devices)['failed'] ?? 0) >= rollout.maxFailures;
        devices = carryOut(release, devices);
        const { updated = 0, failed = 0, updating = 0 } = standings(release, devices);
        assert.ok(updated + failed + updating <= limit, 'beyond the percentage');
        assert.ok(updating <= rollout.maxInFlight, 'too many at once');
        if (halted)
          assert.ok(
            devices.filter(({ offered }) => offered !== undefined).length <= before,
            'offered when halted',
          );
        devices = devices.map((device, index) =>
          index === day.device % size ? live(device, day, release) : device,
        );
      }
    }),
    { numRuns: 300 },
  );
});

test('a greater percentage only adds devices, and planning twice changes nothing', () => {
  fc.assert(
    fc.property(settings, fc.integer({ min: 0, max: 100 }), ({ size, percentage }, more) => {
      const devices = Array.from({ length: size }, (_, index) => fleetDevice({ name: `d${index}` }));
      const [less, greater] = [percentage, Math.min(100, percentage + more)].map((share) => {
        const release = agentRelease({ version: '2.0.0', rollout: { percentage: share, maxInFlight: 1000 } });
        const after = carryOut(release, devices);
        assert.deepEqual(planFleet([release], after, NOW).steps, []);
        return new Set(after.flatMap(({ name, offered }) => (offered === undefined ? [] : [name])));
      });
      for (const name of less ?? []) assert.ok(greater?.has(name));
    }),
    { numRuns: 200 },
  );
});

test('every rollout without failures ends with every device that is online updated', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 10 }), (size, maxInFlight) => {
      const release = agentRelease({ version: '2.0.0', rollout: { maxInFlight } });
      let devices = Array.from({ length: size }, (_, index) => fleetDevice({ name: `d${index}` }));
      for (let round = 0; round <= size; round += 1) {
        devices = carryOut(release, devices);
        for (const does of ['download', 'try', 'succeed'] as const)
          devices = devices.map((device) => live(device, { device: 0, does }, release));
      }
      assert.equal(standings(release, devices)['updated'], size);
    }),
    { numRuns: 50 },
  );
});
