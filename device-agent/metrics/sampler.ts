/**
 * Takes a sample of load and health now and then and gives it to the link, which drops it when there is no
 * connection. How often follows the device's cadence: a metered link is not filled with telemetry.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { CadenceClass } from '#protocol/link/lease-policy.js';
import type { Telemetry } from '#protocol/link/telemetry.js';
import { formatTime } from '#protocol/meta/time.js';
import { podUidOf } from '../observe/observer.js';
import type { Runtime } from '../runtime/runtime.js';
import {
  type CpuTimes,
  type MachinePaths,
  memoryValue,
  networkBytes,
  parseCpuTimes,
  readPressure,
  readTemperature,
  readThrottled,
} from './machine.js';

/** Milliseconds between samples, by cadence class. */
export const SAMPLE_INTERVALS: Readonly<Record<CadenceClass, number>> = {
  fast: 60_000,
  exclusive: 60_000,
  relaxed: 900_000,
  idle: 300_000,
};
const FIRST_SAMPLE_MS = 5_000;

export interface SamplerOptions {
  readonly runtime: Pick<Runtime, 'usage'>;
  readonly send: (sample: Telemetry) => void;
  readonly connected: () => boolean;
  readonly cadenceClass: () => CadenceClass;
  readonly podUids: () => ReadonlySet<string>;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly paths?: MachinePaths;
}

export class Sampler implements Disposable {
  readonly #options: SamplerOptions;
  #timer: Timer;
  #before: CpuTimes | undefined;
  #disposed = false;

  constructor(options: SamplerOptions) {
    this.#options = options;
    this.#timer = options.clock.setTimer(FIRST_SAMPLE_MS, () => void this.#tick());
  }

  async #tick(): Promise<void> {
    const { connected, send, logger, clock, cadenceClass } = this.#options;
    try {
      if (connected()) send(await this.sample());
    } catch (error) {
      logger.warn({ err: error }, 'the machine could not be sampled');
    }
    if (this.#disposed) return;
    this.#timer = clock.setTimer(SAMPLE_INTERVALS[cadenceClass()], () => void this.#tick());
  }

  /** One sample now. Rejects when the kernel's files cannot be read. */
  async sample(): Promise<Telemetry> {
    const { clock, dataDir, paths = {} } = this.#options;
    const proc = paths.proc ?? '/proc';
    const text = (name: string) => readFile(join(proc, name), 'utf8');
    const [stat, meminfo, loadavg, uptime, net] = await Promise.all(
      ['stat', 'meminfo', 'loadavg', 'uptime', 'net/dev'].map(text),
    );
    const [pressure, temperature, firmware] = await Promise.all([
      readPressure(dataDir, paths),
      readTemperature(paths),
      readThrottled(paths),
    ]);
    const total = memoryValue(meminfo ?? '', 'MemTotal');
    const network = networkBytes(net ?? '');
    return {
      time: formatTime(clock.now()),
      ...this.#cpuUsage(stat ?? ''),
      load1: Number((loadavg ?? '0').split(' ')[0]),
      ...(total !== undefined && {
        memoryTotalBytes: total,
        memoryUsedBytes: Math.max(0, total - pressure.memoryAvailableBytes),
      }),
      diskTotalBytes: pressure.diskTotalBytes,
      diskUsedBytes: pressure.diskTotalBytes - pressure.diskAvailableBytes,
      ...(temperature !== undefined && { temperatureCelsius: temperature }),
      ...(firmware !== undefined && firmware),
      uptimeSeconds: Number((uptime ?? '0').split(' ')[0]),
      networkReceivedBytes: network.received,
      networkSentBytes: network.sent,
      containers: await this.#containers(),
    };
  }

  #cpuUsage(stat: string): { cpuUsage?: number } {
    const now = parseCpuTimes(stat);
    const before = this.#before;
    this.#before = now;
    if (before === undefined || now.total <= before.total) return {};
    return { cpuUsage: Math.max(0, (now.busy - before.busy) / (now.total - before.total)) };
  }

  async #containers(): Promise<Telemetry['containers']> {
    const uids = this.#options.podUids();
    return (await this.#options.runtime.usage()).map(({ id, ...usage }) => {
      const podUid = podUidOf(id, uids);
      const name = id.slice(podUid.length + 1).replace(/-\d+$/, '');
      return { podUid, name, ...usage };
    });
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer.cancel();
  }
}
