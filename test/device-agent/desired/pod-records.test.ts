import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { PodRecords } from '#device-agent/desired/pod-records.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('counts and ends survive opening again, and forgetting leaves nothing', async (t) => {
  const directory = join(await tempDir(t), 'records');
  const records = await PodRecords.open(directory, silentLogger);
  await records.putContainer('uid-1', 'web', {
    attempt: 3,
    streak: 2,
    last: { exitCode: 1, reason: 'Error' },
  });
  await records.putOver('uid-1', { phase: 'Failed' });
  const again = await PodRecords.open(directory, silentLogger);
  assert.equal(again.get('uid-1').containers['web']?.attempt, 3);
  assert.equal(again.get('uid-1').over?.phase, 'Failed');
  await again.forget('uid-1');
  assert.deepEqual(await readdir(directory), []);
});

test('a damaged record is dropped and the others stay', async (t) => {
  const directory = join(await tempDir(t), 'records');
  const records = await PodRecords.open(directory, silentLogger);
  await records.putContainer('uid-1', 'web', { attempt: 1, streak: 1 });
  await writeFile(join(directory, 'uid-2.json'), '{"containers":');
  // As on a disk that has become read-only, some of it cannot be removed.
  for (const name of ['uid-3.json', 'uid-3.json.tmp']) await mkdir(join(directory, name));
  const again = await PodRecords.open(directory, silentLogger);
  assert.deepEqual(again.uids(), ['uid-1']);
});
