import 'reflect-metadata';
import assert from 'node:assert/strict';
import { webcrypto, X509Certificate } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import * as x509 from '@peculiar/x509';
import { parse } from 'yaml';
import { CertificateReader } from '#hub/authn/certificate-reader.js';
import { createAuthenticator } from '#hub/authn/create-authenticator.js';
import { formatKubeconfig, writeKubeconfig } from '#hub/authn/kubeconfig.js';
import { CertificateAuthority } from '#hub/authn/pki/certificate-authority.js';
import { readCertificate } from '#hub/authn/pki/certificates.js';
import { openSigningKey } from '#hub/authn/pki/signing-key.js';
import { apiError } from '#test/helpers/api-error.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const DAY = 24 * 3600 * 1000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A request as a device makes it; what name it asks for does not matter. */
async function certificateRequest(name = 'CN=system:masters'): Promise<string> {
  x509.cryptoProvider.set(webcrypto);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, false, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return request.toString('pem');
}

const der = (pem: string) => new Uint8Array(new X509Certificate(pem).raw);

test('the authority is made once, in private files, and loaded afterwards', async (t) => {
  const directory = join(await tempDir(t), 'pki');
  const clock = new FakeClock();
  const first = await CertificateAuthority.open({ directory, clock });
  const again = await CertificateAuthority.open({ directory, clock });
  assert.equal(again.certificate, first.certificate);
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
  for (const file of await readdir(directory)) {
    assert.equal((await stat(join(directory, file))).mode & 0o777, 0o600, file);
  }
  const facts = readCertificate(first.certificate);
  assert.equal(facts.fingerprint, first.fingerprint);
  assert.equal(facts.notAfter, clock.now() + 3650 * DAY);
  assert.ok(new X509Certificate(first.certificate).ca);
});

test('half an authority is an error that names the missing file; a key alone is started over', async (t) => {
  const directory = await tempDir(t);
  const clock = new FakeClock();
  const first = await CertificateAuthority.open({ directory, clock });
  await rm(join(directory, 'ca.crt'));
  const second = await CertificateAuthority.open({ directory, clock });
  assert.notEqual(second.certificate, first.certificate);
  await rm(join(directory, 'ca.key'));
  await assert.rejects(
    CertificateAuthority.open({ directory, clock }),
    /ca\.key is missing although .*ca\.crt exists/,
  );
  await writeFile(join(directory, 'ca.key'), 'garbage');
  await assert.rejects(CertificateAuthority.open({ directory, clock }), /are not a certification authority/);
});

test('a serving certificate is re-issued when its names change or two thirds of its life are over', async (t) => {
  const directory = await tempDir(t);
  const clock = new FakeClock();
  const authority = await CertificateAuthority.open({ directory, clock });
  const names = ['localhost', '127.0.0.1', '::1'];
  const first = await authority.serving('api', names);
  assert.deepEqual(readCertificate(first.certificate).usages, ['server']);
  assert.match(
    new X509Certificate(first.certificate).subjectAltName ?? '',
    /DNS:localhost, IP Address:127\.0\.0\.1/,
  );
  assert.ok(new X509Certificate(first.certificate).checkIP('::1'));
  const again = await authority.serving('api', [...names].reverse());
  assert.equal(again.certificate, first.certificate);
  const more = await authority.serving('api', [...names, 'hub.local']);
  assert.notEqual(more.certificate, first.certificate);
  clock.jumpWall(250 * DAY);
  const later = await authority.serving('api', [...names, 'hub.local']);
  assert.notEqual(later.certificate, more.certificate);
  const other = await CertificateAuthority.open({ directory: join(directory, 'other'), clock });
  await writeFile(join(directory, 'other', 'api.crt'), later.certificate);
  await writeFile(join(directory, 'other', 'api.key'), later.privateKey);
  assert.notEqual((await other.serving('api', [...names, 'hub.local'])).certificate, later.certificate);
});

test("a device's name comes from the hub, never from its request", async (t) => {
  const clock = new FakeClock();
  const authority = await CertificateAuthority.open({ directory: await tempDir(t), clock });
  const issued = await authority.issueDevice(
    'kitchen-1',
    await certificateRequest('CN=admin,O=system:masters'),
  );
  const facts = readCertificate(issued.certificate);
  assert.equal(facts.commonName, 'system:device:kitchen-1');
  assert.deepEqual(facts.organizations, ['system:devices']);
  assert.deepEqual(facts.usages, ['client']);
  assert.equal(facts.fingerprint, issued.fingerprint);
  await assert.rejects(authority.issueDevice('x', 'no request'));
});

