/**
 * Join tokens: what a card or a person shows to get a device's first certificate. A token is `<id>.<secret>`;
 * the hub keeps the id and a SHA-256 of the secret in a Secret of its own namespace, so that neither a backup
 * nor a reader of Secrets can join. Claiming counts a use down by optimistic concurrency: a one-time token
 * lets exactly one device in, however many try at once. A token that is used up is kept until it expires, with
 * who used it: the same device may ask again when the answer was lost, and a copied card is told apart. Once that
 * device is removed or replaced its use is over: who was thrown out does not come back by asking again.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { JOIN_TOKEN_TYPE } from '#protocol/fleet/v1alpha1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import { type KubernetesObject, newObjectMeta } from '#protocol/meta/object-meta.js';
import { ApiError, isConflict, isNotFound } from '#protocol/meta/status.js';
import { formatTime, parseTime } from '#protocol/meta/time.js';
import type { ObjectClient, ResourceId } from '../client/client.js';

const NAME_PREFIX = 'join-token-';
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const ID_LENGTH = 6;
/** 25 letters of 36 are 129 bits. */
const SECRET_LENGTH = 25;
const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{25})$/;
const MAX_ATTEMPTS = 16;
const MAX_USES_KEPT = 16;

const usesSchema = z.array(
  z.object({
    device: z.string(),
    key: z.string(),
    serial: z.string().optional(),
    model: z.string().optional(),
    address: z.string().optional(),
    time: z.number(),
    over: z.boolean().optional(),
  }),
);

export interface JoinTokensOptions {
  /** Acts as the hub itself, or as an administrator. */
  readonly client: { resource<T extends KubernetesObject>(id: ResourceId): ObjectClient<T> };
  readonly clock: Clock;
  /** Namespace of the Secrets. */
  readonly namespace: string;
  /** Cryptographic random bytes. */
  readonly randomBytes: (size: number) => Uint8Array;
}

export interface NewJoinToken {
  /** Milliseconds. */
  readonly lifetimeMs: number;
  /** The only device that may join with it; any unless given. */
  readonly device?: string;
  /** How many devices may join; unlimited until expiry unless given. */
  readonly uses?: number;
  readonly description?: string;
}

/** A token as lists show it: never with its secret. */
export interface JoinTokenInfo {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  readonly device: string | undefined;
  readonly usesLeft: number | undefined;
  readonly description: string;
}

/** One use of a token that has a number of uses. */
export interface TokenUse {
  readonly device: string;
  /** SHA-256 of the device's public key. */
  readonly key: string;
  /** Canonical serial number of the board, where it has one. */
  readonly serial?: string | undefined;
  readonly model?: string | undefined;
  readonly address?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** The device was removed or replaced since. */
  readonly over?: boolean | undefined;
}

/** What a token says to who shows it. */
export interface JoinTokenState extends JoinTokenInfo {
  /** The last uses, oldest first; none of a token without a number of uses. */
  readonly used: readonly TokenUse[];
}

export interface SecretObject extends KubernetesObject {
  type?: string;
  data?: Record<string, string>;
}

export class JoinTokens {
  readonly #secrets: ObjectClient<SecretObject>;
  readonly #options: JoinTokensOptions;

  constructor(options: JoinTokensOptions) {
    this.#options = options;
    this.#secrets = options.client.resource<SecretObject>({ group: '', version: 'v1', resource: 'secrets' });
  }

