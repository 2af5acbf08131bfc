/**
 * Answers an `Upgrade: SPDY/3.1` request with 101 and the stream protocol chosen from those that the client
 * offers in X-Stream-Protocol-Version, its first choice that we know.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

export function wantsSpdy(message: IncomingMessage): boolean {
  return (message.headers.upgrade ?? '').toLowerCase() === 'spdy/3.1';
}

/** The client's first choice among `supported`; undefined when there is none. Without an offer: the last of `supported`. */
export function chooseStreamProtocol(
  message: IncomingMessage,
  supported: readonly string[],
): string | undefined {
  const header = message.headers['x-stream-protocol-version'];
  const offered = (Array.isArray(header) ? header.join(',') : (header ?? ''))
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (offered.length === 0) return supported.at(-1);
  return offered.find((name) => supported.includes(name));
}

export function switchToSpdy(socket: Duplex, protocol: string): void {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
}
