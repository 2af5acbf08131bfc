/** A device that joined a hub without a release key learns it over the link, once, and keeps it over restarts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { loadIdentity, saveIdentity } from '#device-agent/link/identity.js';
import { startLink } from '#device-agent/link/start.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { LinkFleet, until } from '#test/helpers/link-fleet.js';

test('the key of agent releases is learned once and never replaced', { timeout: 60_000 }, async (t) => {
  const fleet = await LinkFleet.start(t, 'embedded');
  const { identity, dataDir } = await fleet.identity('kitchen');
  const start = async () => {
    let known = await loadIdentity(dataDir);
    assert.ok(known);
    const replaced: string[] = [];
    const link = await startLink({
      identity: known,
      identityReplaced: (next) => {
        known = next;
        replaced.push(next.releaseKey ?? '');
      },
      dataDir,
      hello: () => ({
        agentVersion: '1',
        bootId: 'b',
        profile: '',
        labels: {},
        node: {},
        // As an agent that lies about it would: the key that is there must stay all the same.
        update: { hasKey: false },
        has: {},
      }),
      clock: systemClock,
      random: Math.random,
      logger: silentLogger,
      bootId: 'b',
    });
    return { link, replaced };
  };
  assert.equal(identity.releaseKey, undefined);
  const first = await start();
  await until('the key is here', () => first.replaced.length > 0);
  await first.link[Symbol.asyncDispose]();
  assert.deepEqual(first.replaced, ['a public key']);
  assert.equal((await loadIdentity(dataDir))?.releaseKey, 'a public key');

  await saveIdentity(dataDir, { ...identity, releaseKey: 'the key of old' });
  const second = await start();
  await until('a lease is held', () => second.link.lease.remaining() > 0);
  await second.link[Symbol.asyncDispose]();
  assert.deepEqual(second.replaced, []);
  assert.equal((await loadIdentity(dataDir))?.releaseKey, 'the key of old');
});
