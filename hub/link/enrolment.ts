/**
 * Joining and renewal. POST /join exchanges a join token and a certificate request for the device's
 * certificate and the broker's addresses; GET /join gives the authority to devices that know its fingerprint.
 * A name that exists is given again only to a token that was made for that name: it then replaces the old
 * device, whose certificates are revoked. Every failure is a Kubernetes Status.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { FLEET_GROUP } from '#protocol/fleet/v1alpha1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import { type JoinAnswer, type JoinRequest, joinRequestSchema, MAX_JOIN_BYTES } from '#protocol/link/join.js';
import { ApiError, isAlreadyExists, isApiError } from '#protocol/meta/status.js';
import { formatTime } from '#protocol/meta/time.js';
import { isDeviceName } from '../authn/claim.js';
import type { JoinTokens } from '../authn/join-token.js';
import type { CertificateAuthority } from '../authn/pki/certificate-authority.js';
import { DEVICES, NODES } from '../cache/resources.js';
import type { Client } from '../client/client.js';
import { orNotFound } from '../client/or-not-found.js';
import { readBody } from '../lib/read-body.js';
import { newDevice } from './node-status.js';

export interface EnrolmentOptions {
  /** Acts as the hub. */
  readonly client: Client;
  readonly ca: CertificateAuthority;
  readonly tokens: JoinTokens;
  /** PEM of the public key of agent releases. */
  readonly releaseKey: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: LinkCounters;
  /** MQTT addresses for devices, in order of preference. */
  readonly mqttAddresses: () => readonly string[];
  /** A device got its first certificate, or a new one in place of an old device. */
  readonly joined: (device: string) => Promise<void>;
}

const DEVICE = { group: FLEET_GROUP, resource: 'devices' };

export class Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #joining = new Set<string>();

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /** Serves /join. Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (request.method === 'GET') {
        answer(response, 200, { ca: this.#options.ca.certificate });
        return;
      }
      if (request.method !== 'POST')
        throw ApiError.methodNotSupported({ group: '', resource: 'join' }, `${request.method}`);
      const joined = await this.join(await readJoin(request));
      answer(response, 201, joined);
    } catch (error) {
      const failure = isApiError(error) ? error : ApiError.internal(new Error('joining failed'));
      if (!isApiError(error)) this.#options.logger.error({ err: error }, 'joining failed');
      this.#options.counters.add('joins_refused');
      answer(response, failure.code, failure.status);
    }
  }

  /** Lets a device in. Rejects with the ApiError that it is to see. */
  async join(request: JoinRequest): Promise<JoinAnswer> {
    const { device } = request;
    if (!isDeviceName(device)) {
      throw ApiError.badRequest(
        `${JSON.stringify(device)} is no device name: lower-case letters, digits and '-', at most 63, not '-' at an end`,
      );
    }
    // One at a time for a name: of two that come at once the second finds what the first has made.
    if (this.#joining.has(device)) throw ApiError.alreadyExists(DEVICE, device);
    this.#joining.add(device);
    try {
      return await this.#join(request);
    } finally {
      this.#joining.delete(device);
    }
  }

  async #join({ device, token, csr, model }: JoinRequest): Promise<JoinAnswer> {
    const { ca, tokens, releaseKey, clock, logger, counters, mqttAddresses, joined } = this.#options;
    const replaces = await this.#existing(device, token);
    await tokens.claim(token, device);
    if (replaces) await ca.devices.revoke(device);
    const { certificate, notAfter } = await ca.issueDevice(device, csr).catch((cause: unknown) => {
      throw ApiError.badRequest('the certificate request is malformed or not signed by its own key', cause);
    });
    await this.#ensureDevice(device);
    await this.#noteCertificate(device, notAfter);
    await joined(device);
    counters.add('joins');
    logger.info({ device, replaces, model }, 'a device joined');
    return {
      device,
      certificate,
      ca: ca.certificate,
      mqtt: [...mqttAddresses()],
      epochBase: epochBase(clock.now()),
      releaseKey,
    };
  }

  /** Whether a device of this name is there. Refuses when it is and the token is not for this name. */
  async #existing(device: string, token: string): Promise<boolean> {
    const { client, tokens } = this.#options;
    const [known, node] = await Promise.all([
      orNotFound(client.resource<Device>(DEVICES).get(device)),
      orNotFound(client.resource(NODES).get(device)),
    ]);
    if (known === undefined && node === undefined) return false;
    if (known?.spec.revoked === true) {
      throw ApiError.forbidden(
        DEVICE,
        device,
        'it was revoked; set spec.revoked to false to let it join again',
      );
    }
    // Only who shows a good token is told that the name is taken.
    const info = await tokens.read(token);
    if (info === undefined) throw ApiError.unauthorized();
    // A Device that somebody made beforehand, and that never had a certificate, is waiting to be joined.
    const waiting = node === undefined && known?.status.certificateExpirationTime === undefined;
    if (info.device !== device && !waiting) throw ApiError.alreadyExists(DEVICE, device);
    return true;
  }

  async #ensureDevice(device: string): Promise<void> {
    try {
      await this.#options.client.resource<Device>(DEVICES).create(newDevice(device));
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }

  async #noteCertificate(device: string, notAfter: number): Promise<void> {
    const status = { certificateExpirationTime: formatTime(notAfter) };
    await this.#options.client
      .resource<Device>(DEVICES)
      .patch(device, undefined, 'merge', { status }, 'status');
  }

  /** A new certificate for a device that is connected with its present one. Rejects with what was wrong. */
  async renew(device: string, csr: string): Promise<{ certificate: string; ca: string }> {
    const { ca, counters } = this.#options;
    const { certificate, notAfter } = await ca.issueDevice(device, csr);
    await this.#noteCertificate(device, notAfter);
    counters.add('renewals');
    return { certificate, ca: ca.certificate };
  }
}

/** Counted from 2026, because an epoch travels with every message. */
const EPOCH_ORIGIN_MS = Date.UTC(2026, 0, 1);

/** Seconds: a device that joins again starts above all epochs of its former life, one connection a second. */
function epochBase(nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - EPOCH_ORIGIN_MS) / 1000));
}

async function readJoin(request: IncomingMessage): Promise<JoinRequest> {
  const body = await readBody(request, MAX_JOIN_BYTES);
  if (body === 'too-large') throw ApiError.requestEntityTooLarge(`limit is ${MAX_JOIN_BYTES}`);
  let raw: unknown;
  try {
    raw = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw ApiError.badRequest('the body of the request is not JSON', cause);
  }
  const parsed = joinRequestSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw ApiError.badRequest(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(text)),
    'Cache-Control': 'no-store',
    ...(status === 413 ? { Connection: 'close' } : {}),
  });
  response.end(text);
}
