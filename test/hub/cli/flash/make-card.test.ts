/** What is left of a card that was not finished is said truly, and its claim stays as long as it may be on a card. */
import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { applySteps } from '#firmware-profiles/flash/apply-steps.js';
import { prepareBase } from '#firmware-profiles/flash/flash-card.js';
import { NO_CONSENT } from '#firmware-profiles/flash/judge-disk.js';
import { checkTarget } from '#firmware-profiles/flash/open-target.js';
import type { VolumeAccess } from '#firmware-profiles/image/volume.js';
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
  const withdrawn: string[] = [];
  let hubFails = false;
  let doing = '';
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
        const older = {
          id: 'old',
          usesLeft: 1,
          device: settings.name,
          description: `card of ${settings.name}`,
        };
        return withdrawn.length === 0 ? [{ ...older, expires: 0 }] : [];
      },
      revoke: async (id) => {
        withdrawn.push(id);
        return true;
      },
    },
  });
  interface Moments {
    readonly preparing?: () => void;
    readonly prepared?: () => void;
    readonly written?: () => void;
    readonly recorded?: () => void;
  }
  const make = async (moments: Moments) =>
    makeCard({
      order: { profile, settings, image: undefined },
      target: await checkTarget({ path, consent: NO_CONSENT }),
      stock: { base: async () => prepared, payload: async () => payload },
      claims,
      preload: [],
      work,
      progress: {
        ...noProgress,
        begin: (title) => {
          doing = title;
          if (title.startsWith('preparing')) moments.preparing?.();
        },
        end: () => (doing.startsWith('preparing') ? moments.prepared?.() : moments.written?.()),
      },
      record: async () => moments.recorded?.(),
      say: (line) => said.push(line),
      signal: stop.signal,
    });
  const kept = () => readdir(state).then((files) => files.length);
  const breakHub = () => {
    hubFails = true;
  };
  return { make, said, kept, breakHub, withdrawn, path, stop: () => stop.abort() };
}

test('a whole card whose hub went away says that it is whole, and keeps its claim for the next run', {
  skip,
}, async (t) => {
  const { make, said, kept, breakHub } = await station(t);
  await assert.rejects(make({ written: breakHub }), /cannot reach the hub/);
  assert.match(
    said.join('\n'),
    /card\.img is whole, but not settled with the hub: .*run the same command again/,
  );
  assert.equal(await kept(), 1);
});

test('what is on record as finished is settled with the hub: the next run looks at it no more', {
  skip,
}, async (t) => {
  const { make, withdrawn, kept } = await station(t);
  const powerCut = () => {
    assert.deepEqual(withdrawn, ['old']);
    throw new Error('the power has failed');
  };
  await assert.rejects(make({ recorded: powerCut }), /the power has failed/);
  assert.equal(await kept(), 1);
});

test('a run that is stopped before it writes says so, and has changed nothing', { skip }, async (t) => {
  for (const moment of ['preparing', 'prepared'] as const) {
    const { make, stop, path } = await station(t);
    await assert.rejects(make({ [moment]: stop }), {
      name: 'CommandError',
      message: /^stopped; .*card\.img was not written to: run the same command again/,
    });
    await assert.rejects(stat(path), /ENOENT/, moment);
  }
});

test('between two steps of preparing a card a person can stop', async () => {
  const stop = new AbortController();
  const done: string[] = [];
  const removeTree = async (path: string) => {
    done.push(path);
    stop.abort(new Error('stopped'));
  };
  const steps = ['a', 'b'].map((path) => ({ kind: 'remove', volume: 'boot', path }) as const);
  const boot = { removeTree } as unknown as VolumeAccess;
  await assert.rejects(applySteps(steps, { boot }, stop.signal), /stopped/);
  assert.deepEqual(done, ['a']);
});
