/** The payload's archive: the same bytes from the same content, read back by tar; and what it refuses. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { CardError } from '#firmware-profiles/card-error.js';
import { digestOf, digestOfTree } from '#firmware-profiles/lib/digest.js';
import { stageAgentRelease } from '#firmware-profiles/payload/agent-release.js';
import { type Member, writeArchive } from '#firmware-profiles/payload/archive.js';
import { defaultCache } from '#firmware-profiles/payload/build-payload.js';
import { keptPayload, openPayload } from '#firmware-profiles/payload/payload.js';
import { suiteOf } from '#firmware-profiles/payload/suite.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const MANIFEST = { agentVersion: '1.2.3', nodeVersion: '24.0.0', suite: 'trixie' };

async function members(directory: string): Promise<readonly Member[]> {
  const file = join(directory, 'program');
  await writeFile(file, 'x'.repeat(100_000));
  return [
    { path: 'payload.json', text: JSON.stringify(MANIFEST), mode: 0o644 },
    { path: 'current', target: 'releases/1.2.3' },
    { path: 'launch', text: '#!/bin/sh\n', mode: 0o755 },
    { path: 'empty', text: '', mode: 0o644 },
    { path: 'releases/1.2.3/program', file, mode: 0o755 },
  ];
}

describe('archive', () => {
  test('depends on its content only', async (t) => {
    const directory = await tempDir(t);
    const [first, second] = [join(directory, 'a.tar.gz'), join(directory, 'b.tar.gz')];
    await writeArchive(first, await members(directory));
    await utimes(join(directory, 'program'), 1, 1);
    await writeArchive(second, await members(directory));
    assert.equal(await digestOf(first), await digestOf(second));
    const listed = execFileSync('tar', ['-tvzf', first, '--numeric-owner'], {
      encoding: 'utf8',
      env: { TZ: 'UTC' },
    });
    assert.deepEqual(
      listed
        .trim()
        .split('\n')
        .map((line) => line.replace(/ +/g, ' ')),
      [
        `-rw-r--r-- 0/0 ${JSON.stringify(MANIFEST).length} 2000-01-01 00:00 payload.json`,
        'lrwxrwxrwx 0/0 0 2000-01-01 00:00 current -> releases/1.2.3',
        '-rwxr-xr-x 0/0 10 2000-01-01 00:00 launch',
        '-rw-r--r-- 0/0 0 2000-01-01 00:00 empty',
        '-rwxr-xr-x 0/0 100000 2000-01-01 00:00 releases/1.2.3/program',
      ],
    );
    assert.equal(execFileSync('tar', ['-xzOf', first, 'releases/1.2.3/program']).length, 100_000);
  });

  test('a member that is not there leaves no archive', async (t) => {
    const directory = await tempDir(t);
    const path = join(directory, 'a.tar.gz');
    await assert.rejects(
      writeArchive(path, [{ path: 'x', file: join(directory, 'none'), mode: 0o644 }]),
      /ENOENT/,
    );
    assert.deepEqual(await readdir(directory), []);
  });

  test('two that make the same archive at once both make a whole one', async (t) => {
    const directory = await tempDir(t);
    const path = join(directory, 'a.tar.gz');
    const wanted = await members(directory);
    const digests = await Promise.all(
      Array.from({ length: 3 }, () => writeArchive(path, wanted).then(() => digestOf(path))),
    );
    assert.equal(new Set(digests).size, 1);
    assert.deepEqual((await readdir(directory)).sort(), ['a.tar.gz', 'program']);
  });

  test('a tree is known by names and content, not by times', async (t) => {
    const directory = await tempDir(t);
    await mkdir(join(directory, 'a'));
    await writeFile(join(directory, 'a/b'), '1');
    const before = await digestOfTree(directory);
    await utimes(join(directory, 'a/b'), 1, 1);
    assert.equal(await digestOfTree(directory), before);
    await writeFile(join(directory, 'a/b'), '2');
    assert.notEqual(await digestOfTree(directory), before);
  });
});

describe('payload', () => {
  test('that was made elsewhere says what it is', async (t) => {
    const directory = await tempDir(t);
    const file = join(directory, 'payload.tar.gz');
    await writeArchive(file, await members(directory));
    const payload = await openPayload(file);
    assert.deepEqual(payload, {
      file,
      sha256: await digestOf(file),
      bytes: (await readFile(file)).length,
      ...MANIFEST,
    });
  });

  test('what is none is refused by its name', async (t) => {
    const directory = await tempDir(t);
    const file = join(directory, 'other.tar.gz');
    const refused = (message: RegExp) =>
      assert.rejects(
        openPayload(file),
        (error) => error instanceof CardError && message.test(error.message) && error.message.includes(file),
      );
    await refused(/there is no such file/);
    await writeFile(file, 'no archive at all');
    await refused(/incorrect header check/);
    await writeArchive(file, [{ path: 'x', text: 'y', mode: 0o644 }]);
    await refused(/does not begin with payload\.json/);
  });

  test('a copy that was cut off anywhere is refused', async (t) => {
    const directory = await tempDir(t);
    const file = join(directory, 'payload.tar.gz');
    await writeArchive(file, await members(directory));
    const whole = await readFile(file);
    for (let length = 0; length < whole.length; length += 1 + (whole.length >> 5)) {
      await writeFile(file, whole.subarray(0, length));
      await assert.rejects(
        openPayload(file),
        {
          name: 'CardError',
          message: /payload\.tar\.gz is not a payload of Covey, or only a part of one .*: take one/s,
        },
        `${length} of ${whole.length} bytes`,
      );
    }
    // One whose packing is whole, and the archive in it is not.
    const unpacked = gunzipSync(whole);
    await writeFile(file, gzipSync(unpacked.subarray(0, unpacked.length >> 1)));
    await assert.rejects(openPayload(file), /or only a part of one/);
  });

  test('that is kept is taken while it is whole, and made anew when it is not', async (t) => {
    const directory = await tempDir(t);
    const file = join(directory, 'payload.tar.gz');
    let made = 0;
    const make = async () => {
      made += 1;
      await writeArchive(file, await members(directory));
    };
    const first = await keptPayload(file, make);
    assert.deepEqual(await keptPayload(file, make), first);
    assert.equal(made, 1);
    await truncate(file, first.bytes - 1);
    assert.equal((await keptPayload(file, make)).bytes, first.bytes);
    assert.equal(made, 2);
  });

  test('an agent that is not bundled is told', async (t) => {
    const directory = await tempDir(t);
    const nothing = { directory: join(directory, 'r'), bundle: directory, cache: directory };
    await assert.rejects(stageAgentRelease({ ...nothing, architecture: 'arm64' }), /run npm run build/);
  });

  test('is kept where the user keeps such things', () => {
    assert.equal(defaultCache({ XDG_CACHE_HOME: '/x' }), '/x/covey');
    assert.match(defaultCache({}), /\/\.cache\/covey$/);
  });
});

describe('release of Debian', () => {
  const image = (boot: Record<string, string>, root: Record<string, string> = {}) => ({
    boot: { files: new Map(Object.entries(boot)) },
    root: { files: new Map(Object.entries(root)) },
  });
  const CASES: readonly [string, Parameters<typeof suiteOf>[0], string][] = [
    ['os-release', image({}, { 'usr/lib/os-release': 'ID=debian\nVERSION_CODENAME=trixie\n' }), 'trixie'],
    ['quoted', image({}, { 'usr/lib/os-release': 'VERSION_CODENAME="bookworm"\n' }), 'bookworm'],
    ['a new Raspberry Pi OS', image({ 'issue.txt': 'Raspberry Pi reference 2025-12-04\n' }), 'trixie'],
    ['one of 2024', image({ 'issue.txt': 'Raspberry Pi reference 2024-11-19\n' }), 'bookworm'],
    ['one of 2022', image({ 'issue.txt': 'Raspberry Pi reference 2022-09-22\n' }), 'bullseye'],
    ['nothing', {}, 'bookworm'],
  ];
  for (const [name, given, suite] of CASES) {
    test(`from ${name}: ${suite}`, () => assert.equal(suiteOf(given).suite, suite));
  }
  test('an image of another distribution is refused by its name', () => {
    const release = 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nVERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\n';
    const root = { files: new Map([['usr/lib/os-release', release]]) };
    assert.throws(() => suiteOf({ root }), {
      name: 'CardError',
      message: /^the image is Ubuntu 22\.04\.5 LTS, and .* Debian's: .*--suite/,
    });
  });
  test('what is assumed is said', () => assert.match(suiteOf({}).from, /assumed.*--suite/));
});