test('certificates authenticate: people by subject, devices by name, strangers and the expired not', async (t) => {
  const directory = await tempDir(t);
  const clock = new FakeClock();
  const authority = await CertificateAuthority.open({ directory, clock });
  const authenticator = createAuthenticator({ authority, clock, tokens: [] });
  const who = (certificate: string | undefined) =>
    authenticator.authenticate({
      clientCertificate: certificate === undefined ? undefined : der(certificate),
      authorization: undefined,
    });
  const admin = await authority.issueClient({ commonName: 'admin', organizations: ['system:masters'] });
  assert.deepEqual(await who(admin.certificate), {
    username: 'admin',
    groups: ['system:masters', 'system:authenticated'],
  });
  const device = await authority.issueDevice('n1', await certificateRequest());
  assert.deepEqual(await who(device.certificate), {
    username: 'system:device:n1',
    groups: ['system:devices', 'system:authenticated'],
  });
  assert.deepEqual(await who(undefined), {
    username: 'system:anonymous',
    groups: ['system:unauthenticated'],
  });
  const unauthorized = apiError(401, 'Unauthorized', 'Unauthorized');
  const foreign = await CertificateAuthority.open({ directory: join(directory, 'foreign'), clock });
  const forged = await foreign.issueClient({ commonName: 'admin', organizations: ['system:masters'] });
  await assert.rejects(who(forged.certificate), unauthorized);
  const serving = await authority.serving('api', ['localhost']);
  await assert.rejects(who(serving.certificate), unauthorized);
  await assert.rejects(
    authenticator.authenticate({ clientCertificate: new Uint8Array([1, 2]), authorization: undefined }),
    unauthorized,
  );
  const short = await authority.issueClient({ commonName: 'guest' }, 1000);
  await who(short.certificate);
  clock.jumpWall(2000);
  await assert.rejects(who(short.certificate), unauthorized);
});

test('a revoked device is refused at once and after a restart, and may join again', async (t) => {
  const directory = await tempDir(t);
  const clock = new FakeClock();
  let authority = await CertificateAuthority.open({ directory, clock });
  const device = await authority.issueDevice('n1', await certificateRequest());
  const bytes = der(device.certificate);
  const heard: string[] = [];
  using _listening = authority.devices.onRevoked((name) => heard.push(name));
  const authenticator = createAuthenticator({ authority, clock, tokens: [] });
  const show = () => authenticator.authenticate({ clientCertificate: bytes, authorization: undefined });
  await show();
  await authority.devices.revoke('n1');
  assert.deepEqual(heard, ['n1']);
  await assert.rejects(show(), apiError(401, 'Unauthorized', 'Unauthorized'));
  authority = await CertificateAuthority.open({ directory, clock });
  assert.ok(authority.devices.isRevoked(device.fingerprint));
  const again = await authority.issueDevice('n1', await certificateRequest());
  assert.ok(!authority.devices.isRevoked(again.fingerprint));
  new CertificateReader(authority, clock).read(der(again.certificate));
});

test('the ninth certificate of a device revokes its first; a damaged ledger is not guessed at', async (t) => {
  const directory = await tempDir(t);
  const clock = new FakeClock();
  const { devices } = await CertificateAuthority.open({ directory, clock });
  for (let index = 0; index < 9; index += 1)
    await devices.issued('n1', { fingerprint: `f${index}`, notAfter: clock.now() + DAY });
  assert.deepEqual([devices.isRevoked('f0'), devices.isRevoked('f1')], [true, false]);
  await writeFile(join(directory, 'devices.json'), '{"version":1,"devi');
  await assert.rejects(CertificateAuthority.open({ directory, clock }), /devices\.json is damaged/);
});

test('the certificate that a device was seen with is not revoked by newer ones that may never have reached it', async (t) => {
  const clock = new FakeClock();
  const { devices } = await CertificateAuthority.open({ directory: await tempDir(t), clock });
  const issue = (fingerprint: string) => devices.issued('n1', { fingerprint, notAfter: clock.now() + DAY });
  await issue('f0');
  devices.shown('n1', 'f0');
  for (let index = 1; index < 12; index += 1) await issue(`f${index}`);
  assert.deepEqual(
    ['f0', 'f1', 'f4', 'f5', 'f11'].map((one) => devices.isRevoked(one)),
    [false, true, true, false, false],
  );
  devices.shown('n1', 'f11');
  await issue('f12');
  assert.deepEqual([devices.isRevoked('f0'), devices.isRevoked('f11')], [true, false]);
  await devices.revoke('n1');
  assert.ok(devices.isRevoked('f11'));
});

test('the kubeconfig stands alone, is private and is not rewritten in vain', async (t) => {
  const directory = await tempDir(t);
  const authority = await CertificateAuthority.open({ directory, clock: new FakeClock() });
  const credentials = await authority.client('admin', {
    commonName: 'admin',
    organizations: ['system:masters'],
  });
  const options = {
    server: 'https://127.0.0.1:6443',
    authority: authority.certificate,
    user: 'admin',
    credentials,
  };
  const path = join(directory, 'kubeconfig');
  await writeKubeconfig(path, options);
  const { ino, mode } = await stat(path);
  assert.equal(mode & 0o777, 0o600);
  await writeKubeconfig(path, options);
  assert.equal((await stat(path)).ino, ino);
  const config = parse(await readFile(path, 'utf8'));
  assert.equal(config['current-context'], 'covey');
  const decode = (text: string) => Buffer.from(text, 'base64').toString();
  assert.equal(decode(config.clusters[0].cluster['certificate-authority-data']), authority.certificate);
  assert.equal(decode(config.users[0].user['client-key-data']), credentials.privateKey);
  const token = parse(formatKubeconfig({ ...options, credentials: { token: 't' } }));
  assert.deepEqual(token.users[0].user, { token: 't' });
});

test('the signing key is made once; anything else in its place is an error', async (t) => {
  const directory = await tempDir(t);
  const first = await openSigningKey(directory);
  assert.ok(first.equals(await openSigningKey(directory)));
  await writeFile(join(directory, 'service-account.key'), 'x');
  await assert.rejects(openSigningKey(directory), /service-account\.key is not a private key/);
});
