/**
 * GET or POST pods/exec and pods/attach: a command in a container, its streams carried by SPDY (kubectl up to
 * 1.30) or WebSocket (later kubectl, client libraries). The stream to the device is opened before the
 * connection changes its protocol, so that every refusal is still an ordinary HTTP error.
 */
import type { Pod } from '#protocol/core/v1/pod.js';
import type { StreamOpen, StreamPeer } from '#protocol/link/stream.js';
import { ApiError } from '#protocol/meta/status.js';
import type { RemoteChannels, RemoteTransport } from '../../server/remote-transport.js';
import { openSpdyRemoteCommand, SPDY_REMOTE_COMMAND } from '../../server/spdy/remote-command.js';
import { chooseStreamProtocol, switchToSpdy, wantsSpdy } from '../../server/spdy/upgrade.js';
import { WEBSOCKET_REMOTE_COMMAND, webSocketRemoteCommand } from '../../server/websocket/remote-command.js';
import { acceptWebSocket, chooseSubprotocol, wantsWebSocket } from '../../server/websocket/upgrade.js';
import type { ApiRequest, ApiResult, UpgradeRequest } from '../api-request.js';
import { bridgeRemoteCommand } from '../remote-bridge.js';
import type { HandlerContext, ResourceHandler } from './handler-context.js';
import { checkNotCompleted, chooseContainer, deviceOf, podOf } from './pod-access.js';

/** Most words of a command, and most characters of all together. */
const MAX_WORDS = 1024;
const MAX_COMMAND = 128 * 1024;

export const exec: ResourceHandler = async (context, request, target) => {
  const command = request.query.all('command');
  if (command.length === 0)
    throw ApiError.badRequest('you must specify at least one command for the container');
  if (command.length > MAX_WORDS || command.reduce((sum, word) => sum + word.length, 0) > MAX_COMMAND) {
    throw ApiError.badRequest(`the command is longer than ${MAX_WORDS} words or ${MAX_COMMAND} characters`);
  }
  const pod = await podOf(request, target);
  return run(context, request, pod, 'exec into', (base) => ({
    kind: 'exec',
    command: [...command],
    ...base,
  }));
};

export const attach: ResourceHandler = async (context, request, target) => {
  const pod = await podOf(request, target);
  return run(context, request, pod, 'attach to', (base) => ({ kind: 'attach', ...base }));
};

type Base = RemoteChannels & { readonly podUid: string; readonly container: string };

async function run(
  context: HandlerContext,
  request: ApiRequest,
  pod: Pod,
  verb: string,
  openOf: (base: Base) => StreamOpen,
): Promise<ApiResult> {
  const { upgrade } = request;
  const channels = channelsOf(request);
  const container = chooseContainer(pod, request.query.text('container'));
  checkNotCompleted(pod, verb);
  const device = deviceOf(pod);
  if (upgrade === undefined) throw ApiError.badRequest('Upgrade request required');
  const accept = negotiateTransport(upgrade, channels, context);
  const base = { podUid: pod.metadata.uid, container, ...channels };
  const peer = await context.streams.open(device, openOf(base), request.signal);
  return { kind: 'upgrade', run: () => connect(accept, peer, request.signal, context) };
}

function channelsOf(request: ApiRequest): RemoteChannels {
  const { query } = request;
  const tty = query.flag('tty');
  const channels = {
    stdin: query.flag('stdin'),
    stdout: query.flag('stdout'),
    // A terminal has one output; asking for both is an old habit of clients.
    stderr: query.flag('stderr') && !tty,
    tty,
  };
  if (!channels.stdin && !channels.stdout && !channels.stderr) {
    throw ApiError.badRequest('you must specify at least 1 of stdin, stdout, stderr');
  }
  return channels;
}

/** Finds out what the client speaks; the returned function switches the connection over. */
function negotiateTransport(
  upgrade: UpgradeRequest,
  channels: RemoteChannels,
  { clock }: HandlerContext,
): () => Promise<RemoteTransport> {
  const { message, socket, head } = upgrade;
  if (wantsWebSocket(message)) {
    const subprotocol = chooseSubprotocol(message, WEBSOCKET_REMOTE_COMMAND);
    if (subprotocol === undefined) throw unknownProtocol(WEBSOCKET_REMOTE_COMMAND);
    return async () => {
      const webSocket = await acceptWebSocket(message, socket, head, subprotocol);
      return webSocketRemoteCommand(webSocket, subprotocol, clock);
    };
  }
  if (wantsSpdy(message)) {
    const protocol = chooseStreamProtocol(message, SPDY_REMOTE_COMMAND);
    if (protocol === undefined) throw unknownProtocol(SPDY_REMOTE_COMMAND);
    return () => {
      switchToSpdy(socket, protocol);
      return openSpdyRemoteCommand(socket, head, protocol, channels, clock);
    };
  }
  throw ApiError.badRequest(
    `unable to upgrade: ${JSON.stringify(message.headers.upgrade)} is not supported, use SPDY/3.1 or websocket`,
  );
}

function unknownProtocol(known: readonly string[]): ApiError {
  return new ApiError(
    403,
    'Forbidden',
    `unable to upgrade: no stream protocol in common, the server accepts ${known.join(', ')}`,
  );
}

async function connect(
  accept: () => Promise<RemoteTransport>,
  peer: StreamPeer,
  signal: AbortSignal,
  { logger }: HandlerContext,
): Promise<void> {
  let transport: RemoteTransport;
  try {
    transport = await accept();
  } catch (error) {
    logger.debug({ err: error }, 'a client did not complete its upgrade');
    await peer.close({
      outcome: 'error',
      reason: 'Canceled',
      message: 'the client did not complete its upgrade',
    });
    return;
  }
  const cut = () => void transport[Symbol.asyncDispose]();
  if (signal.aborted) cut();
  else signal.addEventListener('abort', cut, { once: true });
  await bridgeRemoteCommand(transport, peer);
  signal.removeEventListener('abort', cut);
}
