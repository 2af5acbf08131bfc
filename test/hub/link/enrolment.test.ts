/** Joining: who gets a certificate, for which name, and what the others are told. */
import assert from 'node:assert/strict';
import { randomBytes, X509Certificate } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { makeKeyRequest } from '#device-agent/link/key-request.js';
import { JoinTokens } from '#hub/authn/join-token.js';
import { CertificateAuthority } from '#hub/authn/pki/certificate-authority.js';
import { DEVICES } from '#hub/cache/resources.js';
import type { BoardPolicy, Device, DeviceSpec } from '#protocol/fleet/v1alpha1/device.js';
import { formatTime } from '#protocol/meta/time.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { fakeRequest, fakeResponse } from '#test/helpers/link-fleet.js';
import { device } from '#test/helpers/objects.js';
import { tempDir } from '#test/helpers/temp-dir.js';
import { testEnrolment } from '#test/helpers/test-enrolment.js';

const DAY = 24 * 3_600_000;
const PI = { serial: '10000000abcdef01', model: 'Raspberry Pi 4 Model B Rev 1.5' };
const OTHER_PI = { serial: '10000000abcdef02', model: 'Raspberry Pi 5 Model B Rev 1.0' };

function fingerprintOf(certificate: string): string {
  return new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase();
}

interface Told {
  readonly device: string;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

async function setUp(t: TestContext, boardPolicy: BoardPolicy = 'SameBoard') {
  const clock = new FakeClock();
  const client = new FakeClient();
  const ca = await CertificateAuthority.open({ directory: await tempDir(t), clock });
  const tokens = new JoinTokens({ client, clock, namespace: 'kube-system', randomBytes });
  const told: Told[] = [];
  const enrolment = testEnrolment({
    client,
    ca,
    tokens,
    clock,
    boardPolicy,
    events: {
      record: ({ metadata }, type, reason, message) => {
        told.push({ device: metadata.name, type, reason, message });
      },
    },
  });
  const post = async (body: unknown, url = '/join') => {
    const response = fakeResponse();
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    await enrolment.handle(fakeRequest('POST', text, url), response as never);
    return { status: response.status, body: JSON.parse(response.body), headers: response.headers };
  };
  const { csr } = await makeKeyRequest('kitchen');
  const claim = async (name = 'kitchen') =>
    (await tokens.create({ lifetimeMs: 90 * DAY, device: name, uses: 1 })).token;
  const get = (name = 'kitchen') =>
    client.all<Device>(DEVICES).find(({ metadata }) => metadata.name === name);
  const changeSpec = (spec: Partial<DeviceSpec>) =>
    client.change<Device>(DEVICES, 'kitchen', (draft) => Object.assign(draft.spec, spec));
  const isRevoked = (certificate: string) => ca.devices.isRevoked(fingerprintOf(certificate));
  return { clock, client, ca, tokens, enrolment, post, csr, told, claim, get, changeSpec, isRevoked };
}

test('a token and a request become a certificate for the asked name, and a Device', async (t) => {
  const { ca, client, tokens, post, csr } = await setUp(t);
  const { token } = await tokens.create({ lifetimeMs: 60_000, uses: 1 });
  const { status, body } = await post({ device: 'kitchen', token, csr });
  assert.equal(status, 201);
  const certificate = new X509Certificate(body.certificate);
  assert.match(certificate.subject, /CN=system:device:kitchen/);
  assert.ok(certificate.checkIssued(new X509Certificate(ca.certificate)));
  assert.deepEqual(body.mqtt, ['hub:8883']);
  assert.equal(client.all<Device>(DEVICES)[0]?.metadata.name, 'kitchen');
  const spent = await post({ device: 'cellar', token, csr });
  assert.deepEqual([spent.status, spent.body.reason], [403, 'ClaimSpent']);
});

test('a name that is taken is given again only to a token for it, which revokes the old device', async (t) => {
  const { tokens, post, csr, isRevoked } = await setUp(t);
  const open = await tokens.create({ lifetimeMs: 60_000 });
  const first = await post({ device: 'kitchen', token: open.token, csr });
  const { csr: other } = await makeKeyRequest('kitchen');
  const clash = await post({ device: 'kitchen', token: open.token, csr: other });
  assert.deepEqual([clash.status, clash.body.reason], [409, 'AlreadyExists']);
  const claim = await tokens.create({ lifetimeMs: 60_000, device: 'kitchen', uses: 1 });
  assert.equal((await post({ device: 'kitchen', token: claim.token, csr: other })).status, 201);
  assert.equal(isRevoked(first.body.certificate), true);
});

test('of two that want one name at once, one gets it', async (t) => {
  const { tokens, post, csr } = await setUp(t);
  const { token } = await tokens.create({ lifetimeMs: 60_000 });
  const answers = await Promise.all([1, 2].map(() => post({ device: 'kitchen', token, csr })));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409]);
});

