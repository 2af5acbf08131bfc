/**
 * GET pods/log: the output of one container, streamed from its device. What the pod's status already tells
 * (not started, image not there, no previous run) is answered here in Kubernetes' words; a device that cannot
 * be reached, or has no such log, answers with its own error as long as nothing has been sent.
 */
import type { Pod } from '#protocol/core/v1/pod.js';
import type { Clock } from '#protocol/lib/clock.js';
import { STREAM_CHANNEL, type StreamFrame, type StreamOpen, type StreamPeer } from '#protocol/link/stream.js';
import { invalid } from '#protocol/meta/field-error.js';
import { ApiError } from '#protocol/meta/status.js';
import type { ApiRequest, ApiResult } from '../api-request.js';
import { streamError } from '../stream-error.js';
import type { ResourceHandler } from './handler-context.js';
import { chooseContainer, podOf } from './pod-access.js';

/** How long a first line or an error is waited for before the answer begins. */
const FIRST_FRAME_MS = 1_000;

export const log: ResourceHandler = async ({ streams, clock }, request, target): Promise<ApiResult> => {
  const options = logOptions(request);
  const pod = await podOf(request, target);
  const container = chooseContainer(pod, request.query.text('container'));
  const device = pod.spec.nodeName ?? '';
  if (device === '') return { kind: 'raw', status: 200, contentType: 'text/plain', body: '' };
  checkHasLog(pod, container, options.previous);
  const open: StreamOpen = { kind: 'logs', podUid: pod.metadata.uid, container, ...options };
  const peer = await streams.open(device, open, request.signal);
  // How a log ended is of interest only while nothing has been sent; a lost stream shows in its frames.
  peer.result.catch(() => undefined);
  cancelWhenAborted(peer, request.signal);
  const first = await firstFrame(peer, clock);
  return { kind: 'stream', contentType: 'text/plain', chunks: chunksOf(peer, first, options.limitBytes) };
};

function logOptions(request: ApiRequest) {
  const { query } = request;
  const sinceSeconds = query.integer('sinceSeconds', Number.MIN_SAFE_INTEGER);
  const sinceTime = query.text('sinceTime');
  const tailLines = query.integer('tailLines', Number.MIN_SAFE_INTEGER);
  const limitBytes = query.integer('limitBytes', Number.MIN_SAFE_INTEGER);
  const refuse = (field: string, value: unknown, why: string) =>
    ApiError.invalid(
      { group: '', kind: 'PodLogOptions' },
      request.info.kind === 'resource' ? request.info.name : '',
      [invalid(field, value, why)],
    );
  if (tailLines !== undefined && tailLines < 0)
    throw refuse('tailLines', tailLines, 'must be greater than or equal to 0');
  if (limitBytes !== undefined && limitBytes < 1)
    throw refuse('limitBytes', limitBytes, 'must be greater than 0');
  if (sinceSeconds !== undefined && sinceSeconds < 1)
    throw refuse('sinceSeconds', sinceSeconds, 'must be greater than 0');
  if (sinceSeconds !== undefined && sinceTime !== '') {
    throw refuse(
      'sinceSeconds',
      sinceSeconds,
      'at most one of `sinceTime` or `sinceSeconds` may be specified',
    );
  }
  if (sinceTime !== '' && Number.isNaN(Date.parse(sinceTime)))
    throw refuse('sinceTime', sinceTime, 'want a time in RFC 3339 form');
  return {
    follow: query.flag('follow'),
    previous: query.flag('previous'),
    timestamps: query.flag('timestamps'),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
    ...(sinceTime === '' ? {} : { sinceTime }),
  };
}

/** Throws BadRequest while there is no log to read. */
function checkHasLog(pod: Pod, container: string, previous: boolean): void {
  const where = `${JSON.stringify(container)} in pod ${JSON.stringify(pod.metadata.name)}`;
  const status = [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.ephemeralContainerStatuses ?? []),
  ].find((entry) => entry.name === container);
  if (status === undefined) {
    // A pod whose device has not reported yet is waiting like one whose images are being fetched.
    throw ApiError.badRequest(
      pod.status?.phase === 'Pending' || pod.status?.phase === undefined
        ? `container ${where} is waiting to start: ContainerCreating`
        : `container ${where} is not available`,
    );
  }
  const { waiting, running, terminated } = status.state ?? {};
  const last = status.lastState?.terminated;
  if (previous) {
    if (last === undefined) throw ApiError.badRequest(`previous terminated container ${where} not found`);
    return;
  }
  if (running !== undefined || terminated !== undefined || last !== undefined) return;
  switch (waiting?.reason) {
    case undefined:
      throw ApiError.badRequest(`container ${where} is waiting to start - no logs yet`);
    case 'ErrImagePull':
      throw ApiError.badRequest(`container ${where} is waiting to start: image can't be pulled`);
    case 'ImagePullBackOff':
      throw ApiError.badRequest(`container ${where} is waiting to start: trying and failing to pull image`);
    default:
      throw ApiError.badRequest(`container ${where} is waiting to start: ${waiting?.reason}`);
  }
}

interface First {
  readonly iterator: AsyncIterator<StreamFrame>;
  readonly pending: Promise<IteratorResult<StreamFrame>>;
}

/** Waits shortly for the log to begin, so that a refusal of the device becomes an HTTP error. */
async function firstFrame(peer: StreamPeer, clock: Clock): Promise<First> {
  const iterator = peer.frames[Symbol.asyncIterator]();
  const pending = iterator.next();
  const waited = new AbortController();
  const patience = clock.sleep(FIRST_FRAME_MS, waited.signal).then(
    () => undefined,
    () => undefined,
  );
  try {
    const step = await Promise.race([pending, patience]);
    if (step?.done === true) {
      const result = await peer.result;
      if (result.outcome === 'error') throw streamError(result);
    }
  } catch (error) {
    await closeQuietly(peer);
    throw error;
  } finally {
    waited.abort();
  }
  return { iterator, pending };
}

/** A reader that leaves while the log is silent must not keep the stream open. */
function cancelWhenAborted(peer: StreamPeer, signal: AbortSignal): void {
  const cancel = () => void closeQuietly(peer);
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
}

/** A stream that is lost already is closed as well. */
async function closeQuietly(peer: StreamPeer): Promise<void> {
  await peer
    .close({ outcome: 'error', reason: 'Canceled', message: 'the reader of the log is gone' })
    .catch(() => undefined);
}

async function* chunksOf(
  peer: StreamPeer,
  first: First,
  limitBytes: number | undefined,
): AsyncGenerator<Uint8Array> {
  let left = limitBytes ?? Number.POSITIVE_INFINITY;
  try {
    for (let step = await first.pending; step.done !== true && left > 0; step = await first.iterator.next()) {
      const { channel, data } = step.value;
      if (channel !== STREAM_CHANNEL.stdout || data.length === 0) continue;
      const piece = data.subarray(0, left);
      left -= piece.length;
      yield piece;
    }
  } finally {
    await closeQuietly(peer);
  }
}
