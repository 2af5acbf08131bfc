/**
 * Certificates of devices: organization system:devices and common name `system:device:<name>`. A revoked one
 * is refused at once, on open connections too, because the ledger is asked at every request. The link uses
 * `deviceOf` for the same decision on MQTT connections.
 */
import { ApiError } from '#protocol/meta/status.js';
import type { Authenticator } from './authenticator.js';
import type { CertificateReader } from './certificate-reader.js';
import { DEVICE_USER_PREFIX, DEVICES_GROUP } from './pki/certificate-authority.js';
import type { DeviceLedger } from './pki/device-ledger.js';

export function deviceCertAuthenticator(reader: CertificateReader, ledger: DeviceLedger): Authenticator {
  return {
    async authenticate({ clientCertificate }) {
      if (clientCertificate === undefined) return undefined;
      const device = deviceOf(reader, ledger, clientCertificate);
      if (device === undefined) return undefined;
      return { username: `${DEVICE_USER_PREFIX}${device}`, groups: [DEVICES_GROUP] };
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
  const name = commonName.startsWith(DEVICE_USER_PREFIX) ? commonName.slice(DEVICE_USER_PREFIX.length) : '';
  if (!organizations.includes(DEVICES_GROUP)) return undefined;
  if (name === '' || ledger.isRevoked(fingerprint)) throw ApiError.unauthorized();
  return name;
}

/** The device that a user name stands for, if it is a device's. */
export function deviceOfUser(username: string): string | undefined {
  if (!username.startsWith(DEVICE_USER_PREFIX)) return undefined;
  const name = username.slice(DEVICE_USER_PREFIX.length);
  return name === '' ? undefined : name;
}
