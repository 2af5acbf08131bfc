/** What is left of a card that was not finished is said truly, and its claim stays as long as it may be on a card. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { prepareBase } from '#firmware-profiles/flash/flash-card.js';
import { NO_CONSENT } from '#firmware-profiles/flash/judge-disk.js';
import { checkTarget } from '#firmware-profiles/flash/open-target.js';
import { noProgress } from '#firmware-profiles/lib/progress.js';
import { KeptClaims } from '#hub/cli/flash/kept-claims.js';
import { makeCard } from '#hub/cli/flash/make-card.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { openImage, profileNamed, settingsFor, somePayload, workDirectory } from '#test/helpers/flashing.js';
import { PI_IMAGE, syntheticImage, whyNoImages } from '#test/helpers/synthetic-image.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const skip = whyNoImages();

/** One card, with a hub that can be made to fail and a person who can stop the run. */
async function station(t: TestContext) {
  const profile = await profileNamed('raspberry-pi-4');
  const prepared = await prepareBase(await openImage(t, syntheticImage(PI_IMAGE)), profile);
  const directory = await tempDir(t);
  const work = await workDirectory(t);
  const payload = { ...(await somePayload(directory)), agentVersion: '1', nodeVersion: '1', suite: 'x' };
  const { claim: _claim, ...settings } = settingsFor(profile);
  const path = join(directory, 'card.img');
  const [state, stop] = [join(directory, 'state'), new AbortController()];
  const said: string[] = [];
  let hubFails = false;
  const claims = new KeptClaims({
    directory: state,
    clock: new FakeClock(),
    lifetimeMs: 86_400_000,
    tokens: {
      create: async () => ({
        id: 'abc123',
        token: 'abc123.0123456789',
        expires: 0,
        usesLeft: 1,
        device: '',
        description: '',
      }),
      list: async () => {
        if (hubFails) throw new Error('cannot reach the hub');
        return [];
      },
      revoke: async () => true,
    },
  });
  const make = async (moments: { readonly preparing?: () => void; readonly recorded?: () => void }) =>
    makeCard({
      order: { profile, settings, image: undefined },
      target: await checkTarget({ path, consent: NO_CONSENT }),
      stock: { base: async () => prepared, payload: async () => payload },
      claims,
      preload: [],
      work,
      progress: {
        ...noProgress,
        begin: (title) => void (title.startsWith('preparing') && moments.preparing?.()),
      },
      record: async () => moments.recorded?.(),
      say: (line) => said.push(line),
      signal: stop.signal,
    });
  const kept = () => readdir(state).then((files) => files.length);
  const breakHub = () => {
    hubFails = true;
  };
  return { make, said, kept, breakHub, stop: () => stop.abort() };
}

test('a whole card whose hub went away says that it is whole, and keeps its claim for the next run', {
  skip,
}, async (t) => {
  const { make, said, kept, breakHub } = await station(t);
  await assert.rejects(make({ recorded: breakHub }), /cannot reach the hub/);
  assert.match(
    said.join('\n'),
    /card\.img is whole, but not settled with the hub: .*run the same command again/,
  );
  assert.equal(await kept(), 1);
});

test('a run that is stopped before it writes says so', { skip }, async (t) => {
  const { make, stop } = await station(t);
  await assert.rejects(make({ preparing: stop }), {
    name: 'CommandError',
    message: /^stopped; .*card\.img was not written to: run the same command again/,
  });
});
