/** Who is asked to restart: the boot that the operator named, once in a session, and no later one. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createInformerFactory } from '#hub/cache/informer-factory.js';
import { DEVICES } from '#hub/cache/resources.js';
import { Reboots } from '#hub/link/reboots.js';
import type { Sender } from '#hub/link/sender.js';
import { DeviceSession } from '#hub/link/session.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { Command } from '#protocol/link/command.js';
import type { Hello } from '#protocol/link/hello.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { device } from '#test/helpers/objects.js';

async function setUp(t: TestContext) {
  const client = new FakeClient();
  const clock = new FakeClock();
  const informers = createInformerFactory(client, clock, silentLogger, () => 0.5);
  const sent: Command[] = [];
  let session: DeviceSession | undefined;
  const sender = { send: (_session: DeviceSession, _kind: string, body: Command) => sent.push(body) };
  const reboots = new Reboots({ informers, sender: sender as unknown as Sender, session: () => session });
  t.after(async () => {
    reboots[Symbol.dispose]();
    await informers[Symbol.asyncDispose]();
  });
  let epoch = 0;
  const connect = (bootId: string) => {
    epoch += 1;
    session = new DeviceSession('pi', epoch);
    session.hello = { bootId } as Hello;
    reboots.helloSaid(session);
  };
  const ask = (boot: string) => {
    client.put(
      DEVICES,
      device({ metadata: { name: 'pi', annotations: { 'fleet.covey.dev/reboot': boot } } }),
    );
    return clock.advance(100);
  };
  return { connect, ask, news: () => sent.splice(0).map((one) => ('bootId' in one ? one.bootId : one.kind)) };
}

test('a device that is here is asked at once, and only once', async (t) => {
  const { connect, ask, news } = await setUp(t);
  connect('first');
  await ask('first');
  assert.deepEqual(news(), ['first']);
  await ask('first');
  assert.deepEqual(news(), []);
});

test('a device that was away is asked when it is back, unless it has restarted meanwhile', async (t) => {
  const { connect, ask, news } = await setUp(t);
  await ask('first');
  assert.deepEqual(news(), []);
  connect('first');
  assert.deepEqual(news(), ['first']);
  connect('second');
  assert.deepEqual(news(), []);
});
