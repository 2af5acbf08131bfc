/**
 * Opens the TLS connection to a broker or to the hub. The hub's own authority is the only one trusted. Boards without a
 * clock battery start in the past, so dates are judged by what the hub has signed: a certificate that is not
 * valid yet by the board's clock proves, by its signature, that the clock is behind; one that has expired is
 * refused unless the hub's own time, heard over an authenticated link in this run, says that it has not.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, connect, type TLSSocket } from 'node:tls';

export interface DialOptions {
  /** `host:port`; IPv6 in brackets. */
  readonly address: string;
  /** PEM of the device's own certificate and its key, where it has to show one. */
  readonly key?: string | undefined;
  readonly certificate?: string | undefined;
  readonly ca: string;
  /** Name to check the server's certificate against; the host unless given. */
  readonly serverName?: string | undefined;
  readonly timeoutMs: number;
  /** The hub's time, if it was heard in this run: milliseconds since the epoch. */
  readonly hubTime: number | undefined;
  readonly signal: AbortSignal;
}

export function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port > 0 && port < 65536)) {
    throw new Error(`${JSON.stringify(address)} is no host:port`);
  }
  return { host, port };
}

/** Resolves with an authenticated connection; rejects with the reason, naming the address. */
export function dial(options: DialOptions): Promise<TLSSocket> {
  const { host, port } = parseAddress(options.address);
  const name = options.serverName ?? host;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      ...(isIP(name) ? {} : { servername: name }),
      ...(options.key === undefined ? {} : { key: options.key }),
      ...(options.certificate === undefined ? {} : { cert: options.certificate }),
      ca: options.ca,
      minVersion: 'TLSv1.2',
      // Judged below, with dates taken apart from everything else.
      rejectUnauthorized: false,
    });
    const fail = (error: Error) => {
      options.signal.removeEventListener('abort', onAbort);
      socket.destroy();
      reject(new Error(`cannot connect to ${options.address}: ${error.message}`, { cause: error }));
    };
    const onAbort = () => fail(new Error('stopped'));
    if (options.signal.aborted) {
      onAbort();
      return;
    }
    options.signal.addEventListener('abort', onAbort, { once: true });
    socket.setTimeout(options.timeoutMs, () => fail(new Error(`no answer within ${options.timeoutMs} ms`)));
    socket.on('error', fail);
    socket.once('secureConnect', () => {
      const refusal = judgeServer(socket, name, options);
      if (refusal !== undefined) {
        fail(new Error(refusal));
        return;
      }
      options.signal.removeEventListener('abort', onAbort);
      socket.off('error', fail);
      socket.setTimeout(0);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

/** Node's types say Error, its runtime says a code. */
function codeOf(problem: unknown): string {
  if (problem instanceof Error) return 'code' in problem ? String(problem.code) : problem.message;
  return String(problem);
}

/** Why the server is not to be trusted; undefined when it is. */
function judgeServer(socket: TLSSocket, host: string, options: DialOptions): string | undefined {
  if (socket.authorized) return undefined;
  const code = codeOf(socket.authorizationError);
  if (code !== 'CERT_NOT_YET_VALID' && code !== 'CERT_HAS_EXPIRED') return code;
  const raw = socket.getPeerCertificate();
  const leaf = new X509Certificate(raw.raw);
  const signed = certificatesOf(options.ca).some((ca) => leaf.checkIssued(ca) && leaf.verify(ca.publicKey));
  if (!signed) return 'the certificate is not signed by the hub’s authority';
  const name = checkServerIdentity(host, raw);
  if (name !== undefined) return name.message;
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.includes('1.3.6.1.5.5.7.3.1')) {
    return 'the certificate is not for servers';
  }
  if (code === 'CERT_NOT_YET_VALID') return undefined;
  const time = options.hubTime;
  const inDates =
    time !== undefined && time >= Date.parse(leaf.validFrom) && time <= Date.parse(leaf.validTo);
  return inDates ? undefined : `the certificate expired on ${leaf.validTo}`;
}

/** The `host:port` that an https URL dials. */
export function addressOf(url: URL): string {
  return `${url.hostname}:${url.port === '' ? '443' : url.port}`;
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function certificatesOf(pem: string): X509Certificate[] {
  return [...pem.matchAll(PEM)].map(([text]) => new X509Certificate(text));
}
