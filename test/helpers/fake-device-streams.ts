/**
 * Devices' ends of streams without devices: each opened stream is handed to a handler as the agent's would be,
 * over bounded queues, so that back-pressure is real.
 */
import type { DeviceStreams } from '#hub/api/device-streams.js';
import { FlowQueue } from '#hub/lib/flow-queue.js';
import type {
  StreamFrame,
  StreamHandler,
  StreamOpen,
  StreamPeer,
  StreamResult,
} from '#protocol/link/stream.js';
import { ApiError } from '#protocol/meta/status.js';

const CREDIT = 64 * 1024;
const weigh = (frame: StreamFrame) => frame.data.length + 1;

export class FakeDeviceStreams implements DeviceStreams {
  /** What a device does with a stream; refuses unless a test says otherwise. */
  handler: StreamHandler = async () => ({ outcome: 'error', reason: 'NotFound', message: 'no handler' });
  readonly opened: Array<{ readonly device: string; readonly open: StreamOpen }> = [];
  /** Streams that are not over. */
  active = 0;
  unreachable = false;

  async open(device: string, open: StreamOpen): Promise<StreamPeer> {
    if (this.unreachable) throw ApiError.serviceUnavailable(`device ${device} is not connected`);
    this.opened.push({ device, open });
    const down = new FlowQueue<StreamFrame>(CREDIT, weigh);
    const up = new FlowQueue<StreamFrame>(CREDIT, weigh);
    const over = new AbortController();
    const id = `stream-${this.opened.length}`;
    this.active += 1;
    let settle: (result: StreamResult) => void = () => undefined;
    const result = new Promise<StreamResult>((resolve) => {
      settle = resolve;
    });
    const finish = (outcome: StreamResult) => {
      if (over.signal.aborted) return;
      settle(outcome);
      over.abort(new Error(`stream over: ${outcome.outcome}`));
      down.end();
      up.end();
      this.active -= 1;
    };
    const end = (incoming: FlowQueue<StreamFrame>, outgoing: FlowQueue<StreamFrame>): StreamPeer => ({
      id,
      open,
      signal: over.signal,
      frames: incoming,
      result,
      async write(channel, data) {
        if (over.signal.aborted) throw over.signal.reason;
        await outgoing.push({ channel, data, end: false });
      },
      async end(channel) {
        await outgoing.push({ channel, data: new Uint8Array(0), end: true });
      },
      async close(outcome) {
        finish(outcome);
      },
    });
    void this.handler(end(down, up)).then(finish, (error: unknown) =>
      finish({ outcome: 'error', reason: 'InternalError', message: String(error) }),
    );
    return end(up, down);
  }
}
