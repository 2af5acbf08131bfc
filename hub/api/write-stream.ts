/**
 * Copies pieces of bytes to a writable, waiting whenever it is full. Ends it when the pieces end, cuts it when
 * they fail, and stops asking for pieces when it is closed.
 */
import type { Writable } from 'node:stream';
import type { Logger } from '#protocol/lib/logger.js';

/** Settles when all is written or the target is gone; never rejects. */
export async function writeStream(
  target: Writable,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  logger: Logger,
): Promise<void> {
  try {
    for await (const piece of pieces) {
      if (target.destroyed) return;
      if (!target.write(piece)) await drained(target);
    }
    target.end();
  } catch (error) {
    logger.debug({ err: error }, 'an answer broke off');
    target.destroy();
  }
}

function drained(target: Writable): Promise<void> {
  if (target.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      target.off('drain', done);
      target.off('close', done);
      resolve();
    };
    target.on('drain', done);
    target.on('close', done);
  });
}