test('a Device that was made beforehand waits for whoever joins first', async (t) => {
  const { client, tokens, post, csr } = await setUp(t);
  client.put(DEVICES, device({ metadata: { name: 'kitchen' } }));
  const { token } = await tokens.create({ lifetimeMs: 60_000 });
  assert.equal((await post({ device: 'kitchen', token, csr })).status, 201);
  const { csr: other } = await makeKeyRequest('kitchen');
  assert.equal((await post({ device: 'kitchen', token, csr: other })).status, 409);
});

test('a claim is for its own name, an expired token for none', async (t) => {
  const { clock, tokens, post, csr } = await setUp(t);
  const claim = await tokens.create({ lifetimeMs: 60_000, device: 'kitchen' });
  assert.equal((await post({ device: 'cellar', token: claim.token, csr })).status, 401);
  await clock.advance(60_001);
  assert.equal((await post({ device: 'kitchen', token: claim.token, csr })).status, 401);
});

test('bad requests get exact Statuses and use no token up', async (t) => {
  const { tokens, post, csr, enrolment } = await setUp(t);
  const { token } = await tokens.create({ lifetimeMs: 60_000, uses: 2 });
  for (const body of ['{', {}, { device: 'kitchen', token }, { device: 'Kit chen', token, csr }]) {
    const { status, body: answer } = await post(body);
    assert.deepEqual([status, answer.kind, answer.reason], [400, 'Status', 'BadRequest']);
  }
  assert.equal((await post('x'.repeat(70_000))).status, 413);
  assert.equal((await tokens.list())[0]?.usesLeft, 2);
  const response = fakeResponse();
  await enrolment.handle(fakeRequest('DELETE', ''), response as never);
  assert.equal(response.status, 405);
});

test('anybody may read the authority, which is public', async (t) => {
  const { ca, clock, enrolment } = await setUp(t);
  const response = fakeResponse();
  await enrolment.handle(fakeRequest('GET', ''), response as never);
  assert.deepEqual(JSON.parse(response.body), { ca: ca.certificate, time: clock.now() });
});

test('a claim that was used is refused to a copy of the card, with who used it and an Event now and then', async (t) => {
  const { clock, post, csr, told, claim } = await setUp(t);
  const token = await claim();
  assert.equal((await post({ device: 'kitchen', token, csr, board: PI })).status, 201);
  const { csr: copy } = await makeKeyRequest('kitchen');
  const refused = await post({ device: 'kitchen', token, csr: copy, board: OTHER_PI });
  assert.deepEqual(refused.body, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `this card was already used by the board 10000000abcdef01 (Raspberry Pi 4 Model B Rev 1.5) at 10.0.0.9 on ${formatTime(clock.now())}; flash the card again, or run "covey devices replace kitchen" if that board is gone for good`,
    reason: 'ClaimSpent',
    details: { name: 'kitchen', group: 'fleet.covey.dev', kind: 'devices' },
    code: 403,
  });
  for (let index = 0; index < 50; index += 1)
    await post({ device: 'kitchen', token, csr: copy, board: OTHER_PI });
  assert.deepEqual(
    told.map(({ device: about, type, reason }) => [about, type, reason]),
    [['kitchen', 'Warning', 'CopiedCard']],
  );
  assert.match(told[0]?.message ?? '', /10000000abcdef02.*10000000abcdef01/);
  await clock.advance(60_001);
  await post({ device: 'kitchen', token, csr: copy, board: OTHER_PI });
  assert.equal(told.length, 2);
});

