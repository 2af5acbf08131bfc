/** Bare MQTT clients and a TCP proxy between: for what a well-behaved agent would never do. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type IClientOptions, MqttClient } from 'mqtt';

export interface Credentials {
  readonly key: string;
  readonly certificate: string;
  readonly ca: string;
}

/** Connects, or rejects with why it was not let in. */
export function bareClient(
  t: TestContext,
  port: number,
  { key, certificate, ca }: Credentials,
  options: IClientOptions,
): Promise<MqttClient> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, key, cert: certificate, ca });
    const client = new MqttClient(() => socket, {
      protocolVersion: 4,
      clean: true,
      keepalive: 60,
      reconnectPeriod: 0,
      timerVariant: 'native',
      ...options,
    });
    t.after(() => {
      client.end(true);
      socket.destroy();
    });
    client.once('connect', () => resolve(client));
    client.on('error', reject);
    client.once('close', () => reject(new Error('closed')));
  });
}

/** Forwards connections to `target`, counts what passes, and can fall silent without closing anything. */
export class TcpProxy {
  /** Bytes both ways, and segments to and from the target, since the last reset. */
  bytes = 0;
  up = 0;
  down = 0;
  connections = 0;
  readonly #target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((near) => this.#forward(near));
  }

  static async start(t: TestContext, target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      for (const socket of proxy.#sockets) socket.destroy();
      proxy.#server.close();
    });
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Connections that are open now pass nothing any more; new ones do. */
  goSilent(): void {
    for (const socket of this.#sockets) socket.removeAllListeners('data').resume();
  }

  reset(): void {
    this.bytes = 0;
    this.up = 0;
    this.down = 0;
  }

  #forward(near: Socket): void {
    this.connections += 1;
    const far = connect(this.#target, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on('data', (chunk) => {
        this.bytes += chunk.length;
        if (from === near) this.up += 1;
        else this.down += 1;
        to.write(chunk);
      });
    }
  }
}
