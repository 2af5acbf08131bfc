/** A whole agent on a hollow device and a fake clock, with the test as the hub. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Agent } from '#device-agent/agent.js';
import { parseConfig } from '#device-agent/config.js';
import { createHollowImageStore } from '#device-agent/images/hollow.js';
import type { ImageStore } from '#device-agent/images/image-store.js';
import { createHollowNetwork } from '#device-agent/network/hollow.js';
import { createHollowRuntime, type HollowExit } from '#device-agent/runtime/hollow.js';
import type { ContainerSpec, Runtime } from '#device-agent/runtime/runtime.js';
import { createHollowVolumes } from '#device-agent/volumes/hollow.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { PodReport } from '#protocol/link/report.js';
import { FakeClock } from './fake-clock.js';
import { FakeLink } from './fake-link.js';
import { tempDir } from './temp-dir.js';

export interface Device {
  readonly clock: FakeClock;
  readonly link: FakeLink;
  agent: Agent;
  readonly runtime: Runtime;
  /** Lets time pass until nothing is left to do. */
  pass(ms: number): Promise<void>;
  report(uid: string): PodReport;
  start(): Promise<void>;
}

export interface DeviceChange {
  /** More flags of the agent. */
  readonly args?: readonly string[];
  readonly behaviour?: (spec: ContainerSpec) => HollowExit | undefined;
  readonly images?: (store: ImageStore) => ImageStore;
}

export async function device(t: TestContext, change: DeviceChange = {}): Promise<Device> {
  const root = await tempDir(t);
  const clock = new FakeClock();
  const link = new FakeLink(clock);
  const runtime = createHollowRuntime({
    clock,
    ...(change.behaviour && { behaviour: change.behaviour }),
  });
  const store = createHollowImageStore();
  const parts = {
    runtime,
    images: change.images?.(store) ?? store,
    network: createHollowNetwork({ subnet: '10.88.0.0/24' }),
    volumes: createHollowVolumes(),
  };
  const config = parseConfig(
    [
      '--data',
      `${root}/data`,
      '--run-dir',
      `${root}/run`,
      '--hollow',
      '--address',
      '192.0.2.1',
      ...(change.args ?? []),
    ],
    {},
    'pi-1',
  );
  assert.ok(config);
  const begin = () =>
    Agent.start({
      config,
      agentVersion: 'test',
      clock,
      kernelClock: () => clock.monotonic(),
      random: () => 0.5,
      logger: silentLogger,
      parts,
      connect: async () => link,
    });
  const made: Device = {
    clock,
    link,
    runtime,
    agent: await begin(),
    async pass(ms) {
      // In small steps: what a timer sets off touches the disk, for which a fake clock does not wait.
      for (let left = ms; left >= 0; left -= 100) {
        await made.agent.loop.settled();
        await clock.advance(Math.min(100, left));
        await made.agent.loop.settled();
      }
      await clock.advance(0);
    },
    report(uid) {
      const last = link.last(uid);
      assert.ok(last, `no report of ${uid}`);
      return last;
    },
    async start() {
      made.agent = await begin();
    },
  };
  t.after(() => made.agent[Symbol.asyncDispose]());
  link.connect(true);
  link.grant(10_000);
  return made;
}
