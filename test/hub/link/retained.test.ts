/** Retained messages are looked up for those who may hear them, and for nobody else. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { lookUpMonitorOnly, type RetainedStore } from '#hub/link/retained.js';
import { deviceSubscriptions, monitorDeviceTopic } from '#protocol/link/topics.js';

test('filters of a device are not looked up, those of a monitor are', () => {
  const asked: Array<readonly string[]> = [];
  const store: RetainedStore = {
    createRetainedStreamCombi(filters) {
      asked.push(filters);
      return Readable.from([]);
    },
  };
  lookUpMonitorOnly(store);
  const device = deviceSubscriptions('kitchen').map(({ topic }) => topic);
  const monitor = [monitorDeviceTopic('kitchen'), 'covey/v1/monitor/#'];
  store.createRetainedStreamCombi([...device, ...monitor]);
  store.createRetainedStreamCombi(device);
  assert.deepEqual(asked, [monitor, []]);
});
