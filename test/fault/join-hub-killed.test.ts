/** A hub that is killed while it lets a device in lets the same device in afterwards, with the same claim. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadIdentity } from '#device-agent/link/identity.js';
import { readCredentials } from '#hub/cli/credentials.js';
import { joinTokens } from '#hub/cli/token.js';
import { eventually } from '#test/helpers/eventually.js';
import { Station } from '#test/helpers/station.js';

const JOIN_PROCESS = fileURLToPath(new URL('../../device-agent/join-process.js', import.meta.url));
/** After the request is on its way. */
const KILL_AFTER_MS = [5, 15, 30, 50, 80];

test('a claim that was used up in the moment of a crash still lets its device in, and no other', {
  timeout: 240_000,
}, async () => {
  await using station = await Station.create();
  const data = join(station.directory, 'hub');
  await station.startHub(data);
  for (const [index, delayMs] of KILL_AFTER_MS.entries()) {
    const name = `device-${index}`;
    const card = await station.flash(name, data);
    const request = (dataDir: string, serial: string) => ({
      device: name,
      dataDir,
      agentVersion: 'test',
      logLevel: 'silent',
      anyName: false,
      board: { serial },
      findings: [],
      setClock: false,
      join: {
        hub: `https://127.0.0.1:${station.apiPort}`,
        tokenFile: join(station.directory, `${name}.token`),
        trust: { ca: readFileSync(join(data, 'pki', 'ca.crt'), 'utf8') },
      },
    });
    const device = spawn(process.execPath, [JOIN_PROCESS, JSON.stringify(request(card, `board-${index}`))]);
    const joined = once(device, 'exit');
    await eventually('its key is on disk', 20_000, () => existsSync(join(card, 'join-key.json')), 1);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await station.hub.stop('SIGKILL');
    await station.startHub(data);
    assert.deepEqual(await joined, [0, null], name);
    assert.equal((await loadIdentity(card))?.device, name);
    const tokens = joinTokens(await readCredentials(data));
    const token = readFileSync(join(station.directory, `${name}.token`), 'utf8').trim();
    assert.equal((await tokens.examine(token))?.used.length, 1, name);
    const copy = spawn(process.execPath, [JOIN_PROCESS, JSON.stringify(request(`${card}-copy`, 'another'))]);
    assert.deepEqual(await once(copy, 'exit'), [1, null], name);
  }
});
