/** The pretended network: addresses without doubles, and ports that answer so that probes pass. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { createHollowNetwork } from '#device-agent/network/hollow.js';
import type { SandboxSpec } from '#device-agent/network/network.js';

const spec = (podUid: string): SandboxSpec => ({
  podUid,
  namespace: 'default',
  name: podUid,
  hostname: podUid,
  hostNetwork: false,
  hostIpc: false,
  ports: [],
});

test('every pod has an address of its own, free again after it is gone', async () => {
  const network = createHollowNetwork({ subnet: '10.88.1.0/24' });
  const [one, two] = [await network.setUp(spec('one')), await network.setUp(spec('two'))];
  assert.notEqual(one.ip, two.ip);
  assert.equal((await network.setUp(spec('one'))).ip, one.ip);
  await network.tearDown('one');
  assert.equal((await network.setUp(spec('three'))).ip, one.ip);
});

test('any port of a pod answers HTTP with 200; one of a stranger is refused', async () => {
  const network = createHollowNetwork({ subnet: '10.88.1.0/24' });
  await network.setUp(spec('one'));
  const { signal } = new AbortController();
  const socket = await network.connect('one', 8080, signal);
  const status = await new Promise((resolve, reject) => {
    const call = request({ createConnection: () => socket as never, path: '/' }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    call.on('error', reject);
    call.end();
  });
  assert.equal(status, 200);
  await assert.rejects(network.connect('stranger', 8080, signal), /stranger/);
});
