/** Images that cards bring along: kept whole, and the hub's credentials lie in the run's work directory only. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fetchPreloads } from '#hub/cli/flash/preload.js';
import { workDirectory } from '#test/helpers/flashing.js';
import { putInPath, watchSyncs, whyNoSyncs } from '#test/helpers/synced-files.js';
import { tempDir } from '#test/helpers/temp-dir.js';

/** Tells which digest an image has, and copies it; notes where it was given a certificate. */
const SKOPEO = `#!/bin/sh
case " $* " in
  *' inspect '*) echo sha256:${'a'.repeat(64)} ;;
  *' copy '*) for last; do :; done; last=\${last#oci-archive:}; echo image >"\${last%%:*}" ;;
esac
while [ $# -gt 0 ]; do case $1 in *cert-dir) echo "$2" >>"$0.said"; ls "$2" >>"$0.said" ;; esac; shift; done
`;

test('an image has its name when it is on the disk; a key lies in the work directory and goes', {
  skip: whyNoSyncs,
}, async (t) => {
  const directory = await tempDir(t);
  await mkdir(join(directory, 'bin'));
  const program = join(directory, 'bin/skopeo');
  await writeFile(program, SKOPEO, { mode: 0o755 });
  putInPath(t, join(directory, 'bin'));
  const work = await workDirectory(t);
  const synced = await watchSyncs(t);
  const server = 'https://hub.local:6443';
  const [image] = await fetchPreloads(['hub.local:6443/hello:1'], {
    cache: join(directory, 'cache'),
    work,
    credentials: { server, ca: 'authority', cert: 'certificate', key: 'secret' },
    hubUrl: server,
    progress: () => undefined,
    signal: new AbortController().signal,
  });
  assert.equal(await readFile(image?.file ?? '', 'utf8'), 'image\n');
  assert.match(synced.map((path) => basename(path)).join(), /^[0-9a-f]{32}-\d+\.partial$/);
  const [place = '', ...files] = (await readFile(`${program}.said`, 'utf8')).split('\n');
  assert.ok(place.startsWith(work.path), place);
  assert.deepEqual(files.slice(0, 3), ['ca.crt', 'client.cert', 'client.key']);
  assert.deepEqual(await readdir(work.path), []);
});
