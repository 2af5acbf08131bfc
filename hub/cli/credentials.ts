/** Reads the admin's credentials from DIR/kubeconfig, as the command line uses them. */
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { fileTrouble } from '#firmware-profiles/lib/file-trouble.js';
import { readFileIfPresent } from '../lib/files.js';
import { type Answer, type Call, type Credentials, callHub } from '../lib/https-client.js';
import { CommandError } from './command.js';

const kubeconfigSchema = z.object({
  clusters: z.tuple([
    z.object({ cluster: z.object({ server: z.string(), 'certificate-authority-data': z.string() }) }),
  ]),
  users: z.tuple([
    z.object({ user: z.object({ 'client-certificate-data': z.string(), 'client-key-data': z.string() }) }),
  ]),
});

/** Credentials of the kubeconfig in a data directory. Rejects with a CommandError that says where it looked. */
export async function readCredentials(dataDir: string): Promise<Credentials> {
  const path = join(dataDir, 'kubeconfig');
  const text = await readFileIfPresent(path).catch((error: unknown) => {
    throw new CommandError(`cannot read ${path}: ${fileTrouble(error)}`);
  });
  if (text === undefined) {
    throw new CommandError(`there is no ${path}; start the hub first, or name its directory with --data`);
  }
  const document = parseDocument(text);
  const parsed = kubeconfigSchema.safeParse(document.errors.length > 0 ? undefined : document.toJS());
  if (!parsed.success) throw new CommandError(`${path} is not a kubeconfig of Covey`);
  const [{ cluster }] = parsed.data.clusters;
  const [{ user }] = parsed.data.users;
  return {
    server: cluster.server,
    ca: decode(cluster['certificate-authority-data']),
    cert: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
  };
}

/** Calls the hub and parses its JSON; an error Status becomes a CommandError with its message. */
export async function callApi(credentials: Credentials, call: Call): Promise<unknown> {
  let answer: Answer;
  try {
    answer = await callHub(credentials, call);
  } catch (error) {
    throw new CommandError(`cannot reach the hub at ${credentials.server}: ${(error as Error).message}`);
  }
  const text = answer.body.toString('utf8');
  if (answer.status < 300) return text === '' ? undefined : JSON.parse(text);
  if (answer.status === 401) throw new CommandError(refused(credentials));
  const status = z.object({ message: z.string() }).safeParse(safeJson(text));
  throw new CommandError(
    status.success ? status.data.message : `the hub answered ${answer.status}: ${text.slice(0, 300)}`,
  );
}

/** What a person can do about a hub that does not know the credentials. */
export function refused({ server }: Credentials): string {
  return `the hub at ${server} does not accept the credentials of this kubeconfig: they have expired, or are another hub's; take the kubeconfig that is in its data directory now`;
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
