/** Backing off is told once each time that it begins. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaitEvents } from '#device-agent/apply/wait-events.js';
import { pod } from '#test/helpers/objects.js';

function watcher() {
  const told: string[] = [];
  const subject = pod({ metadata: { name: 'web', namespace: 'shop', uid: 'u1' } });
  const [main] = subject.spec.containers;
  const name = main?.name ?? '';
  const events = new WaitEvents();
  return {
    name,
    told,
    image: main?.image ?? '',
    look(reason: string | undefined) {
      const waiting = new Map(reason === undefined ? [] : [[name, { reason }]]);
      events.look(waiting, subject, (_container, type, why, message) =>
        told.push(`${type} ${why} ${message}`),
      );
    },
  };
}

test('a crashing container tells once per back-off', () => {
  const w = watcher();
  for (const reason of [
    'ContainerCreating',
    'CrashLoopBackOff',
    'CrashLoopBackOff',
    undefined,
    'CrashLoopBackOff',
  ])
    w.look(reason);
  const message = `Warning BackOff Back-off restarting failed container ${w.name} in pod web_shop(u1)`;
  assert.deepEqual(w.told, [message, message]);
});

test('an image that cannot be pulled tells when its error turns into a back-off', () => {
  const w = watcher();
  for (const reason of ['ErrImagePull', 'ImagePullBackOff', 'ImagePullBackOff']) w.look(reason);
  assert.deepEqual(w.told, [
    `Normal BackOff Back-off pulling image "${w.image}"`,
    'Warning Failed Error: ImagePullBackOff',
  ]);
});
