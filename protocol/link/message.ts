/**
 * Bytes ↔ message, without the schemas: the envelope, the limits and the faults that both ends share. A
 * device's codec and the hub's bring the schemas of what they receive. Decoding never throws: what is oversized,
 * malformed or of a newer version comes back as a fault with its reason, for the caller to count and drop. Fields
 * that this side does not know are ignored and listed, so that the caller can warn once: old agents and new hubs
 * meet all the time.
 */
import type { z } from 'zod';
import type { Assignment } from './assignment.js';
import type { Beat } from './beat.js';
import type { Command, Renew } from './command.js';
import { type Envelope, envelopeSchema, LINK_VERSION, type WireEnvelope } from './envelope.js';
import type { Hello } from './hello.js';
import type { LeaseMessage } from './lease.js';
import type { NodeReport } from './node-report.js';
import type { Presence } from './presence.js';
import type { PodReport } from './report.js';
import type { Telemetry } from './telemetry.js';
import type { MessageKind } from './topics.js';

/** What each message carries. */
export interface MessageBodies {
  presence: Presence;
  hello: Hello;
  beat: Beat;
  report: PodReport;
  node: NodeReport;
  telemetry: Telemetry;
  renew: Renew;
  lease: LeaseMessage;
  assignment: Assignment;
  command: Command;
}
export type MessageBody<K extends MessageKind> = MessageBodies[K];

const KIB = 1024;

/** Size limit of each message, on the encoded bytes. */
export const MAX_BYTES: Readonly<Record<MessageKind, number>> = {
  presence: 2 * KIB,
  hello: 256 * KIB,
  beat: KIB,
  report: 512 * KIB,
  node: 256 * KIB,
  telemetry: 128 * KIB,
  renew: 16 * KIB,
  lease: KIB,
  assignment: 4096 * KIB,
  command: 64 * KIB,
};

/** Largest packet of the link: what brokers and clients accept, topic and headers included. */
export const MAX_PACKET_BYTES = MAX_BYTES.assignment + 4 * KIB;

export type DecodeFault = 'oversized' | 'malformed' | 'newer-version' | 'unknown-message';

export type Decoded<K extends MessageKind> =
  | {
      readonly ok: true;
      readonly envelope: Envelope;
      readonly body: MessageBody<K>;
      /** Paths of fields that were ignored; at most eight. */
      readonly unknownFields: readonly string[];
    }
  | { readonly ok: false; readonly fault: DecodeFault; readonly detail: string };

export class MessageTooLargeError extends Error {
  override readonly name = 'MessageTooLargeError';
  readonly kind: MessageKind;
  readonly bytes: number;

  constructor(kind: MessageKind, bytes: number) {
    super(`${kind} message has ${bytes} bytes, the limit is ${MAX_BYTES[kind]}`);
    this.kind = kind;
    this.bytes = bytes;
  }
}

/** What every envelope says of its version; nothing while it is 1, for the sake of beats. */
const VERSION = LINK_VERSION === 1 ? {} : { v: LINK_VERSION };
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Encodes a message. Throws MessageTooLargeError when it would be refused at the other end. */
export function encodeMessage<K extends MessageKind>(
  kind: K,
  envelope: Envelope,
  body: MessageBody<K>,
): Uint8Array {
  const wire: WireEnvelope = { ...VERSION, e: envelope.epoch, s: envelope.sequence };
  if (envelope.hubInstance !== undefined) wire.h = envelope.hubInstance;
  if (Object.keys(body).length > 0) wire.b = body;
  const bytes = encoder.encode(JSON.stringify(wire));
  if (bytes.length > MAX_BYTES[kind]) throw new MessageTooLargeError(kind, bytes.length);
  return bytes;
}

/** Decodes a message of which `schema` is the body's. */
export function decodeBody<K extends MessageKind>(
  kind: K,
  schema: z.ZodType<MessageBody<K>>,
  bytes: Uint8Array,
): Decoded<K> {
  const maxBytes = MAX_BYTES[kind];
  if (bytes.length > maxBytes) {
    return { ok: false, fault: 'oversized', detail: `${bytes.length} bytes, the limit is ${maxBytes}` };
  }
  let raw: unknown;
  try {
    raw = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    return malformed(error instanceof Error ? error.message : String(error));
  }
  const wire = envelopeSchema.safeParse(raw);
  if (!wire.success) return malformed(firstIssue(wire.error));
  const version = wire.data.v ?? 1;
  if (version > LINK_VERSION) {
    return { ok: false, fault: 'newer-version', detail: `version ${version}, known is ${LINK_VERSION}` };
  }
  const body = wire.data.b ?? {};
  const parsed = schema.safeParse(body);
  if (!parsed.success) return isUnknownVariant(kind, schema, body) ?? malformed(firstIssue(parsed.error));
  const unknownFields: string[] = [];
  collectUnknown({ ...(raw as object), b: undefined }, { ...wire.data, b: undefined }, '', unknownFields);
  collectUnknown(body, parsed.data, 'b', unknownFields);
  return {
    ok: true,
    envelope: {
      epoch: wire.data.e,
      sequence: wire.data.s,
      ...(wire.data.h === undefined ? {} : { hubInstance: wire.data.h }),
    },
    body: parsed.data,
    unknownFields,
  };
}

/** A command or assignment of a kind that this side does not know is no error: the other side is newer. */
function isUnknownVariant(
  kind: MessageKind,
  schema: z.ZodType,
  body: unknown,
): { ok: false; fault: DecodeFault; detail: string } | undefined {
  const field = kind === 'command' ? 'kind' : kind === 'assignment' ? 'action' : undefined;
  if (field === undefined || typeof body !== 'object' || body === null) return undefined;
  const value = (body as Record<string, unknown>)[field];
  const known = schema as z.ZodDiscriminatedUnion;
  const names = known.options.flatMap((option) => [
    ...((option as z.ZodObject<Record<string, z.ZodLiteral>>).shape[field]?.values ?? []),
  ]);
  if (typeof value !== 'string' || names.includes(value)) return undefined;
  return { ok: false, fault: 'unknown-message', detail: `${kind} with ${field} ${JSON.stringify(value)}` };
}

const MAX_UNKNOWN_LISTED = 8;

/** Compares what came with what the schema kept; a key that is only in the first is unknown. */
function collectUnknown(raw: unknown, kept: unknown, path: string, found: string[]): void {
  if (found.length >= MAX_UNKNOWN_LISTED) return;
  if (Array.isArray(raw) && Array.isArray(kept)) {
    for (let index = 0; index < raw.length; index++) {
      collectUnknown(raw[index], kept[index], `${path}[]`, found);
    }
    return;
  }
  if (typeof raw !== 'object' || raw === null || typeof kept !== 'object' || kept === null) return;
  for (const [key, value] of Object.entries(raw)) {
    if (!(key in kept)) {
      const name = `${path}.${key}`;
      if (found.length < MAX_UNKNOWN_LISTED && !found.includes(name)) found.push(name);
    } else {
      collectUnknown(value, (kept as Record<string, unknown>)[key], `${path}.${key}`, found);
    }
  }
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? 'invalid' : `${issue.path.join('.')}: ${issue.message}`;
}

function malformed(detail: string): { ok: false; fault: DecodeFault; detail: string } {
  return { ok: false, fault: 'malformed', detail };
}
