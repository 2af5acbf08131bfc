/** Registries that need more than a plain request: the hub's with a client certificate, tokens, redirects. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import {
  createServer as createHttp,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttps } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { TLSSocket } from 'node:tls';
import { ImageError } from '#device-agent/images/image-store.js';
import type { RegistryEndpoint } from '#device-agent/images/options.js';
import { parseReference } from '#device-agent/images/reference.js';
import { RegistryClient } from '#device-agent/images/registry-client.js';

const MANIFEST = '{"schemaVersion":2}';

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function client(
  reference: string,
  registries: (host: string) => RegistryEndpoint | undefined,
  credentials: ConstructorParameters<typeof RegistryClient>[0]['credentials'] = [],
): RegistryClient {
  return new RegistryClient({
    reference: parseReference(reference),
    credentials,
    registries,
    idleTimeoutMs: 5000,
    signal: new AbortController().signal,
  });
}

async function serving(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  body: (host: string) => Promise<void>,
): Promise<void> {
  const server = createHttp(answer);
  try {
    await body(`127.0.0.1:${await listen(server)}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test('the hub’s registry is reached at its endpoint with the device’s certificate', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'covey-tls-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  try {
    openssl('version');
  } catch {
    t.skip('needs openssl');
    return;
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=ca', '-days', '1');
  for (const [name, san] of [
    ['hub', 'hub.covey.internal'],
    ['device', 'device'],
  ]) {
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-subj',
      `/CN=${name}`,
      '-addext',
      `subjectAltName=DNS:${san}`,
      '-addext',
      'basicConstraints=critical,CA:FALSE',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-days',
      '1',
    );
  }
  const read = (name: string) => readFileSync(join(directory, name), 'utf8');
  const seen: string[] = [];
  const server = createHttps(
    {
      key: read('hub.key'),
      cert: read('hub.pem'),
      ca: read('ca.pem'),
      requestCert: true,
      rejectUnauthorized: true,
    },
    (request, response) => {
      seen.push(String((request.socket as TLSSocket).getPeerCertificate().subject.CN));
      response.setHeader('content-type', 'application/vnd.oci.image.manifest.v1+json');
      response.end(MANIFEST);
    },
  );
  t.after(() => server.close());
  const port = await listen(server);
  const endpoint: RegistryEndpoint = {
    url: `https://127.0.0.1:${port}`,
    serverName: 'hub.covey.internal',
    ca: read('ca.pem'),
    certificate: read('device.pem'),
    key: read('device.key'),
  };
  const hub = client('hub.covey.internal/hello:1', (host) =>
    host === 'hub.covey.internal' ? endpoint : undefined,
  );
  assert.equal(String((await hub.manifest('1')).body), MANIFEST);
  assert.deepEqual(seen, ['device']);
  const stranger = client('hub.covey.internal/hello:1', () => ({ url: endpoint.url ?? '' }));
  await assert.rejects(stranger.manifest('1'), (error) => {
    assert.ok(error instanceof ImageError);
    assert.equal(error.reason, 'RegistryUnavailable');
    assert.match(error.message, /certificate/);
    return true;
  });
});

test('a token is fetched with the pod’s credentials and used', async () => {
  const asked: string[] = [];
  await serving(
    (request, response) => {
      const { authorization = '' } = request.headers;
      asked.push(`${request.url?.split('?')[0]} ${authorization}`);
      if (request.url?.startsWith('/token')) {
        const scope = new URL(request.url, 'http://x').searchParams.get('scope');
        response.end(JSON.stringify({ token: `for-${scope}` }));
      } else if (authorization === 'Bearer for-repository:app:pull') {
        response.end(MANIFEST);
      } else {
        const realm = `http://${request.headers.host}/token`;
        response.writeHead(401, {
          'www-authenticate': `Bearer realm="${realm}",service="s",scope="repository:app:pull"`,
        });
        response.end();
      }
    },
    async (host) => {
      const credentials = [{ registry: host, username: 'u', password: 'p' }];
      await client(`${host}/app`, () => ({ plainHttp: true }), credentials).manifest('latest');
      assert.deepEqual(asked, [
        '/v2/app/manifests/latest ',
        `/token Basic ${Buffer.from('u:p').toString('base64')}`,
        '/v2/app/manifests/latest Bearer for-repository:app:pull',
      ]);
    },
  );
});

test('a redirect to another host is followed without the credentials', async () => {
  let leaked: string | undefined = 'not asked';
  await serving(
    (request, response) => {
      leaked = request.headers.authorization;
      response.end('blob');
    },
    async (storage) => {
      await serving(
        (request, response) => {
          if (request.headers.authorization) response.writeHead(307, { location: `http://${storage}/blob` });
          else response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' });
          response.end();
        },
        async (host) => {
          const credentials = [{ registry: host, username: 'u', password: 'p' }];
          const body = await client(`${host}/app`, () => ({ plainHttp: true }), credentials).smallBlob(
            'sha256:x',
            100,
          );
          assert.equal(String(body), 'blob');
          assert.equal(leaked, undefined);
        },
      );
    },
  );
});

test('endless redirects, oversized answers and silence end', async () => {
  await serving(
    (request, response) => {
      if (request.url?.includes('loop')) {
        response.writeHead(302, { location: request.url });
        response.end();
      } else response.end(Buffer.alloc(1000));
    },
    async (host) => {
      const registry = client(`${host}/app`, () => ({ plainHttp: true }));
      await assert.rejects(registry.smallBlob('loop', 10), /more than 5 redirects/);
      await assert.rejects(registry.smallBlob('big', 10), /larger than 10 bytes/);
    },
  );
});
