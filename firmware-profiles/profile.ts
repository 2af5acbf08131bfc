/**
 * Reads one firmware profile from its manifest: strictly, so that a field that is unknown, of the wrong type or
 * against the rules is an error that names the file and the field. Independent of the hub's catalogue of kinds,
 * because a board reads its own profile too.
 */
import { type FirmwareProfile, firmwareProfileSchema } from '#protocol/fleet/v1alpha1/firmware-profile.js';
import { validateFirmwareProfile } from '#protocol/fleet/v1alpha1/firmware-profile-validation.js';
import { FLEET_API_VERSION, FLEET_LABEL } from '#protocol/fleet/v1alpha1/well-known.js';
import { type Decoded, DecodeError, decodeBySchema } from '#protocol/meta/decoder.js';
import { enumErrors } from '#protocol/meta/enum-validation.js';
import { type FieldError, formatFieldErrors, invalid, required } from '#protocol/meta/field-error.js';
import { checkDns1123Label } from '#protocol/meta/names.js';

export type { FirmwareProfile } from '#protocol/fleet/v1alpha1/firmware-profile.js';

/** A profile that cannot be used; the message names the file and what is wrong in it. */
export class ProfileError extends Error {
  override readonly name = 'ProfileError';
}

/** Checks a parsed manifest. `file` is named in errors. Throws ProfileError. */
export function decodeProfile(file: string, manifest: unknown): FirmwareProfile {
  const refuse = (why: string): never => {
    throw new ProfileError(`firmware profile ${file}: ${why}`);
  };
  if (typeof manifest !== 'object' || manifest === null || Array.isArray(manifest))
    return refuse('not a manifest: expected apiVersion, kind, metadata and spec');
  const { apiVersion, kind } = manifest as { apiVersion?: unknown; kind?: unknown };
  if (apiVersion !== FLEET_API_VERSION)
    return refuse(`apiVersion: ${JSON.stringify(apiVersion)} is not ${FLEET_API_VERSION}`);
  if (kind !== 'FirmwareProfile') return refuse(`kind: ${JSON.stringify(kind)} is not FirmwareProfile`);
  const { value, unknownFields } = decoded(manifest, refuse);
  if (unknownFields.length > 0) return refuse(`unknown field ${unknownFields.join(', ')}`);
  const profile = value as FirmwareProfile;
  const errors = [
    ...checkName(profile.metadata.name),
    ...enumErrors(firmwareProfileSchema, profile),
    ...validateFirmwareProfile(profile),
  ];
  if (errors.length > 0) return refuse(formatFieldErrors(errors));
  return profile;
}

/** Whether it comes with Covey. Every other profile is a person's, and a board that is to follow it carries it. */
export function isShipped({ metadata }: FirmwareProfile): boolean {
  return metadata.labels?.[FLEET_LABEL.shipped] === 'true';
}

/** The profile, marked as coming with Covey or as a person's. */
export function marked(profile: FirmwareProfile, shipped: boolean): FirmwareProfile {
  const { [FLEET_LABEL.shipped]: _mark, ...labels } = profile.metadata.labels ?? {};
  if (shipped) labels[FLEET_LABEL.shipped] = 'true';
  return { ...profile, metadata: { ...profile.metadata, labels } };
}

function decoded(manifest: object, refuse: (why: string) => never): Decoded {
  try {
    return decodeBySchema(firmwareProfileSchema, manifest);
  } catch (error) {
    if (error instanceof DecodeError) return refuse(error.message);
    throw error;
  }
}

function checkName(name: string): FieldError[] {
  if (name === '') return [required('metadata.name')];
  return checkDns1123Label(name).map((problem) => invalid('metadata.name', name, problem));
}
