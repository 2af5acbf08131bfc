/**
 * Report, device → hub, QoS 1: the state of one pod on this device, and events about it. Coalesced by pod,
 * spooled on disk while the hub cannot be reached, acknowledged by sequence.
 */
import { z } from 'zod';
import { podStatusSchema } from '../core/v1/pod.js';

/** Something worth a Kubernetes Event; the hub writes it as one, counting repeats. */
export const reportedEventSchema = z.object({
  type: z.enum(['Normal', 'Warning']),
  /** CamelCase, as kubelet words it: Pulled, Created, Started, Killing, BackOff, Unhealthy, Failed … */
  reason: z.string(),
  message: z.string(),
  /** fieldPath of the container, for example `spec.containers{web}`; '' for the pod. */
  fieldPath: z.string(),
  /** RFC 3339 by the device's clock. */
  time: z.string(),
  count: z.number().int().positive(),
  /** Microseconds since the epoch, by the device's clock, when it was first seen; of two events of a pod never the same. */
  since: z.number().int().nonnegative().optional(),
});
export type ReportedEvent = z.infer<typeof reportedEventSchema>;

export const podReportSchema = z.object({
  uid: z.string(),
  namespace: z.string(),
  name: z.string(),
  /** Revision of the assignment that this state answers to. */
  revision: z.string(),
  status: podStatusSchema,
  /** True once every container has ended and nothing of the pod is left on the device. */
  removed: z.boolean(),
  events: z.array(reportedEventSchema),
});
export type PodReport = z.infer<typeof podReportSchema>;
