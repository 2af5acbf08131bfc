/**
 * The pod-template-hash of a template: FNV-1a over its canonical JSON and the collision count, written in the
 * alphabet that Kubernetes uses (no vowels, no look-alikes). Equal templates give equal hashes on every hub.
 */
import type { PodTemplateSpec } from '#protocol/core/v1/pod-template-spec.js';
import { LABEL } from '#protocol/core/v1/well-known.js';
import { sameJson } from '../../lib/same-json.js';

const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

export function templateHash(template: PodTemplateSpec, collisionCount: number): string {
  const text = `${canonicalJson(template)}#${collisionCount}`;
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return [...String(hash >>> 0)].map((digit) => ALPHABET[digit.charCodeAt(0) % ALPHABET.length]).join('');
}

/** Whether two templates are the same but for the hash label that the controller itself adds. */
export function sameTemplate(a: PodTemplateSpec, b: PodTemplateSpec): boolean {
  return sameJson(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec): unknown {
  const labels = { ...template.metadata?.labels };
  delete labels[LABEL.podTemplateHash];
  const metadata = { ...template.metadata, labels: Object.keys(labels).length === 0 ? undefined : labels };
  return { ...template, metadata };
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
