/** A card that was copied after it had joined, in boards without serial numbers: the hub tells of the two. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkFleet, until } from '#test/helpers/link-fleet.js';

interface EventView {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly apiVersion: string;
  readonly kind: string;
  readonly reason: string;
  readonly message: string;
}

test('two machines that take turns with one identity are told of by an Event on the Device', async (t) => {
  await using fleet = await LinkFleet.start(t, 'embedded');
  const { identity, dataDir } = await fleet.identity('kitchen');
  for (const bootId of ['boot-of-one', 'boot-of-another', 'boot-of-one']) {
    const hellos = fleet.hub.counters()['received_hello'] ?? 0;
    const machine = await fleet.startDevice(identity, dataDir);
    Object.assign(machine.facts, { bootId });
    await until('the hub has heard it', () => (fleet.hub.counters()['received_hello'] ?? 0) > hellos);
    await machine.link[Symbol.asyncDispose]();
  }
  const told = () => fleet.client.all<EventView>('events').filter(({ reason }) => reason === 'CopiedCard');
  await until('the Event is there', () => told().length === 1);
  assert.match(told()[0]?.message ?? '', /two machines take turns with the identity of kitchen/);
  assert.equal(fleet.hub.counters()['twins'], 1);
});
