/**
 * Hardware in real containers: device nodes that the kernel makes and takes away, given to pods by a real agent.
 * What a container may open is the kernel's answer, not ours.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { PodReport } from '#protocol/link/report.js';
import { removeAssignment, runAssignment } from '#test/helpers/assignments.js';
import { devicesMissing, TestDevice } from '#test/helpers/device-agent.js';
import { eventually } from '#test/helpers/eventually.js';
import { deviceNumber, Hotplug, hotplugMissing } from '#test/helpers/hotplug.js';

const skip = devicesMissing() ?? hotplugMissing() ?? false;
const CONDITION = 'covey.dev/HardwareReady';
const LIMITS = { limits: { 'covey.dev/radio': '1' }, requests: { 'covey.dev/radio': '1' } };
/** As little as a container can have: no root, no capability, nothing to gain. */
const POWERLESS = {
  runAsUser: 1234,
  runAsGroup: 1234,
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
};
const RUN =
  'id -u; echo "$COVEY_RADIO"; (exec 3<>"$COVEY_RADIO" && echo opened) 2>&1; grep CapEff /proc/self/status; exec sleep 100000';

const running = (report: PodReport) => report.status.phase === 'Running' && ready(report);
const ready = (report: PodReport) => report.status.containerStatuses?.every((one) => one.ready) === true;
const restarts = (report: PodReport) => report.status.containerStatuses?.[0]?.restartCount ?? 0;
const condition = (report: PodReport) => report.status.conditions?.find(({ type }) => type === CONDITION);

function podWith(name: string, script: string, more: object = {}, spec: object = {}) {
  return runAssignment({
    metadata: { name },
    spec: {
      containers: [{ name: 'main', image: 'busybox:1', command: ['sh', '-c', script], ...more }],
      terminationGracePeriodSeconds: 1,
      ...spec,
    } as never,
  });
}

const radioPod = (name: string) => podWith(name, RUN, { resources: LIMITS, securityContext: POWERLESS });

async function board(t: TestContext): Promise<{ device: TestDevice; ports: Hotplug; args: string[] }> {
  const device = await TestDevice.create(t);
  const ports = new Hotplug(join(device.root, 'ports'));
  t.after(() => ports[Symbol.dispose]());
  return { device, ports, args: ['--hardware', `radio=${ports.glob}`] };
}

/** What the container's program has said, in its run number `attempt`. */
async function said(device: TestDevice, uid: string, enough: RegExp, attempt = 0): Promise<string> {
  const path = join(device.root, 'data/logs', uid, 'main', `${attempt}.log`);
  return eventually(`the program says ${enough}`, 10_000, () => {
    const text = readFileSync(path, 'utf8').replaceAll(/^\S+ \S+ \S+ /gm, '');
    return enough.test(text) && text;
  });
}

test('a powerless container opens what it is given, and nothing else does', { skip }, async (t) => {
  const { device, ports, args } = await board(t);
  const node = ports.plug('r1');
  await device.start({ args });
  const owner = radioPod('owner');
  await device.assign(owner);
  const report = await device.report(owner.uid, running);
  assert.equal(condition(report)?.status, 'True');
  assert.match(device.events(owner.uid).join('\n'), /HardwareAllocated: Allocated covey\.dev\/radio/);
  const words = await said(device, owner.uid, /CapEff/);
  assert.match(words, /^1234\n\/dev\/r1\nopened\nCapEff:\s+0+\n/);

  // The same device number, offered to a container of root with the default capabilities by other ways.
  const [major = '', minor = ''] = deviceNumber(node).split(':');
  mkdirSync(join(device.root, 'nodes'));
  execFileSync('mknod', ['-m', '666', join(device.root, 'nodes/radio'), 'c', major, minor]);
  const thief = podWith(
    'thief',
    `ls /dev/r1; mknod /tmp/own c ${major} ${minor}; (exec 3<>/tmp/own) 2>&1; (exec 3<>/nodes/radio) 2>&1; echo done; exec sleep 100000`,
    { volumeMounts: [{ name: 'nodes', mountPath: '/nodes' }] },
    { volumes: [{ name: 'nodes', hostPath: { path: join(device.root, 'nodes') } }] },
  );
  await device.assign(thief);
  await device.report(thief.uid, running);
  const refused = await said(device, thief.uid, /done/);
  assert.match(refused, /ls: \/dev\/r1: No such file/);
  assert.match(refused, /\/tmp\/own: Operation not permitted/);
  assert.match(refused, /\/nodes\/radio: Operation not permitted/);
});

