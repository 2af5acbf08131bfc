/**
 * Keeps a session with the broker: dials the known addresses in turn, connects with the device's certificate
 * and its death as the will, subscribes, and after any end tries again with jittered, growing delays. The
 * delay shrinks only after a session has lasted, so a broker that lets the device in and kicks it out again is
 * not hammered. Every attempt has an epoch of its own. Nothing is queued here: what is sent while there is no
 * session is dropped, and the parts above decide what to repeat.
 */

import type { TLSSocket } from 'node:tls';
import { deviceUsername } from '#protocol/fleet/v1alpha1/well-known.js';
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import { MAX_PACKET_BYTES } from '#protocol/link/message.js';
import { PacketGuard } from '#protocol/link/packet-guard.js';
import { deviceSubscriptions, messageTopic } from '#protocol/link/topics.js';
import { dial } from './dial.js';
import type { DeviceIdentity } from './identity.js';
import { createMqttClient, type MqttClient } from './mqtt.js';
import { withoutPacketCache } from './packet-cache.js';

export interface Session {
  readonly epoch: number;
  /** Sends now or, when the session is over, not at all. */
  publish(
    topic: string,
    payload: Uint8Array,
    options: { readonly qos: 0 | 1; readonly retain?: boolean },
  ): void;
}

export interface ConnectionOptions {
  /** Asked for at each attempt, so that a renewed certificate is used by the next one. */
  readonly identity: () => DeviceIdentity;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly counters: LinkCounters;
  readonly nextEpoch: () => Promise<number>;
  /** Payload of the will for this epoch. */
  readonly death: (epoch: number) => Uint8Array;
  readonly hubTime: () => number | undefined;
  /** Longest delay between attempts now, milliseconds. */
  readonly maxDelayMs: () => number;
  /** An attempt has failed, and why. */
  readonly failed: (reason: string) => void;
  readonly up: (session: Session) => void;
  readonly down: (session: Session) => void;
  readonly message: (topic: string, payload: Uint8Array) => void;
}

const DIAL_TIMEOUT_MS = 10_000;
const CONNACK_TIMEOUT_MS = 30_000;
const INITIAL_DELAY_MS = 250;
/** Longer than the slowest beat, so that beats are all that keeps the connection up and no ping is ever sent. */
const KEEPALIVE_SECONDS = 90;
/** A session that lasted this long was a good one. */
const STABLE_MS = 30_000;

export class Connection implements AsyncDisposable {
  readonly #options: ConnectionOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #kick: ((reason: string) => void) | undefined;
  #client: MqttClient | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    withoutPacketCache();
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the present session, if there is one; the next attempt follows with the usual delay. */
  kick(reason: string): void {
    this.#kick?.(reason);
  }

  async #run(): Promise<void> {
    const { clock, random, logger, counters, maxDelayMs } = this.#options;
    let attempt = 0;
    let turn = 0;
    while (!this.#stop.signal.aborted) {
      const began = clock.monotonic();
      try {
        const reason = await this.#session(turn);
        logger.info({ reason }, 'the session with the broker has ended');
        if (clock.monotonic() - began >= STABLE_MS) attempt = 0;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        turn += 1;
        counters.add('connects_failed');
        const message = error instanceof Error ? error.message : String(error);
        this.#options.failed(message);
        logger.debug({ attempt }, message);
        counters.warnOnce('connect_errors', message, {}, message);
      }
      const delay = backoffDelay({ initialMs: INITIAL_DELAY_MS, maxMs: maxDelayMs() }, attempt, random);
      attempt += 1;
      // Rejects only when the link is being stopped, which the loop's condition sees.
      await clock.sleep(delay, this.#stop.signal).catch(() => undefined);
    }
  }

