/** While the agent becomes another release, and comes back from one that does not work, containers run on untouched. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readCredentials } from '#hub/cli/credentials.js';
import { pushImage } from '#hub/images/push.js';
import { buildTinyImage } from '#hub/images/tiny-image.js';
import type { AgentRelease } from '#protocol/fleet/v1alpha1/agent-release.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { FLEET_ANNOTATION } from '#protocol/fleet/v1alpha1/well-known.js';
import { busyboxMissing } from '#test/helpers/busybox-image.js';
import { covey } from '#test/helpers/covey.js';
import { eventually } from '#test/helpers/eventually.js';
import { whyNoFleet } from '#test/helpers/fleet.js';
import type { Kubectl } from '#test/helpers/kubectl.js';
import type { LaunchedAgent } from '#test/helpers/launched-agent.js';
import {
  type Breakage,
  publishStaged,
  stageThinRelease,
  thisArchitecture,
} from '#test/helpers/staged-release.js';
import { Station } from '#test/helpers/station.js';
import { isReady, type PodView, podManifest, shell } from '#test/helpers/workloads.js';

const SLOW_MS = 90_000;
const DEVICE = 'updates';
const CGROUP = `covey-update-${process.pid}`;

describe('containers during updates of the agent', { skip: whyNoFleet() ?? busyboxMissing ?? false }, () => {
  let station: Station;
  let data: string;
  let kubectl: Kubectl;
  let agent: LaunchedAgent;

  const publish = async (version: string, how?: Breakage) => {
    const directory = join(station.directory, `release-${version}`);
    await stageThinRelease(directory, how);
    await publishStaged(await readCredentials(data), {
      data,
      directory,
      version,
      architecture: thisArchitecture(),
      rollout: { healthySeconds: 30 },
    });
  };
  const pod = () => kubectl.json<PodView>(['get', 'pod', 'steady']);
  /** What must not change: the container and when it was started. */
  const identity = ({ metadata, status }: PodView) => {
    const [container] = status.containerStatuses ?? [];
    return [
      metadata.uid,
      container?.containerID,
      container?.restartCount,
      container?.state.running?.startedAt,
    ];
  };
  /** Process ids in the pod's groups, with when the kernel started them. */
  const processes = () =>
    execFileSync('sh', [
      '-c',
      `for f in $(find /sys/fs/cgroup -path '*/${CGROUP}/*' -name cgroup.procs); do ` +
        'while read -r pid; do echo "$pid $(cut -d " " -f 22 /proc/$pid/stat)"; done <$f; done | sort -u',
    ]).toString();

  before(async () => {
    station = await Station.create();
    data = join(station.directory, 'hub');
    await station.startHub(data);
    kubectl = station.kubectl(data);
    const tiny = await buildTinyImage('/bin/busybox', process.arch);
    await pushImage(await readCredentials(data), 'hello', 'latest', tiny);
    agent = await station.launchDevice(DEVICE, data, '1.0.0', REAL);
    await kubectl.apply(
      podManifest(
        'steady',
        shell('trap "exit 0" TERM; sleep 100000 & wait'),
        { nodeName: DEVICE, hostNetwork: true },
        // The strictest: it runs only while somebody vouches that no other does.
        { annotations: { [FLEET_ANNOTATION.failoverClass]: 'exclusive' } },
      ),
    );
    await eventually('the pod runs', SLOW_MS, async () => {
      const found = await pod();
      if (isReady(found)) return true;
      throw new Error(JSON.stringify(found.status));
    });
  });
  after(async () => {
    await agent?.stop();
    if (agent !== undefined) {
      const flags = [...REAL, ...station.placeOf(DEVICE)];
      const down = await covey(['agent', '--tear-down', ...flags]);
      assert.equal(down.code, 0, down.stderr);
    }
    await station?.[Symbol.asyncDispose]();
  });

  test('a new release takes the pods over as they are', async () => {
    const [before, running] = [identity(await pod()), processes()];
    assert.match(running, /^\d+ \d+$/m);
    const { starts } = agent;
    await publish('2.0.0');
    await eventually('it runs', SLOW_MS, async () => {
      const { status } = await kubectl.json<Device>(['get', 'device', DEVICE]);
      if (status.agentRelease === '2.0.0' && status.update?.state === 'Updated') return true;
      throw new Error(JSON.stringify(status.update));
    });
    assert.equal(agent.starts, starts + 1);
    assert.deepEqual(identity(await pod()), before);
    assert.equal(processes(), running);
  });

  test('a release that crashes leaves them as they are, too', async () => {
    const [before, running] = [identity(await pod()), processes()];
    await publish('3.0.0', 'crashes');
    await eventually('it is back', SLOW_MS, async () => {
      const { status } = await kubectl.json<AgentRelease>(['get', 'agentrelease', '3.0.0']);
      if (status.phase === 'Halted') return true;
      throw new Error(JSON.stringify(status));
    });
    assert.equal(await agent.current(), '2.0.0');
    assert.deepEqual(identity(await pod()), before);
    assert.equal(processes(), running);
  });
});

/** The device's own control groups, addresses and bridge. */
const REAL = ['--cgroup-parent', `${CGROUP}/${DEVICE}`, '--pod-cidr', '10.213.7.0/24', '--bridge', 'cvupd0'];
