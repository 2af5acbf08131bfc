/** Event: something that happened to an object, counted when it repeats. Kept for a limited time. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { int32, microTime, struct, time } from '../../meta/schema.js';
import { objectReferenceSchema } from './reference.js';

const CORE = 'io.k8s.api.core.v1';

export const eventSourceSchema = struct(`${CORE}.EventSource`, {
  component: z.string().optional(),
  host: z.string().optional(),
});

export const eventSchema = struct(`${CORE}.Event`, {
  apiVersion: z.literal('v1').default('v1'),
  kind: z.literal('Event').default('Event'),
  metadata: objectMetaSchema,
  involvedObject: objectReferenceSchema,
  reason: z.string().optional(),
  message: z.string().optional(),
  source: eventSourceSchema.default({}),
  firstTimestamp: time().optional(),
  lastTimestamp: time().optional(),
  count: int32().optional(),
  type: z.string().optional(),
  eventTime: microTime().optional(),
  series: struct(`${CORE}.EventSeries`, {
    count: int32().optional(),
    lastObservedTime: microTime().optional(),
  }).optional(),
  action: z.string().optional(),
  related: objectReferenceSchema.optional(),
  reportingComponent: z.string().default(''),
  reportingInstance: z.string().default(''),
});
export type Event = z.infer<typeof eventSchema>;
