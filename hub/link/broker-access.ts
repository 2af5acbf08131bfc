/**
 * Who may do what on the embedded broker, decided from the client certificate alone. A device publishes and
 * subscribes below its own `devices/<name>/` in the right direction; an administrator or a member of the
 * monitors' group reads `monitor/` and writes nothing; everybody else is refused.
 */

import { IDENTITY } from '#protocol/core/v1/well-known.js';
import { deviceOfUsername, deviceUsername, FLEET_IDENTITY } from '#protocol/fleet/v1alpha1/well-known.js';
import { devicePublishes, deviceSubscribes, isMonitorTopic, messageTopic } from '#protocol/link/topics.js';
import { isApiError } from '#protocol/meta/status.js';
import type { CertificateReader } from '../authn/certificate-reader.js';
import { deviceOf } from '../authn/device-cert.js';
import type { DeviceLedger } from '../authn/pki/device-ledger.js';

/** Organizations of certificates that may read `monitor/`. */
const READERS = [IDENTITY.mastersGroup, FLEET_IDENTITY.monitorsGroup];

export type Principal =
  | { readonly kind: 'device'; readonly device: string }
  | { readonly kind: 'reader'; readonly username: string };

/** What of a CONNECT packet is judged. */
export interface ConnectRequest {
  readonly clientId: string;
  readonly clean: boolean;
  readonly keepalive: number;
  readonly willTopic: string | undefined;
}

export type Verdict =
  | { readonly admitted: true; readonly principal: Principal }
  | { readonly admitted: false; readonly reason: string };

const MAX_KEEPALIVE_SECONDS = 600;

export function judgeConnect(
  reader: CertificateReader,
  ledger: DeviceLedger,
  certificate: Uint8Array | undefined,
  request: ConnectRequest,
): Verdict {
  if (certificate === undefined) return refused('no client certificate');
  let principal: Principal;
  try {
    const device = deviceOf(reader, ledger, certificate);
    const { commonName, organizations } = reader.read(certificate);
    if (device !== undefined) principal = { kind: 'device', device };
    else if (READERS.some((group) => organizations.includes(group))) {
      principal = { kind: 'reader', username: commonName };
    } else return refused(`${commonName} is neither a device nor a monitor`);
  } catch (error) {
    if (isApiError(error)) return refused('the certificate is foreign, expired or revoked');
    throw error;
  }
  if (!request.clean) return refused('this broker keeps no sessions: connect with a clean session');
  if (request.keepalive === 0 || request.keepalive > MAX_KEEPALIVE_SECONDS) {
    return refused(`keepalive must be 1 to ${MAX_KEEPALIVE_SECONDS} seconds, not ${request.keepalive}`);
  }
  return principal.kind === 'device'
    ? judgeDevice(principal.device, principal, request)
    : judgeReader(principal, request);
}

function judgeDevice(device: string, principal: Principal, request: ConnectRequest): Verdict {
  if (request.clientId !== deviceUsername(device)) {
    return refused(`client id must be ${deviceUsername(device)}, not ${JSON.stringify(request.clientId)}`);
  }
  if (request.willTopic !== undefined && request.willTopic !== messageTopic(device, 'presence')) {
    return refused(`the will of ${device} may only go to its own presence`);
  }
  return { admitted: true, principal };
}

function judgeReader(principal: Principal, request: ConnectRequest): Verdict {
  if (deviceOfUsername(request.clientId) !== undefined) return refused('that client id is a device’s');
  if (request.willTopic !== undefined) return refused('readers may not publish, also not by a will');
  return { admitted: true, principal };
}

function refused(reason: string): Verdict {
  return { admitted: false, reason };
}

export function mayPublish(principal: Principal, topic: string): boolean {
  return principal.kind === 'device' && devicePublishes(principal.device, topic);
}

export function maySubscribe(principal: Principal, filter: string): boolean {
  return principal.kind === 'device' ? deviceSubscribes(principal.device, filter) : isMonitorTopic(filter);
}

/** Only presence is kept by the broker; anything else that asks to be retained is not. */
export function mayRetain(principal: Principal, topic: string): boolean {
  return principal.kind === 'device' && topic === messageTopic(principal.device, 'presence');
}
