/**
 * The shape of a pod that a device relies on, and no more: the hub has decoded, defaulted and validated the
 * whole object before it stored it, and the complete schemas would cost a small board more memory than all of
 * its agent. What is checked here is what the agent reads without asking; everything else is kept as it came, so
 * that a device also keeps fields of a hub that is newer than itself. The type is the one of the complete schema.
 */
import { z } from 'zod';
import type { Pod } from '../core/v1/pod.js';

const named = z.looseObject({ name: z.string() });
const probe = z.looseObject({
  timeoutSeconds: z.number(),
  periodSeconds: z.number(),
  successThreshold: z.number(),
  failureThreshold: z.number(),
});

const container = z.looseObject({
  name: z.string().min(1),
  image: z.string().optional(),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  ports: z.array(z.looseObject({ containerPort: z.number(), protocol: z.string() })).optional(),
  envFrom: z.array(z.looseObject({})).optional(),
  env: z.array(named).optional(),
  resources: z.looseObject({
    limits: z.record(z.string(), z.string()).optional(),
    requests: z.record(z.string(), z.string()).optional(),
  }),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).optional(),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  startupProbe: probe.optional(),
  terminationMessagePath: z.string(),
  terminationMessagePolicy: z.string(),
});

const shape = z.looseObject({
  metadata: z.looseObject({
    name: z.string().min(1),
    namespace: z.string().optional(),
    uid: z.string(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.looseObject({
    containers: z.array(container),
    initContainers: z.array(container).optional(),
    volumes: z.array(named).optional(),
    restartPolicy: z.enum(['Always', 'OnFailure', 'Never']),
    terminationGracePeriodSeconds: z.number(),
    dnsPolicy: z.string(),
    securityContext: z.looseObject({}),
  }),
  status: z.looseObject({}).default({}),
});

export const assignedPodSchema = shape as unknown as z.ZodType<Pod>;
