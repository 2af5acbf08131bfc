/**
 * A network that only pretends: pods get addresses of a subnet, nothing is set up. Every port of a pod answers,
 * and to HTTP with 200 and to gRPC's health checks, so that probes pass and rollouts end. For hollow devices.
 */
import { pretendedServer } from './hollow-server.js';
import type { Network, Sandbox, SandboxSpec } from './network.js';
import { subnetAddress, subnetSize } from './subnet.js';

export interface HollowNetworkOptions {
  /** Pretended addresses come from here: '10.88.1.0/24'. */
  readonly subnet: string;
  readonly hostIp?: () => string;
}

export function createHollowNetwork(options: HollowNetworkOptions): Network {
  const sandboxes = new Map<string, Sandbox>();
  const size = subnetSize(options.subnet);
  return {
    async setUp(spec: SandboxSpec): Promise<Sandbox> {
      const known = sandboxes.get(spec.podUid);
      if (known) return known;
      const sandbox = {
        podUid: spec.podUid,
        namespaces: {},
        ip: spec.hostNetwork ? (options.hostIp?.() ?? '127.0.0.1') : freeAddress(),
      };
      sandboxes.set(spec.podUid, sandbox);
      return sandbox;
    },
    async tearDown(podUid) {
      sandboxes.delete(podUid);
    },
    async list() {
      return [...sandboxes.values()];
    },
    async connect(podUid) {
      if (!sandboxes.has(podUid)) throw new Error(`pod ${podUid} has no network on this hollow device`);
      return pretendedServer();
    },
    async [Symbol.asyncDispose]() {},
  };

  /** The lowest address that no pod has; the network's own, the gateway's and the last are left out. */
  function freeAddress(): string {
    const used = new Set([...sandboxes.values()].map((sandbox) => sandbox.ip));
    for (let index = 2; index < size - 1; index += 1) {
      const address = subnetAddress(options.subnet, index);
      if (!used.has(address)) return address;
    }
    throw new Error(`no free address in ${options.subnet}`);
  }
}
