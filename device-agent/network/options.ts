/** What the pod network needs to know. It acts in the network namespace that the agent runs in. */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { PacketFilter } from './packet-filter.js';

export interface NetworkOptions {
  /** Pinned namespaces, address leases and pod files live below it (tmpfs). */
  readonly runDir: string;
  /** Addresses of this device's pods: '10.88.1.0/24'. */
  readonly subnet: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** 'covey0' unless given; at most 15 characters. */
  readonly bridge?: string;
  /** Pods leave the device with its address; true unless given. */
  readonly masquerade?: boolean;
  /** Directories searched for CNI plugins; /usr/lib/cni and /opt/cni/bin unless given. */
  readonly cniPath?: readonly string[];
  /** Finds out what puts packet rules into this kernel; choosePacketFilter unless given. */
  readonly packetFilter?: () => Promise<PacketFilter | undefined>;
  /** The device's own address, for pods with hostNetwork; the first one that is not internal unless given. */
  readonly hostIp?: () => string;
  /** The device's resolver settings; /etc/resolv.conf unless given. */
  readonly resolvConf?: string;
}
