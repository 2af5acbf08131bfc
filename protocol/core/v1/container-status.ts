/** What a device reports of one container. */
import { z } from 'zod';
import { atomicList, int32, int64, listMap, struct, time } from '../../meta/schema.js';
import { resourceListSchema, resourceRequirementsSchema, resourceStatusSchema } from './resources.js';

const CORE = 'io.k8s.api.core.v1';

export const containerStateTerminatedSchema = struct(`${CORE}.ContainerStateTerminated`, {
  exitCode: int32(),
  signal: int32().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  startedAt: time().optional(),
  finishedAt: time().optional(),
  containerID: z.string().optional(),
});
export type ContainerStateTerminated = z.infer<typeof containerStateTerminatedSchema>;

/** At most one member is set; none means waiting. */
export const containerStateSchema = struct(`${CORE}.ContainerState`, {
  waiting: struct(`${CORE}.ContainerStateWaiting`, {
    reason: z.string().optional(),
    message: z.string().optional(),
  }).optional(),
  running: struct(`${CORE}.ContainerStateRunning`, { startedAt: time().optional() }).optional(),
  terminated: containerStateTerminatedSchema.optional(),
});
export type ContainerState = z.infer<typeof containerStateSchema>;

export const volumeMountStatusSchema = struct(`${CORE}.VolumeMountStatus`, {
  name: z.string(),
  mountPath: z.string(),
  readOnly: z.boolean().optional(),
  recursiveReadOnly: z.string().optional(),
  volumeStatus: struct(`${CORE}.VolumeStatus`, {
    image: struct(`${CORE}.ImageVolumeStatus`, { imageRef: z.string() }).optional(),
  }).optional(),
});

export const containerUserSchema = struct(`${CORE}.ContainerUser`, {
  linux: struct(`${CORE}.LinuxContainerUser`, {
    uid: int64(),
    gid: int64(),
    supplementalGroups: atomicList(int64()).optional(),
  }).optional(),
});

export const containerStatusSchema = struct(`${CORE}.ContainerStatus`, {
  name: z.string(),
  state: containerStateSchema.default({}),
  lastState: containerStateSchema.default({}),
  ready: z.boolean(),
  restartCount: int32(),
  image: z.string(),
  imageID: z.string(),
  containerID: z.string().optional(),
  started: z.boolean().optional(),
  allocatedResources: resourceListSchema().optional(),
  resources: resourceRequirementsSchema.optional(),
  volumeMounts: listMap(volumeMountStatusSchema, ['mountPath']).optional(),
  user: containerUserSchema.optional(),
  allocatedResourcesStatus: listMap(resourceStatusSchema, ['name']).optional(),
  stopSignal: z.string().optional(),
});
export type ContainerStatus = z.infer<typeof containerStatusSchema>;
