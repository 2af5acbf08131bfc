/**
 * Renews a certificate that ran out while the device was away: the broker refuses it then, so the hub is asked
 * over HTTPS, with a request that the certificate's own key signs. Whether the certificate has run out is the
 * hub's to say: a board's clock may be wrong, and what the hub's authority vouches for is not.
 */
import { X509Certificate } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { authorityAnswerSchema, JOIN_PATH, joinAnswerSchema, RENEW_PATH } from '#protocol/link/join.js';
import { runCommand } from '../lib/command.js';
import { callHttps } from './https-call.js';
import { type DeviceIdentity, saveIdentity } from './identity.js';
import { fits } from './key-request.js';
import type { LateRenewalOptions } from './late-renewal.js';

const KEY_REQUEST = fileURLToPath(new URL('./key-request-main.js', import.meta.url));
const requestSchema = z.object({ csr: z.string() });
const TIMEOUT_MS = 20_000;

/** Asks the hub for the time and, if the certificate has run out by it, for a new one. True when there is one. */
export async function renewExpired(options: LateRenewalOptions, signal: AbortSignal): Promise<boolean> {
  const { identity, logger, dataDir, replaced, hubTimeHeard } = options;
  const old = identity();
  const { time } = authorityAnswerSchema.parse(await call(old, signal, 'GET', JOIN_PATH));
  if (time === undefined) return false;
  hubTimeHeard(time);
  const { validTo } = new X509Certificate(old.certificate);
  if (time <= Date.parse(validTo)) return false;
  logger.warn({ validTo }, 'the certificate of this device ran out while it was away; asking for a new one');
  const output = await runCommand(process.execPath, [KEY_REQUEST, old.device, '--key'], { input: old.key });
  const { csr } = requestSchema.parse(JSON.parse(output));
  const body = { certificate: old.certificate, csr };
  const answer = await call(old, signal, 'POST', RENEW_PATH, body).catch((error: unknown) => {
    logger.error({ err: error }, 'the hub does not renew this certificate');
    throw error;
  });
  const { certificate, mqtt, ca, device } = joinAnswerSchema.parse(answer);
  if (device !== old.device || !fits(certificate, old.key, old.ca))
    throw new Error('the hub answered with a certificate that is not for this device and key');
  const renewed = { ...old, certificate, mqtt, ca };
  await saveIdentity(dataDir, renewed);
  replaced(renewed);
  logger.info({ validTo: new X509Certificate(certificate).validTo }, 'the certificate was renewed');
  return true;
}

async function call(
  { https, ca }: DeviceIdentity,
  signal: AbortSignal,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<unknown> {
  const answer = await callHttps({
    url: new URL(path, https).href,
    method,
    ca,
    timeoutMs: TIMEOUT_MS,
    signal,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (answer.status >= 300)
    throw new Error(`the hub answered ${answer.status}: ${answer.body.slice(0, 500)}`);
  return JSON.parse(answer.body);
}
