/**
 * Updates of the agent from the command line to the device and back: a real hub, a real agent started by the real
 * launcher, releases that work and releases that are broken in every way that a device must come back from.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readCredentials } from '#hub/cli/credentials.js';
import type { Credentials } from '#hub/lib/https-client.js';
import type { AgentRelease, AgentRollout } from '#protocol/fleet/v1alpha1/agent-release.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { covey } from '#test/helpers/covey.js';
import { eventually } from '#test/helpers/eventually.js';
import { whyNoHollowFleet } from '#test/helpers/fleet.js';
import type { Kubectl } from '#test/helpers/kubectl.js';
import type { LaunchedAgent } from '#test/helpers/launched-agent.js';
import {
  type Breakage,
  CRASH,
  publishStaged,
  type StagedPublication,
  stageThinRelease,
  thisArchitecture,
} from '#test/helpers/staged-release.js';
import { Station } from '#test/helpers/station.js';

const SLOW_MS = 120_000;
/** Starts no agent. */
const BAD_LAUNCHER = '#!/bin/sh\nexit 1\n';
const FIRST = '1.0.0';

describe('updates of the agent', { skip: whyNoHollowFleet() ?? false }, () => {
  let station: Station;
  let data: string;
  let hub: Credentials;
  let kubectl: Kubectl;
  let agent: LaunchedAgent;
  let versions = 0;

  const device = (name = 'pi') => kubectl.json<Device>(['get', 'device', name]);
  const release = (name: string) => kubectl.json<AgentRelease>(['get', 'agentrelease', name]);
  const publish = async (
    how: Breakage | undefined,
    {
      launcher,
      ...more
    }: Partial<StagedPublication> & { rollout?: Partial<AgentRollout>; launcher?: string } = {},
  ): Promise<string> => {
    versions += 1;
    const version = more.version ?? `2.${versions}.0`;
    const directory = join(station.directory, `release-${version}`);
    await stageThinRelease(directory, how);
    if (launcher !== undefined) await writeFile(join(directory, 'launcher'), launcher);
    const architecture = thisArchitecture();
    await publishStaged(hub, { data, directory, architecture, version, ...more });
    return version;
  };
  /** Waits until the release has failed on the device; returns the reason. */
  const failure = async (version: string): Promise<string> => {
    const { status } = await eventually(`release ${version} fails`, SLOW_MS, async () => {
      const found = await release(version);
      if ((found.status.failed ?? 0) > 0) return found;
      throw new Error(`${JSON.stringify(found.status)} ${JSON.stringify((await device()).status.update)}`);
    });
    assert.equal(status.phase, 'Halted');
    return status.failures?.[0]?.reason ?? '';
  };
  const runs = (version: string) =>
    eventually(`the device runs ${version}`, SLOW_MS, async () => {
      const { status } = await device();
      if (status.agentRelease === version && status.update?.state !== 'OnTrial') return true;
      throw new Error(JSON.stringify(status));
    });

  before(async () => {
    station = await Station.create();
    data = join(station.directory, 'hub');
    await station.startHub(data);
    hub = await readCredentials(data);
    kubectl = station.kubectl(data);
    agent = await station.launchDevice('pi', data, FIRST);
  });
  after(async () => {
    await agent?.stop();
    await station?.[Symbol.asyncDispose]();
  });

  test('a release arrives, proves itself and is what the device says it runs', async () => {
    const { pid } = agent;
    const version = await publish(undefined);
    await runs(version);
    assert.notEqual(agent.pid, pid);
    assert.equal(await agent.current(), version);
    await eventually('the release is complete', SLOW_MS, async () => {
      const { status } = await release(version);
      return status.phase === 'Complete' && status.updated === 1;
    });
    const { status } = await device();
    assert.match(status.agentVersion ?? '', new RegExp(`covey\\.${version}$`));
    assert.equal(status.update?.state, 'Updated');
    assert.equal(status.updateOffer, undefined);
    await assert.rejects(access(join(agent.install, 'trial')));
    const table = await kubectl.run(['get', 'agentreleases', '-o', 'wide']);
    assert.match(table, /Complete +1 +1 +0 +0 .* all 1 devices run it/);
    const events = await kubectl.run(['get', 'events', '-A']);
    assert.match(events, /AgentUpdated +device\/pi/);
  });

  /** Nothing waits for it to be over: a slow machine may take its time. */
  const LONG_S = 3_600;
  const broken: ReadonlyArray<readonly [Breakage, RegExp, healthySeconds: number]> = [
    ['crashes', new RegExp(`ended 3 times before it was healthy: .*${CRASH}`), LONG_S],
    ['exits', /ended 3 times before it was healthy/, LONG_S],
    ['hangs', /was not healthy within 10 seconds/, 10],
    // It is the hub that may be away, so it has three trials; between them the release before reaches the hub.
    [
      'cannot-connect',
      /was not healthy within 10 seconds: the hub was not reachable; it was tried 3 times, and the release before/,
      10,
    ],
  ];
  for (const [how, expected, healthySeconds] of broken) {
    test(`a release that ${how} is left again, with the reason`, async () => {
      const before = await agent.current();
      const version = await publish(how, { rollout: { healthySeconds } });
      const reason = await failure(version);
      assert.match(reason, expected);
      assert.equal(await agent.current(), before);
      assert.equal((await device()).status.agentRelease, before);
      assert.match(await kubectl.run(['get', 'agentreleases', version, '-o', 'wide']), expected);
      assert.match(await kubectl.run(['describe', 'agentrelease', version]), expected);
      await assert.rejects(access(join(agent.install, 'releases', version)));
    });
  }

  test('a hub that is away during the trial is not held against the release', async () => {
    const before = await agent.current();
    const version = await publish('waits', { rollout: { healthySeconds: LONG_S } });
    const at = (name: string) => join(agent.install, name);
    await eventually('it is on trial', SLOW_MS, () => access(at('waits')).then(() => true));
    await station.hub.stop();
    await writeFile(at('go'), '');
    const note = () => readFile(at('note'), 'utf8');
    await eventually('the hub is all that it lacks', SLOW_MS, async () => (await note()).endsWith('\nhub\n'));
    // Its time is over now, and found to be at the next start.
    const trial = await readFile(at('trial'), 'utf8');
    const over = trial.replace(/^healthySeconds=.*$/m, 'healthySeconds=1').replace(/^began=.*$/m, 'began=0');
    await writeFile(at('trial'), over);
    agent.kill('SIGKILL');
    await eventually('the device goes back', SLOW_MS, async () => (await agent.current()) === before);
    await station.startHub(data);
    await runs(version);
    await eventually('the rollout is complete', SLOW_MS, async () => {
      const { status } = await release(version);
      assert.notEqual(status.phase, 'Halted');
      return status.phase === 'Complete' && status.failed === 0;
    });
    assert.match(agent.output, /the trial of a release says nothing of it/);
  });

  test('a release brings its launcher, which takes over at the next start and not before', async () => {
    const file = (name: string) => readFile(join(agent.install, name), 'utf8');
    const before = await file('launcher');
    const brought = `${before}# another\n`.replace('set -u', 'set -u\nexport COVEY_TOLD=1');
    const version = await publish(undefined, { launcher: brought });
    await runs(version);
    await eventually('it is the next one', SLOW_MS, async () => (await file('launcher.next')) === brought);
    assert.equal(await file('launcher'), before);
    const { pid } = agent;
    agent.kill('SIGKILL');
    await eventually('it has its place', SLOW_MS, async () => (await file('launcher')) === brought);
    assert.notEqual(agent.pid, pid);
    assert.match(readFileSync(`/proc/${agent.pid}/environ`, 'utf8'), /(?:^|\0)COVEY_TOLD=1\0/);
    await assert.rejects(access(join(agent.install, 'launcher.next')));
  });

  test('a release whose launcher starts nothing keeps running by the launcher before', async () => {
    const file = (name: string) => readFile(join(agent.install, name), 'utf8');
    const before = await file('launcher');
    const version = await publish(undefined, { launcher: BAD_LAUNCHER });
    await runs(version);
    await eventually(
      'it is the next one',
      SLOW_MS,
      async () => (await file('launcher.next')) === BAD_LAUNCHER,
    );
    const { starts } = agent;
    agent.kill('SIGKILL');
    await eventually('an agent is there again', SLOW_MS, async () => {
      const { status } = await device();
      return agent.starts === starts + 4 && status.presence === 'Online' && status.agentRelease === version;
    });
    assert.equal(await file('launcher'), before);
    assert.equal(await agent.current(), version);
  });

  const refused: ReadonlyArray<readonly [string, Partial<StagedPublication>, RegExp]> = [
    [
      'is signed by somebody else',
      { otherKey: 'other-key' },
      /the signature of release .* is not from the hub that this device joined/,
    ],
    [
      'is truncated',
      { spoil: (archive) => spoiled(archive, archive.bytes.subarray(0, archive.bytes.length / 2)) },
      /the archive is damaged/,
    ],
    [
      'unpacks to more than was promised',
      { spoil: (archive) => ({ ...archive, unpackedBytes: 10 }) },
      /unpacks to more than the promised 10 bytes/,
    ],
  ];
  for (const [what, more, expected] of refused) {
    test(`a release that ${what} is refused, with the reason`, async () => {
      const { pid } = agent;
      const otherKey =
        more.otherKey === undefined ? {} : { otherKey: join(station.directory, more.otherKey) };
      assert.match(await failure(await publish(undefined, { ...more, ...otherKey })), expected);
      assert.equal(agent.pid, pid, 'the agent was restarted');
    });
  }

  test('an operator lets those that failed try again', async () => {
    const version = await publish('exits');
    await failure(version);
    const answer = await covey(['release', 'set', version, '--retry', '--data', data]);
    assert.equal(answer.code, 0, answer.stderr);
    await eventually('it fails again', SLOW_MS, async () => {
      const { update } = (await device()).status;
      return update?.offer.endsWith('/2') === true && update.state === 'Failed';
    });
  });

  test('nothing is offered while it is paused, and it goes on afterwards', async () => {
    const version = await publish(undefined, { rollout: { paused: true } });
    await eventually(
      'it says that it is paused',
      SLOW_MS,
      async () => (await release(version)).status.phase === 'Paused',
    );
    assert.equal((await device()).status.updateOffer, undefined);
    assert.equal((await covey(['release', 'set', version, '--resume', '--data', data])).code, 0);
    await runs(version);
    const listed = await covey(['release', '--data', data]);
    assert.match(listed.stdout, new RegExp(`${version.replaceAll('.', '\\.')} +Complete +1 +1`));
  });

  test('an agent that nobody would start again cannot be updated, and is no failure', async () => {
    await station.startDevice('by-hand', data);
    const version = await publish(undefined);
    await runs(version);
    const { status } = await eventually('it is counted', SLOW_MS, async () => {
      const found = await release(version);
      return found.status.phase === 'Complete' && found.status.notUpdatable === 1 ? found : undefined;
    });
    assert.equal(status.failed, 0);
    assert.match(status.message ?? '', /1 cannot be updated/);
  });

  test('going back to an earlier version is for those who say so', async () => {
    const running = await agent.current();
    const version = await publish(undefined, { version: '1.5.0' });
    await eventually('it says why nothing happens', SLOW_MS, async () =>
      /1 run a later version/.test((await release(version)).status.message ?? ''),
    );
    assert.equal(await agent.current(), running);
    await publish(undefined, { version: '1.6.0', allowDowngrade: true });
    await runs('1.6.0');
  });

  test('a fleet is left alone but for the one device on which a bad release failed', async () => {
    const others = await Promise.all(
      ['pi-b', 'pi-c'].map((name) => station.launchDevice(name, data, '1.0.0', ['--hollow'])),
    );
    try {
      const version = await publish('exits', { rollout: { maxInFlight: 1 } });
      await failure(version);
      const { items } = await kubectl.json<{ items: Device[] }>(['get', 'devices']);
      const touched = items.filter(({ status }) => status.update?.version === version);
      assert.equal(touched.length, 1);
      assert.ok(items.every(({ status }) => status.updateOffer === undefined));
      const { status } = await release(version);
      assert.deepEqual([status.desired, status.failed, status.pending, status.updating], [3, 1, 2, 0]);
      // A better one goes to all.
      const better = await publish(undefined);
      await eventually('all run it', SLOW_MS, async () => (await release(better)).status.updated === 3);
      assert.equal((await release(version)).status.phase, 'Superseded');
    } finally {
      await Promise.all(others.map((other) => other.stop()));
    }
  });
});

function spoiled(archive: Parameters<NonNullable<StagedPublication['spoil']>>[0], bytes: Buffer) {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return { ...archive, bytes, digest };
}
