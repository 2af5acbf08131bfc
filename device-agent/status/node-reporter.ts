/**
 * Watches how full the device is, frees disk by removing images that no pod wants, and tells the hub about
 * the node when something but the time has changed. One cheap look at a time, every half minute.
 */
import type { NodeStatus } from '#protocol/core/v1/node.js';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { AgentUpdate } from '#protocol/link/agent-update.js';
import type { BoardFinding } from '#protocol/link/board-finding.js';
import type { NodeFacts } from '#protocol/link/hello.js';
import type { Inventory, NodeReport } from '#protocol/link/node-report.js';
import type { ImageStore } from '../images/image-store.js';
import {
  COLLECT_BELOW_FREE_SHARE,
  COLLECT_UNTIL_FREE_SHARE,
  nodeConditions,
  nodeImages,
  type Pressure,
} from './node-status.js';

const INTERVAL_MS = 30_000;
/** Garbage is not looked for again this soon: what could be freed was. */
const COLLECT_AGAIN_MS = 300_000;

export interface NodeReporterOptions {
  readonly facts: () => Promise<NodeFacts>;
  readonly pressure: () => Promise<Pressure>;
  readonly images: Pick<ImageStore, 'list' | 'collectGarbage'>;
  /** References of the images that pods of this device want. */
  readonly imagesInUse: () => ReadonlySet<string>;
  readonly update: () => AgentUpdate;
  /** What the board lacks; undefined where that is not looked for. */
  readonly findings?: () => readonly BoardFinding[];
  readonly send: (report: NodeReport) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class NodeReporter implements Disposable {
  readonly #options: NodeReporterOptions;
  #inventory: Inventory | undefined;
  #conditions: NonNullable<NodeStatus['conditions']> = [];
  #told = '';
  #collectedAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #disposed = false;

  constructor(options: NodeReporterOptions) {
    this.#options = options;
  }

  /** What is plugged in; told with the next look. */
  setInventory(inventory: Inventory): void {
    this.#inventory = inventory;
  }

  /** Looks now, and then again and again. Never rejects: a look that fails is logged and repeated. */
  async run(): Promise<void> {
    this.#timer?.cancel();
    try {
      await this.look();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the state of the node could not be read');
    }
    if (this.#disposed) return;
    this.#timer = this.#options.clock.setTimer(INTERVAL_MS, () => void this.run());
  }

  /** One look: frees disk when it is short, and reports what has changed. */
  async look(): Promise<void> {
    const { facts, clock, images, send } = this.#options;
    const pressure = await this.#relieve(await this.#options.pressure());
    this.#conditions = nodeConditions(pressure, this.#conditions, clock.now(), this.#options.findings?.());
    const report: NodeReport = {
      status: { ...(await facts()), conditions: this.#conditions, images: nodeImages(await images.list()) },
      ...(this.#inventory !== undefined && { inventory: this.#inventory }),
      update: this.#options.update(),
    };
    const told = JSON.stringify(report, (key, value) => (key === 'lastHeartbeatTime' ? undefined : value));
    if (told === this.#told) return;
    this.#told = told;
    send(report);
  }

  async #relieve(pressure: Pressure): Promise<Pressure> {
    const { clock, images, imagesInUse, logger } = this.#options;
    const { diskAvailableBytes, diskTotalBytes } = pressure;
    if (diskAvailableBytes >= diskTotalBytes * COLLECT_BELOW_FREE_SHARE) return pressure;
    if (clock.monotonic() - this.#collectedAt < COLLECT_AGAIN_MS) return pressure;
    this.#collectedAt = clock.monotonic();
    const target = Math.ceil(diskTotalBytes * COLLECT_UNTIL_FREE_SHARE);
    const freed = await images.collectGarbage(imagesInUse(), target);
    logger.info(
      { freedBytes: freed, wantedFreeBytes: target },
      'the disk is getting full: removed unused images',
    );
    return await this.#options.pressure();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.cancel();
  }
}
