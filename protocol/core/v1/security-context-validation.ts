/** Rules of security contexts of pods and containers. */
import { type FieldError, invalid, required } from '../../meta/field-error.js';
import type { PodSpec } from './pod-spec.js';
import type { SeccompProfile, SecurityContext } from './security-context.js';

const MAX_ID = 2147483647;

function idErrors(id: number | undefined, field: string): FieldError[] {
  return id === undefined || (id >= 0 && id <= MAX_ID)
    ? []
    : [invalid(field, id, `must be between 0 and ${MAX_ID}, inclusive`)];
}

function profileErrors(profile: SeccompProfile | undefined, what: string, field: string): FieldError[] {
  if (!profile) return [];
  const at = `${field}.localhostProfile`;
  if (profile.type === 'Localhost') {
    return profile.localhostProfile ? [] : [required(at, `must be set when ${what} type is Localhost`)];
  }
  return profile.localhostProfile === undefined
    ? []
    : [invalid(at, profile.localhostProfile, `can only be set when ${what} type is Localhost`)];
}

export function validatePodSecurityContext(spec: PodSpec, field: string): FieldError[] {
  const { securityContext } = spec;
  const at = `${field}.securityContext`;
  const errors = [
    ...idErrors(securityContext.runAsUser, `${at}.runAsUser`),
    ...idErrors(securityContext.runAsGroup, `${at}.runAsGroup`),
    ...idErrors(securityContext.fsGroup, `${at}.fsGroup`),
    ...profileErrors(securityContext.seccompProfile, 'seccomp', `${at}.seccompProfile`),
    ...profileErrors(securityContext.appArmorProfile, 'AppArmor', `${at}.appArmorProfile`),
  ];
  for (const [index, group] of (securityContext.supplementalGroups ?? []).entries()) {
    errors.push(...idErrors(group, `${at}.supplementalGroups[${index}]`));
  }
  for (const [index, sysctl] of (securityContext.sysctls ?? []).entries()) {
    const name = `${at}.sysctls[${index}].name`;
    if (sysctl.name === '') errors.push(required(name));
    else if (!SYSCTL.test(sysctl.name)) {
      errors.push(
        invalid(name, sysctl.name, `must have at most 253 characters and match regex ${SYSCTL.source}`),
      );
    }
  }
  if (spec.shareProcessNamespace && spec.hostPID) {
    errors.push(
      invalid(
        `${field}.shareProcessNamespace`,
        true,
        'ShareProcessNamespace and HostPID cannot both be enabled',
      ),
    );
  }
  return errors;
}

const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

export function validateSecurityContext(context: SecurityContext, field: string): FieldError[] {
  const errors = [
    ...idErrors(context.runAsUser, `${field}.runAsUser`),
    ...idErrors(context.runAsGroup, `${field}.runAsGroup`),
    ...profileErrors(context.seccompProfile, 'seccomp', `${field}.seccompProfile`),
    ...profileErrors(context.appArmorProfile, 'AppArmor', `${field}.appArmorProfile`),
  ];
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged) {
      errors.push(
        invalid(field, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'),
      );
    }
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN')) {
      errors.push(
        invalid(
          field,
          context,
          'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
        ),
      );
    }
  }
  return errors;
}
