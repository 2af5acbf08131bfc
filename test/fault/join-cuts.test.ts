/**
 * Joins that are cut off before each of the hub's steps, with every second try that could follow; two that are
 * interleaved in every way; and an operator who revokes or removes the device in between. A claim lets one board in,
 * and the right one is never locked out.
 */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { X509Certificate } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { makeKeyRequest } from '#device-agent/link/key-request.js';
import { DEVICES } from '#hub/cache/resources.js';
import type { BoardPolicy, Device } from '#protocol/fleet/v1alpha1/device.js';
import { FLEET_FINALIZER } from '#protocol/fleet/v1alpha1/well-known.js';
import { EnrolmentBench } from '#test/helpers/enrolment-bench.js';
import { device } from '#test/helpers/objects.js';

const DAY = 24 * 3_600_000;
const PI = { serial: '10000000abcdef01' };
const OTHER = { serial: '10000000abcdef02' };
const [{ csr: rightKey }, { csr: otherKey }, { csr: oldKey }] = await Promise.all([
  makeKeyRequest('kitchen'),
  makeKeyRequest('kitchen'),
  makeKeyRequest('kitchen'),
]);

interface Story {
  readonly name: string;
  readonly policy?: BoardPolicy;
  readonly board?: { readonly serial: string };
  /** Whom an operator, or the want of a serial number, lets in beside the right one, as long as that has not joined. */
  readonly openTo?: 'key' | 'all';
  /** What was before; answers the claim on the card. */
  readonly before: (bench: EnrolmentBench) => Promise<string>;
}

async function oldBoard(bench: EnrolmentBench, board?: { serial: string }): Promise<string> {
  const token = await bench.claim();
  const joined = await bench.join({ device: 'kitchen', token, csr: oldKey, board });
  assert.ok(joined.certificate, joined.reason);
  return token;
}

const STORIES: readonly Story[] = [
  { name: 'a first join', board: PI, before: (bench) => bench.claim() },
  { name: 'a first join of a board without serial number', openTo: 'key', before: (bench) => bench.claim() },
  {
    name: 'a join of a Device that was made beforehand',
    board: PI,
    before: (bench) => {
      bench.client.put(DEVICES, device({ metadata: { name: 'kitchen' } }));
      return bench.claim();
    },
  },
  {
    name: 'a reflashed board',
    board: PI,
    before: async (bench) => {
      await oldBoard(bench, PI);
      return await bench.claim();
    },
  },
  {
    name: 'a replacement that was announced, with the card of the old board',
    board: PI,
    openTo: 'all',
    before: async (bench) => {
      const token = await oldBoard(bench, OTHER);
      bench.changeSpec({ replaceBoard: true });
      return token;
    },
  },
  {
    name: 'another board that was approved',
    board: PI,
    openTo: 'key',
    before: async (bench) => {
      await oldBoard(bench, OTHER);
      const token = await bench.claim();
      const waits = await bench.join({ device: 'kitchen', token, csr: rightKey, board: PI });
      assert.equal(waits.reason, 'PendingApproval');
      bench.changeSpec({ approvedKey: bench.device()?.status.pendingJoin?.key });
      return token;
    },
  },
  {
    name: 'a first join that was approved',
    policy: 'Approve',
    board: PI,
    openTo: 'key',
    before: async (bench) => {
      const token = await bench.claim();
      const waits = await bench.join({ device: 'kitchen', token, csr: rightKey, board: PI });
      assert.equal(waits.reason, 'PendingApproval');
      bench.changeSpec({ approvedKey: bench.device()?.status.pendingJoin?.key });
      return token;
    },
  },
];

/** Of others that show the claim on the same card. */
const OTHERS = [
  { who: 'the same board with another key', csr: otherKey, board: PI },
  { who: 'another board', csr: otherKey, board: OTHER },
  { who: 'a board without serial number', csr: otherKey, board: undefined },
  { who: 'another board with the same key', csr: rightKey, board: OTHER },
];

function isGood(bench: EnrolmentBench, certificate: string | undefined): boolean {
  if (certificate === undefined) return false;
  const { fingerprint256 } = new X509Certificate(certificate);
  return bench.hub.ca.devices.isIssued('kitchen', fingerprint256.replaceAll(':', '').toLowerCase());
}

/** Cuts the join off before its step number `cut`, and starts the hub anew; false when it took fewer steps. */
async function cutJoin(bench: EnrolmentBench, cut: number, join: () => Promise<unknown>): Promise<boolean> {
  let steps = 0;
  bench.before = () => {
    steps += 1;
    if (steps > cut) throw new Error('power cut');
  };
  await join();
  await bench.restart();
  return steps > cut;
}

