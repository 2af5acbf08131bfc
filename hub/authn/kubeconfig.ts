/**
 * Writes a kubeconfig that needs nothing beside it: server address, embedded CA and client certificate. The
 * file is replaced as a whole, mode 0600, and only when it would change, so that tools that watch it rest.
 */
import { stringify } from 'yaml';
import { readFileIfPresent, writeFileDurably } from '../lib/files.js';
import type { KeyPairPem } from './pki/certificates.js';

export interface KubeconfigOptions {
  /** 'https://127.0.0.1:6443' */
  readonly server: string;
  /** PEM. */
  readonly authority: string;
  /** Name of the user entry. */
  readonly user: string;
  readonly credentials: KeyPairPem | { readonly token: string };
  /** Name of cluster and context; 'covey' unless given. */
  readonly cluster?: string;
}

/** The text of a kubeconfig. */
export function formatKubeconfig(options: KubeconfigOptions): string {
  const { server, authority, user, credentials, cluster = 'covey' } = options;
  const userEntry =
    'token' in credentials
      ? { token: credentials.token }
      : {
          'client-certificate-data': base64(credentials.certificate),
          'client-key-data': base64(credentials.privateKey),
        };
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': base64(authority) } }],
      users: [{ name: user, user: userEntry }],
      contexts: [{ name: cluster, context: { cluster, user } }],
      'current-context': cluster,
    },
    { lineWidth: 0 },
  );
}

/** Writes the kubeconfig to `path`. Resolves once it is on disk. */
export async function writeKubeconfig(path: string, options: KubeconfigOptions): Promise<void> {
  const text = formatKubeconfig(options);
  if ((await readFileIfPresent(path)) !== text) await writeFileDurably(path, text);
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
