/** Rules of pods and pod templates, in Kubernetes' words. Containers, volumes and affinity have files of their own. */
import { duplicate, type FieldError, forbidden, invalid, required } from '../../meta/field-error.js';
import {
  checkDns1123Label,
  checkDns1123Subdomain,
  checkQualifiedName,
  type NameCheck,
} from '../../meta/names.js';
import { validateAnnotations, validateLabels } from '../../meta/object-meta-validation.js';
import { validateAffinity, validateTolerations, validateTopologySpread } from './affinity-validation.js';
import { validateContainers } from './container-validation.js';
import { checkIp } from './ip-address.js';
import type { Pod } from './pod.js';
import type { PodSpec } from './pod-spec.js';
import type { PodTemplateSpec } from './pod-template-spec.js';
import { validateResources } from './resource-validation.js';
import { validatePodSecurityContext } from './security-context-validation.js';
import { validateVolumes } from './volume-validation.js';

const MAX_INT32 = 2147483647;
const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;

export function validatePod(pod: Pod): FieldError[] {
  return validatePodSpec(pod.spec, 'spec');
}

/** A template has no name of its own; its labels and spec follow the pod's rules. */
export function validatePodTemplate(template: PodTemplateSpec, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const { labels, annotations } = template.metadata;
  if (labels) errors.push(...validateLabels(labels, `${field}.labels`));
  if (annotations) errors.push(...validateAnnotations(annotations, `${field}.annotations`));
  errors.push(...validatePodSpec(template.spec, `${field}.spec`));
  if ((template.spec.ephemeralContainers ?? []).length > 0) {
    errors.push(
      forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'),
    );
  }
  return errors;
}

function validatePodSpec(spec: PodSpec, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const volumes = new Set<string>();
  errors.push(...validateVolumes(spec.volumes ?? [], volumes, `${field}.volumes`));
  errors.push(...validateContainers(spec, volumes, field));
  errors.push(...timeErrors(spec, field));
  if (spec.nodeSelector) errors.push(...validateLabels(spec.nodeSelector, `${field}.nodeSelector`));
  errors.push(...nameErrors(spec, field));
  errors.push(...validatePodSecurityContext(spec, field));
  if (spec.affinity) errors.push(...validateAffinity(spec.affinity, `${field}.affinity`));
  if (spec.tolerations) errors.push(...validateTolerations(spec.tolerations, `${field}.tolerations`));
  if (spec.topologySpreadConstraints) {
    errors.push(
      ...validateTopologySpread(spec.topologySpreadConstraints, `${field}.topologySpreadConstraints`),
    );
  }
  errors.push(...dnsErrors(spec, field));
  errors.push(...hostAliasErrors(spec, field));
  for (const [index, gate] of (spec.readinessGates ?? []).entries()) {
    errors.push(
      ...checked(checkQualifiedName, gate.conditionType, `${field}.readinessGates[${index}].conditionType`),
    );
  }
  errors.push(...schedulingGateErrors(spec, field));
  if (spec.resources) errors.push(...validateResources(spec.resources, `${field}.resources`));
  if (spec.os && spec.os.name !== 'linux' && spec.os.name !== 'windows') {
    errors.push(
      spec.os.name === ''
        ? required(`${field}.os.name`, 'cannot be empty')
        : {
            type: 'FieldValueNotSupported',
            field: `${field}.os.name`,
            message: `Unsupported value: ${JSON.stringify(spec.os.name)}: supported values: "linux", "windows"`,
          },
    );
  }
  return errors;
}

function checked(check: NameCheck, value: string | undefined, field: string): FieldError[] {
  return value === undefined || value === ''
    ? []
    : check(value).map((problem) => invalid(field, value, problem));
}

function timeErrors(spec: PodSpec, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (spec.terminationGracePeriodSeconds < 0) {
    errors.push(
      invalid(
        `${field}.terminationGracePeriodSeconds`,
        spec.terminationGracePeriodSeconds,
        'must be greater than or equal to 0',
      ),
    );
  }
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > MAX_INT32)) {
    errors.push(
      invalid(`${field}.activeDeadlineSeconds`, deadline, `must be between 1 and ${MAX_INT32}, inclusive`),
    );
  }
  return errors;
}

function nameErrors(spec: PodSpec, field: string): FieldError[] {
  const errors = [
    ...checked(checkDns1123Subdomain, spec.serviceAccountName, `${field}.serviceAccountName`),
    ...checked(checkDns1123Subdomain, spec.nodeName, `${field}.nodeName`),
    ...checked(checkDns1123Label, spec.hostname, `${field}.hostname`),
    ...checked(checkDns1123Label, spec.subdomain, `${field}.subdomain`),
    ...checked(checkDns1123Subdomain, spec.priorityClassName, `${field}.priorityClassName`),
    ...checked(checkDns1123Subdomain, spec.runtimeClassName, `${field}.runtimeClassName`),
    ...checked(checkQualifiedName, spec.schedulerName, `${field}.schedulerName`),
  ];
  for (const [index, reference] of (spec.imagePullSecrets ?? []).entries()) {
    if (!reference.name) errors.push(required(`${field}.imagePullSecrets[${index}].name`));
  }
  return errors;
}

function dnsErrors(spec: PodSpec, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const nameservers = spec.dnsConfig?.nameservers ?? [];
  const searches = spec.dnsConfig?.searches ?? [];
  const at = `${field}.dnsConfig`;
  if (spec.dnsPolicy === 'None' && nameservers.length === 0) {
    errors.push(
      required(
        spec.dnsConfig ? `${at}.nameservers` : at,
        `must provide at least one DNS nameserver when \`dnsPolicy\` is None`,
      ),
    );
  }
  if (nameservers.length > MAX_NAMESERVERS) {
    errors.push(
      invalid(`${at}.nameservers`, nameservers, `must not have more than ${MAX_NAMESERVERS} nameservers`),
    );
  }
  for (const [index, server] of nameservers.entries())
    errors.push(...checkIp(server, `${at}.nameservers[${index}]`));
  if (searches.length > MAX_SEARCHES) {
    errors.push(invalid(`${at}.searches`, searches, `must not have more than ${MAX_SEARCHES} search paths`));
  }
  for (const [index, option] of (spec.dnsConfig?.options ?? []).entries()) {
    if (!option.name) errors.push(required(`${at}.options[${index}]`, 'must not be empty'));
  }
  return errors;
}

function hostAliasErrors(spec: PodSpec, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, alias] of (spec.hostAliases ?? []).entries()) {
    errors.push(...checkIp(alias.ip, `${field}.hostAliases[${index}].ip`));
    for (const [position, hostname] of (alias.hostnames ?? []).entries()) {
      errors.push(
        ...checkDns1123Subdomain(hostname).map((problem) =>
          invalid(`${field}.hostAliases[${index}].hostnames[${position}]`, hostname, problem),
        ),
      );
    }
  }
  return errors;
}

function schedulingGateErrors(spec: PodSpec, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, gate] of (spec.schedulingGates ?? []).entries()) {
    const at = `${field}.schedulingGates[${index}]`;
    for (const problem of checkQualifiedName(gate.name)) errors.push(invalid(at, gate.name, problem));
    if (seen.has(gate.name)) errors.push(duplicate(at, gate.name));
    seen.add(gate.name);
  }
  if (seen.size > 0 && spec.nodeName) {
    errors.push(forbidden(`${field}.nodeName`, 'cannot be set until all schedulingGates have been cleared'));
  }
  return errors;
}
