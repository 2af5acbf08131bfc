/** Progress tells part, rate and time left: on a terminal in one line, otherwise a line every few seconds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgressLine } from '#firmware-profiles/flash/progress-line.js';

function line(isTerminal: boolean, prefix = '') {
  let now = 0;
  const written: string[] = [];
  const clock = { monotonic: () => now };
  const progress = new ProgressLine({ write: (text) => written.push(text), isTerminal, clock, prefix });
  return {
    progress,
    written,
    at: (seconds: number, done: number) => {
      now = seconds * 1000;
      progress.advance(done);
    },
  };
}

test('a log gets a line every five seconds, and one at the end', () => {
  const { progress, written, at } = line(false, 'kitchen-1: ');
  progress.begin('writing', 1000e6);
  for (let second = 1; second <= 12; second += 1) at(second, second * 20e6);
  progress.end();
  assert.deepEqual(written, [
    'kitchen-1: writing: 10 % of 1000 MB, 20.0 MB/s, 0:45 left\n',
    'kitchen-1: writing: 20 % of 1000 MB, 20.0 MB/s, 0:40 left\n',
    'kitchen-1: writing: done in 0:12, 83.3 MB/s\n',
  ]);
});

test('a terminal gets one line that is drawn over', () => {
  const { progress, written, at } = line(true);
  progress.begin('writing', 100e6);
  at(0.05, 1e6);
  at(1, 10e6);
  progress.end();
  assert.deepEqual(written, [
    '\r\u001b[Kwriting',
    '\r\u001b[Kwriting: 10 % of 100 MB, 10.0 MB/s, 0:09 left',
    '\r\u001b[Kwriting: done in 0:01, 100.0 MB/s',
    '\n',
  ]);
});

test('the rate follows a card that slows down', () => {
  const { progress, written, at } = line(false);
  progress.begin('writing', 10_000e6);
  for (let second = 1; second <= 30; second += 1) at(second, second * 100e6);
  for (let second = 31; second <= 60; second += 1) at(second, 3000e6 + (second - 30) * 10e6);
  assert.match(written.at(-1) ?? '', /: 33 % of 10000 MB, 10\.0 MB\/s, 11:10 left/);
});
