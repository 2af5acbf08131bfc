/**
 * The Lease that Kubernetes keeps for each node in kube-node-lease, for `kubectl describe node` and whoever else
 * reads it. Beats do not renew it; it is written when the Device's status is, so its duration covers the time
 * between two such writes. It belongs to the Node and is collected with it. Covey decides nothing by it.
 */
import { type Lease, type LeaseSpec, leaseSchema } from '#protocol/coordination/v1/lease.js';
import type { Node } from '#protocol/core/v1/node.js';
import { NAMESPACE } from '#protocol/core/v1/well-known.js';
import { newObjectMeta, type OwnerReference } from '#protocol/meta/object-meta.js';
import { isNotFound } from '#protocol/meta/status.js';
import { formatMicroTime } from '#protocol/meta/time.js';
import { LEASES } from '../../cache/resources.js';
import type { Client } from '../../client/client.js';

/** A device that missed this many beats is judged dead, whatever its cadence. */
const MISSED_BEATS = 5;

/**
 * What the Lease of a device says: `heardAt` is milliseconds since the epoch; after `writtenEveryMs` of being
 * heard of it is written again.
 */
export function nodeLeaseSpec(
  device: string,
  heardAt: number,
  beatInterval: number,
  writtenEveryMs: number,
): LeaseSpec {
  return {
    holderIdentity: device,
    leaseDurationSeconds: Math.ceil((writtenEveryMs + MISSED_BEATS * beatInterval) / 1000),
    renewTime: formatMicroTime(heardAt),
  };
}

/** Renews the Lease, or makes it. */
export async function writeNodeLease(client: Client, node: Node, spec: LeaseSpec): Promise<void> {
  const { name, uid } = node.metadata;
  const leases = client.resource<Lease>(LEASES);
  const ownerReferences: OwnerReference[] = [{ apiVersion: 'v1', kind: 'Node', name, uid }];
  try {
    // The owner too: a Node that was made anew has another uid.
    await leases.patch(name, NAMESPACE.nodeLease, 'merge', { metadata: { ownerReferences }, spec });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const metadata = newObjectMeta({ name, namespace: NAMESPACE.nodeLease, ownerReferences });
    await leases.create(leaseSchema.parse({ metadata, spec }));
  }
}
