/**
 * GET or POST pods/portforward: connections to ports of a pod, each a pair of SPDY streams (data and error) on
 * one upgraded connection. kubectl up to 1.30 upgrades to SPDY itself; later ones tunnel the same SPDY bytes
 * through a WebSocket.
 */
import type { Duplex } from 'node:stream';
import { createWebSocketStream } from 'ws';
import type { Pod } from '#protocol/core/v1/pod.js';
import { ApiError } from '#protocol/meta/status.js';
import { SpdySession } from '../../server/spdy/session.js';
import { chooseStreamProtocol, switchToSpdy, wantsSpdy } from '../../server/spdy/upgrade.js';
import { acceptWebSocket, chooseSubprotocol, wantsWebSocket } from '../../server/websocket/upgrade.js';
import type { UpgradeRequest } from '../api-request.js';
import { PortForwardStreams } from '../port-forward-streams.js';
import type { HandlerContext, ResourceHandler } from './handler-context.js';
import { checkNotCompleted, deviceOf, podOf } from './pod-access.js';

const PROTOCOL = 'portforward.k8s.io';
const TUNNEL = 'SPDY/3.1+portforward.k8s.io';

export const portForward: ResourceHandler = async (context, request, target) => {
  const pod = await podOf(request, target);
  checkNotCompleted(pod, 'forward ports to');
  const device = deviceOf(pod);
  const { upgrade } = request;
  if (upgrade === undefined) throw ApiError.badRequest('Upgrade request required');
  const accept = negotiateConnection(upgrade);
  return { kind: 'upgrade', run: () => run(accept, context, pod, device, request.signal) };
};

interface Connection {
  readonly socket: Duplex;
  readonly head: Uint8Array;
}

function negotiateConnection({ message, socket, head }: UpgradeRequest): () => Promise<Connection> {
  if (wantsWebSocket(message)) {
    const subprotocol = chooseSubprotocol(message, [TUNNEL]);
    if (subprotocol !== TUNNEL) throw noProtocol(TUNNEL);
    return async () => {
      const webSocket = await acceptWebSocket(message, socket, head, TUNNEL);
      return { socket: createWebSocketStream(webSocket), head: new Uint8Array(0) };
    };
  }
  if (wantsSpdy(message)) {
    if (chooseStreamProtocol(message, [PROTOCOL]) === undefined) throw noProtocol(PROTOCOL);
    return async () => {
      switchToSpdy(socket, PROTOCOL);
      return { socket, head };
    };
  }
  throw ApiError.badRequest(
    `unable to upgrade: ${JSON.stringify(message.headers.upgrade)} is not supported, use SPDY/3.1 or websocket`,
  );
}

function noProtocol(wanted: string): ApiError {
  return new ApiError(
    403,
    'Forbidden',
    `unable to upgrade: no stream protocol in common, the server accepts ${wanted}`,
  );
}

async function run(
  accept: () => Promise<Connection>,
  { streams, clock, logger }: HandlerContext,
  pod: Pod,
  device: string,
  signal: AbortSignal,
): Promise<void> {
  const { socket, head } = await accept();
  const forwards = new PortForwardStreams({
    open: (port, ended) =>
      streams.open(device, { kind: 'port-forward', podUid: pod.metadata.uid, port }, ended),
    logger,
  });
  const session = new SpdySession(socket, { clock, onStream: (stream) => forwards.add(stream) });
  const cut = () => void session[Symbol.asyncDispose]();
  signal.addEventListener('abort', cut, { once: true });
  session.signal.addEventListener('abort', () => forwards[Symbol.dispose](), { once: true });
  await session.run(head);
  signal.removeEventListener('abort', cut);
}