for (const { name, policy, board, openTo, before } of STORIES)
  test(`cut off before any step, ${name} is done by the next try, and by nobody else`, async (t) => {
    for (const [index, other] of [undefined, ...OTHERS].entries())
      for (let cut = 0, more = true; more; cut += 1) {
        assert.ok(cut < 40, 'a join has an end');
        const bench = await EnrolmentBench.start(t, policy);
        const token = await before(bench);
        const right = { device: 'kitchen', token, csr: rightKey, board };
        more = await cutJoin(bench, cut, () => bench.join(right));
        const used = (await bench.tokens.examine(token))?.used.at(-1);
        const claimed = used !== undefined && used.serial === board?.serial && used.key !== '';
        const stranger =
          other === undefined
            ? undefined
            : await bench.join({ device: 'kitchen', token, csr: other.csr, board: other.board });
        const again = await bench.join(right);
        const where = `${other?.who ?? 'nobody else'}, cut ${cut} of story ${index}: ${JSON.stringify([stranger?.reason, again.reason])}`;
        const both = [stranger?.certificate, again.certificate].filter((one) => isGood(bench, one));
        assert.equal(both.length, 1, where);
        const open = openTo === 'all' || (openTo === 'key' && other?.csr === rightKey);
        if (other === undefined || (claimed && !open)) assert.ok(again.certificate, where);
        assert.equal((await bench.tokens.examine(token))?.usesLeft, 0);
        assert.ok(bench.device()?.metadata.finalizers?.includes(FLEET_FINALIZER.device), where);
      }
  });

/** Runs one until its step number `first`, then the other until its step number `second`, then both to their ends. */
async function interleaved<T>(
  bench: EnrolmentBench,
  [first, second]: readonly [number, number],
  [one, two]: readonly [() => Promise<T>, () => Promise<T>],
): Promise<{ answers: readonly [T, T]; steps: number }> {
  const who = new AsyncLocalStorage<'first' | 'second'>();
  const counts = { first: 0, second: 0 };
  const [paused, pause] = signal();
  const [done, finish] = signal();
  let inner: Promise<T> | undefined;
  bench.before = async () => {
    const caller = who.getStore();
    if (caller === undefined) return;
    counts[caller] += 1;
    if (caller === 'first' && counts.first - 1 === first) {
      inner = who.run('second', two);
      await Promise.race([inner, paused]);
    }
    if (caller === 'second' && counts.second - 1 === second) {
      pause();
      await done;
    }
  };
  const firstAnswer = await who.run('first', one);
  finish();
  inner ??= two();
  return { answers: [firstAnswer, await inner], steps: counts.first };
}

function signal(): [Promise<void>, () => void] {
  let give: () => void = () => undefined;
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return [given, () => give()];
}

for (const [what, names] of [
  ['a claim for a name', ['kitchen', 'kitchen']],
  ['a claim for any name', ['kitchen', 'cellar']],
] as const)
  test(`of two that show ${what} at once, interleaved in any way, one gets in`, async (t) => {
    for (let first = 0, more = true; more; first += 1)
      for (let second = 0; second < 14; second += 1) {
        const bench = await EnrolmentBench.start(t);
        const token = await bench.claim(names[0] === names[1] ? 'kitchen' : '');
        const asks = [
          { device: names[0], token, csr: rightKey, board: PI },
          { device: names[1], token, csr: otherKey, board: OTHER },
        ] as const;
        const { answers, steps } = await interleaved(
          bench,
          [first, second],
          [() => bench.join(asks[0]), () => bench.join(asks[1])],
        );
        more = steps > first;
        const where = `${first} and ${second}: ${JSON.stringify(answers.map(({ reason }) => reason))}`;
        assert.equal(answers.filter(({ certificate }) => certificate !== undefined).length, 1, where);
        assert.equal((await bench.tokens.examine(token))?.used.length, 1, where);
        const [winner] = answers.map(({ certificate }) => certificate !== undefined);
        const loser = await bench.join(asks[winner ? 1 : 0]);
        assert.equal(loser.reason, 'ClaimSpent', where);
      }
  });

/** What an operator does while a certificate is made, with what the hub does as soon as it sees it. */
const INTERVENTIONS: ReadonlyArray<{ what: string; act: (bench: EnrolmentBench) => Promise<void> }> = [
  {
    what: 'revoked',
    act: async (bench) => {
      bench.changeSpec({ revoked: true });
      await bench.hub.ca.devices.revoke('kitchen');
    },
  },
  {
    what: 'being removed',
    act: async (bench) => {
      bench.client.change<Device>(DEVICES, 'kitchen', ({ metadata }) => {
        metadata.deletionTimestamp = '2026-01-02T03:04:05Z';
      });
      await bench.hub.ca.devices.revoke('kitchen');
    },
  },
  {
    what: 'removed',
    act: async (bench) => {
      bench.client.remove(DEVICES, 'kitchen');
      await bench.hub.ca.devices.revoke('kitchen');
    },
  },
];

const WAYS: ReadonlyArray<{
  how: string;
  get: (bench: EnrolmentBench, old: string, token: string) => Promise<{ certificate: string }>;
}> = [
  {
    how: 'joins',
    get: ({ hub }, _old, token) => hub.enrolment.join({ device: 'kitchen', token, csr: rightKey, board: PI }),
  },
  { how: 'renews its certificate', get: ({ hub }) => hub.enrolment.renew('kitchen', rightKey) },
  {
    how: 'renews an expired certificate',
    get: ({ hub }, certificate) => hub.enrolment.renewExpired({ certificate, csr: oldKey }),
  },
];

