/** Rules of probes and lifecycle handlers: exactly one handler each, with a port that can be. */
import { type FieldError, forbidden, invalid, required } from '../../meta/field-error.js';
import { checkPortName } from '../../meta/names.js';
import type { Container } from './container.js';
import type { HttpGetAction, LifecycleHandler, Probe } from './probe.js';

export const PORT_RANGE = 'must be between 1 and 65535, inclusive';

export function isPort(port: number): boolean {
  return port >= 1 && port <= 65535;
}

function portErrors(port: number | string, field: string): FieldError[] {
  if (typeof port === 'number') return isPort(port) ? [] : [invalid(field, port, PORT_RANGE)];
  return checkPortName(port).map((problem) => invalid(field, port, problem));
}

function httpErrors(action: HttpGetAction, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (action.path === '') errors.push(required(`${field}.path`));
  errors.push(...portErrors(action.port, `${field}.port`));
  for (const [index, header] of (action.httpHeaders ?? []).entries()) {
    if (!/^[-A-Za-z0-9]+$/.test(header.name)) {
      errors.push(
        invalid(
          `${field}.httpHeaders[${index}].name`,
          header.name,
          "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
        ),
      );
    }
  }
  return errors;
}

type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'> & Pick<LifecycleHandler, 'sleep'>;

const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const;

function handlerErrors(handler: Handler, field: string): FieldError[] {
  const errors: FieldError[] = [];
  let count = 0;
  for (const name of HANDLERS) {
    if (handler[name] === undefined) continue;
    count += 1;
    if (count > 1) errors.push(forbidden(`${field}.${name}`, 'may not specify more than 1 handler type'));
  }
  if (count === 0) return [required(field, 'must specify a handler type')];
  if (count > 1) return errors;
  if (handler.exec && (handler.exec.command ?? []).length === 0)
    errors.push(required(`${field}.exec.command`));
  if (handler.httpGet) errors.push(...httpErrors(handler.httpGet, `${field}.httpGet`));
  if (handler.tcpSocket) errors.push(...portErrors(handler.tcpSocket.port, `${field}.tcpSocket.port`));
  if (handler.grpc) errors.push(...portErrors(handler.grpc.port, `${field}.grpc.port`));
  if (handler.sleep && handler.sleep.seconds < 0) {
    errors.push(invalid(`${field}.sleep`, handler.sleep.seconds, 'must be greater than or equal to 0'));
  }
  return errors;
}

const NOT_NEGATIVE = [
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
] as const;

function probeErrors(probe: Probe, field: string, successMustBeOne: boolean): FieldError[] {
  const errors = handlerErrors(probe, field);
  for (const name of NOT_NEGATIVE) {
    const value = probe[name] ?? 0;
    if (value < 0) errors.push(invalid(`${field}.${name}`, value, 'must be greater than or equal to 0'));
  }
  if (successMustBeOne && probe.successThreshold !== 1) {
    errors.push(invalid(`${field}.successThreshold`, probe.successThreshold, 'must be 1'));
  }
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined) {
    if (!successMustBeOne) {
      errors.push(
        invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes'),
      );
    } else if (grace <= 0) {
      errors.push(invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'));
    }
  }
  return errors;
}

export function validateProbesAndLifecycle(container: Container, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const { lifecycle, livenessProbe, readinessProbe, startupProbe } = container;
  if (lifecycle?.postStart)
    errors.push(...handlerErrors(lifecycle.postStart, `${field}.lifecycle.postStart`));
  if (lifecycle?.preStop) errors.push(...handlerErrors(lifecycle.preStop, `${field}.lifecycle.preStop`));
  if (livenessProbe) errors.push(...probeErrors(livenessProbe, `${field}.livenessProbe`, true));
  if (readinessProbe) errors.push(...probeErrors(readinessProbe, `${field}.readinessProbe`, false));
  if (startupProbe) errors.push(...probeErrors(startupProbe, `${field}.startupProbe`, true));
  return errors;
}
