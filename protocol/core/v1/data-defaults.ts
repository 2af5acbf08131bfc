/** Secret's write-only `stringData`: it wins over `data` and is gone after decoding. */
import { encodeBase64 } from '../../lib/base64.js';
import type { Secret } from './secret.js';

export function secretDefaults(secret: Secret): void {
  if (!secret.stringData) return;
  secret.data ??= {};
  for (const key of Object.keys(secret.stringData))
    secret.data[key] = encodeBase64(secret.stringData[key] ?? '');
  delete secret.stringData;
}
