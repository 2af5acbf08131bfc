/** Registry authentication: parsing challenges and choosing credentials. Pure. */
import type { PullCredential } from './image-store.js';

export type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service?: string; readonly scope?: string };

/** Understands a WWW-Authenticate header; undefined when it offers neither Basic nor Bearer. */
export function parseChallenge(header: string): Challenge | undefined {
  const scheme = /^\s*([A-Za-z]+)/.exec(header)?.[1]?.toLowerCase();
  if (scheme === 'basic') return { scheme };
  if (scheme !== 'bearer') return undefined;
  const values = new Map<string, string>();
  for (const match of header.matchAll(/([a-z]+)=(?:"([^"]*)"|([^\s,]+))/gi)) {
    values.set((match[1] ?? '').toLowerCase(), match[2] ?? match[3] ?? '');
  }
  const realm = values.get('realm');
  if (realm === undefined) return undefined;
  const service = values.get('service');
  const scope = values.get('scope');
  return {
    scheme,
    realm,
    ...(service === undefined ? {} : { service }),
    ...(scope === undefined ? {} : { scope }),
  };
}

/** Credentials for a registry host; keys of docker's configuration ('https://index.docker.io/v1/') work too. */
export function credentialFor(
  registry: string,
  credentials: readonly PullCredential[],
): PullCredential | undefined {
  return credentials.find((credential) => hostOf(credential.registry) === hostOf(registry));
}

function hostOf(registry: string): string {
  const host = registry.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  return ['index.docker.io', 'registry-1.docker.io'].includes(host) ? 'docker.io' : host.toLowerCase();
}

export function basicAuthorization(credential: PullCredential): string {
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
}