test('of two boards that show one claim at once one joins, and the other is told whose it is', async (t) => {
  const { tokens, post, csr, claim } = await setUp(t);
  const token = await claim();
  const { csr: copy } = await makeKeyRequest('kitchen');
  const examine = tokens.examine.bind(tokens);
  // The copy's first look at the token is held up until the other has joined.
  let late = false;
  t.mock.method(tokens, 'examine', async (text: string) => {
    const state = await examine(text);
    if (late) {
      late = false;
      assert.equal((await post({ device: 'kitchen', token, csr, board: PI })).status, 201);
    }
    return state;
  });
  late = true;
  const second = await post({ device: 'kitchen', token, csr: copy, board: OTHER_PI });
  assert.deepEqual([second.status, second.body.reason], [403, 'ClaimSpent']);
});

test('one key on two boards is a copied card', async (t) => {
  const { post, csr, claim } = await setUp(t);
  const token = await claim();
  assert.equal((await post({ device: 'kitchen', token, csr, board: PI })).status, 201);
  assert.equal((await post({ device: 'kitchen', token, csr, board: OTHER_PI })).body.reason, 'ClaimSpent');
});

test('the same board with the same key gets in again when its answer was lost', async (t) => {
  const { post, csr, claim, isRevoked, told } = await setUp(t);
  const token = await claim();
  const first = await post({ device: 'kitchen', token, csr, board: PI });
  const second = await post({ device: 'kitchen', token, csr, board: PI });
  assert.deepEqual([first.status, second.status], [201, 201]);
  assert.equal(isRevoked(first.body.certificate), false);
  assert.equal(isRevoked(second.body.certificate), false);
  assert.deepEqual(told, []);
});

test('a hub that dies at any step of a join lets the same board in afterwards, and nobody else', async (t) => {
  for (let step = 0; step < 30; step += 1) {
    const { client, post, csr, claim, get } = await setUp(t);
    assert.equal((await post({ device: 'kitchen', token: await claim(), csr, board: PI })).status, 201);
    const token = await claim();
    const { csr: reflashed } = await makeKeyRequest('kitchen');
    let calls = 0;
    client.before = () => {
      calls += 1;
      if (calls > step) throw new Error('power cut');
    };
    const cut = await post({ device: 'kitchen', token, csr: reflashed, board: PI });
    client.before = () => undefined;
    const { csr: copy } = await makeKeyRequest('kitchen');
    const again = await post({ device: 'kitchen', token, csr: reflashed, board: PI });
    assert.equal(again.status, 201, `after ${step} calls: ${JSON.stringify(again.body)}`);
    assert.equal(get()?.spec.boardSerial, PI.serial);
    assert.equal((await post({ device: 'kitchen', token, csr: copy, board: PI })).body.reason, 'ClaimSpent');
    if (cut.status === 201) {
      assert.ok(step > 5, 'a join makes several calls');
      return;
    }
  }
  assert.fail('a join takes more calls than expected');
});

test('a certificate that could not be put on record is asked for again with the same claim', async (t) => {
  const { ca, post, csr, claim, get } = await setUp(t);
  const token = await claim();
  const issue = ca.issueDevice.bind(ca);
  t.mock.method(ca, 'issueDevice', async (device: string, request: string) => {
    await issue(device, request);
    t.mock.restoreAll();
    throw new Error('power cut');
  });
  const failed = await post({ device: 'kitchen', token, csr, board: PI });
  assert.equal(failed.status, 500, 'to be tried again, not a fault of the request');
  assert.equal((await post({ device: 'kitchen', token, csr, board: PI })).status, 201);
  assert.equal(get()?.spec.boardSerial, PI.serial);
});

