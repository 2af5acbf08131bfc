/** Rules of containers: names, images, ports, mounts; main, init and ephemeral ones together. */
import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notFound,
  notSupported,
  required,
} from '../../meta/field-error.js';
import { checkDns1123Label, checkPortName } from '../../meta/names.js';
import type { Container, ContainerPort, EphemeralContainer, VolumeMount } from './container.js';
import { validateEnv, validateEnvFrom } from './env-validation.js';
import { checkIp } from './ip-address.js';
import type { PodSpec } from './pod-spec.js';
import { isPort, PORT_RANGE, validateProbesAndLifecycle } from './probe-validation.js';
import { validateResources } from './resource-validation.js';
import { validateSecurityContext } from './security-context-validation.js';
import { relativePathErrors } from './volume-validation.js';

interface Scope {
  readonly spec: PodSpec;
  readonly volumes: ReadonlySet<string>;
  readonly names: Set<string>;
  /** `protocol/hostIP/hostPort` already taken within the pod. */
  readonly hostPorts: Set<string>;
}

/** All containers of a pod; `volumes` are the names of its volumes. */
export function validateContainers(spec: PodSpec, volumes: ReadonlySet<string>, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const scope: Scope = { spec, volumes, names: new Set(), hostPorts: new Set() };
  if (spec.containers.length === 0) errors.push(required(`${field}.containers`));
  for (let index = 0; index < spec.containers.length; index++) {
    const container = spec.containers[index] as Container;
    const at = `${field}.containers[${index}]`;
    errors.push(...containerErrors(container, scope, at));
    if (container.restartPolicy && !container.restartPolicyRules) {
      errors.push(forbidden(`${at}.restartPolicy`, 'may not be set for non-init containers'));
    }
  }
  for (const [index, container] of (spec.initContainers ?? []).entries()) {
    const at = `${field}.initContainers[${index}]`;
    errors.push(...containerErrors(container, scope, at), ...initErrors(container, at));
  }
  for (const [index, container] of (spec.ephemeralContainers ?? []).entries()) {
    const at = `${field}.ephemeralContainers[${index}]`;
    errors.push(...containerErrors(container, scope, at), ...ephemeralErrors(container, spec, at));
  }
  return errors;
}

function initErrors(container: Container, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (container.restartPolicy === 'Always') return errors;
  if (container.restartPolicy !== undefined && !container.restartPolicyRules) {
    errors.push(notSupported(`${field}.restartPolicy`, container.restartPolicy, ['Always']));
  }
  for (const name of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    if (container[name] !== undefined) {
      errors.push(
        forbidden(`${field}.${name}`, 'may not be set for init containers without restartPolicy=Always'),
      );
    }
  }
  return errors;
}

const NOT_EPHEMERAL = ['ports', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle'] as const;

function ephemeralErrors(container: EphemeralContainer, spec: PodSpec, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of NOT_EPHEMERAL) {
    if (container[name] !== undefined)
      errors.push(forbidden(`${field}.${name}`, 'cannot be set for an Ephemeral Container'));
  }
  const target = container.targetContainerName;
  if (target && ![...spec.containers, ...(spec.initContainers ?? [])].some(({ name }) => name === target)) {
    errors.push(notFound(`${field}.targetContainerName`, target));
  }
  return errors;
}

