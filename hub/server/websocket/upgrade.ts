/**
 * WebSocket upgrades on `ws`: chooses the subprotocol (the client's first choice that we know), keeps messages
 * bounded, and watches over the connection with pings.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock, Timer } from '#protocol/lib/clock.js';

/** Largest message in bytes. */
const MAX_MESSAGE = 4 * 1024 * 1024;
const PING_INTERVAL_MS = 10_000;
const MAX_MISSED_PONGS = 6;

export function wantsWebSocket(message: IncomingMessage): boolean {
  return (message.headers.upgrade ?? '').toLowerCase() === 'websocket';
}

/** The client's first choice among `supported`; '' when it offers none, undefined when we know none of them. */
export function chooseSubprotocol(
  message: IncomingMessage,
  supported: readonly string[],
): string | undefined {
  const offered = (message.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (offered.length === 0) return '';
  return offered.find((name) => supported.includes(name));
}

/** Completes the handshake; rejects when the request is not a valid one (it has been answered then). */
export function acceptWebSocket(
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  subprotocol: string,
): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: MAX_MESSAGE,
      handleProtocols: () => (subprotocol === '' ? false : subprotocol),
    });
    server.on('wsClientError', (error, broken) => {
      broken.end(`HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      reject(error);
    });
    socket.once('close', () => reject(new Error('the client has closed the connection')));
    // Names of Kubernetes' protocols hold a "/", which ws refuses in an offer; what is chosen is chosen already.
    if (subprotocol !== '') message.headers['sec-websocket-protocol'] = 'chosen';
    server.handleUpgrade(message, socket, head, (webSocket) => resolve(webSocket));
  });
}

/** Pings until the connection is over; cuts it when nothing has come back for a minute although we read. */
export function keepAlive(webSocket: WebSocket, clock: Clock): void {
  let missed = 0;
  let timer: Timer | undefined;
  const heard = () => {
    missed = 0;
  };
  webSocket.on('pong', heard);
  webSocket.on('message', heard);
  webSocket.on('ping', heard);
  const tick = () => {
    missed = webSocket.isPaused ? 0 : missed + 1;
    if (missed > MAX_MISSED_PONGS) {
      webSocket.terminate();
      return;
    }
    webSocket.ping();
    timer = clock.setTimer(PING_INTERVAL_MS, tick);
  };
  timer = clock.setTimer(PING_INTERVAL_MS, tick);
  webSocket.once('close', () => timer?.cancel());
}
