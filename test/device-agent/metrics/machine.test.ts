import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  memoryValue,
  networkBytes,
  parseCpuTimes,
  parseThrottled,
  readTemperature,
  readThrottled,
} from '#device-agent/metrics/machine.js';
import { SAMPLE_INTERVALS, Sampler } from '#device-agent/metrics/sampler.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { type Telemetry, telemetrySchema } from '#protocol/link/telemetry.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('processor time is split into busy and idle', () => {
  assert.deepEqual(parseCpuTimes('cpu  10 1 20 60 9 0 0 0 0 0\ncpu0 1'), { busy: 31, total: 100 });
});

test('memory and network counters', () => {
  assert.equal(memoryValue('MemTotal:  2 kB\nMemAvailable:     1 kB\n', 'MemAvailable'), 1024);
  assert.equal(memoryValue('', 'MemAvailable'), undefined);
  const dev = ' lo: 5 0 0 0 0 0 0 0 5\neth0: 100 1 0 0 0 0 0 0 40 1\nveth1: 7 0 0 0 0 0 0 0 7\n';
  assert.deepEqual(networkBytes(dev), { received: 100, sent: 40 });
});

const THROTTLED = [
  ['throttled=0x0', { throttled: false, underVoltage: false }],
  ['50005', { throttled: true, underVoltage: true }],
  ['0x50000', { throttled: false, underVoltage: false }],
  ['0x8', { throttled: true, underVoltage: false }],
] as const;
for (const [text, expected] of THROTTLED)
  test(`throttling word ${text}: only what holds now counts`, () =>
    assert.deepEqual(parseThrottled(text), expected));

async function board(t: TestContext): Promise<string> {
  const sys = await tempDir(t);
  const zone = join(sys, 'class/thermal/thermal_zone0');
  await mkdir(zone, { recursive: true });
  await writeFile(join(zone, 'temp'), '54321\n');
  const firmware = join(sys, 'devices/platform/soc/soc:firmware');
  await mkdir(firmware, { recursive: true });
  await writeFile(join(firmware, 'get_throttled'), '1\n');
  return sys;
}

test('temperature and throttling from the board, nothing where there is none', async (t) => {
  const sys = await board(t);
  assert.equal(await readTemperature({ sys }), 54.321);
  assert.deepEqual(await readThrottled({ sys }), { throttled: false, underVoltage: true });
  const none = { sys: await tempDir(t) };
  assert.equal(await readTemperature(none), undefined);
  assert.equal(await readThrottled(none), undefined);
});

test('samples are taken at the cadence and only while somebody listens', async (t) => {
  const clock = new FakeClock();
  const sent: Telemetry[] = [];
  let connected = false;
  let arrive: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  using sampler = new Sampler({
    runtime: {
      usage: async () => [
        { id: 'uid-1-web-app-3', cpuUsageNanoseconds: 5, memoryWorkingSetBytes: 6, pids: 1 },
      ],
    },
    send: (sample) => {
      sent.push(sample);
      arrive();
    },
    connected: () => connected,
    cadenceClass: () => 'relaxed',
    podUids: () => new Set(['uid-1']),
    dataDir: await tempDir(t),
    clock,
    logger: silentLogger,
  });
  const sample = await sampler.sample();
  assert.deepEqual(telemetrySchema.parse(sample), sample);
  assert.deepEqual(sample.containers[0]?.podUid, 'uid-1');
  assert.deepEqual(sample.containers[0]?.name, 'web-app');
  await clock.advance(10_000);
  assert.equal(sent.length, 0);
  connected = true;
  await clock.advance(SAMPLE_INTERVALS.relaxed);
  await arrived;
  assert.equal(sent.length, 1);
});
