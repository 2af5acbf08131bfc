/** The composed hub as a whole: it starts on what it kept, and refuses what it cannot read. */
import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadProfiles } from '#firmware-profiles/load.js';
import { callApi, readCredentials } from '#hub/cli/credentials.js';
import type { HubConfig } from '#hub/config.js';
import { startHub } from '#hub/hub.js';
import { systemClock } from '#hub/lib/system-clock.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { tempDir } from '#test/helpers/temp-dir.js';

function config(dataDir: string): HubConfig {
  const any = [{ host: '127.0.0.1', port: 0 }];
  return {
    dataDir,
    listen: any,
    mqttListen: any,
    broker: undefined,
    advertise: [],
    boardPolicy: 'SameBoard',
    renewalGraceMs: 0,
    logLevel: 'error',
    logPretty: false,
    auditLog: undefined,
  };
}

test('a hub starts again on its directory with the same authority', async (t) => {
  const directory = await tempDir(t);
  const authority = () => readFile(join(directory, 'pki', 'ca.crt'), 'utf8');
  const first = await startHub(config(directory), systemClock, silentLogger);
  await first[Symbol.asyncDispose]();
  const before = await authority();
  const second = await startHub(config(directory), systemClock, silentLogger);
  await second[Symbol.asyncDispose]();
  assert.equal(await authority(), before);
});

test('a hub has the shipped firmware profiles from its first start', async (t) => {
  const directory = await tempDir(t);
  await using _hub = await startHub(config(directory), systemClock, silentLogger);
  const path = '/apis/fleet.covey.dev/v1alpha1/firmwareprofiles?labelSelector=fleet.covey.dev/shipped=true';
  const { items } = (await callApi(await readCredentials(directory), { method: 'GET', path })) as {
    items: ReadonlyArray<{ readonly metadata: { readonly name: string } }>;
  };
  assert.deepEqual(
    items.map(({ metadata }) => metadata.name),
    (await loadProfiles()).map(({ metadata }) => metadata.name),
  );
});

test('a store whose key is lost is refused, and no new key takes its place', async (t) => {
  const directory = await tempDir(t);
  const key = join(directory, 'pki', 'secrets.key');
  const hub = await startHub(config(directory), systemClock, silentLogger);
  await hub[Symbol.asyncDispose]();
  await rm(key);
  await assert.rejects(
    startHub(config(directory), systemClock, silentLogger),
    /secrets\.key is missing.*backup/s,
  );
  await assert.rejects(readFile(key), { code: 'ENOENT' });
});

test('a second hub on one directory is refused by name', async (t) => {
  const directory = await tempDir(t);
  const hub = await startHub(config(directory), systemClock, silentLogger);
  await assert.rejects(startHub(config(directory), systemClock, silentLogger), new RegExp(directory));
  await hub[Symbol.asyncDispose]();
});
