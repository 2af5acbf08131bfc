/**
 * Joining: exchanges a token for the device's certificate and saves the identity. The hub is recognised by its
 * authority, given as PEM or as a fingerprint; without one of them nothing is sent. Keeps trying while the hub
 * cannot be reached or is busy; a refusal is final and says what to do.
 */
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { authorityAnswerSchema, JOIN_PATH, type JoinRequest, joinAnswerSchema } from '#protocol/link/join.js';
import { callHttps, type HttpsAnswer } from './https-call.js';
import { type DeviceIdentity, saveIdentity } from './identity.js';
import { fits, type KeyRequest, makeKeyRequest } from './key-request.js';

export interface JoinOptions {
  /** Base address of the hub: 'https://hub:6443'. */
  readonly hub: string;
  readonly device: string;
  /** Never logged. */
  readonly token: string;
  /** PEM of the hub's authority, or the SHA-256 of its DER in hex. One of them is required. */
  readonly trust: { readonly ca: string } | { readonly fingerprint: string };
  readonly dataDir: string;
  readonly model?: string;
  readonly agentVersion?: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** The hub said no: trying again with the same token and name is of no use. */
export class JoinRefusedError extends Error {
  override readonly name = 'JoinRefusedError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const RETRY = { initialMs: 1_000, maxMs: 60_000 };
const TIMEOUT_MS = 20_000;
const statusSchema = z.object({ message: z.string() });

/** Resolves with the saved identity. Rejects with JoinRefusedError, or with the signal's reason. */
export async function joinHub(options: JoinOptions): Promise<DeviceIdentity> {
  const { clock, random, logger, signal, device, dataDir } = options;
  const request = await makeKeyRequest(device);
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    try {
      const identity = await tryJoin(options, request);
      await saveIdentity(dataDir, identity);
      logger.info({ device, hub: options.hub, mqtt: identity.mqtt }, 'joined the hub');
      return identity;
    } catch (error) {
      if (error instanceof JoinRefusedError || signal.aborted) throw error;
      const delayMs = backoffDelay(RETRY, attempt, random);
      logger.warn({ hub: options.hub, attempt, delayMs, err: error }, 'cannot join yet; trying again');
      await clock.sleep(delayMs, signal);
    }
  }
}

async function tryJoin(options: JoinOptions, { key, csr }: KeyRequest): Promise<DeviceIdentity> {
  const { device, token, model, agentVersion, signal } = options;
  const ca =
    'ca' in options.trust ? options.trust.ca : await fetchAuthority(options, options.trust.fingerprint);
  const body: JoinRequest = {
    device,
    token,
    csr,
    ...(model === undefined ? {} : { model }),
    ...(agentVersion === undefined ? {} : { agentVersion }),
  };
  const answer = await callHttps({
    url: new URL(JOIN_PATH, options.hub).href,
    method: 'POST',
    body: JSON.stringify(body),
    ca,
    timeoutMs: TIMEOUT_MS,
    signal,
  });
  const joined = joinAnswerSchema.parse(read(answer));
  if (joined.device !== device || !fits(joined.certificate, key, ca)) {
    throw new Error('the hub answered with a certificate that is not for this device and key');
  }
  const { certificate, mqtt, epochBase, releaseKey } = joined;
  return { device, key, certificate, ca, mqtt, https: options.hub, epochBase, releaseKey };
}

/** Fetches the authority from whoever answers, and believes it only when it has the pinned fingerprint. */
async function fetchAuthority(options: JoinOptions, fingerprint: string): Promise<string> {
  const answer = await callHttps({
    url: new URL(JOIN_PATH, options.hub).href,
    method: 'GET',
    ca: undefined,
    timeoutMs: TIMEOUT_MS,
    signal: options.signal,
  });
  const { ca } = authorityAnswerSchema.parse(read(answer));
  const wanted = fingerprint.replaceAll(':', '').toLowerCase();
  const actual = new X509Certificate(ca).fingerprint256.replaceAll(':', '').toLowerCase();
  if (actual !== wanted) {
    throw new JoinRefusedError(
      0,
      `${options.hub} has the authority ${actual}, not ${wanted}: it is another hub, or somebody is in between`,
    );
  }
  return ca;
}

/** The body of a good answer; throws JoinRefusedError for a refusal and Error for a passing trouble. */
function read(answer: HttpsAnswer): unknown {
  let body: unknown;
  try {
    body = JSON.parse(answer.body);
  } catch (error) {
    throw new Error(`the hub answered ${answer.status} and no JSON`, { cause: error });
  }
  if (answer.status === 200 || answer.status === 201) return body;
  const status = statusSchema.safeParse(body);
  const message = status.success ? status.data.message : `HTTP status ${answer.status}`;
  const passing = answer.status === 429 || answer.status >= 500;
  if (passing) throw new Error(`the hub answered ${answer.status}: ${message}`);
  throw new JoinRefusedError(answer.status, `the hub refuses to let the device join: ${message}`);
}
