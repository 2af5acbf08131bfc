import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from '#hub/lib/metrics.js';

test('metrics are written in the Prometheus text format', () => {
  const registry = new MetricsRegistry();
  const counter = registry.counter('requests_total', 'Requests.', ['code']);
  counter.add(2, '200');
  counter.add(1, 'a"b\\c\nd');
  const histogram = registry.histogram('seconds', 'Time.', [], [0.1, 1]);
  for (const value of [0.05, 0.5, 5]) histogram.observe(value);
  registry.collect('open', 'Open.', () => 3);
  const lines = registry.text().split('\n');
  for (const line of [
    '# TYPE requests_total counter',
    'requests_total{code="200"} 2',
    'requests_total{code="a\\"b\\\\c\\nd"} 1',
    'seconds_bucket{le="0.1"} 1',
    'seconds_bucket{le="1"} 2',
    'seconds_bucket{le="+Inf"} 3',
    'seconds_sum 5.55',
    'seconds_count 3',
    'open 3',
  ]) {
    assert.ok(lines.includes(line), `${line}\nin\n${lines.join('\n')}`);
  }
});

test('a metric does not grow beyond its limit of series', () => {
  const registry = new MetricsRegistry();
  const counter = registry.counter('c', 'C.', ['l']);
  for (let index = 0; index < 5_000; index += 1) counter.add(1, String(index));
  assert.equal(
    registry
      .text()
      .split('\n')
      .filter((line) => line.startsWith('c{')).length,
    2_000,
  );
});
