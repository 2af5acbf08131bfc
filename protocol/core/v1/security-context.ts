/** Security context of pods and containers. */
import { z } from 'zod';
import { atomicList, int64, struct } from '../../meta/schema.js';

const CORE = 'io.k8s.api.core.v1';

export const seLinuxOptionsSchema = struct(`${CORE}.SELinuxOptions`, {
  user: z.string().optional(),
  role: z.string().optional(),
  type: z.string().optional(),
  level: z.string().optional(),
});

export const windowsSecurityContextOptionsSchema = struct(`${CORE}.WindowsSecurityContextOptions`, {
  gmsaCredentialSpecName: z.string().optional(),
  gmsaCredentialSpec: z.string().optional(),
  runAsUserName: z.string().optional(),
  hostProcess: z.boolean().optional(),
});

export const seccompProfileSchema = struct(`${CORE}.SeccompProfile`, {
  type: z.enum(['Localhost', 'RuntimeDefault', 'Unconfined']),
  localhostProfile: z.string().optional(),
});
export type SeccompProfile = z.infer<typeof seccompProfileSchema>;

export const appArmorProfileSchema = struct(`${CORE}.AppArmorProfile`, {
  type: z.enum(['Localhost', 'RuntimeDefault', 'Unconfined']),
  localhostProfile: z.string().optional(),
});

export const sysctlSchema = struct(`${CORE}.Sysctl`, { name: z.string(), value: z.string() });

export const capabilitiesSchema = struct(`${CORE}.Capabilities`, {
  add: atomicList(z.string()).optional(),
  drop: atomicList(z.string()).optional(),
});
export type Capabilities = z.infer<typeof capabilitiesSchema>;

export const securityContextSchema = struct(`${CORE}.SecurityContext`, {
  capabilities: capabilitiesSchema.optional(),
  privileged: z.boolean().optional(),
  seLinuxOptions: seLinuxOptionsSchema.optional(),
  windowsOptions: windowsSecurityContextOptionsSchema.optional(),
  runAsUser: int64().optional(),
  runAsGroup: int64().optional(),
  runAsNonRoot: z.boolean().optional(),
  readOnlyRootFilesystem: z.boolean().optional(),
  allowPrivilegeEscalation: z.boolean().optional(),
  procMount: z.enum(['Default', 'Unmasked']).optional(),
  seccompProfile: seccompProfileSchema.optional(),
  appArmorProfile: appArmorProfileSchema.optional(),
});
export type SecurityContext = z.infer<typeof securityContextSchema>;

export const podSecurityContextSchema = struct(`${CORE}.PodSecurityContext`, {
  seLinuxOptions: seLinuxOptionsSchema.optional(),
  windowsOptions: windowsSecurityContextOptionsSchema.optional(),
  runAsUser: int64().optional(),
  runAsGroup: int64().optional(),
  runAsNonRoot: z.boolean().optional(),
  supplementalGroups: atomicList(int64()).optional(),
  supplementalGroupsPolicy: z.enum(['Merge', 'Strict']).optional(),
  fsGroup: int64().optional(),
  sysctls: atomicList(sysctlSchema).optional(),
  fsGroupChangePolicy: z.enum(['Always', 'OnRootMismatch']).optional(),
  seccompProfile: seccompProfileSchema.optional(),
  appArmorProfile: appArmorProfileSchema.optional(),
  seLinuxChangePolicy: z.enum(['MountOption', 'Recursive']).optional(),
});
export type PodSecurityContext = z.infer<typeof podSecurityContextSchema>;
