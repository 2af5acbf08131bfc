/**
 * Keeps the packet rules of the pods in the kernel. Every change replaces them whole with those of the pods that
 * are there; changes that come together are one. Once a minute, while a pod needs them, it looks whether they
 * still stand as they were put, and puts them again: others flush the packet filter (`nft flush ruleset`, a
 * restarted firewall). A check that fails is logged and made again a minute later.
 */
import { writeFile } from 'node:fs/promises';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { CommandError, runCommand } from '../lib/command.js';
import type { PortMapping } from './network.js';
import { choosePacketFilter, type PacketFilter, type Run } from './packet-filter.js';
import { isMappable, type MappedPort, onEveryAddress } from './packet-rules.js';

const CHECK_MS = 60_000;

export interface RuleKeeperOptions {
  readonly bridge: string;
  readonly subnet: string;
  readonly masquerade: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Found out unless given. */
  readonly choose?: () => Promise<PacketFilter | undefined>;
  readonly run?: Run;
  /** Lets the device's own loopback reach the bridge; the kernel's setting unless given. */
  readonly routeLoopback?: () => Promise<void>;
}

export class RuleKeeper implements AsyncDisposable {
  readonly #options: RuleKeeperOptions;
  /** Pod uid → its ports; a pod without ports stands here too, because it needs the rest of the rules. */
  readonly #pods = new Map<string, readonly MappedPort[]>();
  #filter: Promise<PacketFilter | undefined> | undefined;
  /** One change at a time. */
  #changes: Promise<unknown> = Promise.resolve();
  #waiting: Promise<void> | undefined;
  #listing: string | undefined;
  #timer: Timer | undefined;
  #disposed = false;

  constructor(options: RuleKeeperOptions) {
    this.#options = options;
  }

  /** A pod that was there before this agent started; its rules are looked at soon. */
  adopt(podUid: string, address: string, ports: readonly PortMapping[]): void {
    this.#pods.set(podUid, mapped(address, ports));
    this.#timer ??= this.#options.clock.setTimer(0, () => void this.#check());
  }

  /** Resolves when the pod's rules stand; rejects where the kernel cannot do what its ports ask for. */
  async add(podUid: string, address: string, ports: readonly PortMapping[]): Promise<void> {
    const unmappable = ports.filter((port) => port.hostPort > 0 && !isMappable(port));
    for (const { hostIp, hostPort } of unmappable) {
      const { logger } = this.#options;
      logger.warn({ pod: podUid, hostIp, hostPort }, 'not mapped: pods have IPv4 addresses only');
    }
    const wanted = mapped(address, ports);
    if (wanted.length > 0 && (await this.#chosen())?.mapsPorts !== true) {
      throw new Error(
        `hostPort ${wanted[0]?.hostPort}: this kernel has neither nftables with nft_nat and nft_fib nor iptables with xt_nat, xt_conntrack and xt_addrtype`,
      );
    }
    this.#pods.set(podUid, wanted);
    // Without ports it needs no rule of its own.
    if (wanted.length > 0 || this.#listing === undefined) await this.#change();
    for (const port of wanted) if (port.protocol === 'UDP') await this.#forgetFlows(port);
    this.#timer ??= this.#options.clock.setTimer(CHECK_MS, () => void this.#check());
  }

  async remove(podUid: string): Promise<void> {
    const ports = this.#pods.get(podUid);
    this.#pods.delete(podUid);
    if (this.#pods.size === 0) this.#stopChecking();
    if (ports === undefined || ports.length === 0) return;
    try {
      await this.#change();
    } catch (error) {
      // It is asked again, and must then not think that nothing is to be done.
      this.#pods.set(podUid, ports);
      throw error;
    }
  }

  /** Takes all rules of the bridge away. */
  async clear(): Promise<void> {
    await this.#changes;
    this.#listing = undefined;
    await (await this.#chosen())?.remove(this.#options.bridge);
  }

  /** Ends the checks; rules stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#stopChecking();
    await this.#changes;
  }

  #stopChecking(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** All who ask before a change begins share it. */
  #change(): Promise<void> {
    this.#waiting ??= this.#next(async () => {
      this.#waiting = undefined;
      await this.#apply();
    });
    return this.#waiting;
  }

  #next(task: () => Promise<void>): Promise<void> {
    const done = this.#changes.then(task);
    this.#changes = done.catch(() => undefined);
    return done;
  }

  async #apply(): Promise<void> {
    const { bridge, subnet, masquerade, logger } = this.#options;
    const filter = await this.#chosen();
    if (!filter) return;
    const ports = filter.mapsPorts ? [...this.#pods.values()].flat() : [];
    if (ports.length > 0) {
      const route = this.#options.routeLoopback ?? (() => routeLoopback(bridge));
      await route().catch((error: unknown) =>
        logger.warn({ err: error }, 'ports of pods are not open on the device’s loopback'),
      );
    }
    this.#listing = undefined;
    await filter.apply({ bridge, subnet, masquerade, ports });
    this.#listing = await filter.listing(bridge);
  }

  async #check(): Promise<void> {
    this.#timer = undefined;
    const { bridge, clock, logger } = this.#options;
    try {
      await this.#next(async () => {
        const filter = await this.#chosen();
        if (!filter || this.#disposed) return;
        const listing = await filter.listing(bridge);
        if (listing === this.#listing) return;
        if (this.#listing !== undefined)
          logger.warn({ bridge }, 'the packet rules of the pods were changed by others: putting them again');
        await this.#apply();
      });
    } catch (error) {
      logger.warn({ err: error }, 'the packet rules of the pods could not be checked');
    }
    if (this.#disposed || this.#pods.size === 0) return;
    this.#timer ??= clock.setTimer(CHECK_MS, () => void this.#check());
  }

  async #chosen(): Promise<PacketFilter | undefined> {
    const { logger, choose = () => choosePacketFilter({ logger }) } = this.#options;
    this.#filter ??= choose();
    try {
      return await this.#filter;
    } catch (error) {
      // The next one asks again.
      this.#filter = undefined;
      throw error;
    }
  }

  /**
   * A sender of datagrams that never pauses keeps the kernel's record of its flow, and with it the way to the pod
   * before this one.
   */
  async #forgetFlows(port: MappedPort): Promise<void> {
    const { logger, run = runCommand } = this.#options;
    const address = onEveryAddress(port) ? [] : ['--orig-dst', port.hostIp];
    try {
      await run('conntrack', ['-D', '-p', 'udp', '--orig-port-dst', String(port.hostPort), ...address]);
    } catch (error) {
      // Its exit status 1 also says that there was none.
      if (error instanceof CommandError && /0 flow entries/.test(error.stderr)) return;
      logger.warn({ err: error, port: port.hostPort }, 'datagrams under way may still go to an earlier pod');
    }
  }
}

function mapped(address: string, ports: readonly PortMapping[]): readonly MappedPort[] {
  return ports.filter(isMappable).map((port) => ({ ...port, address }));
}

/** In the network namespace of this process. */
async function routeLoopback(bridge: string): Promise<void> {
  await writeFile(`/proc/sys/net/ipv4/conf/${bridge}/route_localnet`, '1');
}
