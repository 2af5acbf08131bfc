/** Firmware profiles with the stock kubectl: every shipped file applies, is listed and read by anybody; bad ones are refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadProfiles } from '#firmware-profiles/load.js';
import { ApiHub } from '#test/helpers/api-hub.js';
import { findKubectls, Kubectl } from '#test/helpers/kubectl.js';

const PROFILES = fileURLToPath(new URL('../../../../firmware-profiles/profiles/', import.meta.url));
const binary = findKubectls().get('') ?? '';
const options = { skip: binary === '' ? 'kubectl is not on this machine' : false, timeout: 60_000 };

test('kubectl applies every shipped profile strictly, and lists them', options, async (t) => {
  const hub = await ApiHub.start(t);
  const kubectl = new Kubectl(binary, await hub.kubeconfig());
  const apply = ['apply', '--validate=strict', '-f', PROFILES];
  const created = await kubectl.run(apply);
  const names = (await loadProfiles()).map(({ metadata }) => metadata.name);
  assert.equal(created.match(/ created$/gm)?.length, names.length);
  assert.equal((await kubectl.run(apply)).match(/ unchanged$/gm)?.length, names.length);
  const [head = '', ...rows] = (await kubectl.run(['get', 'firmwareprofiles'])).trimEnd().split('\n');
  assert.match(head, /^NAME +TITLE +ARCHITECTURE +DIALECT +AGE$/);
  assert.deepEqual(
    rows.map((row) => row.split(/ +/)[0]),
    names,
  );
  assert.match(
    await kubectl.run(['get', 'fwp', 'radxa-rock-5b']),
    /Radxa ROCK 5B \(Armbian\) +arm64 +direct /,
  );
  assert.match(await kubectl.run(['describe', 'fwp', 'raspberry-pi-4']), /cgroup_enable=memory/);
  assert.match(await kubectl.run(['explain', 'fwp.spec.boot.dialect']), /first\s+boot\s+of\s+a\s+card/);
});

test('kubectl is told which field of a profile is wrong', options, async (t) => {
  const hub = await ApiHub.start(t);
  const kubectl = new Kubectl(binary, await hub.kubeconfig());
  const profile = (spec: object) =>
    JSON.stringify({
      apiVersion: 'fleet.covey.dev/v1alpha1',
      kind: 'FirmwareProfile',
      metadata: { name: 'odd' },
      spec: {
        title: 'Odd',
        architecture: 'arm64',
        boot: { dialect: 'direct', rootPartition: 1 },
        reserved: { cpu: '1', memory: '1Gi' },
        realTimeClock: false,
        watchdog: false,
        ...spec,
      },
    });
  const refused = async (spec: object, message: RegExp) => {
    const { code, stderr } = await kubectl.try(['create', '-f', '-'], { input: profile(spec) });
    assert.notEqual(code, 0);
    assert.match(stderr, message);
  };
  await refused({ titel: 'Odd' }, /unknown field "spec\.titel"|unknown field "titel"/);
  await refused({ architecture: 'mips' }, /spec\.architecture: Unsupported value: "mips"/);
  await refused({ boot: { dialect: 'cloud-init' } }, /spec\.boot\.bootPartition: Required value/);
  await kubectl.run(['create', '-f', '-'], { input: profile({}) });
});

test('whoever is known reads profiles; writing them is for administrators', async (t) => {
  const hub = await ApiHub.start(t);
  const path = '/apis/fleet.covey.dev/v1alpha1/firmwareprofiles';
  const agent = hub.agentFor(await hub.authority.issueClient({ commonName: 'joe', organizations: [] }));
  const stranger = hub.agentFor(undefined);
  t.after(() => {
    agent.destroy();
    stranger.destroy();
  });
  assert.equal((await hub.send('GET', path, undefined, {}, agent)).status, 200);
  assert.equal((await hub.send('GET', path, undefined, {}, stranger)).status, 403);
  const [profile] = await loadProfiles();
  assert.equal((await hub.send('POST', path, profile, {}, agent)).status, 403);
  assert.equal((await hub.send('POST', path, profile)).status, 201);
});
