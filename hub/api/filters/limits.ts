/**
 * Fairness: a token bucket per user, caps on requests under way (reads, writes, long-running), and a cap per
 * user on the long-running ones. Defaults are far above what a fleet's own parts need; they are there so that
 * one runaway client cannot take the hub from everybody else. Members of system:masters and callers in this
 * process are exempt.
 */
import { IDENTITY } from '#protocol/core/v1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import { ApiError } from '#protocol/meta/status.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import { type ApiRequest, type ApiResult, type Filter, isLongRunning } from '../api-request.js';
import type { ChainParts } from './chain-parts.js';

export interface LimitOptions {
  /** Requests per second and user, sustained. */
  readonly perUserRate: number;
  /** Requests that a user may make at once after being quiet. */
  readonly perUserBurst: number;
  /** Rate and burst that all anonymous callers share. */
  readonly anonymousRate: number;
  /** Most reads under way at once. */
  readonly maxReads: number;
  /** Most writes under way at once. */
  readonly maxWrites: number;
  /** Most long-running requests (watch, logs, exec) at once. */
  readonly maxLongRunning: number;
  readonly maxLongRunningPerUser: number;
}

const DEFAULT_LIMITS: LimitOptions = {
  perUserRate: 2_000,
  perUserBurst: 4_000,
  anonymousRate: 100,
  maxReads: 800,
  maxWrites: 400,
  maxLongRunning: 10_000,
  maxLongRunningPerUser: 2_000,
};

interface Bucket {
  tokens: number;
  refilled: number;
  longRunning: number;
}

const MAX_BUCKETS = 20_000;

/** The state behind the filter; one per hub. */
export class Limits {
  readonly #options: LimitOptions;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();
  #reads = 0;
  #writes = 0;
  #longRunning = 0;

  constructor(clock: Clock, options: Partial<LimitOptions> = {}) {
    this.#clock = clock;
    this.#options = { ...DEFAULT_LIMITS, ...options };
  }

  /** Admits a request or throws TooManyRequests. Returns what must be called when the request is over. */
  enter(request: ApiRequest): () => void {
    const { user } = request;
    const exempt = request.credentials === undefined || user.groups.includes(IDENTITY.mastersGroup);
    if (isLongRunning(request)) return this.#enterLongRunning(user, exempt);
    if (exempt) return NOTHING;
    this.#takeToken(user);
    const write = request.method !== 'GET' && request.method !== 'HEAD';
    if (write ? this.#writes >= this.#options.maxWrites : this.#reads >= this.#options.maxReads) {
      throw tooMany('too many requests are under way');
    }
    if (write) this.#writes += 1;
    else this.#reads += 1;
    return () => {
      if (write) this.#writes -= 1;
      else this.#reads -= 1;
    };
  }

  #enterLongRunning(user: UserInfo, exempt: boolean): () => void {
    if (!exempt) this.#takeToken(user);
    const bucket = this.#bucket(user);
    if (!exempt) {
      if (this.#longRunning >= this.#options.maxLongRunning)
        throw tooMany('too many watches and streams are open');
      if (bucket.longRunning >= this.#options.maxLongRunningPerUser) {
        throw tooMany(
          `user ${JSON.stringify(user.username)} has ${bucket.longRunning} watches and streams open, which is the limit`,
        );
      }
    }
    this.#longRunning += 1;
    bucket.longRunning += 1;
    return () => {
      this.#longRunning -= 1;
      bucket.longRunning -= 1;
    };
  }

  #takeToken(user: UserInfo): void {
    const anonymous = user.groups.includes(IDENTITY.unauthenticatedGroup);
    const rate = anonymous ? this.#options.anonymousRate : this.#options.perUserRate;
    const burst = anonymous ? this.#options.anonymousRate : this.#options.perUserBurst;
    const bucket = this.#bucket(user);
    const now = this.#clock.monotonic();
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.refilled) / 1000) * rate);
    bucket.refilled = now;
    if (bucket.tokens < 1) {
      throw tooMany(`user ${JSON.stringify(user.username)} makes more than ${rate} requests a second`);
    }
    bucket.tokens -= 1;
  }

  #bucket(user: UserInfo): Bucket {
    let bucket = this.#buckets.get(user.username);
    if (bucket === undefined) {
      if (this.#buckets.size >= MAX_BUCKETS) this.#forgetIdle();
      bucket = { tokens: Number.POSITIVE_INFINITY, refilled: this.#clock.monotonic(), longRunning: 0 };
      this.#buckets.set(user.username, bucket);
    }
    return bucket;
  }

  /** Drops the oldest half of the buckets that nothing refers to. */
  #forgetIdle(): void {
    let toDrop = MAX_BUCKETS / 2;
    for (const [name, bucket] of this.#buckets) {
      if (toDrop <= 0) return;
      if (bucket.longRunning > 0) continue;
      this.#buckets.delete(name);
      toDrop -= 1;
    }
  }
}

const NOTHING = () => undefined;

function tooMany(why: string): ApiError {
  return ApiError.tooManyRequests(`Too many requests, please try again later: ${why}`, 1);
}

export function limitsFilter({ limits }: Pick<ChainParts, 'limits'>): Filter {
  return {
    name: 'limits',
    wrap: (next) => async (request) => {
      const leave = limits.enter(request);
      let result: ApiResult;
      try {
        result = await next(request);
      } catch (error) {
        leave();
        throw error;
      }
      // A long-running request is over when its connection is.
      const goesOn = result.kind === 'watch' || result.kind === 'stream' || result.kind === 'upgrade';
      if (goesOn && !request.signal.aborted) request.signal.addEventListener('abort', leave, { once: true });
      else leave();
      return result;
    },
  };
}