for (const { what, act } of INTERVENTIONS)
  for (const { how, get } of WAYS)
    test(`a device that is ${what} while it ${how} is left without a certificate that is good`, async (t) => {
      for (let moment = 0, more = true; more; moment += 1) {
        assert.ok(moment < 40);
        const { bench, old, token } = await joinedBefore(t);
        let steps = 0;
        let acted = false;
        bench.before = async () => {
          if (acted) return;
          steps += 1;
          if (steps <= moment) return;
          acted = true;
          await act(bench);
        };
        const { certificate } = await bench.outcome(get(bench, old, token));
        more = acted;
        bench.before = () => undefined;
        // A join that finds no device any more may make one.
        const anew = what === 'removed' && bench.device() !== undefined && certificate !== undefined;
        if (more) assert.equal(isGood(bench, certificate), anew, `moment ${moment}`);
        if (more && what !== 'removed') assert.equal(bench.hub.ca.devices.hasKey('kitchen', rightKey), false);
      }
    });

async function joinedBefore(t: TestContext) {
  const bench = await EnrolmentBench.start(t);
  const first = await bench.claim();
  const { certificate: old } = await bench.join({ device: 'kitchen', token: first, csr: oldKey, board: PI });
  assert.ok(old);
  return { bench, old, token: await bench.claim() };
}

test('a device that is being removed waits to join until it is gone, and keeps its claim', async (t) => {
  const { bench, token } = await joinedBefore(t);
  bench.client.change<Device>(DEVICES, 'kitchen', ({ metadata }) => {
    metadata.deletionTimestamp = '2026-01-02T03:04:05Z';
  });
  const right = { device: 'kitchen', token, csr: rightKey, board: PI };
  assert.equal((await bench.join(right)).reason, 'Conflict');
  assert.equal((await bench.tokens.examine(token))?.usesLeft, 1);
  bench.client.remove(DEVICES, 'kitchen');
  assert.ok((await bench.join(right)).certificate);
});

test('a board that was removed does not come back with the claim that it has used', async (t) => {
  const { bench, token } = await joinedBefore(t);
  const right = { device: 'kitchen', token, csr: rightKey, board: PI };
  assert.ok((await bench.join(right)).certificate);
  const unused = await bench.claim();
  await bench.hub.ca.devices.revoke('kitchen');
  await bench.tokens.retire('kitchen');
  bench.client.remove(DEVICES, 'kitchen');
  assert.equal((await bench.join(right)).reason, 'ClaimSpent');
  assert.ok((await bench.join({ ...right, token: unused })).certificate);
});

test('an expired certificate is renewed however often the answer is lost or the hub is cut off', async (t) => {
  for (let cut = 0, more = true; more; cut += 1) {
    assert.ok(cut < 20, 'a renewal has an end');
    const { bench, old } = await joinedBefore(t);
    await bench.clock.advance(400 * DAY);
    const renew = () => bench.outcome(bench.hub.enrolment.renewExpired({ certificate: old, csr: oldKey }));
    more = await cutJoin(bench, cut, renew);
    for (let index = 0; index < 12; index += 1)
      assert.ok((await renew()).certificate, `cut ${cut}, try ${index}`);
  }
});

test('a board that was replaced does not take its name back with the claim that it has used', async (t) => {
  for (const policy of ['SameBoard', 'Any'] as const)
    for (const [old, young] of [
      [undefined, undefined],
      [PI, policy === 'Any' ? OTHER : PI],
    ] as const) {
      const bench = await EnrolmentBench.start(t, policy);
      const replaced = { device: 'kitchen', token: await bench.claim(), csr: oldKey, board: old };
      assert.ok((await bench.join(replaced)).certificate);
      const right = { device: 'kitchen', token: await bench.claim(), csr: rightKey, board: young };
      const { certificate } = await bench.join(right);
      assert.equal((await bench.join(replaced)).reason, 'ClaimSpent');
      assert.ok(isGood(bench, certificate));
      assert.ok((await bench.join(right)).certificate, 'its own answer may have been lost');
    }
});

test('renewals whose answers are lost do not revoke the certificate that the device has', async (t) => {
  const { bench, old } = await joinedBefore(t);
  const { fingerprint256 } = new X509Certificate(old);
  bench.hub.ca.devices.shown('kitchen', fingerprint256.replaceAll(':', '').toLowerCase());
  bench.before = (step) => {
    if (step === 'patch devices') throw new Error('the disk is full');
  };
  for (let index = 0; index < 12; index += 1) {
    await bench.clock.advance(DAY);
    await bench.outcome(bench.hub.enrolment.renew('kitchen', rightKey));
  }
  assert.ok(isGood(bench, old));
});
