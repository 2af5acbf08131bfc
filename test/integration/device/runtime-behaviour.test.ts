/** What real containers see and may do: user, capabilities, files, filters, signals, logs. */
import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { createRuntime } from '#device-agent/runtime/create-runtime.js';
import { findProgram } from '#device-agent/runtime/oci-runtime.js';
import {
  type ContainerState,
  containerId,
  type Runtime,
  RuntimeError,
} from '#device-agent/runtime/runtime.js';
import { terminationOf } from '#device-agent/status/termination.js';
import {
  containersMissing,
  type RuntimeFixture,
  runtimeFixture,
  type SpecChange,
} from '#test/helpers/device-runtime.js';
import { eventually } from '#test/helpers/eventually.js';
import { textOfLog } from '#test/helpers/log-text.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const skip = containersMissing() ?? false;

/** Runs a script to its end; what it wrote. */
async function output(
  fixture: RuntimeFixture,
  script: string,
  change: Partial<SpecChange> = {},
): Promise<string> {
  const spec = fixture.spec(['sh', '-c', script], change);
  await fixture.exited(await fixture.run(spec));
  return textOfLog(await readFile(spec.logPath));
}

test('the process runs as the pod’s user and groups', { skip }, async () => {
  await using fixture = await runtimeFixture();
  assert.equal(await output(fixture, 'id -u; id -g; id -G', { imageUser: 'app' }), '1000\n1001\n1001 2000\n');
  const context = { runAsUser: 1234, runAsGroup: 99, supplementalGroups: [7], fsGroup: 8 };
  assert.equal(
    await output(fixture, 'id -u; id -g; id -G', { podSecurityContext: context }),
    '1234\n99\n99 7 8\n',
  );
});

test('a container that promised not to be root is refused as root', { skip }, async () => {
  await using fixture = await runtimeFixture();
  const spec = fixture.spec(['true'], { container: { securityContext: { runAsNonRoot: true } } });
  await fixture.runtime.createPodCgroup(spec.key.podUid, {});
  await assert.rejects(fixture.runtime.create(spec), (error) => {
    assert.ok(error instanceof RuntimeError);
    assert.equal(error.reason, 'CreateContainerConfigError');
    assert.match(error.message, /runAsNonRoot and image will run as root/);
    return true;
  });
  assert.deepEqual(await fixture.runtime.list(), []);
});

/** An OCI runtime that does something else when it is told to start container `$id`. */
async function runcThatStarts(fixtureRoot: string, script: string): Promise<string> {
  const path = join(fixtureRoot, 'runc');
  const real = await findProgram('runc');
  const text = `#!/bin/sh
for id; do :; done
case " $* " in *" start "*) ${script} ;; esac
exec ${real} "$@"
`;
  await writeFile(path, text, { mode: 0o755 });
  return path;
}

test('a container of which the start failed could not run, whatever its exit code', { skip }, async (t) => {
  const directory = await tempDir(t);
  const stops = `${await findProgram('runc')} --root "$2" kill "$id" KILL; echo refused by the kernel >&2; exit 1`;
  await using fixture = await runtimeFixture({ ociRuntime: await runcThatStarts(directory, stops) });
  const spec = fixture.spec(['sleep', '1000']);
  const id = containerId(spec.key);
  await assert.rejects(fixture.run(spec), /refused by the kernel/);
  const state = await fixture.exited(id);
  assert.match(state.startError ?? '', /refused by the kernel/);
  assert.equal(state.startedAt, undefined);
  assert.equal(terminationOf(state, undefined).reason, 'ContainerCannotRun');
  // Read again by another agent.
  const again = await createRuntime(fixture.options);
  assert.match((await again.list())[0]?.startError ?? '', /refused by the kernel/);
  await again[Symbol.asyncDispose]();
});

test('a run that is over before the runtime has said so was started all the same', { skip }, async (t) => {
  const directory = await tempDir(t);
  const slow = `${await findProgram('runc')} "$@"; sleep 1; exit 0`;
  await using fixture = await runtimeFixture({ ociRuntime: await runcThatStarts(directory, slow) });
  const seen: ContainerState[] = [];
  using _ = fixture.runtime.subscribe(async () => {
    seen.push(...(await fixture.runtime.list()));
  });
  const spec = fixture.spec(['sh', '-c', 'exit 127']);
  const state = await fixture.exited(await fixture.run(spec));
  assert.ok(state.startedAt !== undefined);
  assert.equal(terminationOf(state, undefined).reason, 'Error');
  for (const { status, startedAt } of seen) assert.ok(status !== 'exited' || startedAt !== undefined);
});

