/**
 * Joining and renewal. POST /join exchanges a join token and a certificate request for the device's certificate
 * and the broker's addresses; GET /join gives the authority to devices that know its fingerprint; POST
 * /join/renew gives a new certificate for an expired one to who has its key. Who gets which name is decided in
 * join-decision.ts. Every step can be repeated by the same board with the same key, so that a power cut on either
 * side loses nothing: the token is used up first, then what gave the name to others is over (their uses of claims,
 * their certificates), the new certificate is on record before it is sent. Every failure is a Kubernetes Status.
 */

import { X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { boardSerial } from '#protocol/fleet/board-serial.js';
import type { BoardPolicy, Device } from '#protocol/fleet/v1alpha1/device.js';
import { deviceOfUsername } from '#protocol/fleet/v1alpha1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import {
  JOIN_PATH,
  JOIN_REFUSAL,
  type JoinAnswer,
  type JoinRequest,
  joinRequestSchema,
  MAX_JOIN_BYTES,
  RENEW_PATH,
  type RenewRequest,
  renewRequestSchema,
} from '#protocol/link/join.js';
import { ApiError, isApiError } from '#protocol/meta/status.js';
import { formatTime } from '#protocol/meta/time.js';
import { isDeviceName } from '../authn/claim.js';
import { isRepeat, type JoinTokenState, type JoinTokens, type TokenUse } from '../authn/join-token.js';
import type { CertificateAuthority, IssuedCertificate } from '../authn/pki/certificate-authority.js';
import { type CertificateFacts, readRequestKey, WeakKeyError } from '../authn/pki/certificates.js';
import { DEVICES, NODES } from '../cache/resources.js';
import type { Client } from '../client/client.js';
import type { EventRecorder } from '../client/event-recorder.js';
import { orNotFound } from '../client/or-not-found.js';
import { type Asker, DeviceJoins } from './device-joins.js';
import { isCutOff } from './device-list.js';
import { epochBase } from './epoch.js';
import { DEVICE_RESOURCE, decideJoin, isApproved, type JoinFacts, nameFor } from './join-decision.js';
import { answer, parseBody, readJson } from './join-http.js';

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
  readonly events: Pick<EventRecorder, 'record'>;
  /** For devices that have none of their own. */
  readonly boardPolicy: BoardPolicy;
  /** How long after its end a certificate may be renewed, milliseconds. */
  readonly renewalGraceMs: number;
  /** MQTT addresses for devices, in order of preference. */
  readonly mqttAddresses: () => readonly string[];
  /** Names of the devices whose board has this serial number. */
  readonly boundTo: (serial: string) => readonly string[];
  /** A device got its first certificate; `replaces`: or a new one in place of an old device. */
  readonly joined: (device: string, replaces: boolean) => Promise<void>;
}

const METHODS: Readonly<Record<string, readonly string[]>> = {
  [JOIN_PATH]: ['GET', 'HEAD', 'POST'],
  [RENEW_PATH]: ['POST'],
};
const RETRY_WAITING_SECONDS = 15;
const EVENT_EVERY_MS = 60_000;
const MAX_TOLD = 1_024;

