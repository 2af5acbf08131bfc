/**
 * Writes a watch to its connection: batches as they come, put together when they come fast, waiting for the connection to take
 * them. While it does not, nothing more is read from the watch, whose own queue is bounded: a reader that stays
 * slow is ended by the store (ERROR event, 410) or, when it takes nothing at all for 30 seconds, cut off.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { ApiError } from '#protocol/meta/status.js';
import type { StorageWatchEvent } from '../registry/resource-storage.js';
import type { WatchResult } from './api-request.js';
import { encodeEvent } from './watch-frames.js';
import type { WriteCoalescer } from './write-coalescer.js';

const STALLED_MS = 30_000;

export interface WatchWriter {
  /** Headers are sent by this, once it is known that the watch begins well. */
  readonly begin: () => void;
  /** Turns a batch into bytes. */
  readonly encode: (events: readonly StorageWatchEvent[]) => readonly Buffer[];
  readonly coalescer: WriteCoalescer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Settles when the watch is over. Rejects, before `begin`, with the ApiError of a watch that cannot begin. */
export async function writeWatch(
  response: ServerResponse,
  result: WatchResult,
  writer: WatchWriter,
): Promise<void> {
  const iterator = result.events[Symbol.asyncIterator]();
  response.once('close', result.stop);
  try {
    let step = iterator.next();
    await refusedAtOnce(step);
    writer.begin();
    for (;;) {
      const { done, value } = await step;
      if (done === true) break;
      for (const piece of writer.encode(value)) {
        if (response.destroyed) return;
        writer.coalescer.write(response, piece);
        if (response.writableNeedDrain) await drained(response, writer);
      }
      step = iterator.next();
    }
    writer.coalescer.flush(response);
    response.end();
  } catch (error) {
    if (!response.headersSent) throw error;
    if (response.destroyed) return;
    writer.coalescer.flush(response);
    response.end(encodeEvent('ERROR', failureOf(error, writer.logger).status));
  } finally {
    writer.coalescer.flush(response);
    response.off('close', result.stop);
    result.stop();
  }
}

/**
 * What is wrong with the request itself (a selector, a resource version) shows before the first event and is
 * an HTTP error. An expired revision is not: clients look for it in the stream.
 */
async function refusedAtOnce(first: Promise<unknown>): Promise<void> {
  let failure: unknown;
  first.catch((error: unknown) => {
    failure = error;
  });
  await new Promise<void>((resolve) => setImmediate(resolve));
  if (failure !== undefined && !(failure instanceof ApiError && failure.code === 410)) throw failure;
}

function drained(response: ServerResponse, { clock, logger }: WatchWriter): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.setTimer(STALLED_MS, () => {
      logger.warn(
        { path: response.req.url, seconds: STALLED_MS / 1000 },
        'a watcher takes no data and is cut off',
      );
      response.destroy();
    });
    const done = () => {
      timer.cancel();
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

function failureOf(error: unknown, logger: Logger): ApiError {
  if (error instanceof ApiError) return error;
  logger.error({ err: error }, 'watch failed unexpectedly');
  return new ApiError(500, 'InternalError', 'Internal error occurred: the watch failed unexpectedly');
}
