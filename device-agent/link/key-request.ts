/**
 * Makes a device key and the request for its certificate: EC P-256, signed by the key itself. The ASN.1
 * library is loaded only here and only when needed, because an agent needs it once a year.
 */

import { createPrivateKey, createPublicKey, webcrypto, X509Certificate } from 'node:crypto';
import { deviceUsername } from '#protocol/fleet/v1alpha1/well-known.js';

export interface KeyRequest {
  /** PKCS#8 PEM. Never logged. */
  readonly key: string;
  /** PKCS#10 PEM. */
  readonly csr: string;
}

export interface CertificateRequest {
  /** PKCS#10 PEM. */
  readonly csr: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

async function loadX509() {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  return x509;
}

/** The request for a certificate of a key that the device has (PKCS#8 PEM). */
export async function requestForKey(device: string, key: string): Promise<CertificateRequest> {
  const x509 = await loadX509();
  const pkcs8 = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const keys = {
    privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', spki, ALGORITHM, true, ['verify']),
  };
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [deviceUsername(device)] }],
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return { csr: request.toString('pem') };
}

export async function makeKeyRequest(device: string): Promise<KeyRequest> {
  const x509 = await loadX509();
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [deviceUsername(device)] }],
    keys,
    signingAlgorithm: ALGORITHM,
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'), csr: request.toString('pem') };
}

/** Whether a certificate is for this key and signed by this authority. */
export function fits(certificate: string, key: string, ca: string): boolean {
  const leaf = new X509Certificate(certificate);
  const own = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const authority = new X509Certificate(ca);
  return (
    leaf.publicKey.export({ type: 'spki', format: 'der' }).equals(own) &&
    leaf.checkIssued(authority) &&
    leaf.verify(authority.publicKey)
  );
}
