/** A device that is killed at any moment of its join comes up with one identity, and one use of its claim. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadIdentity } from '#device-agent/link/identity.js';
import { JoiningHub } from '#test/helpers/joining-hub.js';

const JOIN_PROCESS = fileURLToPath(new URL('../../device-agent/join-process.js', import.meta.url));
const BOARD = { serial: '10000000abcdef01' };
const KILLS = 8;

test('killed at any moment, it joins at its next start with the same key', {
  timeout: 120_000,
}, async (t) => {
  const hub = await JoiningHub.start(t);
  const run = (name: string) => {
    const request = {
      device: name,
      dataDir: join(hub.directory, name),
      agentVersion: 'test',
      logLevel: 'silent',
      anyName: false,
      board: BOARD,
      findings: [],
      setClock: false,
      join: {
        hub: hub.url,
        tokenFile: join(hub.directory, `${name}.token`),
        trust: { ca: hub.authority.certificate },
      },
    };
    return spawn(process.execPath, [JOIN_PROCESS, JSON.stringify(request)], { stdio: 'ignore' });
  };
  // How long a whole join takes here; the kills are spread over it.
  const began = performance.now();
  await writeFile(join(hub.directory, 'whole.token'), await hub.claim('whole'));
  assert.deepEqual(await once(run('whole'), 'exit'), [0, null]);
  const wholeMs = performance.now() - began;

  for (let kill = 1; kill <= KILLS; kill += 1) {
    const name = `device-${kill}`;
    const token = await hub.claim(name);
    await writeFile(join(hub.directory, `${name}.token`), token);
    const first = run(name);
    const ended = once(first, 'exit');
    // The second half is where keys, claims and certificates are made.
    const at = setTimeout(() => first.kill('SIGKILL'), wholeMs * (0.4 + (0.6 * kill) / KILLS));
    await ended;
    clearTimeout(at);
    const identityBefore = await loadIdentity(join(hub.directory, name));
    if (identityBefore === undefined) assert.deepEqual(await once(run(name), 'exit'), [0, null], name);
    const identity = await loadIdentity(join(hub.directory, name));
    assert.ok(identity !== undefined);
    const certificate = new X509Certificate(identity.certificate);
    const own = createPublicKey(identity.key).export({ type: 'spki', format: 'der' });
    assert.ok(certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(own), name);
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    assert.equal(hub.authority.devices.isRevoked(fingerprint), false, name);
    assert.equal((await hub.tokens.examine(token))?.used.length, 1, name);
  }
  assert.deepEqual(hub.events, [], 'nobody was taken for a copy');
});
