/** Topics: built and parsed in one place; a device stays below its own name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  devicePublishes,
  deviceSubscribes,
  messageTopic,
  monitorPodTopic,
  parseDeviceTopic,
  streamTopic,
} from '#protocol/link/topics.js';

test('what is built is parsed', () => {
  assert.deepEqual(parseDeviceTopic(messageTopic('kitchen-1', 'hello')), {
    type: 'message',
    device: 'kitchen-1',
    kind: 'hello',
  });
  assert.deepEqual(parseDeviceTopic(streamTopic('kitchen-1', 'ab-12', 'out')), {
    type: 'stream',
    device: 'kitchen-1',
    stream: 'ab-12',
    direction: 'out',
  });
});

test('names that would change the topic are refused', () => {
  for (const name of ['', '+', '#', 'a/b', 'A', '-a', 'a b', 'x'.repeat(300)]) {
    assert.throws(() => messageTopic(name, 'hello'), TypeError);
    assert.throws(() => monitorPodTopic('default', name), TypeError);
  }
  for (const topic of [
    'covey/v1/devices/+/hello',
    'covey/v1/devices/a/nothing',
    'covey/v2/devices/a/hello',
  ]) {
    assert.equal(parseDeviceTopic(topic), undefined);
  }
});

test('a device publishes upwards and subscribes downwards, below its own name only', () => {
  assert.equal(devicePublishes('a', messageTopic('a', 'report')), true);
  assert.equal(devicePublishes('a', messageTopic('a', 'assignment')), false);
  assert.equal(devicePublishes('a', messageTopic('b', 'report')), false);
  assert.equal(devicePublishes('a', streamTopic('a', 's', 'out')), true);
  assert.equal(devicePublishes('a', streamTopic('a', 's', 'in')), false);
  assert.equal(deviceSubscribes('a', messageTopic('a', 'assignment')), true);
  assert.equal(deviceSubscribes('a', 'covey/v1/devices/a/stream/+/in'), true);
  for (const filter of ['#', 'covey/v1/#', 'covey/v1/devices/a/#', 'covey/v1/devices/+/assignment']) {
    assert.equal(deviceSubscribes('a', filter), false, filter);
  }
});
