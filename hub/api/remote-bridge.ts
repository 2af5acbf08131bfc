/**
 * Joins a client's remote command with the stream of the device that runs it: input one way, output the other,
 * each side held back by the other; at the end the exit status on the error channel. When the client is gone
 * the stream on the device is cancelled; when the device is gone the client is told. Nothing outlives the call.
 */
import { STREAM_CHANNEL, type StreamPeer, type StreamResult } from '#protocol/link/stream.js';
import type { RemoteTransport } from '../server/remote-transport.js';

/** Settles when both sides are done; rejects only for bugs. */
export async function bridgeRemoteCommand(transport: RemoteTransport, peer: StreamPeer): Promise<void> {
  const cancel = () =>
    ignoreLoss(peer.close({ outcome: 'error', reason: 'Canceled', message: 'the client is gone' }));
  if (transport.signal.aborted) cancel();
  else transport.signal.addEventListener('abort', cancel, { once: true });
  // Read after the output has ended; until then a loss shows there.
  peer.result.catch(() => undefined);
  ignoreLoss(pumpInput(transport, peer));
  try {
    await pumpOutput(transport, peer);
    const result = await outcomeOf(peer);
    if (transport.signal.aborted) return;
    const report = statusOf(result);
    if (transport.version >= 4)
      await transport.write(STREAM_CHANNEL.error, Buffer.from(JSON.stringify(report)));
    else if (report.status === 'Failure')
      await transport.write(STREAM_CHANNEL.error, Buffer.from(report.message ?? ''));
    await transport.close();
  } catch (error) {
    if (!transport.signal.aborted) throw error;
  } finally {
    transport.signal.removeEventListener('abort', cancel);
    cancel();
  }
}

async function pumpInput(transport: RemoteTransport, peer: StreamPeer): Promise<void> {
  for await (const frame of transport.input) {
    if (frame.data.length > 0) await peer.write(frame.channel, frame.data);
    if (frame.end) await peer.end(frame.channel);
  }
}

async function pumpOutput(transport: RemoteTransport, peer: StreamPeer): Promise<void> {
  try {
    for await (const { channel, data } of peer.frames) {
      if (transport.signal.aborted) return;
      if (data.length > 0 && (channel === STREAM_CHANNEL.stdout || channel === STREAM_CHANNEL.stderr)) {
        await transport.write(channel, data);
      }
    }
  } catch (error) {
    // A lost device shows in the result as well, where it is turned into a Status.
    if (!peer.signal.aborted) throw error;
  }
}

async function outcomeOf(peer: StreamPeer): Promise<StreamResult> {
  try {
    return await peer.result;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return {
      outcome: 'error',
      reason: 'InternalError',
      message: `the stream to the device was lost: ${why}`,
    };
  }
}

/** The Status of the error channel; clients read the exit code from its causes. */
function statusOf(result: StreamResult) {
  const head = { kind: 'Status', apiVersion: 'v1', metadata: {} };
  switch (result.outcome) {
    case 'ok':
      return { ...head, status: 'Success' as const };
    case 'exit':
      return {
        ...head,
        status: 'Failure' as const,
        message: `command terminated with exit code ${result.exitCode}`,
        reason: 'NonZeroExitCode',
        details: { causes: [{ reason: 'ExitCode', message: String(result.exitCode) }] },
      };
    case 'error':
      return {
        ...head,
        status: 'Failure' as const,
        message: result.message,
        reason: result.reason,
        code: 500,
      };
  }
}

/** The other side being lost ends the stream; its result says so to whoever needs to know. */
function ignoreLoss(promise: Promise<void>): void {
  promise.catch(() => undefined);
}
