import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImagePuller, type PullPolicy } from '#device-agent/apply/image-puller.js';
import { ImageError, type ImageStore, type LocalImage } from '#device-agent/images/image-store.js';
import { Activity } from '#device-agent/observe/activity.js';
import { FakeClock, settle } from '#test/helpers/fake-clock.js';

const IMAGE = { reference: 'app:1', imageId: 'app@sha256:0', sizeBytes: 10 } as LocalImage;

interface Setup {
  readonly puller: ImagePuller;
  readonly activity: Activity;
  readonly events: string[];
  readonly woken: () => number;
  ensure(policy: PullPolicy, container?: string): Promise<void>;
}

function setUp(images: Pick<ImageStore, 'find' | 'pull'>, clock = new FakeClock()): Setup {
  const puller = new ImagePuller({ images, clock, random: () => 0 });
  const activity = new Activity();
  const events: string[] = [];
  let woken = 0;
  return {
    puller,
    activity,
    events,
    woken: () => woken,
    ensure: (policy, container = 'main') =>
      puller.ensure({
        container,
        reference: 'app:1',
        attempt: 0,
        policy,
        credentials: [],
        activity,
        events: (type, reason, message) => events.push(`${type} ${reason} ${message}`),
        wake: () => {
          woken += 1;
        },
      }),
  };
}

const state = (activity: Activity, name = 'main') => activity.images.get(name)?.state;

test('IfNotPresent uses what is here and asks no registry', async () => {
  const { ensure, activity, events } = setUp({
    find: async () => IMAGE,
    pull: () => assert.fail('no pull'),
  });
  await ensure('IfNotPresent');
  assert.equal(state(activity), 'ready');
  assert.deepEqual(events, ['Normal Pulled Container image "app:1" already present on machine']);
});

test('Never without the image is ErrImageNeverPull', async () => {
  const { ensure, activity } = setUp({ find: async () => undefined, pull: () => assert.fail('no pull') });
  await ensure('Never');
  const progress = activity.images.get('main');
  assert.equal(progress?.state === 'failed' && progress.reason, 'ErrImageNeverPull');
});

test('a pull goes on in the background and wakes the pod when it is done', async () => {
  let finish: (image: LocalImage) => void = () => undefined;
  const { ensure, activity, woken } = setUp({
    find: async () => undefined,
    pull: () => new Promise((resolve) => (finish = resolve)),
  });
  await ensure('IfNotPresent');
  assert.equal(state(activity), 'pulling');
  await settle();
  finish(IMAGE);
  await settle();
  assert.equal(state(activity), 'ready');
  assert.equal(woken(), 1);
});

test('Always with an unreachable registry uses the local image, with a warning', async () => {
  const { ensure, activity, events } = setUp({
    find: async () => IMAGE,
    pull: () => Promise.reject(new ImageError('RegistryUnavailable', 'no route to host')),
  });
  await ensure('Always');
  await settle();
  assert.equal(state(activity), 'ready');
  assert.match(events.at(-1) ?? '', /^Warning RegistryUnavailable Using the local copy/);
});

test('Always with a registry that hangs uses the local image after five seconds', async () => {
  const clock = new FakeClock();
  const { ensure, activity } = setUp(
    {
      find: async () => IMAGE,
      pull: (_reference, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    },
    clock,
  );
  await ensure('Always');
  await clock.advance(4_999);
  assert.equal(state(activity), 'pulling');
  await clock.advance(1);
  assert.equal(state(activity), 'ready');
});

test('Always gives a registry that sends data all the time that it needs', async () => {
  const clock = new FakeClock();
  const newer = { ...IMAGE, imageId: 'app@sha256:1' };
  const { ensure, activity } = setUp(
    {
      find: async () => IMAGE,
      pull: async (_reference, { progress, signal }) => {
        progress?.({ bytesDone: 1, bytesTotal: 10 });
        await clock.sleep(600_000, signal);
        return newer;
      },
    },
    clock,
  );
  await ensure('Always');
  await clock.advance(600_000);
  const image = activity.images.get('main');
  assert.equal(image?.state === 'ready' && image.image.imageId, 'app@sha256:1');
});

test('Always does not fall back when the registry answers that the image is not there', async () => {
  const { ensure, activity } = setUp({
    find: async () => IMAGE,
    pull: () => Promise.reject(new ImageError('ErrImagePull', 'manifest unknown')),
  });
  await ensure('Always');
  await settle();
  assert.equal(state(activity), 'failed');
});

test('failures back off and double up to five minutes', async () => {
  const clock = new FakeClock();
  const { ensure, activity } = setUp(
    { find: async () => undefined, pull: () => Promise.reject(new ImageError('ErrImagePull', 'nope')) },
    clock,
  );
  const waits: number[] = [];
  for (let count = 0; count < 7; count++) {
    await ensure('IfNotPresent');
    await settle();
    const progress = activity.images.get('main');
    if (progress?.state === 'failed') waits.push(Math.round((progress.retryAt - clock.monotonic()) / 9_000));
  }
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 30, 30]);
});

test('no more than two pulls at once', async () => {
  let active = 0;
  let most = 0;
  const waiting: Array<() => void> = [];
  const { ensure } = setUp({
    find: async () => undefined,
    pull: () => {
      active += 1;
      most = Math.max(most, active);
      return new Promise((resolve) =>
        waiting.push(() => {
          active -= 1;
          resolve(IMAGE);
        }),
      );
    },
  });
  for (const name of ['a', 'b', 'c', 'd']) await ensure('IfNotPresent', name);
  for (let count = 0; count < 4; count++) {
    await settle();
    waiting.shift()?.();
  }
  await settle();
  assert.equal(most, 2);
  assert.equal(active, 0);
});
