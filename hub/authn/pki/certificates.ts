/**
 * Making and reading X.509 certificates: the only file that knows the ASN.1 library. All keys are EC P-256,
 * all signatures ECDSA with SHA-256, which every TLS stack of the last decade on every board accepts.
 */
import 'reflect-metadata';
import { createHash, createPrivateKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A certificate and its private key, both PEM. */
export interface KeyPairPem {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
}

export interface Validity {
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface LeafOptions extends Validity {
  readonly subject: Subject;
  readonly usage: 'server' | 'client';
  /** DNS names and IP addresses of a server. */
  readonly names?: readonly string[];
}

/** A certification authority's signing half. */
export interface Issuer {
  readonly certificate: x509.X509Certificate;
  readonly privateKey: webcrypto.CryptoKey;
}

export async function createAuthority(commonName: string, validity: Validity): Promise<KeyPairPem> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: [{ CN: [commonName] }],
    notBefore: new Date(validity.notBefore),
    notAfter: new Date(validity.notAfter),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), privateKey: await exportKey(keys.privateKey) };
}

/** Reads an authority back from PEM. Throws when the key does not belong to the certificate. */
export async function loadIssuer(pair: KeyPairPem): Promise<Issuer> {
  const certificate = new x509.X509Certificate(pair.certificate);
  const pkcs8 = x509.PemConverter.decodeFirst(pair.privateKey);
  const privateKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign']);
  const probe = new Uint8Array([1, 2, 3, 4]);
  const signature = await webcrypto.subtle.sign(ALGORITHM, privateKey, probe);
  const publicKey = (await certificate.publicKey.export(ALGORITHM, ['verify'])) as webcrypto.CryptoKey;
  if (!(await webcrypto.subtle.verify(ALGORITHM, publicKey, signature, probe))) {
    throw new Error('the private key does not belong to the certificate');
  }
  return { certificate, privateKey };
}

/** Makes a key and a certificate for it. */
export async function issuePair(issuer: Issuer, options: LeafOptions): Promise<KeyPairPem> {
  const keys = await generateKeys();
  const certificate = await sign(issuer, keys.publicKey, options);
  return { certificate: certificate.toString('pem'), privateKey: await exportKey(keys.privateKey) };
}

/**
 * Signs the public key of a PKCS#10 request (PEM). Only the key is taken from it: subject and extensions
 * come from `options`. Throws as readRequestKey does.
 */
export async function issueForRequest(issuer: Issuer, csr: string, options: LeafOptions): Promise<string> {
  const { publicKey } = await readRequest(csr);
  const certificate = await sign(issuer, publicKey, options);
  return certificate.toString('pem');
}

/** Of such a key the private half can be found out, and TLS refuses it. */
export class WeakKeyError extends Error {
  override readonly name = 'WeakKeyError';
}

const LEAST_RSA_BITS = 2048;

/**
 * SHA-256 of the public key that a certificate request is for. Throws when it is malformed or not signed by that key,
 * and a WeakKeyError when the key proves nothing.
 */
export async function readRequestKey(csr: string): Promise<string> {
  const { publicKey } = await readRequest(csr);
  return hashKey(new Uint8Array(publicKey.rawData));
}

async function readRequest(csr: string): Promise<x509.Pkcs10CertificateRequest> {
  const request = new x509.Pkcs10CertificateRequest(csr);
  const { modulusLength = LEAST_RSA_BITS } = request.publicKey.algorithm as { modulusLength?: number };
  if (modulusLength < LEAST_RSA_BITS)
    throw new WeakKeyError(`for an RSA key of ${modulusLength} bits; at least ${LEAST_RSA_BITS} are needed`);
  if (!(await request.verify())) throw new Error('the request is not signed by its own key');
  return request;
}

function hashKey(spki: Uint8Array): string {
  return createHash('sha256').update(spki).digest('hex');
}

/** What is read from a certificate for decisions. */
export interface CertificateFacts extends Validity {
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  /** SHA-256 of the public key, lower-case hex. */
  readonly key: string;
  /** Sorted DNS names and IP addresses. */
  readonly names: readonly string[];
  readonly usages: ReadonlyArray<'server' | 'client'>;
}

/** Facts of a certificate (PEM or DER). Throws when it is malformed. */
export function readCertificate(certificate: string | Uint8Array): CertificateFacts {
  const node = new X509Certificate(certificate);
  const parsed = new x509.X509Certificate(new Uint8Array(node.raw));
  const usages = node.keyUsage ?? [];
  const names = parsed.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
  return {
    commonName: parsed.subjectName.getField('CN').at(-1) ?? '',
    organizations: parsed.subjectName.getField('O'),
    fingerprint: node.fingerprint256.replaceAll(':', '').toLowerCase(),
    key: hashKey(new Uint8Array(parsed.publicKey.rawData)),
    names: names
      .filter((name) => name.type === 'dns' || name.type === 'ip')
      .map((name) => canonicalName(name.value))
      .sort(),
    notBefore: parsed.notBefore.getTime(),
    notAfter: parsed.notAfter.getTime(),
    usages: [
      ...(usages.includes(x509.ExtendedKeyUsage.serverAuth) ? (['server'] as const) : []),
      ...(usages.includes(x509.ExtendedKeyUsage.clientAuth) ? (['client'] as const) : []),
    ],
  };
}

/** A DNS name in lower case or an IP address in its one canonical form. */
export function canonicalName(name: string): string {
  if (isIP(name) === 6) return new URL(`http://[${name}]`).hostname.slice(1, -1);
  return name.toLowerCase();
}

/** Whether `authority` (PEM) signed the certificate. Dates are the caller's business. */
export function isSignedBy(certificate: string | Uint8Array, authority: X509Certificate): boolean {
  const node = new X509Certificate(certificate);
  return node.checkIssued(authority) && node.verify(authority.publicKey);
}

async function sign(
  issuer: Issuer,
  publicKey: x509.PublicKey | webcrypto.CryptoKey,
  options: LeafOptions,
): Promise<x509.X509Certificate> {
  const key = publicKey as x509.PublicKey;
  const { subject, usage, names = [] } = options;
  const rdns: x509.JsonName = (subject.organizations ?? []).map((value) => ({ O: [value] }));
  rdns.push({ CN: [subject.commonName] });
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([
      usage === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
    ]),
    await x509.AuthorityKeyIdentifierExtension.create(issuer.certificate),
    await x509.SubjectKeyIdentifierExtension.create(key),
  ];
  if (names.length > 0) {
    extensions.push(
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
      ),
    );
  }
  return x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: rdns,
    issuer: issuer.certificate.subjectName,
    notBefore: new Date(options.notBefore),
    notAfter: new Date(options.notAfter),
    signingAlgorithm: ALGORITHM,
    publicKey: key,
    signingKey: issuer.privateKey,
    extensions,
  });
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`;
}

/** 16 random bytes with the top bit clear and the next set: positive and of one length. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

/** Whether a private key (PEM) belongs to a certificate; false for anything unreadable. */
export function isPair(pair: KeyPairPem): boolean {
  try {
    return new X509Certificate(pair.certificate).checkPrivateKey(createPrivateKey(pair.privateKey));
  } catch {
    // Unreadable halves are no pair; the caller makes a new one.
    return false;
  }
}
