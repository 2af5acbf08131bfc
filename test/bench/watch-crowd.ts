/**
 * A program: a crowd of watchers, each on a TLS connection of its own. Counts the ADDED events that arrive without
 * parsing them, and tells its parent `ready` once all have their answer's header and
 * `done` once together they have seen as many events as the parent asked for.
 */
import { connect } from 'node:tls';
import type { Credentials } from '#hub/lib/https-client.js';

export interface CrowdOrder {
  readonly credentials: Credentials;
  readonly path: string;
  readonly watchers: number;
  /** Events of all watchers together. */
  readonly expect: number;
}

export interface CrowdNews {
  readonly news: 'ready' | 'done';
  readonly events: number;
  /** Least and most events that one watcher has seen. */
  readonly least: number;
  readonly most: number;
}

const ADDED = Buffer.from('{"type":"ADDED"');

function countAdded(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(ADDED); at >= 0; at = bytes.indexOf(ADDED, at + ADDED.length)) count += 1;
  return count;
}

function start(order: CrowdOrder): void {
  const { ca, cert, key, server } = order.credentials;
  const { hostname, port } = new URL(server);
  const seen = new Array<number>(order.watchers).fill(0);
  let open = 0;
  let events = 0;
  const tell = (news: CrowdNews['news']) =>
    process.send?.({ news, events, least: Math.min(...seen), most: Math.max(...seen) } satisfies CrowdNews);
  for (let index = 0; index < order.watchers; index++) {
    const tls = { ca, ...(cert === undefined ? {} : { cert, key }) };
    const socket = connect({ host: hostname, port: Number(port), ...tls }, () =>
      socket.write(`GET ${order.path} HTTP/1.1\r\nHost: hub\r\nAccept: application/json\r\n\r\n`),
    );
    let tail: Buffer = Buffer.alloc(0);
    let answered = false;
    socket.on('data', (chunk: Buffer) => {
      if (!answered) {
        answered = true;
        if (!chunk.toString('latin1', 0, 12).startsWith('HTTP/1.1 200')) {
          throw new Error(`a watch was refused: ${chunk.toString('latin1', 0, 400)}`);
        }
        open += 1;
        if (open === order.watchers) tell('ready');
      }
      // Also what lies across two chunks.
      const seam = Buffer.concat([tail, chunk.subarray(0, ADDED.length - 1)]);
      const added = countAdded(chunk) + countAdded(seam);
      tail = Buffer.from((chunk.length < ADDED.length ? seam : chunk).subarray(1 - ADDED.length));
      seen[index] = (seen[index] ?? 0) + added;
      const before = events;
      events += added;
      if (before < order.expect && events >= order.expect) tell('done');
    });
    socket.on('close', () => {
      throw new Error('the hub closed a watch');
    });
  }
}

process.once('message', start);
process.once('disconnect', () => process.exit(0));
