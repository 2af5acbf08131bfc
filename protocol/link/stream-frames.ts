/**
 * Frames of a stream as bytes. JSON would double the size of log data, so a frame is six bytes of header and
 * the data as it is; only `open`, `result` and `reset` carry JSON.
 *
 *   byte 0      type
 *   byte 1      channel (data and end; else 0)
 *   bytes 2–5   sequence, unsigned big-endian, counts the sender's frames of this stream from 0
 *   bytes 6–    payload: data · credit as unsigned 32-bit · JSON in UTF-8
 *
 * Decoding never throws: bytes that are no frame are a DecodeFault.
 */
import { z } from 'zod';
import { type StreamOpen, type StreamResult, streamOpenSchema, streamResultSchema } from './stream.js';

const FRAME_HEADER_BYTES = 6;
/** Most data bytes in one frame; larger writes are split. */
export const MAX_FRAME_DATA = 16 * 1024;
const MAX_FRAME_BYTES = 64 * 1024 + FRAME_HEADER_BYTES;
const MAX_SEQUENCE = 0xffff_ffff;

export type WireFrame =
  | { readonly type: 'open'; readonly sequence: number; readonly epoch: number; readonly open: StreamOpen }
  | { readonly type: 'data'; readonly sequence: number; readonly channel: number; readonly data: Uint8Array }
  | { readonly type: 'end'; readonly sequence: number; readonly channel: number }
  | { readonly type: 'credit'; readonly sequence: number; readonly credit: number }
  | { readonly type: 'result'; readonly sequence: number; readonly result: StreamResult }
  /** The sender has given up; the other end must not answer. */
  | { readonly type: 'reset'; readonly sequence: number; readonly message: string }
  /** Asks the other end to show that it is there; answered by `pong`. */
  | { readonly type: 'ping'; readonly sequence: number }
  | { readonly type: 'pong'; readonly sequence: number };

export type FrameDecode =
  | { readonly ok: true; readonly frame: WireFrame }
  | { readonly ok: false; readonly fault: string };

const TYPES = ['open', 'data', 'end', 'credit', 'result', 'reset', 'ping', 'pong'] as const;

const openPayloadSchema = z.object({ epoch: z.number().int().nonnegative(), open: streamOpenSchema });
const resetPayloadSchema = z.object({ message: z.string() });

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Bytes of a frame. The caller keeps data within MAX_FRAME_DATA. */
export function encodeFrame(frame: WireFrame): Uint8Array {
  const payload = payloadOf(frame);
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  bytes[0] = TYPES.indexOf(frame.type) + 1;
  bytes[1] = frame.type === 'data' || frame.type === 'end' ? frame.channel : 0;
  new DataView(bytes.buffer).setUint32(2, frame.sequence);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

function payloadOf(frame: WireFrame): Uint8Array {
  switch (frame.type) {
    case 'open':
      return encoder.encode(JSON.stringify({ epoch: frame.epoch, open: frame.open }));
    case 'data':
      return frame.data;
    case 'credit': {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, Math.min(frame.credit, MAX_SEQUENCE));
      return bytes;
    }
    case 'result':
      return encoder.encode(JSON.stringify(frame.result));
    case 'reset':
      return encoder.encode(JSON.stringify({ message: frame.message }));
    case 'end':
    case 'ping':
    case 'pong':
      return new Uint8Array(0);
  }
}

export function decodeFrame(bytes: Uint8Array): FrameDecode {
  if (bytes.length < FRAME_HEADER_BYTES) return fault(`a frame of ${bytes.length} bytes has no header`);
  if (bytes.length > MAX_FRAME_BYTES) return fault(`a frame of ${bytes.length} bytes is over the limit`);
  const type = TYPES[(bytes[0] ?? 0) - 1];
  return type === undefined ? fault(`frame type ${bytes[0]} is unknown`) : decodeBody(type, bytes);
}

function decodeBody(type: (typeof TYPES)[number], bytes: Uint8Array): FrameDecode {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sequence = view.getUint32(2);
  const channel = bytes[1] ?? 0;
  const payload = bytes.subarray(FRAME_HEADER_BYTES);
  switch (type) {
    case 'data':
      return { ok: true, frame: { type, sequence, channel, data: payload } };
    case 'end':
      return { ok: true, frame: { type, sequence, channel } };
    case 'ping':
    case 'pong':
      return { ok: true, frame: { type, sequence } };
    case 'credit':
      if (payload.length !== 4) return fault(`a credit frame has ${payload.length} bytes instead of 4`);
      return { ok: true, frame: { type, sequence, credit: view.getUint32(FRAME_HEADER_BYTES) } };
    case 'open': {
      const parsed = parseJson(payload, openPayloadSchema);
      return parsed.ok ? { ok: true, frame: { type, sequence, ...parsed.value } } : parsed;
    }
    case 'result': {
      const parsed = parseJson(payload, streamResultSchema);
      return parsed.ok ? { ok: true, frame: { type, sequence, result: parsed.value } } : parsed;
    }
    case 'reset': {
      const parsed = parseJson(payload, resetPayloadSchema);
      return parsed.ok ? { ok: true, frame: { type, sequence, message: parsed.value.message } } : parsed;
    }
  }
}

function parseJson<T>(
  payload: Uint8Array,
  schema: z.ZodType<T>,
): { ok: true; value: T } | { ok: false; fault: string } {
  let raw: unknown;
  try {
    raw = JSON.parse(decoder.decode(payload));
  } catch (error) {
    return fault(`frame payload is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return { ok: true, value: parsed.data };
  const issue = parsed.error.issues[0];
  return fault(`frame payload: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}

function fault(message: string): { ok: false; fault: string } {
  return { ok: false, fault: message };
}