function containerErrors(
  container: Container | EphemeralContainer,
  scope: Scope,
  field: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const { name, image = '' } = container;
  if (name === '') errors.push(required(`${field}.name`));
  else {
    for (const problem of checkDns1123Label(name)) errors.push(invalid(`${field}.name`, name, problem));
    if (scope.names.has(name)) errors.push(duplicate(`${field}.name`, name));
    scope.names.add(name);
  }
  if (image === '') errors.push(required(`${field}.image`));
  else if (image.trim() !== image)
    errors.push(invalid(`${field}.image`, image, 'must not have leading or trailing whitespace'));
  if (container.ports) errors.push(...portErrors(container.ports, scope, `${field}.ports`));
  if (container.env) errors.push(...validateEnv(container.env, `${field}.env`));
  if (container.envFrom) errors.push(...validateEnvFrom(container.envFrom, `${field}.envFrom`));
  if (container.volumeMounts) {
    errors.push(...mountErrors(container.volumeMounts, container, scope, `${field}.volumeMounts`));
  }
  errors.push(...deviceErrors(container, scope, field));
  errors.push(...validateProbesAndLifecycle(container, field));
  errors.push(...validateResources(container.resources, `${field}.resources`));
  if (container.securityContext) {
    errors.push(...validateSecurityContext(container.securityContext, `${field}.securityContext`));
  }
  return errors;
}

function portErrors(ports: readonly ContainerPort[], scope: Scope, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `${field}[${index}]`;
    if (port.name) {
      for (const problem of checkPortName(port.name)) errors.push(invalid(`${at}.name`, port.name, problem));
      if (names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name));
      names.add(port.name);
    }
    if (port.containerPort === 0) errors.push(required(`${at}.containerPort`));
    else if (!isPort(port.containerPort))
      errors.push(invalid(`${at}.containerPort`, port.containerPort, PORT_RANGE));
    if (port.hostIP) errors.push(...checkIp(port.hostIP, `${at}.hostIP`));
    if (!port.hostPort) continue;
    if (!isPort(port.hostPort)) errors.push(invalid(`${at}.hostPort`, port.hostPort, PORT_RANGE));
    if (scope.spec.hostNetwork && port.hostPort !== port.containerPort) {
      errors.push(
        invalid(`${at}.hostPort`, port.hostPort, 'must match `containerPort` when `hostNetwork` is true'),
      );
    }
    const identity = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`;
    if (scope.hostPorts.has(identity)) errors.push(duplicate(`${at}.hostPort`, identity));
    scope.hostPorts.add(identity);
  }
  return errors;
}

function mountErrors(
  mounts: readonly VolumeMount[],
  container: Container | EphemeralContainer,
  scope: Scope,
  field: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const paths = new Set<string>();
  for (const [index, mount] of mounts.entries()) {
    const at = `${field}[${index}]`;
    if (mount.name === '') errors.push(required(`${at}.name`));
    else if (!scope.volumes.has(mount.name)) errors.push(notFound(`${at}.name`, mount.name));
    if (mount.mountPath === '') errors.push(required(`${at}.mountPath`));
    if (paths.has(mount.mountPath))
      errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'));
    paths.add(mount.mountPath);
    if (mount.subPath && mount.subPathExpr) {
      errors.push(
        invalid(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'),
      );
    }
    if (mount.subPath) errors.push(...relativePathErrors(mount.subPath, `${at}.subPath`));
    if (mount.subPathExpr) errors.push(...relativePathErrors(mount.subPathExpr, `${at}.subPathExpr`));
    if (mount.mountPropagation === 'Bidirectional' && !container.securityContext?.privileged) {
      errors.push(
        forbidden(
          `${at}.mountPropagation`,
          'Bidirectional mount propagation is available only to privileged containers',
        ),
      );
    }
    if (mount.recursiveReadOnly && mount.recursiveReadOnly !== 'Disabled' && !mount.readOnly) {
      errors.push(forbidden(`${at}.recursiveReadOnly`, 'may only be specified when readOnly is true'));
    }
  }
  return errors;
}

function deviceErrors(container: Container | EphemeralContainer, scope: Scope, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, device] of (container.volumeDevices ?? []).entries()) {
    const at = `${field}.volumeDevices[${index}]`;
    if (device.name === '') errors.push(required(`${at}.name`));
    else if (!scope.volumes.has(device.name)) errors.push(notFound(`${at}.name`, device.name));
    if (device.devicePath === '') errors.push(required(`${at}.devicePath`));
  }
  return errors;
}
