/**
 * Serves `kubectl port-forward`: one TCP connection inside the pod's network namespace. Bytes from the hub
 * come on the stdin channel, bytes from the pod go on stdout; half-closing works both ways.
 */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import {
  STREAM_CHANNEL,
  type StreamHandler,
  type StreamPeer,
  type StreamResult,
} from '#protocol/link/stream.js';
import type { Network } from '../network/network.js';
import { type PodDirectory, StreamRefusal, withRefusals } from './pod-directory.js';

export interface PortForwardDependencies {
  readonly pods: PodDirectory;
  readonly network: Pick<Network, 'connect'>;
}

export function portForwardHandler(dependencies: PortForwardDependencies): StreamHandler {
  return (peer) => withRefusals(() => serve(peer, dependencies));
}

async function serve(peer: StreamPeer, { pods, network }: PortForwardDependencies): Promise<StreamResult> {
  const { open } = peer;
  if (open.kind !== 'port-forward') throw new StreamRefusal('BadRequest', `not a port forward: ${open.kind}`);
  pods.pod(open.podUid);
  const socket = await network.connect(open.podUid, open.port, peer.signal);
  const onAbort = () => socket.destroy();
  peer.signal.addEventListener('abort', onAbort, { once: true });
  try {
    const input = takeInput(peer, socket);
    for await (const chunk of socket) await peer.write(STREAM_CHANNEL.stdout, chunk);
    await peer.end(STREAM_CHANNEL.stdout);
    // The pod has said all; what the client still sends goes nowhere.
    void input;
    return { outcome: 'ok' };
  } finally {
    peer.signal.removeEventListener('abort', onAbort);
    socket.destroy();
  }
}

/** Never rejects: a broken connection ends the reading side, which ends the stream. */
async function takeInput(peer: StreamPeer, socket: Duplex): Promise<void> {
  try {
    for await (const frame of peer.frames) {
      if (frame.channel !== STREAM_CHANNEL.stdin) continue;
      if (frame.data.length > 0 && !socket.write(frame.data)) await once(socket, 'drain');
      if (frame.end) socket.end();
    }
  } catch {
    // The stream or the connection is over; the reading side reports it.
    socket.destroy();
  }
}