export class Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #joins: DeviceJoins;
  readonly #joining = new Set<string>();
  /** Device and reason → when an Event said so, monotonic. */
  readonly #told = new Map<string, number>();

  constructor(options: EnrolmentOptions) {
    this.#options = options;
    this.#joins = new DeviceJoins(options.client, options.clock);
  }

  /** Serves /join and what is below it. Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { ca, clock } = this.#options;
    const path = request.url?.split('?')[0] ?? '';
    const methods = METHODS[path];
    try {
      if (methods === undefined) throw ApiError.resourceNotFound();
      if (!methods.includes(request.method ?? ''))
        throw ApiError.methodNotSupported({ group: '', resource: 'join' }, `${request.method}`);
      if (request.method !== 'POST') {
        answer(response, 200, { ca: ca.certificate, time: clock.now() });
        return;
      }
      const body = await readJson(request, MAX_JOIN_BYTES, clock);
      if (path === RENEW_PATH) {
        answer(response, 201, await this.renewExpired(parseBody(renewRequestSchema, body)));
        return;
      }
      const joined = await this.join(parseBody(joinRequestSchema, body), request.socket.remoteAddress);
      answer(response, 201, joined);
    } catch (error) {
      const failure = isApiError(error) ? error : ApiError.internal(new Error('joining failed'));
      if (!isApiError(error)) this.#options.logger.error({ err: error }, 'joining failed');
      this.#options.counters.add('joins_refused');
      const headers = failure.code === 405 && methods !== undefined ? { Allow: methods.join(', ') } : {};
      answer(response, failure.code, failure.status, headers);
    }
  }

  /** Lets a device in. Rejects with the ApiError that it is to see. */
  async join(request: JoinRequest, address?: string): Promise<JoinAnswer> {
    requireName(request.device);
    const token = await this.#options.tokens.examine(request.token);
    // Only who shows a right token is told anything of names and boards, and has signatures checked.
    if (token === undefined) throw ApiError.unauthorized();
    const key = await readRequestKey(request.csr).catch(badCsr);
    const serial = boardSerial(request.board?.serial);
    const { device: asked, anyName = false } = request;
    const bound = serial === undefined ? [] : this.#options.boundTo(serial);
    const name = nameFor({ device: asked, anyName }, token.device, bound);
    requireName(name);
    const model = request.board?.model ?? request.model;
    const asker: Asker = {
      key,
      board: { ...(serial === undefined ? {} : { serial }), ...(model === undefined ? {} : { model }) },
      address,
      findings: request.findings ?? [],
      site: request.site,
    };
    // One at a time for a name: of two that come at once the second finds what the first has made.
    if (this.#joining.has(name)) {
      throw ApiError.conflict(DEVICE_RESOURCE, name, 'a join under this name is under way; try again');
    }
    this.#joining.add(name);
    try {
      // Looked at again: another machine may have used it up meanwhile.
      const now = await this.#options.tokens.examine(request.token);
      if (now === undefined) throw ApiError.unauthorized();
      return await this.#join(name, request, now, asker);
    } finally {
      this.#joining.delete(name);
    }
  }

  async #join(name: string, request: JoinRequest, token: JoinTokenState, asker: Asker): Promise<JoinAnswer> {
    const { ca, tokens, clock, logger, counters, joined } = this.#options;
    const facts = await this.#facts(name, token, asker);
    const use: TokenUse = {
      device: name,
      key: asker.key,
      ...asker.board,
      address: asker.address,
      time: clock.now(),
    };
    const approved = isApproved(facts);
    const spent = token.usesLeft === 0 && !token.used.some((known) => isRepeat(known, use));
    if (spent && !approved) throw await this.#copied(facts, token, asker);
    const decision = decideJoin(facts);
    if (decision.kind === 'refuse') throw decision.error;
    if (decision.kind === 'wait') throw await this.#mustWait(name, asker, decision.why);
    await tokens.claim(request.token, use, spent);
    if (decision.replaces) {
      await tokens.retire(name, asker.key);
      await ca.devices.revoke(name);
    }
    const issued = await ca.issueDevice(name, request.csr);
    const device = await this.#joins.ensure(name);
    await this.#stillGood(device, issued);
    await this.#joins.joined(device, asker, issued.notAfter);
    await this.#stillGood(device, issued);
    await joined(name, facts.joinedBefore && decision.replaces);
    if (facts.joinedBefore && decision.replaces) this.#tellOfReturn(device, asker);
    counters.add('joins');
    logger.info({ device: name, replaces: decision.replaces, board: asker.board }, 'a device joined');
    return this.#answer(name, issued);
  }

  /**
   * Whoever revokes or removes a device while a certificate is made for it must find that one revoked, too. One made
   * before the Device was looked at is revoked with the others by who sees the change.
   */
  async #stillGood(device: Device, { fingerprint }: IssuedCertificate): Promise<void> {
    const { devices } = this.#options.ca;
    const { name } = device.metadata;
    if (isCutOff(device)) await devices.revoke(name);
    if (devices.isIssued(name, fingerprint)) return;
    throw ApiError.conflict(DEVICE_RESOURCE, name, 'the device was revoked or removed meanwhile; try again');
  }

  async #facts(name: string, token: JoinTokenState, asker: Asker): Promise<JoinFacts> {
    const { client, ca, boardPolicy } = this.#options;
    const [device, node] = await Promise.all([
      orNotFound(client.resource<Device>(DEVICES).get(name)),
      orNotFound(client.resource(NODES).get(name)),
    ]);
    return {
      name,
      tokenDevice: token.device,
      serial: asker.board.serial,
      key: asker.key,
      device,
      // A Device that somebody made beforehand, and that never had a certificate, is waiting to be joined.
      joinedBefore: node !== undefined || device?.status.certificateExpirationTime !== undefined,
      keyIssued: ca.devices.hasKey(name, asker.key),
      policy: boardPolicy,
    };
  }

  /** Notes that a board waits for an operator, and makes the error for it. */
  async #mustWait(name: string, asker: Asker, why: string): Promise<ApiError> {
    const { counters, logger } = this.#options;
    const message = `${why}; run "covey devices approve ${name}" to let it in`;
    counters.add('joins_waiting');
    if (await this.#joins.waiting(name, asker, message)) {
      logger.warn({ device: name, board: asker.board, address: asker.address }, 'a board waits for approval');
      this.#tell(await this.#joins.ensure(name), 'PendingApproval', message);
    }
    return refusal(JOIN_REFUSAL.pendingApproval, name, message, RETRY_WAITING_SECONDS);
  }

  /** Notes that a used-up token was shown by somebody else than its user, and makes the error for it. */
  async #copied(facts: JoinFacts, token: JoinTokenState, asker: Asker): Promise<ApiError> {
    const { counters, logger } = this.#options;
    const last = token.used.at(-1);
    counters.add('joins_spent');
    const user =
      last === undefined
        ? 'this card was already used'
        : `this card was already used by ${describe(last)} on ${formatTime(last.time)}`;
    const advice =
      facts.device === undefined
        ? 'flash the card again'
        : `flash the card again, or run "covey devices replace ${last?.device ?? facts.name}" if that board is gone for good`;
    // A token for many that has run out says nothing of copies.
    const device = token.used.length === 1 && last?.device === facts.name ? facts.device : undefined;
    if (device !== undefined) {
      const event = `a copy of the card was refused: ${describe({ ...asker.board, address: asker.address })} asked to join with it, and it was used by ${describe(last ?? {})}`;
      if (this.#tell(device, 'CopiedCard', event))
        logger.warn({ device: facts.name, board: asker.board, address: asker.address, used: last }, event);
    }
    return refusal(JOIN_REFUSAL.claimSpent, facts.name, `${user}; ${advice}`);
  }

  /** Two machines were heard with the identity of one device. */
  async twinFound(name: string): Promise<void> {
    const { client, counters } = this.#options;
    counters.add('twins');
    const device = await orNotFound(client.resource<Device>(DEVICES).get(name));
    if (device === undefined) return;
    const message = `two machines take turns with the identity of ${name}: one of them has a copy of its card; flash a new card for each of them`;
    this.#tell(device, 'CopiedCard', message);
  }

  #tellOfReturn(before: Device, { board }: Asker): void {
    const old = before.status.board?.serial ?? before.spec.boardSerial;
    if (old === board.serial) {
      this.#options.events.record(
        before,
        'Normal',
        'Rejoined',
        'the board joined again; its old certificates are revoked',
      );
    } else {
      const message = `${describe(board)} took the place of ${describe({ serial: old })}, whose certificates are revoked`;
      this.#options.events.record(before, 'Warning', 'BoardReplaced', message);
    }
  }

  /** Records a warning, at most once a minute for a device and a reason. */
  #tell(device: Device, reason: string, message: string): boolean {
    const now = this.#options.clock.monotonic();
    const what = `${device.metadata.uid} ${reason}`;
    const last = this.#told.get(what);
    if (last !== undefined && now - last < EVENT_EVERY_MS) return false;
    this.#told.delete(what);
    this.#told.set(what, now);
    const [oldest] = this.#told.keys();
    if (this.#told.size > MAX_TOLD && oldest !== undefined) this.#told.delete(oldest);
    this.#options.events.record(device, 'Warning', reason, message);
    return true;
  }

  #answer(device: string, { certificate }: IssuedCertificate): JoinAnswer {
    const { ca, clock, mqttAddresses, releaseKey } = this.#options;
    return {
      device,
      certificate,
      ca: ca.certificate,
      mqtt: [...mqttAddresses()],
      epochBase: epochBase(clock.now()),
      time: clock.now(),
      releaseKey,
    };
  }

  /** A new certificate for a device that is connected with its present one. Rejects with what was wrong. */
  async renew(device: string, csr: string): Promise<{ certificate: string; ca: string }> {
    const { ca, counters } = this.#options;
    const issued = await ca.issueDevice(device, csr);
    await this.#stillGood(await this.#joins.renewed(device, issued.notAfter), issued);
    counters.add('renewals');
    return { certificate: issued.certificate, ca: ca.certificate };
  }

  /**
   * A new certificate for a device whose present one ran out while it was away. The request is signed by the key
   * of that certificate, which proves who asks; a stolen copy of both messages gets a certificate for a key that
   * the thief does not have.
   */
  async renewExpired({ certificate, csr }: RenewRequest): Promise<JoinAnswer> {
    const { ca, client, clock, counters, logger, renewalGraceMs } = this.#options;
    const old = this.#readExpired(certificate);
    const name = deviceOfUsername(old?.commonName ?? '');
    if (old === undefined || name === undefined) throw ApiError.unauthorized();
    const key = await readRequestKey(csr).catch(badCsr);
    if (old.key !== key) throw ApiError.unauthorized();
    if (!ca.devices.isIssued(name, old.fingerprint)) throw ApiError.unauthorized();
    const device = await orNotFound(client.resource<Device>(DEVICES).get(name));
    if (device === undefined || isCutOff(device)) throw ApiError.unauthorized();
    if (clock.now() > old.notAfter + renewalGraceMs) {
      const why = `its certificate ran out on ${formatTime(old.notAfter)}, too long ago to be renewed; flash the card again`;
      throw ApiError.forbidden(DEVICE_RESOURCE, name, why);
    }
    const issued = await ca.issueDevice(name, csr, undefined, old.fingerprint);
    await this.#stillGood(await this.#joins.renewed(name, issued.notAfter), issued);
    counters.add('renewals_late');
    logger.info({ device: name, expired: formatTime(old.notAfter) }, 'an expired certificate was renewed');
    return this.#answer(name, issued);
  }

  #readExpired(certificate: string): CertificateFacts | undefined {
    try {
      return this.#options.ca.readClient(new X509Certificate(certificate).raw);
    } catch {
      // What is no certificate proves as little as one that somebody else signed.
      return undefined;
    }
  }
}

function requireName(name: string): void {
  if (isDeviceName(name)) return;
  throw ApiError.badRequest(
    `${JSON.stringify(name)} is no device name: lower-case letters, digits and '-', at most 63, not '-' at an end`,
  );
}

function badCsr(cause: unknown): never {
  const why = cause instanceof WeakKeyError ? cause.message : 'malformed or not signed by its own key';
  throw ApiError.badRequest(`the certificate request is ${why}`, cause);
}

function refusal(reason: string, device: string, why: string, retryAfterSeconds?: number): ApiError {
  const { group, resource: kind } = DEVICE_RESOURCE;
  return new ApiError(403, reason, why, {
    name: device,
    group,
    kind,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

/** A machine for a person to find: 'the board 10000000abcd (Raspberry Pi 4) at 10.0.0.7'. */
function describe({
  serial,
  model,
  address,
}: Partial<Pick<TokenUse, 'serial' | 'model' | 'address'>>): string {
  const board = serial === undefined ? 'a board without a serial number' : `the board ${serial}`;
  return `${board}${model === undefined ? '' : ` (${model})`}${address === undefined ? '' : ` at ${address}`}`;
}
