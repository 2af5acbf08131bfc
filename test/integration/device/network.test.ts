/** The pod network on real namespaces and CNI plugins, with real containers talking to each other. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { listMounts } from '#device-agent/lib/mounts.js';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { createNetwork } from '#device-agent/network/create-network.js';
import { processState } from '#device-agent/runtime/process-table.js';
import { purgeDevice } from '#device-agent/runtime/purge.js';
import { containerId } from '#device-agent/runtime/runtime.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { containersMissing, runtimeFixture } from '#test/helpers/device-runtime.js';
import { inOwnNetns } from '#test/helpers/own-netns.js';
import {
  answers,
  networkOptions as options,
  sandboxSpec as pod,
  runIn,
  SUBNET,
  serve,
} from '#test/helpers/pod-network.js';

const plugins = existsSync('/usr/lib/cni/bridge') ? undefined : 'needs containernetworking-plugins';
const skip = containersMissing() ?? plugins ?? false;

const rules = () => execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' });
const links = () => execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' });

if (inOwnNetns(fileURLToPath(import.meta.url), skip)) {
  test('two pods have addresses, names and loopbacks of their own and reach each other', async () => {
    await using fixture = await runtimeFixture();
    await using network = await createNetwork(options(fixture));
    const [one, two] = [
      await network.setUp(pod({ hostname: 'one' })),
      await network.setUp(pod({ hostname: 'two' })),
    ];
    assert.notEqual(one.ip, two.ip);
    for (const sandbox of [one, two]) assert.match(sandbox.ip, /^10\.88\.77\.\d+$/);
    const seen = await runIn(
      fixture,
      one,
      `ping -c 1 -W 2 ${two.ip} && ping -c 1 127.0.0.1 && hostname && cat /etc/hosts && ip route`,
    );
    assert.equal(seen.code, 0, seen.log);
    assert.match(seen.log, new RegExp(`${one.ip}\\tone`));
    assert.match(seen.log, /default via 10\.88\.77\.1 dev eth0/);
    await network.tearDown(one.podUid);
    await network.tearDown(two.podUid);
  });

  test('setting up again gives the same sandbox, after a restart too; tearing down leaves nothing', async () => {
    await using fixture = await runtimeFixture();
    const before = { rules: rules(), links: links() };
    const network = await createNetwork(options(fixture));
    const spec = pod({ ports: [{ hostPort: 18080, containerPort: 80, protocol: 'TCP', hostIp: '' }] });
    const sandbox = await network.setUp(spec);
    assert.deepEqual(await network.setUp(spec), sandbox);
    assert.deepEqual(await network.list(), [sandbox]);
    await network[Symbol.asyncDispose]();
    const again = await createNetwork(options(fixture));
    assert.deepEqual(await again.list(), [sandbox]);
    assert.deepEqual(await again.setUp(spec), sandbox);
    assert.match(rules(), /18080/);
    await again.tearDown(spec.podUid);
    await again.tearDown(spec.podUid);
    assert.deepEqual(await again.list(), []);
    await again[Symbol.asyncDispose]();
    assert.equal(rules(), before.rules);
    assert.equal(links(), before.links);
    assert.deepEqual(await listMounts(fixture.options.runDir), []);
    assert.deepEqual(await readdir(join(fixture.options.runDir, 'netns')), []);
    assert.equal(existsSync(join(fixture.options.runDir, 'ipam')), false);
  });

  test('a program on the pod’s loopback is reached from inside', async () => {
    await using fixture = await runtimeFixture();
    await using network = await createNetwork(options(fixture));
    const spec = pod();
    await serve(fixture, await network.setUp(spec), '127.0.0.1:8001');
    assert.match(await answers(network, spec.podUid, 8001), /served/);
    await assert.rejects(network.connect(spec.podUid, 9, AbortSignal.timeout(5000)), /ECONNREFUSED|refused/);
    await network.tearDown(spec.podUid);
  });

  test('a connection that is let go ends nothing but itself', async () => {
    await using fixture = await runtimeFixture();
    await using network = await createNetwork(options(fixture));
    const spec = pod();
    const sandbox = await network.setUp(spec);
    // As a probe does: nobody listens for the connection's errors.
    for (const address of ['127.0.0.1', sandbox.ip]) {
      const port = address === sandbox.ip ? 8002 : 8001;
      await serve(fixture, sandbox, `${address}:${port}`);
      assert.match(await answers(network, spec.podUid, port), /served/);
      const connection = await network.connect(spec.podUid, port, AbortSignal.timeout(5000));
      const closed = new Promise<void>((resolve) => connection.once('close', () => resolve()));
      connection.destroy();
      await closed;
    }
    await network.tearDown(spec.podUid);
  });

  test('containers of a pod share host name, shared memory and network', async () => {
    await using fixture = await runtimeFixture();
    await using network = await createNetwork(options(fixture));
    const sandbox = await network.setUp(pod());
    assert.equal((await runIn(fixture, sandbox, 'echo note > /dev/shm/note')).code, 0);
    assert.match((await runIn(fixture, sandbox, 'cat /dev/shm/note; hostname')).log, /note\n.*web\n/);
    await network.tearDown(sandbox.podUid);
  });

  test('a pod on the device’s network has the device’s address and no namespace of its own', async () => {
    await using fixture = await runtimeFixture();
    await using network = await createNetwork(options(fixture, { hostIp: () => '192.0.2.7' }));
    const sandbox = await network.setUp(pod({ hostNetwork: true }));
    assert.equal(sandbox.ip, '192.0.2.7');
    assert.equal(sandbox.namespaces.net, undefined);
    await network.tearDown(sandbox.podUid);
    assert.deepEqual(await network.list(), []);
  });

  test('what a crash left half made is listed, taken down and made again', async () => {
    await using fixture = await runtimeFixture();
    const network = await createNetwork(options(fixture, { cniPath: ['/nowhere'] }));
    const spec = pod();
    await assert.rejects(network.setUp(spec), /CNI plugin "bridge" is not in \/nowhere \(apt-get install/);
    assert.deepEqual(
      (await network.list()).map((sandbox) => sandbox.podUid),
      [spec.podUid],
    );
    await using working = await createNetwork(options(fixture));
    const sandbox = await working.setUp(spec);
    assert.match(sandbox.ip, /^10\.88\.77\./);
    await working.tearDown(spec.podUid);
    assert.deepEqual(await working.list(), []);
  });

  test('purging a device takes away its containers, network and mounts', async () => {
    await using fixture = await runtimeFixture();
    const before = { rules: rules(), links: links() };
    const network = await createNetwork(options(fixture));
    const spec = pod({ ports: [{ hostPort: 18082, containerPort: 80, protocol: 'TCP', hostIp: '' }] });
    const sandbox = await network.setUp(spec);
    const running = fixture.spec(['sleep', '100000'], {
      podUid: spec.podUid,
      namespaces: sandbox.namespaces,
    });
    const id = await fixture.run(running);
    const pid = (await fixture.runtime.list()).find((state) => state.id === id)?.pid ?? 0;
    assert.equal(id, containerId(running.key));
    const { dataDir, runDir, cgroupParent } = fixture.options;
    await purgeDevice({
      dataDir,
      runDir,
      cgroupParent,
      subnet: SUBNET,
      clock: systemClock,
      logger: silentLogger,
    });
    assert.ok([undefined, 'Z'].includes(await processState(pid)), 'the container’s process is dead');
    assert.deepEqual(await listMounts(runDir), []);
    assert.deepEqual(await readdir(runDir), []);
    assert.equal(rules(), before.rules);
    assert.equal(links(), before.links);
    assert.equal(
      execFileSync('find', ['/sys/fs/cgroup', '-name', `pod${spec.podUid}`], { encoding: 'utf8' }),
      '',
    );
  });
}
