/** Rules of agent releases. What was published stays as it is; only how it is rolled out may change. */
import { type FieldError, invalid, required } from '../../meta/field-error.js';
import { validateLabelSelector } from '../../meta/label-selector.js';
import { isSemver } from '../../meta/semver.js';
import type { AgentArtifact, AgentRelease, AgentRollout } from './agent-release.js';

/** It names a directory on the device. */
const MAX_VERSION = 63;
/** An archive of this size would not be an agent. */
const MAX_ARCHIVE_BYTES = 512 * 2 ** 20;
const MAX_UNPACKED_BYTES = 2 * 2 ** 30;
const DIGEST = /^sha256:[a-f0-9]{64}$/;
/** 64 bytes in base64. */
const SIGNATURE = /^[A-Za-z0-9+/]{86}==$/;
const REPOSITORY = /^[a-z0-9]+([._-][a-z0-9]+)*(\/[a-z0-9]+([._-][a-z0-9]+)*)*$/;
const MAX_REPOSITORY = 200;
const ROLLOUT_RANGES = {
  percentage: [0, 100],
  maxFailures: [1, 1_000_000],
  maxInFlight: [1, 100_000],
  healthySeconds: [10, 86_400],
  attempt: [1, 1_000_000],
} as const;

export function validateAgentRelease({ spec }: AgentRelease): FieldError[] {
  const { version, repository, artifacts, rollout } = spec;
  const errors: FieldError[] = [];
  if (!isSemver(version) || version.length > MAX_VERSION)
    errors.push(
      invalid(
        'spec.version',
        version,
        `must be a semantic version such as 1.2.3, at most ${MAX_VERSION} characters`,
      ),
    );
  if (!REPOSITORY.test(repository) || repository.length > MAX_REPOSITORY)
    errors.push(
      invalid('spec.repository', repository, 'must be the name of a repository such as covey/agent'),
    );
  if (artifacts.length === 0) errors.push(required('spec.artifacts', 'at least one architecture'));
  artifacts.forEach((artifact, index) => {
    errors.push(...checkArtifact(artifact, `spec.artifacts[${index}]`));
  });
  errors.push(...checkRollout(rollout));
  return errors;
}

function checkArtifact(artifact: AgentArtifact, at: string): FieldError[] {
  const { digest, signature, sizeBytes, unpackedBytes } = artifact;
  const errors: FieldError[] = [];
  if (!DIGEST.test(digest)) errors.push(invalid(`${at}.digest`, digest, 'must be sha256: and 64 hex digits'));
  if (!SIGNATURE.test(signature))
    errors.push(invalid(`${at}.signature`, signature, 'must be an ed25519 signature in base64'));
  for (const [field, value, most] of [
    ['sizeBytes', sizeBytes, MAX_ARCHIVE_BYTES],
    ['unpackedBytes', unpackedBytes, MAX_UNPACKED_BYTES],
  ] as const) {
    if (value < 1 || value > most)
      errors.push(invalid(`${at}.${field}`, value, `must be between 1 and ${most}, inclusive`));
  }
  return errors;
}

function checkRollout(rollout: AgentRollout): FieldError[] {
  const errors: FieldError[] = [];
  for (const [field, [least, most]] of Object.entries(ROLLOUT_RANGES)) {
    const value = rollout[field as keyof typeof ROLLOUT_RANGES];
    if (value < least || value > most)
      errors.push(invalid(`spec.rollout.${field}`, value, `must be between ${least} and ${most}, inclusive`));
  }
  if (rollout.selector !== undefined)
    errors.push(...validateLabelSelector(rollout.selector, 'spec.rollout.selector'));
  return errors;
}
