/** Running a hub: the `covey` command, backup and restore, and what a hub says when its data is not as it should be. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { covey } from '#test/helpers/covey.js';
import { eventually } from '#test/helpers/eventually.js';
import { whyNoFleet, whyNoHollowFleet } from '#test/helpers/fleet.js';
import type { Kubectl } from '#test/helpers/kubectl.js';
import { Station } from '#test/helpers/station.js';
import { deploymentManifest, type PodListView, shell } from '#test/helpers/workloads.js';

const COMMANDS = [
  'up',
  'hub',
  'agent',
  'token',
  'kubeconfig',
  'devices',
  'profiles',
  'backup',
  'restore',
  'version',
];

describe('the covey command', () => {
  test('every command has help, and wrong usage is exit code 2 with one line that says what', async () => {
    const overview = await covey(['--help']);
    assert.equal(overview.code, 0);
    await Promise.all(COMMANDS.map(explains));
    async function explains(command: string): Promise<void> {
      assert.match(overview.stdout, new RegExp(`^ {2}${command} `, 'm'));
      const help = await covey([command, '--help']);
      assert.equal(help.code, 0, help.stderr);
      assert.match(help.stdout, /--/);
      const wrong = await covey([command, '--nonsense']);
      assert.equal(wrong.code, 2, `${command}: ${wrong.stderr}`);
      assert.match(wrong.stderr, /--nonsense/);
    }
    assert.equal((await covey([])).code, 2);
    assert.equal((await covey(['fly'])).code, 2);
    assert.match((await covey(['--version'])).stdout, /\d+\.\d+\.\d+/);
    const WRONG: ReadonlyArray<readonly [readonly string[], RegExp]> = [
      [['up', '--devices', 'many'], /--devices many/],
      [['up', '--listen', 'nowhere'], /--listen nowhere/],
      [['hub', '--log-level', 'loud'], /--log-level loud/],
      [['hub', '--broker-acl', 'x'], /--broker-acl/],
      [['token', 'lose'], /expected create, list or revoke/],
      [['token', 'create', '--ttl', 'long'], /--ttl long/],
      [['token', 'create', '--uses', '0'], /--uses 0/],
      [['devices', 'revoke'], /expected list, approve NAME, .*revoke NAME, remove NAME/],
      [['backup'], /--to FILE/],
      [['restore'], /--from FILE/],
    ];
    for (const [args, words] of WRONG) {
      const { code, stderr } = await covey(args);
      assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, words);
    }
    const nowhere = await covey(['devices', '--data', '/nonexistent']);
    assert.deepEqual([nowhere.code, nowhere.stderr.trim().split('\n').length], [1, 1], nowhere.stderr);
    assert.match(nowhere.stderr, /\/nonexistent/);
  });
});

describe('a hub’s data', { skip: whyNoHollowFleet() ?? false }, () => {
  let station: Station;
  let kubectl: Kubectl;
  const file = (name: string) => join(station.directory, name);
  const data = () => ['--data', file('hub')];
  const pods = async (from = kubectl) => {
    const { items } = await from.json<PodListView>(['get', 'pods', '-l', 'app=steady']);
    return items
      .map(({ metadata, spec, status }) =>
        [metadata.uid, spec.nodeName, status.phase, JSON.stringify(status.containerStatuses)].join(' '),
      )
      .sort();
  };

  before(async () => {
    station = await Station.create();
    await station.startHub(file('hub'));
    kubectl = station.kubectl(file('hub'));
    for (const device of ['pi-1', 'pi-2']) await station.startDevice(device, file('hub'));
    await kubectl.apply(deploymentManifest('steady', 4, shell('sleep 1000')));
    await kubectl.run(['rollout', 'status', 'deployment/steady', '--timeout=60s']);
    await kubectl.run(['create', 'secret', 'generic', 'hidden', '--from-literal=word=open-sesame']);
  });
  after(() => station?.[Symbol.asyncDispose]());

  test('tokens and devices are listed, made and withdrawn', async () => {
    const made = await covey(['token', ...data(), 'create', '--device', 'pi-9', '--ttl', '30m']);
    assert.match(made.stdout, /^\S+\.\S+\n$/);
    const id = made.stdout.split('.')[0] ?? '';
    assert.match((await covey(['token', ...data(), 'list'])).stdout, new RegExp(`^${id} .* pi-9$`, 'm'));
    assert.equal((await covey(['token', ...data(), 'revoke', id])).code, 0);
    assert.equal((await covey(['token', ...data(), 'revoke', id])).code, 1);
    assert.doesNotMatch((await covey(['token', ...data(), 'list'])).stdout, new RegExp(id));
    assert.match((await covey(['devices', ...data()])).stdout, /^pi-1 .*Online/m);
    const missing = await covey(['devices', ...data(), 'revoke', 'nobody']);
    assert.deepEqual([missing.code, /"nobody" not found/.test(missing.stderr)], [1, true], missing.stderr);
    assert.match((await covey(['kubeconfig', ...data()])).stdout, /client-certificate-data/);
    assert.equal(statSync(join(file('hub'), 'kubeconfig')).mode & 0o777, 0o600);
  });

  test('a second hub on the directory is refused by name and disturbs nothing', async () => {
    const port = ['--listen', '127.0.0.1:0', '--mqtt-listen', '127.0.0.1:0'];
    const second = await covey(['hub', ...data(), ...port]);
    assert.equal(second.code, 1);
    assert.match(second.stderr + second.stdout, /in use by another|is locked|another hub/);
    assert.equal((await kubectl.try(['get', '--raw', '/readyz'])).code, 0);
  });

  test('a backup of the running hub is sealed, private, and not written over anything', async () => {
    const made = await covey(['backup', ...data(), '--to', file('backup')]);
    assert.equal(made.code, 0, made.stderr);
    assert.equal(statSync(file('backup')).mode & 0o077, 0, 'it holds keys');
    assert.ok(!readFileSync(file('backup')).includes('open-sesame'), 'Secrets stay sealed');
    const again = await covey(['backup', ...data(), '--to', file('backup')]);
    assert.deepEqual([again.code, /exist/.test(again.stderr)], [1, true], again.stderr);
  });

  test('restores that cannot be right change nothing and say why', async () => {
    const over = await covey(['restore', ...data(), '--from', file('backup')]);
    assert.deepEqual([over.code, /hub\/store/.test(over.stderr)], [1, true], over.stderr);
    assert.equal((await kubectl.try(['get', '--raw', '/readyz'])).code, 0);
    copyFileSync(file('backup'), file('short'));
    truncateSync(file('short'), statSync(file('backup')).size - 100);
    const bytes = readFileSync(file('backup'));
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
    writeFileSync(file('flipped'), bytes);
    writeFileSync(file('other'), 'this is no backup');
    for (const name of ['short', 'flipped', 'other', 'absent']) {
      const { code, stderr } = await covey(['restore', '--data', file('target'), '--from', file(name)]);
      assert.equal(code, 1, `${name}: ${stderr}`);
      assert.match(stderr, /^covey restore: nothing was restored: .*\n$/);
      assert.deepEqual(readdirSync(file('target')), [], name);
    }
  });

  test('a hub restored elsewhere takes over, and the fleet goes on untouched', async () => {
    const before = await pods();
    const restored = await covey(['restore', '--data', file('restored'), '--from', file('backup')]);
    assert.equal(restored.code, 0, restored.stderr);
    const begin = performance.now();
    assert.equal(await station.hub.stop(), 0);
    assert.ok(performance.now() - begin < 10_000, 'a stop takes less than 10 s');
    await station.startHub(file('restored'));
    const now = station.kubectl(file('restored'));
    await eventually(
      'the devices are back',
      30_000,
      async () =>
        (await covey(['devices', '--data', file('restored')])).stdout.match(/Online/g)?.length === 2,
    );
    await eventually(
      'logs are read again',
      20_000,
      async () => (await now.try(['logs', 'deploy/steady'])).code === 0,
    );
    assert.deepEqual(await pods(now), before);
    const word = await now.run(['get', 'secret', 'hidden', '-o', 'jsonpath={.data.word}']);
    assert.equal(Buffer.from(word, 'base64').toString(), 'open-sesame');
    // What happens on the new hub is newer than anything that the devices saw of the old one.
    await now.run(['scale', 'deployment/steady', '--replicas=5']);
    await now.run(['rollout', 'status', 'deployment/steady', '--timeout=30s']);
    kubectl = now;
  });

  test('a store that was damaged or is newer is refused with the way out', async () => {
    assert.equal(await station.hub.stop(), 0);
    const start = (at: string) =>
      covey(['hub', '--data', at, '--listen', '127.0.0.1:0', '--mqtt-listen', '127.0.0.1:0'], {
        timeoutMs: 20_000,
      });
    const store = join(file('restored'), 'store');
    const tables = readdirSync(store, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.(ldb|log)$/.test(name),
    );
    const [largest] = tables
      .map((name) => join(store, name))
      .sort((a, b) => statSync(b).size - statSync(a).size);
    assert.ok(largest !== undefined);
    const bytes = readFileSync(largest);
    bytes.fill(0x5a, Math.floor(bytes.length / 3), Math.floor(bytes.length / 2));
    writeFileSync(largest, bytes);
    const damaged = await start(file('restored'));
    assert.equal(damaged.code, 1, damaged.stdout + damaged.stderr);
    assert.match(
      damaged.stderr + damaged.stdout,
      /damaged: .*restore a backup into an empty directory \(covey restore\)/,
    );
    // The way out works.
    const restored = await covey(['restore', '--data', file('again'), '--from', file('backup')]);
    assert.equal(restored.code, 0, restored.stderr);
    await station.startHub(file('again'));
    assert.match(await station.kubectl(file('again')).run(['get', 'deployments']), /steady/);
  });
});

describe('no room', { skip: whyNoFleet() ?? false }, () => {
  let station: Station;
  const data = () => join(station.directory, 'hub');
  const ballast = () => join(data(), 'ballast');

  before(async () => {
    station = await Station.create();
    mkdirSync(data());
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'covey-test', data()]);
    await station.startHub(data());
    await station.startDevice('pi-1', data());
  });
  after(async () => {
    await station?.hub.stop();
    if (station !== undefined) execFileSync('umount', [data()]);
    await station?.[Symbol.asyncDispose]();
  });

  test('a hub on a full disk refuses writes with a Status, serves reads, and recovers by itself', async () => {
    const kubectl = station.kubectl(data());
    await kubectl.run(['create', 'configmap', 'before', '--from-literal=a=b']);
    const blob = `--from-literal=blob=${'x'.repeat(100_000)}`;
    assert.throws(() =>
      execFileSync('dd', ['if=/dev/zero', `of=${ballast()}`, 'bs=64k'], { stdio: 'ignore' }),
    );
    const acknowledged: string[] = [];
    const refused = await eventually(
      'a write is refused',
      30_000,
      async () => {
        const name = `full-${acknowledged.length}`;
        const { code, stderr } = await kubectl.try(['create', 'configmap', name, blob]);
        if (code !== 0) return stderr;
        acknowledged.push(name);
        return undefined;
      },
      0,
    );
    assert.match(refused, /disk is full/, refused);
    assert.match(await kubectl.run(['get', 'configmap', 'before', '-o', 'yaml']), /a: b/);
    assert.match(await kubectl.run(['get', 'nodes']), /pi-1/);
    rmSync(ballast());
    await eventually(
      'writes are taken again',
      30_000,
      async () => (await kubectl.try(['create', 'configmap', 'after', '--from-literal=a=b'])).code === 0,
    );
    await kubectl.run(['wait', '--for=condition=Ready', 'node/pi-1', '--timeout=30s']);
    // Nothing acknowledged is lost, nothing refused is half there, also after a new start.
    await station.hub.stop('SIGKILL');
    await station.startHub(data());
    const names = await kubectl.run(['get', 'configmaps', '-o', 'name']);
    for (const name of ['before', 'after', ...acknowledged]) assert.match(names, new RegExp(`/${name}\n`));
    assert.doesNotMatch(names, new RegExp(`/full-${acknowledged.length}\n`));
  });
});
