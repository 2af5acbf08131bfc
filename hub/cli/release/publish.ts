/**
 * Publishes a release: pushes its archives to the hub's own registry as OCI artifacts, signs what is said of them,
 * and makes the AgentRelease, by which the rollout begins. Until the last of these nothing is offered to anybody, so
 * a publication that was cut off can be repeated.
 */
import { createHash } from 'node:crypto';
import {
  type AgentArtifact,
  type AgentRelease,
  type AgentReleaseSpec,
  type AgentRollout,
  agentReleaseSchema,
} from '#protocol/fleet/v1alpha1/agent-release.js';
import { releaseStatement } from '#protocol/link/agent-update.js';
import { newObjectMeta } from '#protocol/meta/object-meta.js';
import type { ReleaseKey } from '../../authn/pki/release-key.js';
import { AGENT_RELEASES } from '../../cache/resources.js';
import { pushImage } from '../../images/push.js';
import type { BuiltBlob } from '../../images/tiny-image.js';
import type { Credentials } from '../../lib/https-client.js';
import { createRemoteClient } from '../remote-client.js';
import type { BuiltArchive } from './build.js';

export interface Publication {
  readonly version: string;
  readonly archives: readonly BuiltArchive[];
  readonly key: ReleaseKey;
  readonly allowDowngrade?: boolean;
  readonly rollout?: Partial<AgentRollout>;
}

const ARTIFACT_TYPE = 'application/vnd.covey.agent-release.v1';
const ARCHIVE_TYPE = 'application/vnd.covey.agent-release.v1.tar+gzip';
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';

/** Resolves with the release as the hub has it. Rejects with the hub's ApiError, or the registry's words. */
export async function publishRelease(hub: Credentials, publication: Publication): Promise<AgentRelease> {
  const release = describe(publication);
  const { repository, version } = release.spec;
  for (const archive of publication.archives)
    await pushImage(hub, repository, tagOf(version, archive), artifactOf(archive, version));
  return await createRemoteClient(hub).resource<AgentRelease>(AGENT_RELEASES).create(release);
}

function describe({ version, archives, key, allowDowngrade, rollout }: Publication): AgentRelease {
  const artifacts = archives.map((archive): AgentArtifact => {
    const { architecture, digest, unpackedBytes, bytes } = archive;
    const signed = { architecture, digest, sizeBytes: bytes.length, unpackedBytes };
    return { ...signed, signature: key.sign(releaseStatement(version, signed)) };
  });
  const spec = {
    version,
    artifacts,
    ...(allowDowngrade === undefined ? {} : { allowDowngrade }),
    ...(rollout === undefined ? {} : { rollout }),
  } satisfies Partial<Omit<AgentReleaseSpec, 'rollout'>> & { rollout?: Partial<AgentRollout> };
  return agentReleaseSchema.parse({ metadata: newObjectMeta({ name: releaseName(version) }), spec });
}

/** The name of an object has no place for the '+' of build metadata, and no capitals. */
export function releaseName(version: string): string {
  return version.replaceAll('+', '-').toLowerCase();
}

function tagOf(version: string, { architecture }: BuiltArchive): string {
  return `${version.replaceAll('+', '_')}-${architecture}`;
}

/** An OCI artifact with the archive as its only layer: what holds the blob in the registry. */
function artifactOf(archive: BuiltArchive, version: string): { manifest: BuiltBlob; blobs: BuiltBlob[] } {
  const config = blobOf(Buffer.from('{}'), 'application/vnd.oci.empty.v1+json');
  const layer: BuiltBlob = { digest: archive.digest, bytes: archive.bytes, mediaType: ARCHIVE_TYPE };
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: ARTIFACT_TYPE,
    config: descriptor(config),
    layers: [descriptor(layer)],
    annotations: {
      'org.opencontainers.image.version': version,
      'dev.covey.architecture': archive.architecture,
    },
  };
  return { manifest: blobOf(Buffer.from(JSON.stringify(manifest)), MANIFEST_TYPE), blobs: [config, layer] };
}

function blobOf(bytes: Buffer, mediaType: string): BuiltBlob {
  return { bytes, mediaType, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

function descriptor({ mediaType, digest, bytes }: BuiltBlob): object {
  return { mediaType, digest, size: bytes.length };
}
