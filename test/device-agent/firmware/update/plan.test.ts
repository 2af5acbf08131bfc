/** What the agent does next about an update, from every state that it can find itself in. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  MAX_SWITCHES,
  planUpdate,
  type UpdateFacts,
  type UpdateRecord,
  type UpdateStep,
} from '#device-agent/firmware/update/plan.js';
import type { UpdateOffer } from '#protocol/link/agent-update.js';

const OFFER: UpdateOffer = {
  offer: 'uid/1',
  version: '2.0.0',
  repository: 'covey/agent',
  digest: `sha256:${'0'.repeat(64)}`,
  sizeBytes: 10,
  unpackedBytes: 30,
  signature: 'c2ln',
  healthySeconds: 60,
};

function record(changes: Partial<UpdateRecord> = {}): UpdateRecord {
  return { offer: OFFER, state: 'Downloading', switches: 0, ...changes };
}

function plan(changes: Partial<UpdateFacts>): UpdateStep | undefined {
  return planUpdate({
    running: '1.0.0',
    record: undefined,
    offered: undefined,
    trial: undefined,
    failed: undefined,
    downloaded: false,
    unpacked: false,
    ...changes,
  });
}

const kind = (changes: Partial<UpdateFacts>) => plan(changes)?.kind;

test('nothing is done that is not offered', () => {
  assert.equal(plan({}), undefined);
  assert.equal(plan({ record: record() }), undefined);
  assert.equal(plan({ record: record({ state: 'Installing' }), unpacked: true }), undefined);
});

test('an offer is taken on, fetched, unpacked and switched to', () => {
  assert.deepEqual(plan({ offered: OFFER }), { kind: 'take-on', offer: OFFER });
  assert.equal(kind({ offered: OFFER, record: record() }), 'download');
  assert.equal(kind({ offered: OFFER, record: record(), downloaded: true }), 'unpack');
  assert.equal(kind({ offered: OFFER, record: record(), downloaded: true, unpacked: true }), 'switch');
  assert.equal(kind({ offered: OFFER, record: record(), unpacked: true }), 'switch');
});

test('another offer takes the place of the one that is worked on, also of the same version', () => {
  const again = { ...OFFER, offer: 'uid/2' };
  assert.deepEqual(plan({ offered: again, record: record({ state: 'Failed' }) }), {
    kind: 'take-on',
    offer: again,
  });
});

test('an offer that is over is not tried again', () => {
  for (const state of ['Failed', 'Updated'] as const)
    assert.equal(plan({ offered: OFFER, record: record({ state }) }), undefined);
});

test('on trial nothing else is done, whatever is offered', () => {
  const onTrial = { running: '2.0.0', trial: '2.0.0', record: record({ state: 'OnTrial' }) };
  assert.equal(kind(onTrial), 'prove');
  assert.equal(kind({ ...onTrial, offered: { ...OFFER, offer: 'later/1', version: '3.0.0' } }), 'prove');
});

test('the end of the trial settles the update', () => {
  assert.deepEqual(plan({ running: '2.0.0', record: record({ state: 'OnTrial' }) }), {
    kind: 'settle',
    state: 'Updated',
  });
});

test('offered what runs, it says so', () => {
  assert.deepEqual(plan({ running: '2.0.0', offered: OFFER, record: record() }), {
    kind: 'settle',
    state: 'Updated',
  });
});

test('after a rollback it settles with the launcher’s reason, then forgets it', () => {
  const failed = { version: '2.0.0', reason: 'ended 3 times before it was healthy', hubAway: false };
  assert.deepEqual(plan({ failed, record: record({ state: 'OnTrial' }), offered: OFFER }), {
    kind: 'settle',
    state: 'Failed',
    reason: 'release 2.0.0 ended 3 times before it was healthy',
  });
  assert.equal(kind({ failed, record: record({ state: 'Failed' }) }), 'forget-failure');
  assert.equal(kind({ failed }), 'forget-failure');
  assert.equal(kind({ failed: { ...failed, version: '1.5.0' }, record: record() }), 'forget-failure');
});

test('a failed release that had to stay says so', () => {
  const failed = { version: '2.0.0', reason: 'ended 3 times before it was healthy', hubAway: false };
  const step = plan({ running: '2.0.0', failed, record: record({ state: 'OnTrial' }) });
  assert.ok(step?.kind === 'settle' && /it runs on, for there was no release/.test(step.reason ?? ''));
});

test('a trial without the hub says nothing of the release, until it does so every time', () => {
  const failed = { version: '2.0.0', reason: 'was not healthy: the hub was not reachable', hubAway: true };
  const onTrial = (switches: number) => record({ state: 'OnTrial', switches });
  for (let switches = 1; switches < MAX_SWITCHES; switches += 1)
    assert.deepEqual(plan({ failed, record: onTrial(switches), offered: OFFER, unpacked: true }), {
      kind: 'try-again',
      reason: 'release 2.0.0 was not healthy: the hub was not reachable; it is tried again',
    });
  const end = plan({ failed, record: onTrial(MAX_SWITCHES), offered: OFFER });
  assert.ok(end?.kind === 'settle' && end.state === 'Failed');
  assert.match(end.reason ?? '', /tried 3 times, and the release before reached the hub in between$/);
  const stuck = plan({ running: '2.0.0', failed, record: onTrial(1) });
  assert.ok(stuck?.kind === 'settle' && /it runs on/.test(stuck.reason ?? ''));
});

test('a switch that was cut short is tried again, but not for ever', () => {
  assert.equal(kind({ trial: '2.0.0', record: record({ state: 'OnTrial' }) }), 'forget-trial');
  assert.equal(kind({ record: record({ state: 'OnTrial', switches: 1 }), offered: OFFER }), 'reopen');
  const installing = { record: record({ state: 'Installing', switches: 1 }), offered: OFFER, unpacked: true };
  assert.equal(kind(installing), 'switch');
  assert.deepEqual(plan({ ...installing, record: record({ state: 'Installing', switches: MAX_SWITCHES }) }), {
    kind: 'settle',
    state: 'Failed',
    reason: 'its trial was cut short 3 times',
  });
});
