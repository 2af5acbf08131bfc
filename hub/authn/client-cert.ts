/**
 * Client certificates of people and components: common name → user name, organizations → groups. Stands
 * after the device authenticator, which takes the certificates of devices.
 */
import type { Authenticator } from './authenticator.js';
import type { CertificateReader } from './certificate-reader.js';

export function clientCertAuthenticator(reader: CertificateReader): Authenticator {
  return {
    authenticate({ clientCertificate }) {
      if (clientCertificate === undefined) return Promise.resolve(undefined);
      const { commonName, organizations } = reader.read(clientCertificate);
      return Promise.resolve({ username: commonName, groups: organizations });
    },
  };
}
