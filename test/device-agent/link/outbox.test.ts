/** The report spool: what is safe when, what is sent again, and what survives the end of the process. */
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { Outbox } from '#device-agent/link/outbox.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { LinkCounters } from '#protocol/link/counters.js';
import type { PodReport, ReportedEvent } from '#protocol/link/report.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const report = (uid: string, reason: string, events: readonly ReportedEvent[] = []): PodReport => ({
  uid,
  namespace: 'default',
  name: uid,
  revision: 'r',
  status: { reason },
  removed: false,
  events: [...events],
});

const event = (message: string): ReportedEvent => ({
  type: 'Normal',
  reason: 'Started',
  message,
  fieldPath: '',
  time: '2026-01-01T00:00:00Z',
  count: 1,
});

interface Sent {
  readonly sequence: number;
  readonly report: PodReport;
}

async function open(directory: string, clock = new FakeClock()) {
  const sent: Sent[] = [];
  const counters = new LinkCounters(silentLogger);
  const outbox = await Outbox.open({
    directory,
    clock,
    logger: silentLogger,
    counters,
    newId: () => 'spool-0001',
    send: (sequence, body) => sent.push({ sequence, report: body }),
  });
  return { outbox, sent, clock, counters };
}

const stored = async (directory: string) =>
  (await readdir(join(directory, 'spool'))).filter((name) => /^\d+\.json$/.test(name));

test('a report that the hub acknowledges at once is never written', async (t: TestContext) => {
  const directory = await tempDir(t);
  const { outbox, sent, counters } = await open(directory);
  outbox.connected();
  const safe = outbox.put(report('a', 'one'));
  outbox.acknowledged(sent[0]?.sequence ?? 0);
  await safe;
  await outbox[Symbol.asyncDispose]();
  assert.deepEqual(await stored(directory), []);
  assert.equal(counters.get('spool_bytes_written'), 0);
});

test('a report made while offline is on disk once put resolves, and goes out after a restart', async (t) => {
  const directory = await tempDir(t);
  const first = await open(directory);
  await first.outbox.put(report('a', 'one', [event('x')]));
  assert.equal((await stored(directory)).length, 1);
  // No dispose: the process was killed.
  const second = await open(directory);
  assert.equal(second.outbox.id, first.outbox.id);
  second.outbox.connected();
  assert.deepEqual(
    second.sent.map(({ report: { status } }) => status.reason),
    ['one'],
  );
  second.outbox.acknowledged(second.sent[0]?.sequence ?? 0);
  await second.outbox[Symbol.asyncDispose]();
  assert.deepEqual(await stored(directory), []);
});

test('reports of one pod that were not sent are joined, with their events counted', async (t) => {
  const { outbox, sent } = await open(await tempDir(t));
  await outbox.put(report('a', 'one', [{ ...event('x'), since: 5 }]));
  await outbox.put(report('b', 'other'));
  await outbox.put(report('a', 'two', [{ ...event('x'), since: 7 }, event('y')]));
  assert.equal(outbox.size, 2);
  outbox.connected();
  const joined = sent.find(({ report: { uid } }) => uid === 'a')?.report;
  assert.equal(joined?.status.reason, 'two');
  assert.deepEqual(
    joined?.events.map(({ message, count, since }) => [message, count, since]),
    [
      ['x', 2, 5],
      ['y', 1, undefined],
    ],
  );
});

test('a report that may have been sent is sent again as it was; later ones wait beside it', async (t) => {
  const { outbox, sent } = await open(await tempDir(t));
  outbox.connected();
  void outbox.put(report('a', 'one', [event('x')]));
  void outbox.put(report('a', 'two'));
  outbox.disconnected();
  void outbox.put(report('a', 'three'));
  sent.length = 0;
  outbox.connected();
  assert.deepEqual(
    sent.map(({ report: { status } }) => status.reason),
    ['one', 'two', 'three'],
  );
  outbox.acknowledged(sent.at(-1)?.sequence ?? 0);
  assert.equal(outbox.size, 0);
  await outbox[Symbol.asyncDispose]();
});

test('an acknowledgement does not cover what was not sent in this session', async (t) => {
  const { outbox, sent } = await open(await tempDir(t));
  outbox.connected();
  void outbox.put(report('a', 'one'));
  outbox.disconnected();
  outbox.acknowledged(sent[0]?.sequence ?? 0);
  assert.equal(outbox.size, 1);
  await outbox[Symbol.asyncDispose]();
});

test('damaged entries are dropped, whole ones stay, and temporary files go', async (t) => {
  const directory = await tempDir(t);
  const first = await open(directory);
  await first.outbox.put(report('a', 'one'));
  await writeFile(join(directory, 'spool', '999.json'), '{"uid":');
  await writeFile(join(directory, 'spool', '998.json.tmp'), 'half');
  const second = await open(directory);
  assert.equal(second.outbox.size, 1);
  assert.ok(!(await readdir(join(directory, 'spool'))).some((name) => name.startsWith('99')));
});

test('sequences grow over every restart, so that the hub never takes a new report for an old one', async (t) => {
  const directory = await tempDir(t);
  let highest = 0;
  for (let run = 0; run < 5; run++) {
    const { outbox, sent } = await open(directory);
    outbox.connected();
    for (let index = 0; index < 700; index++) {
      const put = outbox.put(report('a', String(index)));
      put.catch(() => undefined);
      const last = sent.at(-1)?.sequence;
      if (last !== undefined) outbox.acknowledged(last);
      if (index % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(sent.length > 0 && sent.every(({ sequence }) => sequence > highest));
    highest = Math.max(...sent.map(({ sequence }) => sequence));
    await outbox[Symbol.asyncDispose]();
  }
});

const action = fc.oneof(
  fc.record({ do: fc.constant('put' as const), pod: fc.constantFrom('a', 'b', 'c') }),
  fc.record({
    do: fc.constantFrom('up' as const, 'down' as const, 'ack' as const, 'kill' as const),
    pod: fc.constant(''),
  }),
);

test('whatever happens, the last state of each pod reaches the hub, and safe reports survive a kill', async (t) => {
  const root = await tempDir(t);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
      const directory = join(root, String(run++));
      let now = await open(directory);
      const last = new Map<string, number>();
      const atHub = new Map<string, number>();
      let count = 0;
      const deliver = () => {
        for (const {
          report: { uid, status },
        } of now.sent) {
          atHub.set(uid, Math.max(atHub.get(uid) ?? 0, Number(status.reason)));
        }
        const highest = now.sent.at(-1)?.sequence;
        now.sent.length = 0;
        if (highest !== undefined) now.outbox.acknowledged(highest);
      };
      const promised: Array<Promise<void>> = [];
      let up = false;
      for (const { do: what, pod } of actions) {
        if (what === 'put') {
          count += 1;
          const safe = now.outbox.put(report(pod, String(count)));
          last.set(pod, count);
          promised.push(safe);
          if (!up) await safe;
        } else if (what === 'ack') {
          if (up) deliver();
        } else if (what === 'up') {
          now.outbox.connected();
          up = true;
        } else if (what === 'down') {
          now.outbox.disconnected();
          now.sent.length = 0;
          up = false;
        } else {
          if (up) deliver();
          await Promise.all(promised.splice(0));
          now = await open(directory);
          up = false;
        }
      }
      now.outbox.connected();
      for (let turn = 0; turn < 20; turn++) deliver();
      assert.deepEqual([...atHub].sort(), [...last].sort());
      await now.outbox[Symbol.asyncDispose]();
    }),
    { numRuns: 25 },
  );
});