test('a command that the image lacks is CreateContainerError in the runtime’s words', { skip }, async () => {
  await using fixture = await runtimeFixture();
  const spec = fixture.spec(['/no/such/program']);
  await fixture.runtime.createPodCgroup(spec.key.podUid, {});
  await assert.rejects(fixture.runtime.create(spec), (error) => {
    assert.ok(error instanceof RuntimeError);
    assert.match(error.message, /no\/such\/program.*no such file or directory/);
    return true;
  });
  assert.deepEqual(await fixture.runtime.list(), []);
});

test('dangerous system calls fail, and what a capability unlocks works with it', { skip }, async () => {
  await using fixture = await runtimeFixture();
  assert.match(await output(fixture, 'mount -t tmpfs x /tmp && echo mounted'), /denied|not permitted/);
  const admin = { securityContext: { capabilities: { add: ['SYS_ADMIN'] } } };
  assert.match(
    await output(fixture, 'mount -t tmpfs x /tmp && echo mounted', { container: admin }),
    /mounted/,
  );
  const privileged = { securityContext: { privileged: true } };
  assert.match(
    await output(fixture, 'mount -t tmpfs x /tmp && echo mounted', { container: privileged }),
    /mounted/,
  );
});

test('capabilities are the default ones less what is dropped', { skip }, async () => {
  await using fixture = await runtimeFixture();
  const script = 'grep CapEff /proc/self/status';
  assert.match(await output(fixture, script), /00000000a80425fb/);
  const none = { securityContext: { capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } } };
  assert.match(await output(fixture, script, { container: none }), /0000000000000400/);
});

test('a read-only root refuses writes, volumes take them', { skip }, async () => {
  await using fixture = await runtimeFixture();
  const volume = join(fixture.root, 'volume');
  await mkdir(volume);
  const mounts = [{ source: volume, destination: '/data', readOnly: false }];
  const container = { securityContext: { readOnlyRootFilesystem: true } };
  const said = await output(fixture, 'echo x > /x; echo y > /data/y; echo done', { container, mounts });
  assert.match(said, /Read-only file system/);
  assert.equal(await readFile(join(volume, 'y'), 'utf8'), 'y\n');
  assert.match(
    await output(fixture, 'echo z > /data/z', {
      mounts: [{ source: volume, destination: '/data', readOnly: true }],
    }),
    /Read-only file system/,
  );
});

test('a custom seccomp profile of the device is applied', { skip }, async () => {
  await using fixture = await runtimeFixture();
  await mkdir(join(fixture.options.dataDir, 'seccomp'), { recursive: true });
  const profile = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
  };
  await writeFile(join(fixture.options.dataDir, 'seccomp/no-mkdir.json'), JSON.stringify(profile));
  const container = {
    securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'no-mkdir.json' } },
  };
  assert.match(await output(fixture, 'mkdir /tmp/x || echo refused', { container }), /refused/);
});

test('a container has one time of its start, whoever looks while it is started', { skip }, async () => {
  let now = systemClock.now();
  // No two readings are the same.
  const clock = { ...systemClock, now: () => ++now };
  await using fixture = await runtimeFixture({ clock });
  const times = new Set<number | undefined>();
  for (let run = 0; run < 5; run += 1) {
    const spec = fixture.spec(['sleep', '100000']);
    const id = containerId(spec.key);
    await fixture.runtime.createPodCgroup(spec.key.podUid, {});
    await fixture.runtime.create(spec);
    const timesOf = async (runtime: Runtime) => {
      const state = (await runtime.list()).find((one) => one.id === id);
      if (state?.status === 'running') times.add(state.startedAt);
    };
    let isStarted = false;
    const starting = fixture.runtime.start(id).finally(() => {
      isStarted = true;
    });
    while (!isStarted) await timesOf(fixture.runtime);
    await starting;
    await timesOf(fixture.runtime);
    await using again = await createRuntime(fixture.options);
    await timesOf(again);
    assert.equal(times.size, run + 1, [...times].join());
  }
});

