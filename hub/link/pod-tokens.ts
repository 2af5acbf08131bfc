/**
 * Service-account tokens of pods: asked for by TokenRequest, bound to the pod, kept in memory while the pod is
 * assigned and renewed when four fifths of their life are over. The life is a day: renewing costs an assignment
 * on the air, and a device that is cut off keeps what it has.
 */

import type { Pod } from '#protocol/core/v1/pod.js';
import type { ServiceAccount } from '#protocol/core/v1/service-account.js';
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import { type KubernetesObject, newObjectMeta } from '#protocol/meta/object-meta.js';
import { parseTime } from '#protocol/meta/time.js';
import { SERVICE_ACCOUNTS } from '../cache/resources.js';
import type { Client } from '../client/client.js';
import type { PodToken } from './resolve.js';

const LIFETIME_MS = 24 * 3600_000;

interface TokenRequest extends KubernetesObject {
  readonly spec: {
    readonly audiences: readonly string[];
    readonly expirationSeconds: number;
    readonly boundObjectRef: { kind: string; apiVersion: string; name: string; uid: string };
  };
  readonly status?: { readonly token?: string; readonly expirationTimestamp?: string };
}

/** Whether a token that ends at `expires` should be replaced by now; both in milliseconds since the epoch. */
export function tokenIsDue(expires: number, now: number): boolean {
  return now >= expires - LIFETIME_MS / 5;
}

export class PodTokens {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #caCertificate: string;
  readonly #tokens = new Map<string, PodToken>();

  constructor(client: Client, clock: Clock, caCertificate: string) {
    this.#client = client;
    this.#clock = clock;
    this.#caCertificate = caCertificate;
  }

  /** Whether the pod wants a token, by its own word or its account's. */
  wanted(pod: Pod, account: ServiceAccount | undefined): boolean {
    return pod.spec.automountServiceAccountToken ?? account?.automountServiceAccountToken ?? true;
  }

  /** The token of the pod, fresh enough. Rejects with the API's error, for example when the account is gone. */
  async tokenFor(pod: Pod): Promise<PodToken> {
    const known = this.#tokens.get(pod.metadata.uid);
    if (known !== undefined && !tokenIsDue(known.expires, this.#clock.now())) return known;
    const name = pod.spec.serviceAccountName ?? 'default';
    const request: TokenRequest = {
      apiVersion: `${API_GROUP.authentication}/v1`,
      kind: 'TokenRequest',
      metadata: newObjectMeta({}),
      spec: {
        audiences: [],
        expirationSeconds: LIFETIME_MS / 1000,
        boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: pod.metadata.name, uid: pod.metadata.uid },
      },
    };
    const accounts = this.#client.resource<ServiceAccount>(SERVICE_ACCOUNTS);
    const answer = (await accounts.createSubresource(
      'token',
      name,
      pod.metadata.namespace,
      request,
    )) as TokenRequest;
    const { token, expirationTimestamp } = answer.status ?? {};
    if (token === undefined) throw new Error(`the token request for service account ${name} has no token`);
    const expires = parseTime(expirationTimestamp) ?? this.#clock.now() + LIFETIME_MS;
    const made: PodToken = { name, token, expires, caCertificate: this.#caCertificate };
    this.#tokens.set(pod.metadata.uid, made);
    return made;
  }

  forget(uid: string): void {
    this.#tokens.delete(uid);
  }
}
