/**
 * The complete codec, as the hub uses it: every message with its schema. A device has its own
 * (`device-codec.ts`), which loads only what comes down to it.
 */
import type { z } from 'zod';
import { assignmentSchema } from './assignment.js';
import { beatSchema } from './beat.js';
import { commandSchema, renewSchema } from './command.js';
import { helloSchema } from './hello.js';
import { leaseSchema } from './lease.js';
import { type Decoded, decodeBody, MAX_BYTES, type MessageBody } from './message.js';
import { nodeReportSchema } from './node-report.js';
import { presenceSchema } from './presence.js';
import { podReportSchema } from './report.js';
import { telemetrySchema } from './telemetry.js';
import type { MessageKind } from './topics.js';

export {
  type Decoded,
  type DecodeFault,
  encodeMessage,
  MAX_PACKET_BYTES,
  type MessageBody,
  MessageTooLargeError,
} from './message.js';

/** Schema and size limit of each message. Limits are on the encoded bytes. */
export const MESSAGES = {
  presence: { schema: presenceSchema, maxBytes: MAX_BYTES.presence },
  hello: { schema: helloSchema, maxBytes: MAX_BYTES.hello },
  beat: { schema: beatSchema, maxBytes: MAX_BYTES.beat },
  report: { schema: podReportSchema, maxBytes: MAX_BYTES.report },
  node: { schema: nodeReportSchema, maxBytes: MAX_BYTES.node },
  telemetry: { schema: telemetrySchema, maxBytes: MAX_BYTES.telemetry },
  renew: { schema: renewSchema, maxBytes: MAX_BYTES.renew },
  lease: { schema: leaseSchema, maxBytes: MAX_BYTES.lease },
  assignment: { schema: assignmentSchema, maxBytes: MAX_BYTES.assignment },
  command: { schema: commandSchema, maxBytes: MAX_BYTES.command },
} as const satisfies { [K in MessageKind]: { schema: z.ZodType<MessageBody<K>>; maxBytes: number } };

export function decodeMessage<K extends MessageKind>(kind: K, bytes: Uint8Array): Decoded<K> {
  const schema: z.ZodType = MESSAGES[kind].schema;
  return decodeBody(kind, schema as z.ZodType<MessageBody<K>>, bytes);
}
