/** Probes and lifecycle handlers: the ways in which a container is asked how it is or told what comes. */
import { z } from 'zod';
import { atomicList, int32, int64, intOrString, struct } from '../../meta/schema.js';

const CORE = 'io.k8s.api.core.v1';

export const execActionSchema = struct(`${CORE}.ExecAction`, {
  command: atomicList(z.string()).optional(),
});

export const httpHeaderSchema = struct(`${CORE}.HTTPHeader`, { name: z.string(), value: z.string() });

export const httpGetActionSchema = struct(`${CORE}.HTTPGetAction`, {
  path: z.string().default('/'),
  port: intOrString(),
  host: z.string().optional(),
  scheme: z.enum(['HTTP', 'HTTPS']).default('HTTP'),
  httpHeaders: atomicList(httpHeaderSchema).optional(),
  protocol: z.string().optional(),
});
export type HttpGetAction = z.infer<typeof httpGetActionSchema>;

export const tcpSocketActionSchema = struct(`${CORE}.TCPSocketAction`, {
  port: intOrString(),
  host: z.string().optional(),
});

export const grpcActionSchema = struct(`${CORE}.GRPCAction`, {
  port: int32(),
  service: z.string().default(''),
  mode: z.string().optional(),
});

export const sleepActionSchema = struct(`${CORE}.SleepAction`, { seconds: int64() });

export const probeSchema = struct(`${CORE}.Probe`, {
  exec: execActionSchema.optional(),
  httpGet: httpGetActionSchema.optional(),
  tcpSocket: tcpSocketActionSchema.optional(),
  grpc: grpcActionSchema.optional(),
  initialDelaySeconds: int32().optional(),
  timeoutSeconds: int32().default(1),
  periodSeconds: int32().default(10),
  successThreshold: int32().default(1),
  failureThreshold: int32().default(3),
  terminationGracePeriodSeconds: int64().optional(),
});
export type Probe = z.infer<typeof probeSchema>;

export const lifecycleHandlerSchema = struct(`${CORE}.LifecycleHandler`, {
  exec: execActionSchema.optional(),
  httpGet: httpGetActionSchema.optional(),
  tcpSocket: tcpSocketActionSchema.optional(),
  sleep: sleepActionSchema.optional(),
});
export type LifecycleHandler = z.infer<typeof lifecycleHandlerSchema>;

export const lifecycleSchema = struct(`${CORE}.Lifecycle`, {
  postStart: lifecycleHandlerSchema.optional(),
  preStop: lifecycleHandlerSchema.optional(),
  stopSignal: z.string().optional(),
});
export type Lifecycle = z.infer<typeof lifecycleSchema>;
