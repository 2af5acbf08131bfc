/**
 * The life of a card, with a real hub, hollow agents and stock kubectl: a reflashed device comes back as the same
 * node with its workload, a copied card is refused and told of, and a board that must wait joins once approved.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { covey } from '#test/helpers/covey.js';
import { eventually } from '#test/helpers/eventually.js';
import { findKubectls } from '#test/helpers/kubectl.js';
import { Station } from '#test/helpers/station.js';

const skip = findKubectls().size === 0 ? 'no kubectl' : false;

/** Debian's libfaketime: moves the wall clock of one process, and of those that it starts. */
const faketime = ['x86_64-linux-gnu', 'aarch64-linux-gnu']
  .map((architecture) => `/usr/lib/${architecture}/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));
const skipFaketime = faketime === undefined ? 'Debian package libfaketime is not installed' : false;

describe('cards', { skip }, () => {
  let station: Station;
  let data: string;
  const kubectl = (...args: string[]) => station.kubectl(data).run(args);

  before(async () => {
    station = await Station.create();
    data = join(station.directory, 'hub');
    await station.startHub(data);
  });
  after(async () => {
    await station[Symbol.asyncDispose]();
  });

  test('a reflashed device comes back as the same node with its workload', async () => {
    await station.flash('kitchen', data);
    const first = station.insert('kitchen', data);
    await kubectl('wait', '--for=create', 'node/kitchen', '--timeout=30s');
    await kubectl('wait', '--for=condition=Ready', 'node/kitchen', '--timeout=30s');
    await kubectl('run', 'lamp', '--image=hub.covey.internal/lamp:1', '--restart=Always');
    await kubectl('wait', '--for=condition=Ready', 'pod/lamp', '--timeout=30s');
    const before = await kubectl(
      'get',
      'node/kitchen',
      'pod/lamp',
      '-o',
      'jsonpath={.items[*].metadata.uid}',
    );
    const old = readFileSync(join(station.directory, 'kitchen', 'data', 'identity', 'cert.pem'), 'utf8');
    await first.stop();
    await station.flash('kitchen', data);
    station.insert('kitchen', data);
    await eventually('the pod runs on the new card', 60_000, async () => {
      const stdout = await kubectl('get', 'events', '-o', 'jsonpath={.items[*].reason}');
      return stdout.split(' ').includes('Rejoined');
    });
    await kubectl('wait', '--for=condition=Ready', 'node/kitchen', '--timeout=30s');
    await eventually('the new card has the pod', 30_000, async () => {
      const stdout = await kubectl('get', 'pod/lamp', '-o', 'jsonpath={.status.phase} {.spec.nodeName}');
      return stdout === 'Running kitchen';
    });
    const now = await kubectl('get', 'node/kitchen', 'pod/lamp', '-o', 'jsonpath={.items[*].metadata.uid}');
    assert.equal(now, before);
    const fresh = readFileSync(join(station.directory, 'kitchen', 'data', 'identity', 'cert.pem'), 'utf8');
    assert.notEqual(fresh, old);
  });

  test('a copied card is refused with a clear line, on its own log and as an Event', async () => {
    const card = join(station.directory, 'copy');
    const log = join(station.directory, 'copy-card');
    mkdirSync(log);
    const copy = station.insert('kitchen', data, { card });
    assert.notEqual(await copy.ended(), 0);
    assert.match(
      copy.output,
      /refuses to let the device join: this card was already used by .*flash the card again/,
    );
    const flashed = station.insert('kitchen', data, { card, flags: ['--card', log] });
    await eventually('the card says why', 20_000, () =>
      /already used by/.test(readFileSync(join(log, 'log.txt'), 'utf8')),
    );
    await flashed.stop();
    const events = await kubectl('get', 'events', '--field-selector', 'reason=CopiedCard', '-o', 'wide');
    assert.match(events, /Warning .*CopiedCard .*device\/kitchen .*a copy of the card was refused/);
    const ready = await kubectl(
      'get',
      'node/kitchen',
      '-o',
      'jsonpath={.status.conditions[?(@.type=="Ready")].status}',
    );
    assert.equal(ready, 'True');
  });

  test('with the policy Approve a board waits, is seen waiting, and joins once it is approved', async () => {
    const manifest = {
      apiVersion: 'fleet.covey.dev/v1alpha1',
      kind: 'Device',
      metadata: { name: 'cellar' },
      spec: { boardPolicy: 'Approve' },
    };
    await station.kubectl(data).apply(manifest);
    const early = await covey(['devices', '--data', data, 'approve', 'cellar']);
    assert.notEqual(early.code, 0);
    assert.match(early.stderr, /no board waits to join as cellar/);
    await station.flash('cellar', data);
    station.insert('cellar', data);
    await eventually('the board is seen waiting', 20_000, async () => {
      const stdout = await kubectl('get', 'devices', 'cellar');
      return /^cellar +Unknown,PendingApproval /m.test(stdout);
    });
    const list = await covey(['devices', '--data', data]);
    assert.match(list.stdout, /^NAME +PRESENCE .*BOARD/);
    assert.match(list.stdout, /^cellar +Unknown,PendingApproval/m);
    const approved = await covey(['devices', '--data', data, 'approve', 'cellar']);
    assert.equal(approved.code, 0, approved.stderr);
    assert.match(approved.stdout, /the board without a serial number may join/);
    await kubectl('wait', '--for=create', 'node/cellar', '--timeout=60s');
    await kubectl('wait', '--for=condition=Ready', 'node/cellar', '--timeout=30s');
    const stdout = await kubectl(
      'get',
      'devices',
      'cellar',
      '-o',
      'jsonpath={.spec.approvedKey}|{.status.pendingJoin}',
    );
    assert.equal(stdout, '|');
  });

  test('covey devices replace announces another board', async () => {
    const { stdout, code } = await covey(['devices', '--data', data, 'replace', 'cellar']);
    assert.equal(code, 0);
    assert.match(stdout, /the next board that shows a claim for it takes its place/);
    const spec = await kubectl('get', 'device', 'cellar', '-o', 'jsonpath={.spec.replaceBoard}');
    assert.equal(spec, 'true');
  });

  test('a board in 1970 joins and runs pods, and a jump of 55 years restarts nothing', {
    skip: skipFaketime,
  }, async () => {
    const time = join(station.directory, 'time');
    writeFileSync(time, '-20400d\n');
    const env = {
      LD_PRELOAD: faketime,
      FAKETIME_TIMESTAMP_FILE: time,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
    await station.flash('attic', data);
    const agent = station.insert('attic', data, { env });
    await kubectl('wait', '--for=create', 'node/attic', '--timeout=30s');
    await kubectl('wait', '--for=condition=Ready', 'node/attic', '--timeout=30s');
    assert.match(agent.output, /"time":\d{9,11},/, 'its log is in the year 1971');
    const pod = (name: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, annotations: { 'fleet.covey.dev/failover-class': 'exclusive' } },
      spec: {
        nodeName: 'attic',
        activeDeadlineSeconds: 600,
        containers: [{ name: 'c', image: 'hub.covey.internal/lamp:1' }],
      },
    });
    await station.kubectl(data).apply(pod('one'));
    await kubectl('wait', '--for=condition=Ready', 'pod/one', '--timeout=30s');
    writeFileSync(time, '+0d\n');
    // Longer than the lease of an exclusive pod, by beats that the agent sends with the new time.
    const began = performance.now();
    await eventually('a lease has passed', 40_000, () => performance.now() - began > 15_000);
    await station.kubectl(data).apply(pod('two'));
    await kubectl('wait', '--for=condition=Ready', 'pod/two', '--timeout=30s');
    const state = 'jsonpath={.items[*].status.containerStatuses[0].restartCount} {.items[*].status.phase}';
    assert.equal(await kubectl('get', 'pod/one', 'pod/two', '-o', state), '0 0 Running Running');
    const ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
    assert.equal(await kubectl('get', 'node/attic', '-o', ready), 'True');
  });
});
