/**
 * The audit record: one JSON line per request that changes something or is refused, written behind the
 * request's back. Bounded: when the disk cannot follow, records are dropped and counted, and the count is
 * itself recorded. Bodies are never recorded, so neither are secrets.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { ApiError } from '#protocol/meta/status.js';
import type { ApiRequest, Filter } from '../api-request.js';
import type { ChainParts } from './chain-parts.js';

const MAX_QUEUE = 10_000;

export class AuditLog implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #queue: string[] = [];
  #dropped = 0;
  #writing: Promise<void> | undefined;

  private constructor(file: FileHandle, clock: Clock, logger: Logger) {
    this.#file = file;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Opens `path` for appending, mode 0600. */
  static async open(path: string, clock: Clock, logger: Logger): Promise<AuditLog> {
    return new AuditLog(await open(path, 'a', 0o600), clock, logger);
  }

  record(request: ApiRequest, code: number): void {
    if (this.#queue.length >= MAX_QUEUE) {
      this.#dropped += 1;
      return;
    }
    const { info, user, impersonator } = request;
    const entry = {
      time: this.#now(),
      auditID: request.id,
      user: user.username,
      groups: user.groups,
      ...(impersonator === undefined ? {} : { impersonatedBy: impersonator.username }),
      source: request.source,
      verb: info.verb,
      path: request.path,
      code,
    };
    this.#queue.push(`${JSON.stringify(entry)}\n`);
    this.#writing ??= this.#drain();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0 || this.#dropped > 0) {
      const lines = this.#queue;
      this.#queue = [];
      if (this.#dropped > 0) {
        lines.push(`${JSON.stringify({ time: this.#now(), dropped: this.#dropped })}\n`);
        this.#dropped = 0;
      }
      try {
        await this.#file.appendFile(lines.join(''));
      } catch (error) {
        // Not counted as dropped again: the disk would be asked without pause.
        this.#logger.error({ err: error, records: lines.length }, 'audit records could not be written');
      }
    }
    this.#writing = undefined;
  }
}

export function auditFilter({ audit }: Pick<ChainParts, 'audit'>): Filter {
  return {
    name: 'audit',
    wrap: (next) =>
      audit === undefined
        ? next
        : async (request) => {
            const quiet =
              request.info.verb === 'get' || request.info.verb === 'list' || request.info.verb === 'watch';
            try {
              const result = await next(request);
              if (!quiet) audit.record(request, 'status' in result ? result.status : 200);
              return result;
            } catch (error) {
              audit.record(request, error instanceof ApiError ? error.code : 500);
              throw error;
            }
          },
  };
}
