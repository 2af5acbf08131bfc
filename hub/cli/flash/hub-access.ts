/**
 * The hub for which cards are made: the address that boards dial, its authority's certificate, and claims. The
 * address is asked of the hub itself: its certificate names all under which it may be reached.
 */
import { hostname, networkInterfaces } from 'node:os';
import { connect } from 'node:tls';
import type { JoinTokens } from '../../authn/join-token.js';
import type { Credentials } from '../../lib/https-client.js';
import { CommandError } from '../command.js';
import { readCredentials } from '../credentials.js';
import { joinTokens } from '../token.js';

export interface HubAccess {
  /** What a card dials. */
  readonly url: string;
  readonly ca: string;
  readonly credentials: Credentials;
  readonly tokens: JoinTokens;
}

const DIAL_TIMEOUT_MS = 5_000;

/**
 * `given`: what the person says the address is. Rejects with a CommandError when boards could not reach it, or when
 * the hub does not answer here or does not accept the credentials.
 */
export async function openHub(
  dataDir: string,
  given: string | undefined,
  warn: (text: string) => void,
): Promise<HubAccess> {
  const credentials = await readCredentials(dataDir);
  const url = given === undefined ? await addressForBoards(credentials, warn) : checkGiven(given, warn);
  const tokens = joinTokens(credentials);
  // What the claims need; found out before minutes go into an image.
  await tokens.list();
  return { url, ca: credentials.ca, credentials, tokens };
}

function checkGiven(given: string, warn: (text: string) => void): string {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  // Nothing but scheme, host and port: no user, path or query.
  if (url?.protocol !== 'https:' || url.href !== `${url.origin}/`)
    throw new CommandError(`--hub ${given}: expected an address such as https://hub.local:6443`);
  if (isLoopback(url.hostname))
    warn(`--hub ${given} is this machine for itself only: a board cannot reach it there`);
  return url.origin;
}

async function addressForBoards(credentials: Credentials, warn: (text: string) => void): Promise<string> {
  const { hostname: host, port } = new URL(credentials.server);
  if (!isLoopback(host)) return credentials.server.replace(/\/$/, '');
  const names = await certifiedNames(credentials).catch((error: Error) => {
    throw new CommandError(`cannot reach the hub at ${credentials.server}: ${error.message}`);
  });
  const own = hostname();
  const outside = names.filter((name) => !isLoopback(name));
  const advertised = outside.filter((name) => name !== own).at(-1);
  const chosen = advertised ?? (outside.length > 0 && (await listensOutside(Number(port))) ? own : undefined);
  if (chosen === undefined) {
    throw new CommandError(
      'the hub is reached from this machine only, so no board could join: start it with --listen 0.0.0.0:6443 --mqtt-listen 0.0.0.0:8883 --advertise ADDRESS, or name its address with --hub https://ADDRESS:6443',
    );
  }
  if (advertised === undefined)
    warn(
      `boards will look for the hub by the name ${own}; if they cannot, start it with --advertise ADDRESS`,
    );
  return `https://${chosen.includes(':') ? `[${chosen}]` : chosen}:${port}`;
}

/** Names and addresses in the hub's certificate, in its order. */
function certifiedNames(credentials: Credentials): Promise<readonly string[]> {
  const { hostname: host, port } = new URL(credentials.server);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: host.replace(/^\[|\]$/g, ''),
      port: Number(port),
      ca: credentials.ca,
      timeout: DIAL_TIMEOUT_MS,
    });
    socket.on('timeout', () => socket.destroy(new Error('it does not answer')));
    socket.on('error', reject);
    socket.on('secureConnect', () => {
      const { subjectaltname = '' } = socket.getPeerCertificate();
      socket.end();
      resolve(subjectaltname.split(', ').map((entry) => entry.replace(/^(DNS|IP Address):/, '')));
    });
  });
}

/** Whether the port answers under an address that others can dial. */
async function listensOutside(port: number): Promise<boolean> {
  const addresses = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4');
  const answers = await Promise.all(addresses.map(({ address }) => answersAt(address, port)));
  return answers.includes(true);
}

function answersAt(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, rejectUnauthorized: false, timeout: DIAL_TIMEOUT_MS });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('timeout', () => finish(false));
    socket.on('error', () => finish(false));
    socket.on('secureConnect', () => finish(true));
  });
}

function isLoopback(host: string): boolean {
  const plain = host.replace(/^\[|\]$/g, '');
  return plain === 'localhost' || plain.startsWith('127.') || plain === '::1' || /^(0*:)+0*1$/.test(plain);
}