test('a polite signal reaches the first process', { skip }, async () => {
  await using fixture = await runtimeFixture();
  const spec = fixture.spec([
    'sh',
    '-c',
    'trap "echo bye; exit 4" TERM; echo ready; while :; do sleep 0.1; done',
  ]);
  const id = await fixture.run(spec);
  for (let look = 0; look < 100; look += 1) {
    if (/ready/.test(await readFile(spec.logPath, 'utf8'))) break;
    await systemClock.sleep(20);
  }
  await fixture.runtime.kill(id, 'SIGTERM');
  assert.equal((await fixture.exited(id)).exitCode, 4);
  assert.match(await readFile(spec.logPath, 'utf8'), /stdout F bye/);
});

test('a container with a terminal logs what it writes there', { skip }, async () => {
  await using fixture = await runtimeFixture();
  assert.match(
    await output(fixture, 'tty; echo $TERM', { container: { tty: true } }),
    /\/dev\/(pts\/0|console)\r?\n/,
  );
});

test('a log that grows too large is rotated and no line is lost', { skip }, async () => {
  await using fixture = await runtimeFixture({ logMaxBytes: 20_000, rescanIntervalMs: 20 });
  const spec = fixture.spec([
    'sh',
    '-c',
    // It ends when it is told, so that the log is rotated while it runs.
    'trap over=1 TERM; i=0; while [ $i -lt 600 ]; do echo line $i; i=$((i+1)); usleep 500; done;' +
      'while [ -z "$over" ]; do sleep 0.05; done',
  ]);
  const id = await fixture.run(spec);
  await eventually('the log is rotated', 30_000, () => stat(`${spec.logPath}.1`), 20);
  await fixture.runtime.kill(id, 'SIGTERM');
  await fixture.exited(id);
  const previous = await readFile(`${spec.logPath}.1`, 'utf8');
  // The last look may have come after the last line and left no log in place.
  const current = await readFile(spec.logPath, 'utf8').catch(() => '');
  assert.match(`${previous}${current}`, /line 599\n$/);
  assert.ok((await stat(`${spec.logPath}.1`)).size > 20_000);
  const numbers = [...`${previous}${current}`.matchAll(/line (\d+)/g)].map((match) => Number(match[1]));
  numbers.forEach((number, index) => {
    assert.equal(number, (numbers[0] ?? 0) + index);
  });
});

test('the longest name that a container may have works, with terminal and input too', { skip }, async () => {
  await using fixture = await runtimeFixture();
  const name = 'n'.repeat(63);
  for (const container of [{}, { tty: true, stdin: true }]) {
    const spec = fixture.spec(['sh', '-c', 'echo long; exit 6'], { name, container });
    assert.equal((await fixture.exited(await fixture.run(spec))).exitCode, 6);
    assert.match(await readFile(spec.logPath, 'utf8'), /long/);
  }
});

test('a log stays bounded while no agent looks after it', { skip }, async () => {
  await using fixture = await runtimeFixture({ logMaxBytes: 20_000, rescanIntervalMs: 3_600_000 });
  const spec = fixture.spec(['sh', '-c', 'i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done']);
  await fixture.exited(await fixture.run(spec));
  assert.ok((await stat(spec.logPath)).size <= 50_000);
  assert.match(await readFile(spec.logPath, 'utf8'), /line 4999\n$/);
});

test('nothing of a deleted container stays but its log', { skip }, async () => {
  await using fixture = await runtimeFixture();
  const spec = fixture.spec(['true']);
  const id = await fixture.run(spec);
  await fixture.exited(id);
  await fixture.runtime.delete(id);
  await fixture.runtime.removePodCgroup(spec.key.podUid);
  const { execFileSync } = await import('node:child_process');
  const left = execFileSync('find', [fixture.options.runDir, '-name', `*${spec.key.podUid}*`], {
    encoding: 'utf8',
  });
  assert.equal(left, '');
  const groups = execFileSync('find', ['/sys/fs/cgroup', '-name', `*${spec.key.podUid}*`], {
    encoding: 'utf8',
  });
  assert.equal(groups, '');
  assert.ok((await stat(spec.logPath)).isFile());
});
