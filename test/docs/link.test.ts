/** What docs/link.md, docs/monitoring.md and docs/device.md say of messages, topics and times is what the code has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviceState, podState } from '#hub/link/monitor.js';
import { mosquittoConfig } from '#hub/link/mosquitto.js';
import { cadence } from '#protocol/link/lease-policy.js';
import { telemetrySchema } from '#protocol/link/telemetry.js';
import { DOWN_KINDS, qosOf, UP_KINDS } from '#protocol/link/topics.js';
import { readDocument, tableRows } from '#test/helpers/documents.js';
import { pod } from '#test/helpers/objects.js';

const names = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');

test('every message is in docs/link.md with its direction and quality of service', () => {
  const rows = tableRows(readDocument('docs/link.md'), 'topic');
  for (const kind of [...UP_KINDS, ...DOWN_KINDS]) {
    const row = rows.find(([topics = '']) => names(topics).includes(kind));
    assert.ok(row !== undefined, `${kind} is not there`);
    const position = names(row[0] ?? '').indexOf(kind);
    const [directions = '', quality = ''] = (row[1] ?? '').split(',');
    const direction = directions.split('/')[position] ?? directions;
    assert.equal(direction.trim(), UP_KINDS.some((one) => one === kind) ? 'up' : 'down', kind);
    assert.equal(Number(quality), qosOf(kind), kind);
  }
});

test('the Mosquitto configuration in docs/link.md is the one that the hub writes', () => {
  const directory = '/etc/mosquitto/covey';
  const files = {
    accessList: '/etc/mosquitto/covey.acl',
    ca: `${directory}/ca.pem`,
    certificate: `${directory}/broker.pem`,
    privateKey: `${directory}/broker-key.pem`,
  };
  const config = mosquittoConfig(files, { host: '0.0.0.0', port: 8883 });
  const shown = config.trimEnd().replace(/^/gm, '    ');
  assert.ok(readDocument('docs/link.md').includes(shown), shown);
});

test('every field that is published is in docs/monitoring.md', () => {
  const [device = [], telemetry = [], pods = []] = tableRows(readDocument('docs/monitoring.md'), 'topic');
  const listed = (row: readonly string[]) => names(row[2] ?? '').map((name) => name.split('[')[0]);
  const { containers: _inside, ...sample } = telemetrySchema.shape;
  assert.deepEqual(listed(device), Object.keys(deviceState(undefined, undefined, false)));
  assert.deepEqual(listed(telemetry), Object.keys(sample));
  assert.deepEqual(listed(pods), Object.keys(podState(pod())));
});

test('the times of failover in docs/device.md are those of the lease policy', () => {
  const rows = tableRows(readDocument('docs/device.md'), 'class');
  for (const [name = '', beat, dead] of rows) {
    const key = names(name)[0] ?? 'idle';
    assert.ok(key === 'fast' || key === 'exclusive' || key === 'relaxed' || key === 'idle');
    const { beatIntervalMs, deadAfterMs } = cadence(key);
    assert.deepEqual([beat, dead], [`${beatIntervalMs / 1000} s`, `${deadAfterMs / 1000} s`], key);
  }
  assert.equal(rows.length, 4);
  const { leaseMs, stopMarginMs } = cadence('exclusive');
  const exclusive = rows.find(([name = '']) => names(name)[0] === 'exclusive');
  assert.equal(
    exclusive?.[3],
    `${stopMarginMs / 1000} s after the device's lease (${leaseMs / 1000} s) has ended`,
  );
});
