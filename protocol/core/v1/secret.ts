/** Secret: bytes by key, in base64. `stringData` is write-only: decoding moves it into `data`. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { bytes, stringMap, struct } from '../../meta/schema.js';

export const SECRET_TYPES = {
  opaque: 'Opaque',
  serviceAccountToken: 'kubernetes.io/service-account-token',
  dockercfg: 'kubernetes.io/dockercfg',
  dockerConfigJson: 'kubernetes.io/dockerconfigjson',
  basicAuth: 'kubernetes.io/basic-auth',
  sshAuth: 'kubernetes.io/ssh-auth',
  tls: 'kubernetes.io/tls',
} as const;

export const secretSchema = struct('io.k8s.api.core.v1.Secret', {
  apiVersion: z.literal('v1').default('v1'),
  kind: z.literal('Secret').default('Secret'),
  metadata: objectMetaSchema,
  immutable: z.boolean().optional(),
  data: z.record(z.string(), bytes()).optional(),
  stringData: stringMap().optional(),
  type: z.string().default('Opaque'),
});
export type Secret = z.infer<typeof secretSchema>;
