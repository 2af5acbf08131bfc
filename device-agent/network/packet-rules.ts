/**
 * What the packet filter does for the pods of one bridge, and its wording for nftables. Pods leave the device
 * with its address; a port of the device reaches a container's port from outside, from the device itself and
 * from pods. Everything stands in one table that belongs to this bridge alone, and one transaction replaces it
 * whole, so that applying twice is the same as once and what is no longer wanted is gone. Pure.
 */
import { isIPv4 } from 'node:net';
import type { PortMapping } from './network.js';

export interface MappedPort extends PortMapping {
  /** The pod's address. */
  readonly address: string;
}

export interface PacketRules {
  readonly bridge: string;
  /** Addresses of this device's pods: '10.88.1.0/24'. */
  readonly subnet: string;
  /** Pods leave the device with its address. */
  readonly masquerade: boolean;
  readonly ports: readonly MappedPort[];
}

/** Groups of hosts are reached on the pods' own network only, so their packets keep the pod's address. */
export const MULTICAST = '224.0.0.0/4';
export const LOOPBACK = '127.0.0.0/8';

/** True where the port is open on every address of the device. */
export function onEveryAddress(port: Pick<PortMapping, 'hostIp'>): boolean {
  return port.hostIp === '' || port.hostIp === '0.0.0.0';
}

/** Pods have IPv4 addresses only, and so have the ports of the device that lead to them. */
export function isMappable(port: Pick<PortMapping, 'hostPort' | 'hostIp'>): boolean {
  return port.hostPort > 0 && (onEveryAddress(port) || isIPv4(port.hostIp));
}

export function nftTable(bridge: string): string {
  return `covey-${bridge}`;
}

/** Input of `nft -f -`. A rule before another one wins, so the ports of single addresses come first. */
export function nftRules(rules: PacketRules): string {
  const { bridge, subnet } = rules;
  const table = `table ip ${nftTable(bridge)}`;
  const single = rules.ports.filter((port) => !onEveryAddress(port));
  const every = rules.ports.filter(onEveryAddress);
  // Deleting what may not be there fails, so it is made first; all of it is one transaction.
  return `add ${table}
delete ${table}
${table} {
  chain ports {
${[...single, ...every].map((port) => `    ${nftPort(port)}\n`).join('')}  }
  chain prerouting {
    type nat hook prerouting priority -100
    jump ports
  }
  chain output {
    type nat hook output priority -100
    jump ports
  }
  chain postrouting {
    type nat hook postrouting priority 100
    ip saddr ${LOOPBACK} oifname "${bridge}" ct status dnat masquerade
    ip saddr ${subnet} ip daddr ${subnet} ct status dnat masquerade
${rules.masquerade ? `    ip saddr ${subnet} ip daddr != { ${subnet}, ${MULTICAST} } masquerade\n` : ''}  }
  chain input {
    type filter hook input priority 0
    iifname "${bridge}" ip daddr ${LOOPBACK} ct state != { established, related } drop
  }
}
`;
}

function nftPort(port: MappedPort): string {
  const address = onEveryAddress(port) ? 'fib daddr type local' : `ip daddr ${port.hostIp}`;
  const protocol = port.protocol.toLowerCase();
  return `${address} ${protocol} dport ${port.hostPort} dnat to ${port.address}:${port.containerPort}`;
}
