/**
 * A device's codec: decodes what comes down and encodes what goes up. It loads no schema of what goes up, nor
 * any complete schema of a Kubernetes kind: the hub checks what it receives.
 */
import type { z } from 'zod';
import { assignmentSchema } from './assignment.js';
import { commandSchema } from './command.js';
import { leaseSchema } from './lease.js';
import { type Decoded, decodeBody, type MessageBody } from './message.js';
import type { DownKind } from './topics.js';

export {
  encodeMessage,
  MAX_PACKET_BYTES,
  type MessageBody,
  MessageTooLargeError,
} from './message.js';

const SCHEMAS = {
  lease: leaseSchema,
  assignment: assignmentSchema,
  command: commandSchema,
} as const satisfies { [K in DownKind]: z.ZodType<MessageBody<K>> };

export function decodeDownMessage<K extends DownKind>(kind: K, bytes: Uint8Array): Decoded<K> {
  const schema: z.ZodType = SCHEMAS[kind];
  return decodeBody(kind, schema as z.ZodType<MessageBody<K>>, bytes);
}
