/**
 * What the log, exec, attach and port-forward handlers need from the link: a stream to a pod's device.
 * Implemented by hub/link/streams.ts. Opening fails with an ApiError that names the device when it cannot
 * be reached or does not answer in time.
 *
 * Channels: exec and attach use them as named in STREAM_CHANNEL (resize carries `{"Width":80,"Height":24}`).
 * Logs come on stdout. Port forwarding sends to the port on stdin and receives from it on stdout; either side
 * ends its direction with `end`.
 */
import type { StreamOpen, StreamPeer } from '#protocol/link/stream.js';

export interface DeviceStreams {
  open(device: string, request: StreamOpen, signal: AbortSignal): Promise<StreamPeer>;
}
