/**
 * A network that only pretends: pods get addresses of a subnet, nothing is set up. Every port of a pod answers,
 * and to HTTP with 200, so that probes pass and rollouts end. For hollow devices.
 */
import { Duplex } from 'node:stream';
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

const ANSWER = 'This device only pretends to run the pod.\n';

/** The client's end of a connection whose server answers the first thing it hears and closes. */
function pretendedServer(): Duplex {
  let answered = false;
  return new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      if (!answered) {
        answered = true;
        this.push(
          `HTTP/1.1 200 OK\r\nContent-Length: ${ANSWER.length}\r\nConnection: close\r\n\r\n${ANSWER}`,
        );
        this.push(null);
      }
      done();
    },
  });
}