test('who comes second waits, and has the unit when the first is gone; a killed agent forgets nothing', {
  skip,
}, async (t) => {
  const { device, ports, args } = await board(t);
  ports.plug('r1');
  await device.start({ args });
  const first = radioPod('first');
  await device.assign(first);
  await device.report(first.uid, running);
  await device.kill();
  await device.start({ args });
  const second = radioPod('second');
  await device.assign(second);
  const waiting = await device.report(second.uid, (report) => condition(report)?.status === 'False');
  assert.equal(waiting.status.containerStatuses?.[0]?.state.waiting?.reason, 'HardwareUnavailable');
  assert.match(condition(waiting)?.message ?? '', /covey\.dev\/radio\. Requested: 1, Available: 0/);
  assert.equal(restarts(await device.report(first.uid, running)), 0);
  await device.assign(removeAssignment(first.uid));
  await device.report(first.uid, (report) => report.removed);
  await device.report(second.uid, running);
  assert.match(await said(device, second.uid, /CapEff/), /opened/);
});

test('a unit keeps its pod through a power cut, under another device number', { skip }, async (t) => {
  const { device, ports, args } = await board(t);
  ports.plug('r1');
  const before = ports.plug('r2');
  await device.start({ args });
  const pods = [radioPod('one'), radioPod('two')];
  for (const pod of pods) {
    await device.assign(pod);
    await device.report(pod.uid, running);
  }
  const [one = '', two = ''] = pods.map(({ uid }) => uid);
  assert.match(await said(device, one, /CapEff/), /\/dev\/r1\nopened/);
  assert.match(await said(device, two, /CapEff/), /\/dev\/r2\nopened/);
  await device.losePower();
  // At boot they come up in the other order, with something else before them.
  for (const name of ['r1', 'r2']) ports.unplug(name);
  ports.occupy('x');
  const after = ports.plug('r2');
  ports.plug('r1');
  assert.notEqual(after, before);
  device.reports.length = 0;
  await device.start({ args, connected: false });
  await device.report(one, running);
  await device.report(two, running);
  assert.match(await said(device, one, /CapEff/, 1), /\/dev\/r1\nopened/);
  assert.match(await said(device, two, /CapEff/, 1), /\/dev\/r2\nopened/);
});

test('pulled out the pod says so; plugged in under another number it is given the node anew', {
  skip,
}, async (t) => {
  const { device, ports, args } = await board(t);
  const before = deviceNumber(ports.plug('r1'));
  await device.start({ args });
  const pod = radioPod('owner');
  await device.assign(pod);
  await device.report(pod.uid, running);
  ports.unplug('r1');
  const lost = await device.report(pod.uid, (report) => condition(report)?.status === 'False');
  assert.equal(condition(lost)?.reason, 'HardwareMissing');
  assert.ok(running(lost), 'the container runs on');
  ports.occupy('x');
  const node = ports.plug('r1');
  assert.notEqual(deviceNumber(node), before);
  const back = await device.report(pod.uid, (report) => running(report) && restarts(report) === 1);
  assert.equal(condition(back)?.status, 'True');
  assert.match(await said(device, pod.uid, /CapEff/, 1), /\/dev\/r1\nopened/);
  const events = device.events(pod.uid).join('\n');
  assert.match(events, /HardwareMissing: not attached to this device: covey\.dev\/radio/);
  assert.match(events, /HardwareAttached: /);
  assert.match(events, /Killing: .*device nodes are no longer those of the pod's hardware/);
});
