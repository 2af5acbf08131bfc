/**
 * A device's side of exec, attach, logs and port-forward that needs no containers: a few commands that show
 * what went through the channels.
 */
import { STREAM_CHANNEL, type StreamPeer, type StreamResult } from '#protocol/link/stream.js';

const { stdin, stdout, stderr, resize } = STREAM_CHANNEL;

/**
 * exec: `echo TEXT`, `cat` (stdin to stdout), `fail CODE` (writes to both outputs), `yes BYTES` (that much
 * output), `size` (answers the first resize), `hang` (until cancelled). logs: three lines. port-forward: echo.
 */
export async function fakeCommands(peer: StreamPeer): Promise<StreamResult> {
  const { open } = peer;
  switch (open.kind) {
    case 'logs':
      for (const line of ['one', 'two', 'three']) await peer.write(stdout, Buffer.from(`${line}\n`));
      return open.follow ? untilCancelled(peer) : { outcome: 'ok' };
    case 'port-forward':
      if (open.port === 1)
        return { outcome: 'error', reason: 'InternalError', message: 'connection refused' };
      return cat(peer);
    case 'attach':
      return cat(peer);
    case 'exec':
      return run(peer, open.command);
  }
}

async function run(peer: StreamPeer, [command, argument = '']: readonly string[]): Promise<StreamResult> {
  switch (command) {
    case 'echo':
      await peer.write(stdout, Buffer.from(`${argument}\n`));
      return { outcome: 'ok' };
    case 'cat':
      return cat(peer);
    case 'fail':
      await peer.write(stdout, Buffer.from('to stdout\n'));
      await peer.write(stderr, Buffer.from('to stderr\n'));
      return { outcome: 'exit', exitCode: Number(argument) };
    case 'yes':
      return yes(peer, Number(argument));
    case 'size':
      for await (const frame of peer.frames) {
        if (frame.channel !== resize) continue;
        await peer.write(stdout, frame.data);
        return { outcome: 'ok' };
      }
      return { outcome: 'ok' };
    case 'hang':
      return untilCancelled(peer);
    default:
      return { outcome: 'error', reason: 'InternalError', message: `no such command: ${command}` };
  }
}

async function cat(peer: StreamPeer): Promise<StreamResult> {
  for await (const { channel, data, end } of peer.frames) {
    if (channel !== stdin) continue;
    if (data.length > 0) await peer.write(stdout, data);
    if (end) break;
  }
  return { outcome: 'ok' };
}

async function yes(peer: StreamPeer, bytes: number): Promise<StreamResult> {
  const chunk = Buffer.alloc(16 * 1024, 'y');
  for (let left = bytes; left > 0; left -= chunk.length) await peer.write(stdout, chunk.subarray(0, left));
  return { outcome: 'ok' };
}

function untilCancelled(peer: StreamPeer): Promise<StreamResult> {
  return new Promise((resolve) => {
    const done = () => resolve({ outcome: 'ok' });
    if (peer.signal.aborted) done();
    else peer.signal.addEventListener('abort', done, { once: true });
  });
}
