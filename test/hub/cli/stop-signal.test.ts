/** Ctrl-C stops a command once, in words for people; afterwards it ends the process as if nobody listened. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandError } from '#hub/cli/command.js';
import { StopSignal } from '#hub/cli/stop-signal.js';

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  test(`${name} aborts, and the next one is nobody's`, () => {
    const others = process.listenerCount(name);
    using stop = new StopSignal();
    assert.equal(stop.signal.aborted, false);
    process.emit(name);
    assert.ok(stop.signal.reason instanceof CommandError);
    assert.equal(process.listenerCount(name), others);
  });
}

test('disposed, it listens no more', () => {
  const others = process.listenerCount('SIGINT');
  const stop = new StopSignal();
  assert.equal(process.listenerCount('SIGINT'), others + 1);
  stop[Symbol.dispose]();
  assert.equal(process.listenerCount('SIGINT'), others);
  assert.equal(stop.signal.aborted, false);
});
