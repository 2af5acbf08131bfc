/**
 * What to tell a person when a device cannot join: from the error of the attempt to one line that names what is
 * wrong and what to do about it. Pure.
 */
import { addressOf } from './dial.js';

const TEXT: Readonly<Record<string, (where: string) => string>> = {
  ENOTFOUND: (where) =>
    `the name in ${where} cannot be resolved (DNS): is the hub's name right, and is there a network?`,
  EAI_AGAIN: (where) =>
    `the name in ${where} cannot be resolved now (DNS does not answer): is there a network?`,
  ECONNREFUSED: (where) => `${where} refuses the connection: is the hub running, and is the port right?`,
  ENETUNREACH: () => 'there is no network: is the cable in, or is the Wi-Fi name and password right?',
  EHOSTUNREACH: (where) => `there is no way to ${where}: is the hub on, and in reach of this network?`,
  ETIMEDOUT: (where) => `${where} does not answer: is the hub on, and does a firewall let the port through?`,
  ECONNRESET: (where) => `${where} closes the connection: is something else listening on this port?`,
  EPROTO: (where) => `${where} does not speak TLS: is the port right?`,
  ERR_TLS_CERT_ALTNAME_INVALID: (where) =>
    `the hub's certificate is not for the name in ${where}: start the hub with --advertise and that name`,
};

/** Words of OpenSSL and of our own judgement that an unknown authority has in common. */
const FOREIGN = /UNABLE_TO_|SELF_SIGNED|not signed by|another hub|certificate is not for servers/i;
const WRONG_NAME = /Hostname\/IP does not match|ERR_TLS_CERT_ALTNAME_INVALID/;
const EXPIRED = /certificate expired on/;
const NOT_TLS = /wrong version number|ERR_SSL_/i;
const SILENT = /no answer within|does not answer/;

/** One line for a person: what is wrong, and what to look at. */
export function joinTrouble(error: unknown, hub: string, now: number): string {
  const where = URL.canParse(hub) ? addressOf(new URL(hub)) : hub;
  const messages: string[] = [];
  for (let cause = error; cause instanceof Error && messages.length < 5; cause = cause.cause) {
    const code = 'code' in cause ? String(cause.code) : '';
    const known = TEXT[code];
    if (known !== undefined) return known(where);
    messages.push(cause.message);
  }
  const all = messages.join(': ');
  if (FOREIGN.test(all)) {
    return `another hub, or somebody in between, answers at ${where}: its certificate is not of the authority on this card (hub-ca.pem)`;
  }
  if (WRONG_NAME.test(all)) return TEXT['ERR_TLS_CERT_ALTNAME_INVALID']?.(where) ?? all;
  if (EXPIRED.test(all)) {
    return `the hub's certificate has expired by this board's clock, which says ${new Date(now).toISOString().slice(0, 10)}: is the clock right?`;
  }
  if (NOT_TLS.test(all)) return TEXT['EPROTO']?.(where) ?? all;
  if (SILENT.test(all)) return TEXT['ETIMEDOUT']?.(where) ?? all;
  return messages[0] ?? String(error);
}
