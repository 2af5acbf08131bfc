/**
 * Assignment, hub → device, QoS 1: one pod's desired state with everything that it needs resolved, or its
 * removal. Idempotent by `uid` and `revision`: receiving it again changes nothing.
 */
import { z } from 'zod';
import { assignedPodSchema } from './assigned-pod.js';

export const FAILOVER_CLASSES = ['fast', 'exclusive', 'relaxed'] as const;
export const failoverClassSchema = z.enum(FAILOVER_CLASSES);
export type FailoverClass = z.infer<typeof failoverClassSchema>;

/** The data of one ConfigMap or Secret: key → base64 of the bytes. Absent when the object does not exist. */
const keyedBytesSchema = z.record(z.string(), z.string());

export const resolvedSchema = z.object({
  configMaps: z.record(z.string(), keyedBytesSchema),
  secrets: z.record(z.string(), keyedBytesSchema),
  /** ConfigMap → its keys that are binaryData: files of volumes, but never environment variables. */
  binaryKeys: z.record(z.string(), z.array(z.string())).optional(),
  /** Mounted at /var/run/secrets/kubernetes.io/serviceaccount unless the pod opts out. */
  serviceAccount: z.object({ name: z.string(), token: z.string(), caCertificate: z.string() }).optional(),
  /** From imagePullSecrets, by registry host. */
  pullCredentials: z.array(z.object({ registry: z.string(), username: z.string(), password: z.string() })),
});
export type ResolvedInputs = z.infer<typeof resolvedSchema>;

export const runAssignmentSchema = z.object({
  action: z.literal('run'),
  uid: z.string(),
  /** Changes whenever anything below changes; opaque to the device. */
  revision: z.string(),
  failoverClass: failoverClassSchema,
  /** metadata and spec as the API has them (deletionTimestamp set: stop it gracefully); status is not sent. */
  pod: assignedPodSchema,
  resolved: resolvedSchema,
});
export const removeAssignmentSchema = z.object({
  action: z.literal('remove'),
  uid: z.string(),
  revision: z.string(),
  /** Most seconds that its containers get between SIGTERM and SIGKILL. */
  gracePeriodSeconds: z.number().int().nonnegative(),
});
export const assignmentSchema = z.discriminatedUnion('action', [runAssignmentSchema, removeAssignmentSchema]);
export type RunAssignment = z.infer<typeof runAssignmentSchema>;
export type RemoveAssignment = z.infer<typeof removeAssignmentSchema>;
export type Assignment = z.infer<typeof assignmentSchema>;
