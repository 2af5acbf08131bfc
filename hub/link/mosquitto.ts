/**
 * Configuration and access list for Mosquitto 2 as the external broker. Mosquitto names a client by the common
 * name of its certificate, `system:device:<name>`, which is not the `<name>` in the topics; so the list has one
 * block per device instead of a pattern, and is written anew when a device joins or goes.
 */

import { deviceUsername, FLEET_IDENTITY } from '#protocol/fleet/v1alpha1/well-known.js';
import { MAX_PACKET_BYTES } from '#protocol/link/codec.js';
import { deviceAccessPatterns, HUB_ACCESS } from '#protocol/link/topics.js';

export interface MosquittoFiles {
  /** Paths as Mosquitto sees them. */
  readonly accessList: string;
  readonly ca: string;
  readonly certificate: string;
  readonly privateKey: string;
  /** PEM of revoked certificates, if any are kept: Mosquitto then refuses them at once. */
  readonly revoked?: string;
}

export interface MosquittoListener {
  readonly host: string;
  readonly port: number;
}

/**
 * mosquitto.conf. Devices and hub use the first listener, where the client id is the certificate's name, so that
 * nobody can take over another's session. `readers`, if given, is a second listener for people and their tools,
 * who may connect several times with one certificate.
 */
export function mosquittoConfig(
  files: MosquittoFiles,
  devices: MosquittoListener,
  readers?: MosquittoListener,
): string {
  const tls = [
    `cafile ${files.ca}`,
    `certfile ${files.certificate}`,
    `keyfile ${files.privateKey}`,
    ...(files.revoked === undefined ? [] : [`crlfile ${files.revoked}`]),
    'require_certificate true',
    'use_identity_as_username true',
    'tls_version tlsv1.2',
  ];
  return `${[
    'per_listener_settings false',
    'allow_anonymous false',
    `acl_file ${files.accessList}`,
    // Nothing is kept for who is away: a hello says what is missing.
    'persistence false',
    'max_queued_messages 2000',
    'max_inflight_messages 64',
    `message_size_limit ${MAX_PACKET_BYTES}`,
    'set_tcp_nodelay true',
    `listener ${devices.port} ${devices.host}`,
    ...tls,
    'use_username_as_clientid true',
    ...(readers === undefined ? [] : [`listener ${readers.port} ${readers.host}`, ...tls]),
  ].join('\n')}\n`;
}

/** The access list for these devices; `readers` are common names that may read `monitor/`. */
export function mosquittoAccessList(devices: readonly string[], readers: readonly string[]): string {
  const blocks = [
    [`user ${FLEET_IDENTITY.hubOnBroker}`, `topic readwrite ${HUB_ACCESS.everything}`],
    ...readers.map((reader) => [`user ${reader}`, `topic read ${HUB_ACCESS.monitor}`]),
    ...[...devices].sort().map((device) => {
      const { publish, subscribe } = deviceAccessPatterns(device);
      return [
        `user ${deviceUsername(device)}`,
        ...publish.map((topic) => `topic write ${topic}`),
        ...subscribe.map((topic) => `topic read ${topic}`),
      ];
    }),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}
