/** Where things are in a hub's data directory; the only place that knows. */
import { join } from 'node:path';

export interface DataLayout {
  /** LevelDB and its history. */
  readonly store: string;
  /** CA, serving and admin certificates, the key of service-account tokens, the device ledger. */
  readonly pki: string;
  /** The key that encrypts Secrets in the store. */
  readonly sealingKey: string;
  /** The OCI registry. */
  readonly images: string;
  readonly kubeconfig: string;
}

export function dataLayout(dataDir: string): DataLayout {
  return {
    store: join(dataDir, 'store'),
    pki: join(dataDir, 'pki'),
    sealingKey: join(dataDir, 'pki', 'secrets.key'),
    images: join(dataDir, 'images'),
    kubeconfig: join(dataDir, 'kubeconfig'),
  };
}