  /** One session from dialling to its end; resolves with why it ended, rejects when it never began. */
  async #session(turn: number): Promise<string> {
    const { identity: ask, counters } = this.#options;
    const identity = ask();
    const epoch = await this.#options.nextEpoch();
    const address = identity.mqtt[turn % identity.mqtt.length] ?? identity.mqtt[0] ?? '';
    const socket = await dial({
      address,
      key: identity.key,
      certificate: identity.certificate,
      ca: identity.ca,
      timeoutMs: DIAL_TIMEOUT_MS,
      hubTime: this.#options.hubTime(),
      signal: this.#stop.signal,
    });
    const guard = new PacketGuard(MAX_PACKET_BYTES);
    socket.on('data', (chunk: Uint8Array) => {
      counters.add('bytes_received', chunk.length);
      if (guard.feed(chunk) !== undefined) socket.destroy(new Error('the broker sent an oversized packet'));
    });
    const client = createMqttClient(() => socket, {
      protocolVersion: 4,
      clientId: deviceUsername(identity.device),
      clean: true,
      keepalive: KEEPALIVE_SECONDS,
      reschedulePings: true,
      reconnectPeriod: 0,
      connectTimeout: CONNACK_TIMEOUT_MS,
      resubscribe: false,
      queueQoSZero: false,
      timerVariant: 'native',
      will: {
        topic: messageTopic(identity.device, 'presence'),
        payload: asBuffer(this.#options.death(epoch)),
        qos: 1,
        retain: true,
      },
    });
    this.#client = client;
    const ended = endOf(client, socket, (kick) => {
      this.#kick = kick;
    });
    this.#ended = ended;
    try {
      await this.#begin(client, identity.device, ended);
    } catch (error) {
      this.#kick = undefined;
      client.end(true);
      socket.destroy();
      throw error;
    }
    const session: Session = {
      epoch,
      publish: (topic, payload, { qos, retain = false }) => {
        if (!client.connected) return;
        counters.add('bytes_sent', payload.length + topic.length + 4);
        client.publish(topic, asBuffer(payload), { qos, retain }, (error) => {
          if (error) counters.add('publishes_unfinished');
        });
      },
    };
    counters.add('sessions');
    client.on('message', (topic: string, payload: Buffer) => {
      this.#options.message(topic, payload);
    });
    this.#options.up(session);
    const reason = await ended;
    this.#kick = undefined;
    this.#client = undefined;
    this.#options.down(session);
    client.end(true);
    socket.destroy();
    return reason;
  }

  async #begin(client: MqttClient, device: string, ended: Promise<string>): Promise<void> {
    const early = ended.then((reason) => {
      throw new Error(`the broker did not let the device in: ${reason}`);
    });
    const connected = new Promise<void>((resolve) => {
      client.once('connect', () => resolve());
    });
    await Promise.race([connected, early]);
    const subscribed = client.subscribeAsync(
      Object.fromEntries(deviceSubscriptions(device).map(({ topic, qos }) => [topic, { qos }])),
    );
    // Both may settle after the race is decided; the loser's rejection is not news.
    early.catch(() => undefined);
    const grants = await Promise.race([subscribed, early]);
    const refused = grants?.filter(({ qos }) => qos === 128) ?? [];
    if (refused.length > 0) {
      throw new Error(`the broker refused to subscribe ${refused.map(({ topic }) => topic).join(', ')}`);
    }
  }

  /** Ends the session in good order; the caller has published what it wanted to say. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the link is being stopped'));
    const client = this.#client;
    if (client?.connected) {
      // Lets what was published last reach the broker; bounded, because the link may be dead.
      await Promise.race([client.endAsync(false), this.#ended, this.#options.clock.sleep(1_000)]);
    }
    this.#kick?.('stopped');
    await this.#running;
  }
}

/** Resolves with the reason when the client's connection is over, for whatever reason. */
function endOf(
  client: MqttClient,
  socket: TLSSocket,
  setKick: (kick: (reason: string) => void) => void,
): Promise<string> {
  return new Promise((resolve) => {
    let last = 'the connection was closed';
    client.on('error', (error: Error) => {
      last = error.message;
    });
    client.on('close', () => resolve(last));
    // The broker may have closed it before the client listened.
    socket.once('close', () => resolve(last));
    if (socket.destroyed) resolve(last);
    client.on('end', () => resolve(last));
    setKick(resolve);
  });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