  /** Makes a token. This is the only time that its text exists. */
  async create(token: NewJoinToken): Promise<JoinTokenInfo & { readonly token: string }> {
    const id = this.#letters(ID_LENGTH);
    const secret = this.#letters(SECRET_LENGTH);
    const expires = this.#options.clock.now() + token.lifetimeMs;
    const fields: Record<string, string> = {
      hash: hash(secret).toString('hex'),
      expires: formatTime(expires),
    };
    if (token.device !== undefined) fields['device'] = token.device;
    if (token.uses !== undefined) fields['uses'] = String(token.uses);
    if (token.description !== undefined) fields['description'] = token.description;
    const created = await this.#secrets.create({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: newObjectMeta({ name: `${NAME_PREFIX}${id}`, namespace: this.#options.namespace }),
      type: JOIN_TOKEN_TYPE,
      data: Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, toBase64(value)])),
    });
    return { ...describe(created, id), token: `${id}.${secret}` };
  }

  /** All tokens that are still good. */
  async list(): Promise<JoinTokenInfo[]> {
    return (await this.#all())
      .map((item) => describe(item, item.metadata.name.slice(NAME_PREFIX.length)))
      .filter((info) => this.#isLive(info));
  }

  /** Withdraws a token by its id. Resolves with false when there is none. */
  async revoke(id: string): Promise<boolean> {
    try {
      await this.#secrets.delete(`${NAME_PREFIX}${id}`, this.#options.namespace);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** What a token says, without using it, also when it is used up; undefined when it is unknown, wrong or expired. */
  async examine(token: string): Promise<JoinTokenState | undefined> {
    const stored = await this.#stored(token);
    return stored === undefined ? undefined : stateOf(stored);
  }

  /**
   * Uses a token up once for a device. A repeat of a use that is on record takes nothing more. Unauthorized when
   * it is unknown, wrong, expired, used up, or for another device; all of these look the same to the caller.
   * `beyond`: somebody who may has allowed a use more than there is.
   */
  async claim(token: string, use: TokenUse, beyond = false): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const stored = await this.#stored(token);
      if (stored === undefined) throw ApiError.unauthorized();
      const { device, usesLeft, used } = stateOf(stored);
      if (device !== undefined && device !== use.device) throw ApiError.unauthorized();
      if (usesLeft === undefined || used.some((known) => isRepeat(known, use))) return;
      if (usesLeft <= 0 && !beyond) throw ApiError.unauthorized();
      if (await this.#useOnce(stored, Math.max(0, usesLeft - 1), [...used, use])) return;
    }
    throw ApiError.unauthorized();
  }

  /**
   * The device is removed, or another machine has taken its place, by this key: no use of its former life may be
   * repeated. Tokens that nobody has used stay good.
   */
  async retire(device: string, key?: string): Promise<void> {
    const isPast = (use: TokenUse) => use.device === device && use.key !== key && use.over !== true;
    const past = async () => (await this.#all()).filter((item) => usesOf(item).some(isPast));
    for (let left = await past(), attempt = 0; left.length > 0; attempt += 1) {
      if (attempt >= MAX_ATTEMPTS) throw new Error(`the join tokens of ${device} keep changing`);
      for (const item of left) {
        const { usesLeft, used } = stateOf(item);
        const over = used.map((use) => (isPast(use) ? { ...use, over: true } : use));
        await this.#useOnce(item, usesLeft ?? 0, over);
      }
      left = await past();
    }
  }

  async #all(): Promise<SecretObject[]> {
    const { items } = await this.#secrets.list({
      namespace: this.#options.namespace,
      fieldSelector: `type=${JOIN_TOKEN_TYPE}`,
    });
    return items.filter(({ type }) => type === JOIN_TOKEN_TYPE);
  }

  /** Deletes what has expired. */
  async sweep(): Promise<void> {
    const now = this.#options.clock.now();
    for (const item of await this.#all()) {
      const { id, expires } = stateOf(item);
      if (expires <= now) await this.revoke(id);
    }
  }

  /** False when another claim came between. */
  async #useOnce(stored: SecretObject, usesLeft: number, used: readonly TokenUse[]): Promise<boolean> {
    const fields = { uses: String(usesLeft), used: JSON.stringify(used.slice(-MAX_USES_KEPT)) };
    const data = {
      ...stored.data,
      ...Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, toBase64(value)])),
    };
    try {
      await this.#secrets.update({ ...stored, data });
      return true;
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return false;
      throw error;
    }
  }

  /** The Secret of a token that is right and has not expired. */
  async #stored(token: string): Promise<SecretObject | undefined> {
    const [, id, secret] = TOKEN.exec(token) ?? [];
    if (id === undefined || secret === undefined) return undefined;
    const stored = await this.#find(id);
    if (stored === undefined || !isSecretOf(stored, secret)) return undefined;
    if (this.#options.clock.now() < stateOf(stored).expires) return stored;
    await this.revoke(id);
    return undefined;
  }

  async #find(id: string): Promise<SecretObject | undefined> {
    try {
      const secret = await this.#secrets.get(`${NAME_PREFIX}${id}`, this.#options.namespace);
      return secret.type === JOIN_TOKEN_TYPE ? secret : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #isLive(info: JoinTokenInfo): boolean {
    return this.#options.clock.now() < info.expires && (info.usesLeft ?? 1) > 0;
  }

  /** Random letters without bias: bytes of 252 and more are thrown away. */
  #letters(length: number): string {
    let text = '';
    while (text.length < length) {
      for (const byte of this.#options.randomBytes(length * 2)) {
        if (byte < 252 && text.length < length) text += ALPHABET[byte % ALPHABET.length];
      }
    }
    return text;
  }
}

function isSecretOf(stored: SecretObject, secret: string): boolean {
  const expected = Buffer.from(field(stored, 'hash') ?? '', 'hex');
  const actual = hash(secret);
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function describe(secret: SecretObject, id: string): JoinTokenInfo {
  const uses = field(secret, 'uses');
  return {
    id,
    // A token whose expiry cannot be read has expired.
    expires: parseTime(field(secret, 'expires')) ?? 0,
    device: field(secret, 'device'),
    usesLeft: uses === undefined ? undefined : countOf(uses),
    description: field(secret, 'description') ?? '',
  };
}

/** What is no number of uses is none. */
function countOf(uses: string): number {
  return /^\d{1,9}$/.test(uses) ? Number(uses) : 0;
}

function stateOf(secret: SecretObject): JoinTokenState {
  return { ...describe(secret, secret.metadata.name.slice(NAME_PREFIX.length)), used: usesOf(secret) };
}

/** The same device with the same key asks again. One key on two boards is a copy. */
export function isRepeat(known: TokenUse, use: TokenUse): boolean {
  const sameBoard = known.serial === undefined || use.serial === undefined || known.serial === use.serial;
  return known.over !== true && known.device === use.device && known.key === use.key && sameBoard;
}

/** Uses that cannot be read count as none: the token is then refused to all, which is safe. */
function usesOf(secret: SecretObject): readonly TokenUse[] {
  try {
    const parsed = usesSchema.safeParse(JSON.parse(field(secret, 'used') ?? '[]'));
    return parsed.success ? parsed.data : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

function field(secret: SecretObject, key: string): string | undefined {
  const value = secret.data?.[key];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8');
}

function hash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function toBase64(text: string): string {
  return Buffer.from(text).toString('base64');
}
