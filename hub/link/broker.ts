/**
 * The embedded MQTT broker: aedes behind TLS with mutual authentication. Connections are let in at a pace,
 * packets are bounded before they are collected, and sessions are clean: nothing is queued for a device that
 * is away, because what it must have is derived from its hello. Retained messages are at most one presence per
 * device, and what the hub publishes below `monitor/`.
 */
// Before the packet writer is loaded.
import './packet-lengths.js';

import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { Aedes, type AedesPublishPacket, type Client } from 'aedes';
import { writeToStream } from 'mqtt-packet';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { MESSAGES } from '#protocol/link/codec.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import { PacketGuard } from '#protocol/link/packet-guard.js';
import { hubSubscriptions } from '#protocol/link/topics.js';
import { CertificateReader } from '../authn/certificate-reader.js';
import type { CertificateAuthority } from '../authn/pki/certificate-authority.js';
import { AcceptPacer } from './accept-pacer.js';
import {
  judgeConnect,
  mayPublish,
  mayRetain,
  maySubscribe,
  type Principal,
  type Verdict,
} from './broker-access.js';
import { lookUpMonitorOnly, type RetainedStore } from './retained.js';
import type { HubTransport, PublishOptions, ServingPair, TransportHandlers } from './transport.js';

export interface EmbeddedBrokerOptions {
  /** Where to listen; port 0 chooses a free one. */
  readonly listen: ReadonlyArray<{ readonly host: string; readonly port: number }>;
  /** PEM of the serving certificate, for the names that devices dial. */
  readonly certificate: string;
  readonly privateKey: string;
  readonly ca: CertificateAuthority;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: LinkCounters;
}

const CONCURRENT_CONNECTS = 64;
const MAX_WAITING_CONNECTS = 4096;
const CONNECT_TIMEOUT_MS = 20_000;
const DRAIN_TIMEOUT_MS = 20_000;
/** The largest thing that a device sends, and a topic. */
const MAX_INBOUND_PACKET = MESSAGES.report.maxBytes + 1024;

export class EmbeddedBroker implements HubTransport {
  readonly #options: EmbeddedBrokerOptions;
  readonly #reader: CertificateReader;
  readonly #verdicts = new WeakMap<Client, Verdict>();
  readonly #devices = new Map<string, Client>();
  readonly #sockets = new Set<Socket>();
  #aedes: Aedes | undefined;
  readonly #servers: Server[] = [];
  #tls: TlsServer | undefined;
  #pacer: AcceptPacer | undefined;
  #revocations: Disposable | undefined;
  readonly #inConnect = new WeakMap<Client, () => void>();

  constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
    this.#reader = new CertificateReader(options.ca, options.clock);
  }

  /** Where it listens, in the order of the options. */
  get addresses(): ReadonlyArray<{ readonly host: string; readonly port: number }> {
    return this.#servers.map((server, index) => {
      const address = server.address();
      const asked = this.#options.listen[index] ?? { host: '', port: 0 };
      return typeof address === 'object' && address !== null
        ? { host: asked.host, port: address.port }
        : asked;
    });
  }

  get connectedDevices(): number {
    return this.#devices.size;
  }

  async start(handlers: TransportHandlers): Promise<void> {
    const { ca } = this.#options;
    const aedes = await this.#createAedes();
    for (const { topic } of hubSubscriptions()) {
      await new Promise<void>((resolve) => {
        aedes.subscribe(topic, (packet, done) => void deliver(handlers, packet).then(done), resolve);
      });
    }
    this.#revocations = ca.devices.onRevoked((device) => void this.disconnect(device));
    this.#listenTls(aedes);
    for (const { host, port } of this.#options.listen) {
      const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) =>
        this.#accepted(socket),
      );
      await listen(server, host, port);
      this.#servers.push(server);
    }
    handlers.connection(true);
  }

  useCertificate({ certificate, privateKey }: ServingPair): void {
    this.#tls?.setSecureContext({
      cert: certificate,
      key: privateKey,
      ca: this.#options.ca.certificate,
      minVersion: 'TLSv1.2',
    });
  }

  #accepted(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => this.#options.counters.add('connection_errors'));
    this.#pacer?.offer(socket);
  }

  async #createAedes(): Promise<Aedes> {
    // A prepared buffer for each of the 65,536 packet identifiers would be seven megabytes.
    writeToStream.cacheNumbers = false;
    const aedes = await Aedes.createBroker({
      concurrency: 1000,
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      maxInflightInbound: 16,
      maxClientsIdLength: 300,
      maxTopicLevels: 8,
      preConnect: (client, packet, callback) => {
        const raw = (client.conn as TLSSocket).getPeerCertificate?.().raw as Uint8Array | undefined;
        const verdict = judgeConnect(this.#reader, this.#options.ca.devices, raw, {
          clientId: packet.clientId,
          clean: packet.clean === true,
          keepalive: packet.keepalive ?? 0,
          willTopic: packet.will?.topic,
        });
        this.#verdicts.set(client, verdict);
        callback(null, true);
      },
      authenticate: (client, _username, _password, done) => {
        const verdict = this.#verdicts.get(client);
        if (verdict?.admitted === true) {
          done(null, true);
          return;
        }
        const reason = verdict?.reason ?? 'unknown';
        this.#options.counters.warnOnce(
          'connects_refused',
          `${client.id} ${reason}`,
          { clientId: client.id, reason },
          'refused an MQTT connection',
        );
        done(Object.assign(new Error(reason), { returnCode: 5 as const }), false);
      },
      authorizePublish: (client, packet, callback) => {
        const principal = this.#principal(client);
        if (principal === undefined || !mayPublish(principal, packet.topic)) {
          this.#options.counters.warnOnce(
            'publishes_refused',
            client?.id ?? '',
            { clientId: client?.id, topic: packet.topic },
            'refused a publication to a topic of somebody else; the connection is closed',
          );
          callback(new Error(`${client?.id ?? 'nobody'} may not publish to ${packet.topic}`));
          return;
        }
        if (packet.retain && !mayRetain(principal, packet.topic)) packet.retain = false;
        callback(null);
      },
      authorizeSubscribe: (client, subscription, callback) => {
        const principal = this.#principal(client);
        const allowed = principal !== undefined && maySubscribe(principal, subscription.topic);
        if (!allowed) this.#options.counters.add('subscriptions_refused');
        callback(null, allowed ? subscription : null);
      },
    });
    lookUpMonitorOnly((aedes as unknown as { persistence: RetainedStore }).persistence);
    aedes.on('clientReady', (client) => {
      this.#inConnect.get(client)?.();
      const principal = this.#principal(client);
      if (principal?.kind === 'device') this.#devices.set(principal.device, client);
    });
    aedes.on('clientDisconnect', (client) => {
      const principal = this.#principal(client);
      if (principal?.kind === 'device' && this.#devices.get(principal.device) === client) {
        this.#devices.delete(principal.device);
      }
    });
    aedes.on('clientError', () => this.#options.counters.add('client_errors'));
    aedes.on('connectionError', () => this.#options.counters.add('connection_errors'));
    aedes.on('keepaliveTimeout', () => this.#options.counters.add('keepalive_timeouts'));
    this.#aedes = aedes;
    return aedes;
  }

  #listenTls(aedes: Aedes): void {
    const { certificate, privateKey, ca, counters } = this.#options;
    const tls = createTlsServer({
      key: privateKey,
      cert: certificate,
      ca: ca.certificate,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      handshakeTimeout: CONNECT_TIMEOUT_MS,
    });
    // TLS wraps the socket; both know the same peer, which is unique while the connection lives.
    const admitted = new Map<string, () => void>();
    tls.on('tlsClientError', (_error, socket) => {
      counters.add('tls_errors');
      socket.destroy();
    });
    tls.on('secureConnection', (socket) => {
      const client = aedes.handle(socket);
      const done = admitted.get(peerOf(socket));
      if (done !== undefined) this.#inConnect.set(client, done);
      const guard = new PacketGuard(MAX_INBOUND_PACKET);
      // aedes reads in paused mode; `data` is emitted for each chunk before aedes parses it.
      socket.on('data', (chunk: Uint8Array) => {
        counters.add('bytes_received', chunk.length);
        const length = guard.feed(chunk);
        if (length === undefined) return;
        counters.warnOnce(
          'packets_oversized',
          client.id ?? '',
          { clientId: client.id, length },
          'closed a connection that announced an oversized packet',
        );
        socket.destroy();
      });
    });
    this.#tls = tls;
    this.#pacer = new AcceptPacer({
      concurrent: CONCURRENT_CONNECTS,
      maxWaiting: MAX_WAITING_CONNECTS,
      admit: (socket, done) => {
        const peer = peerOf(socket);
        const through = () => {
          admitted.delete(peer);
          done();
        };
        admitted.set(peer, through);
        socket.once('close', through);
        tls.emit('connection', socket);
      },
      refused: () => counters.add('connects_deferred'),
    });
  }

  #principal(client: Client | null): Principal | undefined {
    const verdict = client === null ? undefined : this.#verdicts.get(client);
    return verdict?.admitted === true ? verdict.principal : undefined;
  }

  publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<void> {
    const aedes = this.#aedes;
    if (aedes === undefined || aedes.closed) return Promise.reject(new Error('the broker is not running'));
    return new Promise((resolve, reject) => {
      aedes.publish(
        {
          cmd: 'publish',
          topic,
          payload: asBuffer(payload),
          qos: options.qos,
          retain: options.retain === true,
          dup: false,
        },
        (error) => (error ? reject(error) : resolve()),
      );
    });
  }

  send(device: string, topic: string, payload: Uint8Array, qos: 0 | 1): Promise<boolean> {
    const client = this.#devices.get(device);
    if (client === undefined || client.closed) return Promise.resolve(false);
    this.#options.counters.add('bytes_sent', payload.length);
    return new Promise((resolve) => {
      client.publish(
        { cmd: 'publish', topic, payload: asBuffer(payload), qos, retain: false, dup: false },
        (error) => resolve(!error),
      );
    });
  }

  async disconnect(device: string): Promise<void> {
    const client = this.#devices.get(device);
    if (client === undefined) return;
    await new Promise<void>((resolve) => client.close(() => resolve()));
  }

  async retainedMonitorTopics(): Promise<readonly string[]> {
    // It forgets with the hub's process.
    return [];
  }

  async devicesChanged(): Promise<void> {
    // Certificates say who is a device; there is no list to keep.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#revocations?.[Symbol.dispose]();
    this.#pacer?.[Symbol.dispose]();
    const stopped = this.#servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    const aedes = this.#aedes;
    if (aedes !== undefined && !aedes.closed) await new Promise<void>((resolve) => aedes.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    this.#tls?.removeAllListeners();
    await Promise.all(stopped);
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) =>
      reject(new Error(`the broker cannot listen on ${host}:${port}: ${error.message}`, { cause: error }));
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}

async function deliver(handlers: TransportHandlers, packet: AedesPublishPacket): Promise<void> {
  const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
  await handlers.message(packet.topic, payload);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
