/**
 * Every story that a small fleet can live through with a release, as far as so many events go: the hub's planner, its
 * note of what devices say and the agent's planner together, with every choice tried in place of random ones.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { events, type Fleet, firstFleet, happen, mend, settle } from '#test/helpers/rollout-model.js';

interface Bounds {
  readonly devices: number;
  readonly depth: number;
  readonly percentage?: number;
  readonly maxInFlight?: number;
  readonly maxFailures?: number;
}

/** Breadth first, so that the story that breaks a law is a shortest one. */
function explore({ devices, depth, ...rollout }: Bounds): number {
  const seen = new Set<string>();
  let front: Array<{ fleet: Fleet; story: readonly string[] }> = [
    { fleet: settle(firstFleet(devices, rollout)), story: [] },
  ];
  for (let step = 0; step < depth && front.length > 0; step += 1) {
    const next: typeof front = [];
    for (const { fleet, story } of front)
      for (const event of events(fleet)) {
        const after = [...story, event];
        try {
          const then = settle(happen(fleet, event));
          const state = JSON.stringify(then);
          if (seen.has(state)) continue;
          seen.add(state);
          next.push({ fleet: then, story: after });
        } catch (error) {
          assert.fail(
            `${error instanceof Error ? error.message : String(error)}, after: ${after.join(', ')}`,
          );
        }
      }
    front = next;
  }
  for (const { fleet, story } of front.filter((_, index) => index % 20 === 0)) {
    const { releases, devices: mended } = mend(fleet);
    const version = releases.at(-1)?.version;
    for (const { name, agent } of mended)
      if (version !== undefined && agent.running < version)
        assert.fail(`${name} is never updated, after: ${story.join(', ')}`);
  }
  return seen.size;
}

for (const bounds of [
  { devices: 1, depth: 6 },
  { devices: 2, depth: 4, maxInFlight: 1 },
  { devices: 2, depth: 5, percentage: 50 },
  { devices: 3, depth: 3, maxFailures: 2, maxInFlight: 2 },
  { devices: 4, depth: 3, percentage: 50, maxInFlight: 1 },
] as const)
  test(`no law of rollouts is broken: ${JSON.stringify(bounds)}`, () => {
    assert.ok(explore(bounds) > 100);
  });
