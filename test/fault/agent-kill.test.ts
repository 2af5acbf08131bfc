/** A real agent with real containers is killed, loses power, or is stopped: what must hold, holds. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { containersInOrder } from '#device-agent/lib/pod-types.js';
import type { PodReport } from '#protocol/link/report.js';
import { removeAssignment, runAssignment } from '#test/helpers/assignments.js';
import { devicesMissing, TestDevice } from '#test/helpers/device-agent.js';
import { eventually } from '#test/helpers/eventually.js';

const skip = devicesMissing() ?? false;
const running = (report: PodReport) => report.status.phase === 'Running' && ready(report);
const ready = (report: PodReport) => report.status.containerStatuses?.every((one) => one.ready) === true;
const main = (report: PodReport) => report.status.containerStatuses?.[0];

function shell(script: string, more: object = {}): object {
  return { name: 'main', image: 'busybox:1', command: ['sh', '-c', script], ...more };
}

function sleeper(name: string, more: object = {}, spec: object = {}) {
  return runAssignment({
    metadata: { name },
    spec: {
      containers: [shell('exec sleep 1000', more)],
      terminationGracePeriodSeconds: 1,
      ...spec,
    } as never,
  });
}

test('after SIGKILL of the agent containers run on, are adopted, and exits meanwhile are reported', {
  skip,
}, async (t) => {
  const device = await TestDevice.create(t);
  await device.start();
  const stays = sleeper('stays');
  const ends = runAssignment({
    metadata: { name: 'ends' },
    spec: {
      restartPolicy: 'Never',
      containers: [
        shell('while [ ! -e /stop/now ]; do sleep 0.1; done; echo bye >/dev/termination-log; exit 7', {
          volumeMounts: [{ name: 'stop', mountPath: '/stop' }],
        }),
      ],
      volumes: [{ name: 'stop', hostPath: { path: `${device.root}/stop`, type: 'DirectoryOrCreate' } }],
    } as never,
  });
  assert.equal(containersInOrder(ends.pod.spec).length, 1);
  await device.assign(stays);
  await device.assign(ends);
  const before = await device.report(stays.uid, running);
  await device.report(ends.uid, running);

  await device.kill();
  const { writeFile } = await import('node:fs/promises');
  await writeFile(`${device.root}/stop/now`, '');
  await eventually('the program has ended', 10_000, () => device.processes().length <= 1);
  device.reports.length = 0;
  await device.start();

  const ended = await device.report(ends.uid, (report) => report.status.phase === 'Failed');
  assert.equal(main(ended)?.state.terminated?.exitCode, 7);
  assert.equal(main(ended)?.state.terminated?.message, 'bye\n');
  const after = await device.report(stays.uid, running);
  assert.equal(main(after)?.containerID, main(before)?.containerID);
  assert.equal(main(after)?.restartCount, 0);
  assert.deepEqual(main(after)?.state, main(before)?.state);
  assert.equal(after.status.podIP, before.status.podIP);
});

test('after a power cut pods run again from the disk with no hub, and exclusive ones wait for a lease', {
  skip,
}, async (t) => {
  const device = await TestDevice.create(t);
  await device.start();
  const pod = sleeper('again');
  const exclusive = runAssignment(
    { metadata: { name: 'only' }, spec: { containers: [shell('exec sleep 1000')] } as never },
    { failoverClass: 'exclusive' },
  );
  const done = runAssignment({
    metadata: { name: 'done' },
    spec: { restartPolicy: 'OnFailure', containers: [shell('exit 0')] } as never,
  });
  for (const one of [pod, exclusive, done]) await device.assign(one);
  await device.report(pod.uid, running);
  await device.report(exclusive.uid, running);
  await device.report(done.uid, (report) => report.status.phase === 'Succeeded');

  await device.losePower();
  device.reports.length = 0;
  await device.start({ connected: false });
  const again = await device.report(pod.uid, running);
  assert.equal(main(again)?.restartCount, 1);
  const waits = await device.report(
    exclusive.uid,
    (report) => main(report)?.state.waiting?.reason === 'LeaseExpired',
  );
  assert.equal(waits.status.phase, 'Pending');
  const over = await device.report(done.uid, (report) => report.status.phase === 'Succeeded');
  assert.equal(main(over)?.restartCount, 0);

  device.send({ kind: 'connect', connected: true });
  device.send({ kind: 'grant', durationMs: 600_000 });
  await device.report(exclusive.uid, running);
  const last = device.reports.findLast((report) => report.uid === pod.uid);
  assert.equal(
    last && main(last)?.containerID,
    main(again)?.containerID,
    'nothing restarts when the hub is back',
  );
});

test('an agent that is told to takes everything down when it stops, and brings it back from its disk', {
  skip,
}, async (t) => {
  const device = await TestDevice.create(t);
  await device.start({ args: ['--stop-pods-on-exit'] });
  const pod = sleeper('covered', {}, { volumes: [{ name: 'tmp', emptyDir: { medium: 'Memory' } }] });
  await device.assign(pod);
  await device.report(pod.uid, running);
  await device.stop();
  assert.deepEqual(device.leftovers(), []);
  assert.equal(existsSync(device.runDir), false, 'the run directory is gone');
  device.reports.length = 0;
  await device.start();
  await device.report(pod.uid, running);
});

test('a removed pod leaves no process, mount or log behind', { skip }, async (t) => {
  const device = await TestDevice.create(t);
  await device.start();
  const pod = sleeper('gone');
  await device.assign(pod);
  await device.report(pod.uid, running);
  await device.assign(removeAssignment(pod.uid));
  const report = await device.report(pod.uid, (one) => one.removed);
  assert.equal(main(report)?.state.terminated?.exitCode, 137, 'sleep as first process ignores SIGTERM');
  const left = device.leftovers().filter((line) => line.includes(pod.uid));
  assert.deepEqual(left, []);
});

test('liveness failures restart the container, readiness failures only take it out of service', {
  skip,
}, async (t) => {
  const device = await TestDevice.create(t);
  await device.start();
  const fast = { periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 5 };
  const lively = runAssignment({
    metadata: { name: 'lively' },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [
        shell('touch /alive; sleep 2; rm /alive; exec sleep 1000', {
          livenessProbe: { exec: { command: ['test', '-e', '/alive'] }, ...fast },
        }),
      ],
    } as never,
  });
  const web = runAssignment({
    metadata: { name: 'web' },
    spec: {
      containers: [
        shell('mkdir -p /www; echo ok >/www/ready; httpd -f -p 8080 -h /www', {
          readinessProbe: { httpGet: { path: '/ready', port: 8080 }, ...fast },
        }),
      ],
    } as never,
  });
  await device.assign(lively);
  await device.assign(web);
  await device.report(web.uid, running);
  const restarted = await device.report(lively.uid, (report) => (main(report)?.restartCount ?? 0) >= 1);
  assert.ok(
    device.events(restarted.uid).some((event) => event.startsWith('Unhealthy: Liveness probe failed')),
  );
});