test('a reflashed board comes back as the same device; another board waits until it is approved', async (t) => {
  const { clock, post, csr, told, claim, get, changeSpec, isRevoked } = await setUp(t);
  const first = await post({ device: 'kitchen', token: await claim(), csr, board: PI });
  assert.deepEqual([get()?.spec.boardSerial, get()?.status.board], [PI.serial, PI]);
  const { csr: reflashed } = await makeKeyRequest('kitchen');
  const back = await post({ device: 'kitchen', token: await claim(), csr: reflashed, board: PI });
  assert.equal(back.status, 201);
  assert.equal(isRevoked(first.body.certificate), true);
  assert.deepEqual(
    told.map(({ reason }) => reason),
    ['Rejoined'],
  );

  const token = await claim();
  const { csr: stranger } = await makeKeyRequest('kitchen');
  const request = { device: 'kitchen', token, csr: stranger, board: OTHER_PI };
  const waiting = await post(request);
  assert.deepEqual([waiting.status, waiting.body.reason], [403, 'PendingApproval']);
  assert.equal(waiting.body.details.retryAfterSeconds, 15);
  assert.equal(waiting.headers['Retry-After'], '15');
  assert.match(waiting.body.message, /10000000abcdef02 asks to be kitchen.*belongs to.*10000000abcdef01/);
  const { pendingJoin, conditions } = get()?.status ?? {};
  assert.deepEqual(pendingJoin?.board, OTHER_PI);
  assert.equal(conditions?.find(({ type }) => type === 'PendingApproval')?.status, 'True');
  assert.equal(isRevoked(back.body.certificate), false);

  const revision = get()?.metadata.resourceVersion;
  for (let index = 0; index < 20; index += 1) await post(request);
  await clock.advance(11_000);
  await post(request);
  assert.equal(get()?.metadata.resourceVersion, revision, 'asking again writes nothing');

  changeSpec({ approvedKey: pendingJoin?.key ?? '' });
  const { csr: third } = await makeKeyRequest('kitchen');
  assert.equal((await post({ ...request, csr: third })).body.reason, 'PendingApproval');
  assert.equal((await post(request)).status, 201);
  const after = get();
  assert.deepEqual([after?.spec.boardSerial, after?.spec.approvedKey], [OTHER_PI.serial, undefined]);
  assert.equal(after?.status.pendingJoin, undefined);
  assert.equal(after?.status.conditions?.find(({ type }) => type === 'PendingApproval')?.status, 'False');
  assert.equal(isRevoked(back.body.certificate), true);
  assert.equal(told.at(-1)?.reason, 'BoardReplaced');
});

test('a replacement that was announced takes over at once, even with the card of the old board', async (t) => {
  const { post, csr, claim, get, changeSpec } = await setUp(t);
  const token = await claim();
  await post({ device: 'kitchen', token, csr, board: PI });
  const { csr: moved } = await makeKeyRequest('kitchen');
  assert.equal(
    (await post({ device: 'kitchen', token, csr: moved, board: OTHER_PI })).body.reason,
    'ClaimSpent',
  );
  changeSpec({ replaceBoard: true });
  assert.equal((await post({ device: 'kitchen', token, csr: moved, board: OTHER_PI })).status, 201);
  assert.deepEqual([get()?.spec.boardSerial, get()?.spec.replaceBoard], [OTHER_PI.serial, undefined]);
  const { csr: third } = await makeKeyRequest('kitchen');
  assert.equal((await post({ device: 'kitchen', token, csr: third, board: PI })).body.reason, 'ClaimSpent');
});

test('a machine without a name of its own gets that of its claim, or the one its board had', async (t) => {
  const { client, tokens, post, csr, claim } = await setUp(t);
  const named = await post({ device: 'raspberrypi', anyName: true, token: await claim(), csr, board: PI });
  assert.deepEqual([named.status, named.body.device], [201, 'kitchen']);
  const open = (await tokens.create({ lifetimeMs: 60_000 })).token;
  const { csr: reflashed } = await makeKeyRequest('raspberrypi');
  const request = { device: 'raspberrypi', anyName: true, token: open, csr: reflashed, board: PI };
  client.change<Device>(DEVICES, 'kitchen', (draft) => {
    draft.status.presence = 'Online';
  });
  assert.equal((await post(request)).body.reason, 'PendingApproval', 'not while the device is connected');
  client.change<Device>(DEVICES, 'kitchen', (draft) => {
    draft.status.presence = 'Offline';
  });
  assert.equal((await post(request)).body.device, 'kitchen');
  const { csr: fresh } = await makeKeyRequest('raspberrypi');
  const other = await post({ ...request, csr: fresh, board: OTHER_PI });
  assert.deepEqual([other.status, other.body.device], [201, 'raspberrypi']);
});

