/**
 * Joining: exchanges a token for the device's certificate and saves the identity. The hub is recognised by its
 * authority, given as PEM or as a fingerprint; without one of them nothing is sent. Keeps trying while the hub
 * cannot be reached, is busy, or an operator has yet to approve; a refusal is final and says what to do. The key
 * is on disk before it is shown, so that whatever a power cut interrupts, the next attempt is known as the same.
 */
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { boardSerial } from '#protocol/fleet/board-serial.js';
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { BoardFinding } from '#protocol/link/board-finding.js';
import {
  authorityAnswerSchema,
  type Board,
  JOIN_PATH,
  JOIN_REFUSAL,
  type JoinRequest,
  joinAnswerSchema,
} from '#protocol/link/join.js';
import { callHttps, type HttpsAnswer } from './https-call.js';
import { type DeviceIdentity, saveIdentity } from './identity.js';
import { forgetJoinKey, keyToJoinWith } from './join-key.js';
import { joinTrouble } from './join-trouble.js';
import { fits, type KeyRequest } from './key-request.js';

export interface JoinOptions {
  /** Base address of the hub: 'https://hub:6443'. */
  readonly hub: string;
  readonly device: string;
  /** The name is only the host's: the hub may give another, which the device keeps. */
  readonly anyName?: boolean;
  /** Never logged. */
  readonly token: string;
  /** PEM of the hub's authority, or the SHA-256 of its DER in hex. One of them is required. */
  readonly trust: { readonly ca: string } | { readonly fingerprint: string };
  readonly dataDir: string;
  /** Where the device stands. */
  readonly site?: string | undefined;
  readonly board?: Board;
  readonly findings?: readonly BoardFinding[];
  readonly agentVersion?: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Told what keeps the device from joining, and that it has joined, in a line for a person. */
  readonly progress?: (line: string) => void;
  /** The hub's time, heard over a connection that its authority vouches for; before the identity is saved. */
  readonly hubTime?: (time: number) => Promise<void>;
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

/** The hub says that it is worth asking again, and when. */
class NotYetError extends Error {
  override readonly name = 'NotYetError';
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs: number | undefined) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

const RETRY = { initialMs: 1_000, maxMs: 60_000 };
const LONGEST_WAIT_MS = 600_000;
const TIMEOUT_MS = 20_000;
const statusSchema = z.object({
  message: z.string(),
  reason: z.string().optional(),
  details: z.object({ retryAfterSeconds: z.number().nonnegative().optional() }).optional(),
});

/** Resolves with the saved identity. Rejects with JoinRefusedError, or with the signal's reason. */
export async function joinHub(options: JoinOptions): Promise<DeviceIdentity> {
  const { clock, random, logger, signal, device, dataDir, hub, progress = () => undefined } = options;
  const request = await keyToJoinWith(dataDir, device, boardSerial(options.board?.serial));
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    try {
      const identity = await tryJoin(options, request);
      await saveIdentity(dataDir, identity);
      await forgetJoinKey(dataDir);
      progress(`joined the hub ${hub} as ${identity.device}`);
      logger.info({ device: identity.device, hub, mqtt: identity.mqtt }, 'joined the hub');
      return identity;
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof JoinRefusedError) {
        progress(error.message);
        throw error;
      }
      const trouble = joinTrouble(error, hub, clock.now());
      progress(`not joined yet: ${trouble}`);
      const asked = error instanceof NotYetError ? error.retryAfterMs : undefined;
      const delayMs =
        asked === undefined
          ? backoffDelay(RETRY, attempt, random)
          : Math.round(Math.min(asked, LONGEST_WAIT_MS) * (1 + random() / 2));
      logger.warn({ hub, attempt, delayMs, err: error, trouble }, 'cannot join yet; trying again');
      await clock.sleep(delayMs, signal);
    }
  }
}

async function tryJoin(options: JoinOptions, { key, csr }: KeyRequest): Promise<DeviceIdentity> {
  const { device, token, agentVersion, signal, anyName = false, site, board = {}, findings = [] } = options;
  const ca =
    'ca' in options.trust ? options.trust.ca : await fetchAuthority(options, options.trust.fingerprint);
  const body: JoinRequest = {
    device,
    token,
    csr,
    board,
    findings: [...findings],
    ...(anyName ? { anyName } : {}),
    ...(site === undefined ? {} : { site }),
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
  if ((joined.device !== device && !anyName) || !fits(joined.certificate, key, ca)) {
    throw new Error('the hub answered with a certificate that is not for this device and key');
  }
  const { certificate, mqtt, epochBase, releaseKey, time } = joined;
  if (time !== undefined) await options.hubTime?.(time);
  const serial = boardSerial(board.serial);
  return {
    device: joined.device,
    key,
    certificate,
    ca,
    mqtt,
    https: options.hub,
    epochBase,
    releaseKey,
    ...(serial === undefined ? {} : { board: serial }),
  };
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

/** The body of a good answer; throws JoinRefusedError for a refusal and another Error for a passing trouble. */
function read(answer: HttpsAnswer): unknown {
  let body: unknown;
  try {
    body = JSON.parse(answer.body);
  } catch (error) {
    throw new Error(`the hub answered ${answer.status} and no JSON`, { cause: error });
  }
  if (answer.status === 200 || answer.status === 201) return body;
  const status = statusSchema.safeParse(body);
  const { message, reason, details } = status.success
    ? status.data
    : { message: `HTTP status ${answer.status}`, reason: '', details: undefined };
  const seconds = details?.retryAfterSeconds;
  const retryAfterMs = seconds === undefined ? undefined : seconds * 1000;
  if (reason === JOIN_REFUSAL.pendingApproval)
    throw new NotYetError(`waiting for approval: ${message}`, retryAfterMs);
  // A conflict is an earlier request of this device that the hub has not done with.
  const passing = answer.status === 429 || answer.status >= 500 || reason === 'Conflict';
  if (passing) throw new NotYetError(`the hub answered ${answer.status}: ${message}`, retryAfterMs);
  if (answer.status === 401) {
    const why = 'it does not know the claim on this card, or the claim has expired or is for another name';
    throw new JoinRefusedError(401, `the hub refuses to let the device join: ${why}; make a new one`);
  }
  throw new JoinRefusedError(answer.status, `the hub refuses to let the device join: ${message}`);
}
