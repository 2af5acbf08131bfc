/**
 * Certificates of devices: organization system:devices and common name `system:device:<name>`. A revoked one
 * is refused at once, on open connections too, because the ledger is asked at every request. The link uses
 * `deviceOf` for the same decision on MQTT connections.
 */
import { deviceOfUsername, deviceUsername, FLEET_IDENTITY } from '#protocol/fleet/v1alpha1/well-known.js';
import { ApiError } from '#protocol/meta/status.js';
import type { Authenticator } from './authenticator.js';
import type { CertificateReader } from './certificate-reader.js';
import type { DeviceLedger } from './pki/device-ledger.js';

export function deviceCertAuthenticator(reader: CertificateReader, ledger: DeviceLedger): Authenticator {
  return {
    async authenticate({ clientCertificate }) {
      if (clientCertificate === undefined) return undefined;
      const device = deviceOf(reader, ledger, clientCertificate);
      if (device === undefined) return undefined;
      return { username: deviceUsername(device), groups: [FLEET_IDENTITY.devicesGroup] };
    },
  };
}

/**
 * The device that a certificate (DER) belongs to; undefined when it is valid but no device's. Unauthorized
 * when it is foreign, out of its dates, revoked, or claims the devices' group without a device's name.
 */
export function deviceOf(
  reader: CertificateReader,
  ledger: DeviceLedger,
  certificate: Uint8Array,
): string | undefined {
  const { commonName, organizations, fingerprint } = reader.read(certificate);
  if (!organizations.includes(FLEET_IDENTITY.devicesGroup)) return undefined;
  const name = deviceOfUsername(commonName);
  if (name === undefined || ledger.isRevoked(fingerprint)) throw ApiError.unauthorized();
  ledger.shown(name, fingerprint);
  return name;
}