test('with the policy Approve the first join waits as well, and its findings are shown', async (t) => {
  const { post, csr, claim, get, changeSpec } = await setUp(t, 'Approve');
  const findings = [{ check: 'memory-cgroup', severity: 'error', message: 'no memory controller' }];
  const request = { device: 'kitchen', token: await claim(), csr, findings };
  assert.equal((await post(request)).body.reason, 'PendingApproval');
  const failed = get()?.status.conditions?.find(({ type }) => type === 'PreflightFailed');
  assert.deepEqual([failed?.status, failed?.message], ['True', 'memory-cgroup: no memory controller']);
  changeSpec({ approvedKey: get()?.status.pendingJoin?.key ?? '' });
  assert.equal((await post({ ...request, findings: [] })).status, 201);
  assert.equal(get()?.status.conditions?.find(({ type }) => type === 'PreflightFailed')?.status, 'False');
});

test('serial numbers that many boards share bind nothing; with the policy Any nobody waits', async (t) => {
  const { post, csr, claim, get } = await setUp(t);
  await post({ device: 'kitchen', token: await claim(), csr, board: { serial: '0000000000000000' } });
  assert.equal(get()?.spec.boardSerial, undefined);
  const { csr: second } = await makeKeyRequest('kitchen');
  assert.equal((await post({ device: 'kitchen', token: await claim(), csr: second, board: PI })).status, 201);
  const any = await setUp(t, 'Any');
  await any.post({ device: 'kitchen', token: await any.claim(), csr, board: PI });
  const swapped = await any.post({
    device: 'kitchen',
    token: await any.claim(),
    csr: second,
    board: OTHER_PI,
  });
  assert.equal(swapped.status, 201);
});

test('an expired certificate is renewed for who has its key, for a while and unless revoked', async (t) => {
  const { clock, ca, post, csr, claim, changeSpec, get } = await setUp(t);
  const { certificate } = (await post({ device: 'kitchen', token: await claim(), csr, board: PI })).body;
  await clock.advance(500 * DAY);
  const renewed = await post({ certificate, csr }, '/join/renew');
  assert.equal(renewed.status, 201);
  assert.ok(Date.parse(new X509Certificate(renewed.body.certificate).validTo) > clock.now());
  assert.equal(get()?.status.certificateExpirationTime, formatTime(clock.now() + 365 * DAY));
  const { csr: thief } = await makeKeyRequest('kitchen');
  assert.equal((await post({ certificate, csr: thief }, '/join/renew')).status, 401);
  await clock.advance(400 * DAY);
  const late = await post({ certificate, csr }, '/join/renew');
  assert.deepEqual([late.status, late.body.reason], [403, 'Forbidden']);
  changeSpec({ revoked: true });
  const { certificate: second } = renewed.body;
  assert.equal((await post({ certificate: second, csr }, '/join/renew')).status, 401);
  changeSpec({ revoked: false });
  await ca.devices.revoke('kitchen');
  assert.equal((await post({ certificate: second, csr }, '/join/renew')).status, 401);
});

test('the site of a card becomes that of the Device, unless it has one or the site could be no label', async (t) => {
  const { post, csr, claim, get, changeSpec } = await setUp(t);
  const join = async (site: unknown) => {
    const body = { device: 'kitchen', token: await claim(), csr, board: PI, site };
    assert.equal((await post(body)).status, 201);
    return get()?.spec.site;
  };
  for (const wrong of ['', 'no label!', 'x'.repeat(64), 7]) assert.equal(await join(wrong), undefined);
  for (const site of ['home', undefined, 'attic']) assert.equal(await join(site), 'home');
  changeSpec({ site: 'roof' });
  assert.equal(await join('home'), 'roof');
});
