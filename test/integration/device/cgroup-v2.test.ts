/** Control groups on a unified hierarchy: as much of it as the machine's own one offers. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { createCgroupsV2 } from '#device-agent/cgroups/cgroup-v2.js';
import { CGROUP2_MAGIC, fileSystemType } from '#device-agent/lib/mounts.js';
import { systemClock } from '#device-agent/lib/system-clock.js';

async function unifiedRoot(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const path of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']) {
    if ((await fileSystemType(path)) === CGROUP2_MAGIC) return path;
  }
  return undefined;
}

const root = await unifiedRoot();
const skip = root === undefined ? 'needs root and a unified cgroup hierarchy' : false;

test('pods, monitors and containers are made, killed and removed', { skip }, async () => {
  const parent = `covey-test/${randomUUID().slice(0, 8)}`;
  const cgroups = await createCgroupsV2({ root: root ?? '', parent, clock: systemClock });
  const processes: ChildProcess[] = [];
  try {
    await cgroups.setUp();
    await cgroups.createPod('u1', { cpuMillicores: 500, memoryBytes: 2 ** 26, pids: 50 });
    await cgroups.createPod('u1', { cpuMillicores: 500, memoryBytes: 2 ** 26, pids: 50 });
    assert.deepEqual(await cgroups.listPods(), ['u1']);
    assert.equal(cgroups.containerPath('u1', 'c'), `/${parent}/podu1/c`);
    assert.equal(await cgroups.usage('u1', 'c'), undefined);
    assert.equal(await cgroups.oomKilled('u1', 'c'), undefined);
    const group = join(root ?? '', parent, 'podu1', 'c');
    const { mkdir } = await import('node:fs/promises');
    await mkdir(group);
    const sleeper = spawn('sleep', ['100000'], { stdio: 'ignore' });
    const monitor = spawn('sleep', ['100000'], { stdio: 'ignore' });
    processes.push(sleeper, monitor);
    await writeFile(join(group, 'cgroup.procs'), String(sleeper.pid));
    await cgroups.adoptMonitor(monitor.pid ?? 0);
    assert.deepEqual(await cgroups.containerProcesses('u1', 'c'), [sleeper.pid]);
    assert.ok(await cgroups.usage('u1', 'c'));
    const exit = once(sleeper, 'exit');
    assert.equal(await cgroups.killContainer('u1', 'c'), 1);
    assert.equal((await exit)[1], 'SIGKILL');
    await cgroups.removePod('u1');
    await cgroups.removePod('u1');
    assert.equal(existsSync(join(root ?? '', parent, 'podu1')), false);
    await cgroups.removeIfEmpty();
    assert.equal(existsSync(join(root ?? '', parent)), true, 'a monitor still lives there');
    const ended = once(monitor, 'exit');
    await cgroups.purge();
    await ended;
    assert.equal(existsSync(join(root ?? '', parent)), false);
  } finally {
    for (const child of processes) child.kill('SIGKILL');
    await cgroups.purge();
  }
});
