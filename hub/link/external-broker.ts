/**
 * The hub as a client of an external MQTT broker, Mosquitto for example, over TLS with its own certificate. The
 * broker must name clients by their certificate and hold them to the access list that `mosquitto.ts` writes.
 * Reconnects with jittered back-off; while it cannot reach the broker nothing is queued, and the hub counts
 * itself blind. Sessions are clean: presence is retained, and everything else is said again after a hello.
 */

// Before the packet writer is loaded.
import './packet-lengths.js';

import { isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { MqttClient } from 'mqtt';
import { FLEET_IDENTITY } from '#protocol/fleet/v1alpha1/well-known.js';
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import { HUB_ACCESS, hubSubscriptions, isMonitorTopic } from '#protocol/link/topics.js';
import type { HubTransport, PublishOptions, TransportHandlers } from './transport.js';

export interface ExternalBrokerOptions {
  readonly host: string;
  readonly port: number;
  /** PEM of the authority that signed the broker's certificate. */
  readonly ca: string;
  /** The hub's own client certificate, common name `FLEET_IDENTITY.hubOnBroker`. */
  readonly certificate: string;
  readonly privateKey: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly counters: LinkCounters;
  /** Called with all devices when one joins or goes: writes the broker's access list and makes it read it. */
  readonly writeAccessList?: (devices: readonly string[]) => Promise<void>;
}

const RETRY = { initialMs: 250, maxMs: 10_000 };
const CONNECT_TIMEOUT_MS = 10_000;
/** Retained messages follow a subscription at once; what comes later is cleared at the next start. */
const RETAINED_WAIT_MS = 1_000;

export class ExternalBroker implements HubTransport {
  readonly #options: ExternalBrokerOptions;
  readonly #stop = new AbortController();
  #client: MqttClient | undefined;
  /** Collects while the monitor topics are subscribed. */
  #retained: Set<string> | undefined;
  #running: Promise<void> | undefined;

  constructor(options: ExternalBrokerOptions) {
    this.#options = options;
  }

  useCertificate(): void {
    // The broker's certificate is the business of whoever runs it.
  }

  /** Resolves at once: a hub starts although its broker is down. */
  async start(handlers: TransportHandlers): Promise<void> {
    this.#running = this.#run(handlers);
  }

  async #run(handlers: TransportHandlers): Promise<void> {
    const { clock, random, logger, counters } = this.#options;
    let attempt = 0;
    while (!this.#stop.signal.aborted) {
      const client = this.#connect();
      const ended = new Promise<void>((resolve) => {
        const over = () => {
          this.#stop.signal.removeEventListener('abort', over);
          resolve();
        };
        client.once('close', over);
        this.#stop.signal.addEventListener('abort', over);
      });
      client.on('error', (error: Error) => {
        counters.warnOnce('broker_errors', error.message, {}, `the broker cannot be used: ${error.message}`);
      });
      client.handleMessage = (packet, done) => {
        if (isMonitorTopic(packet.topic)) {
          if (packet.payload.length > 0) this.#retained?.add(packet.topic);
          done();
          return;
        }
        const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
        handlers.message(packet.topic, payload).then(() => done(), done);
      };
      client.once('connect', () => {
        this.#subscribe(client)
          .then(() => {
            attempt = 0;
            this.#client = client;
            logger.info({}, 'connected to the broker');
            handlers.connection(true);
          })
          .catch((error: unknown) => {
            if (!this.#stop.signal.aborted) logger.error({ err: error }, 'the broker refuses the hub');
            client.end(true);
          });
      });
      await ended;
      if (this.#client === client) {
        this.#client = undefined;
        handlers.connection(false);
      }
      client.end(true);
      const delay = backoffDelay(RETRY, attempt, random);
      attempt += 1;
      // Rejects only when the hub is stopping, which the loop's condition sees.
      await clock.sleep(delay, this.#stop.signal).catch(() => undefined);
    }
  }

  #connect(): MqttClient {
    const { host, port, ca, certificate, privateKey } = this.#options;
    const socket = connectTls({
      host,
      port,
      ca,
      cert: certificate,
      key: privateKey,
      ...(isIP(host) ? {} : { servername: host }),
    });
    socket.setNoDelay(true);
    return new MqttClient(() => socket, {
      protocolVersion: 4,
      clientId: FLEET_IDENTITY.hubOnBroker,
      clean: true,
      keepalive: 15,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      resubscribe: false,
      queueQoSZero: false,
      timerVariant: 'native',
    });
  }

  async #subscribe(client: MqttClient): Promise<void> {
    const grants = await client.subscribeAsync(
      Object.fromEntries(hubSubscriptions().map(({ topic, qos }) => [topic, { qos }])),
    );
    const refused = grants.filter(({ qos }) => qos === 128).map(({ topic }) => topic);
    if (refused.length > 0) throw new Error(`the hub may not subscribe ${refused.join(', ')}`);
  }

  publish(topic: string, payload: Uint8Array, { qos, retain = false }: PublishOptions): Promise<void> {
    const client = this.#client;
    if (client?.connected !== true) return Promise.reject(new Error('the broker cannot be reached'));
    return new Promise((resolve, reject) => {
      client.publish(topic, asBuffer(payload), { qos, retain }, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  async send(_device: string, topic: string, payload: Uint8Array, qos: 0 | 1): Promise<boolean> {
    if (this.#client?.connected !== true) return false;
    this.#options.counters.add('bytes_sent', payload.length);
    await this.publish(topic, payload, { qos });
    return true;
  }

  async retainedMonitorTopics(): Promise<readonly string[]> {
    const client = this.#client;
    if (client?.connected !== true || this.#retained !== undefined) return [];
    const found = new Set<string>();
    this.#retained = found;
    try {
      await client.subscribeAsync(HUB_ACCESS.monitor, { qos: 0 });
      await this.#options.clock.sleep(RETAINED_WAIT_MS, this.#stop.signal);
      await client.unsubscribeAsync(HUB_ACCESS.monitor);
    } finally {
      this.#retained = undefined;
    }
    return [...found];
  }

  async disconnect(): Promise<void> {
    // No client can cut off another: the access list takes its rights away, and the hub ignores what it says.
  }

  async devicesChanged(devices: readonly string[]): Promise<void> {
    await this.#options.writeAccessList?.(devices);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = this.#client;
    if (client?.connected) {
      await Promise.race([client.endAsync(false), this.#options.clock.sleep(1_000)]);
    }
    this.#stop.abort(new Error('the hub is stopping'));
    await this.#running;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
