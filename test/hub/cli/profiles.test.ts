/** `covey profiles` with and without a hub: list, show, check a file, and what is wrong in one line. */
import assert from 'node:assert/strict';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { loadProfiles } from '#firmware-profiles/load.js';
import { ApiHub } from '#test/helpers/api-hub.js';
import { covey } from '#test/helpers/covey.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const OWN = `apiVersion: fleet.covey.dev/v1alpha1
kind: FirmwareProfile
metadata: { name: my-board }
spec:
  title: My board
  architecture: arm64
  boot: { dialect: direct, rootPartition: 1 }
  reserved: { cpu: 300m, memory: 1Gi }
  realTimeClock: false
  watchdog: false
`;

test('without a hub the profiles of this version are listed, and shown with their sources', async (t) => {
  const data = ['--data', await tempDir(t)];
  const list = await covey(['profiles', ...data]);
  assert.deepEqual([list.code, list.stderr], [0, '']);
  const [head = '', ...rows] = list.stdout.trimEnd().split('\n');
  assert.match(head, /^NAME +TITLE +ARCHITECTURE +DIALECT +FROM$/);
  assert.deepEqual(
    rows.map((row) => row.split(/ +/)[0]),
    (await loadProfiles()).map(({ metadata }) => metadata.name),
  );
  const { stdout } = await covey(['profiles', 'show', 'raspberry-pi-5', ...data]);
  assert.match(stdout, /^# Sources$/m);
  assert.equal(parse(stdout).metadata.name, 'raspberry-pi-5');
});

test('an unknown name, a wrong file and wrong usage are one line each', async (t) => {
  const directory = await tempDir(t);
  const fails = async (args: string[], code: number, message: RegExp) => {
    const result = await covey(['profiles', ...args, '--data', directory]);
    assert.deepEqual([result.code, result.stdout], [code, '']);
    assert.match(result.stderr, message);
    assert.equal(result.stderr.trimEnd().split('\n').length, 1);
  };
  await fails(
    ['show', 'pi-4'],
    1,
    /no firmware profile "pi-4"; did you mean raspberry-pi-4\? \(known: generic-arm64, /,
  );
  const typo = /no firmware profile "raspbery-pi-4"; did you mean raspberry-pi-4\? \(known: /;
  await fails(['show', 'raspbery-pi-4'], 1, typo);
  await fails(['show', 'toaster'], 1, /no firmware profile "toaster" \(known: /);
  const file = join(directory, 'my.yaml');
  await fails(['show', '--file', file], 1, /my\.yaml: there is no such file/);
  await writeFile(file, OWN.replace('title', 'titel'));
  await fails(['show', '--file', file], 1, /my\.yaml: unknown field spec\.titel/);
  await fails(['show', file], 1, /my\.yaml: unknown field spec\.titel/);
  for (const args of [['show'], ['shw'], ['show', 'a', 'b'], ['list', 'a'], ['show', 'a', '--file', 'b']])
    await fails(args, 2, /expected list, show NAME or show --file FILE/);
});

test('a file of one’s own is checked and shown as it will be understood', async (t) => {
  const file = join(await tempDir(t), 'my.yaml');
  await writeFile(file, OWN);
  const { code, stdout } = await covey(['profiles', 'show', '--file', file]);
  assert.equal(code, 0);
  assert.deepEqual(parse(stdout).spec, {
    ...parse(OWN).spec,
    compatible: [],
    hardware: [],
    kernel: { commandLine: [] },
  });
});

test('with a hub its own profiles are listed too, and go before those of this version', async (t) => {
  const hub = await ApiHub.start(t);
  const data = await tempDir(t);
  await copyFile(await hub.kubeconfig(), join(data, 'kubeconfig'));
  const path = '/apis/fleet.covey.dev/v1alpha1/firmwareprofiles';
  const own = parse(OWN);
  assert.equal((await hub.send('POST', path, own)).status, 201);
  const mine = { ...own, metadata: { name: 'raspberry-pi-4' } };
  assert.equal((await hub.send('POST', path, mine)).status, 201);
  const list = await covey(['profiles', '--data', data]);
  assert.match(list.stdout, /^my-board +My board +arm64 +direct +hub$/m);
  assert.match(list.stdout, /^raspberry-pi-4 +My board +arm64 +direct +hub$/m);
  assert.match(list.stdout, /^raspberry-pi-5 .* covey$/m);
  const shown = await covey(['profiles', 'show', 'my-board', '--data', data]);
  assert.equal(parse(shown.stdout).spec.title, 'My board');
  await hub.server[Symbol.asyncDispose]();
  const stopped = await covey(['profiles', '--data', data]);
  assert.equal(stopped.code, 0);
  assert.match(stopped.stderr, /only those of this version are listed: cannot reach the hub/);
  assert.match(stopped.stdout, /^raspberry-pi-4 .* covey$/m);
  const unknown = await covey(['profiles', 'show', 'my-board', '--data', data]);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /no firmware profile "my-board".*the hub was not asked: cannot reach the hub/);
});
