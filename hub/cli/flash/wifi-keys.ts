/**
 * Wi-Fi passphrases, from a file, the environment or the person, turned into the derived key as soon as they are
 * there. They are never an argument of a process, and never written anywhere.
 */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { fileTrouble } from '#firmware-profiles/lib/file-trouble.js';
import { readTextWithin } from '#firmware-profiles/lib/read-text.js';
import { wifiKey } from '#firmware-profiles/wifi-key.js';
import { CommandError } from '../command.js';

export interface WifiKeyOptions {
  /** `--wifi-password-file`. */
  readonly file: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** Asks a person; undefined where there is none. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
}

const VARIABLE = 'COVEY_WIFI_PASSWORD';
const MAX_FILE_BYTES = 2 ** 20;

/** SSID → derived key. Rejects with an error that says where a passphrase can be given. */
export async function wifiKeys(
  ssids: readonly string[],
  { file, env, ask }: WifiKeyOptions,
): Promise<ReadonlyMap<string, string>> {
  const names = [...new Set(ssids)];
  const given = file === undefined ? new Map<string, string>() : await fromFile(file, names);
  const [only] = names;
  const variable = env[VARIABLE];
  if (
    variable !== undefined &&
    variable !== '' &&
    names.length === 1 &&
    only !== undefined &&
    !given.has(only)
  )
    given.set(only, variable);
  const keys = new Map<string, string>();
  for (const ssid of names) {
    const passphrase = given.get(ssid) ?? (await ask?.(`Passphrase of the Wi-Fi "${ssid}": `));
    if (passphrase === undefined || passphrase === '') {
      throw new CommandError(
        `no passphrase for the Wi-Fi "${ssid}": name a file with --wifi-password-file, or set ${VARIABLE}`,
      );
    }
    keys.set(ssid, wifiKey(ssid, passphrase));
  }
  return keys;
}

/** For one network the first line, for several a line SSID=PASSPHRASE each. */
async function fromFile(file: string, names: readonly string[]): Promise<Map<string, string>> {
  const text = await readTextWithin(file, MAX_FILE_BYTES).catch((error: unknown) => {
    throw new CommandError(`cannot read --wifi-password-file ${file}: ${fileTrouble(error)}`);
  });
  if (text === undefined) throw new CommandError(`--wifi-password-file ${file}: too large for passphrases`);
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  const found = new Map<string, string>();
  for (const name of names) {
    const line = lines.find((one) => one.startsWith(`${name}=`));
    const [first] = lines;
    if (line !== undefined) found.set(name, line.slice(name.length + 1));
    else if (names.length === 1 && lines.length === 1 && first !== undefined) found.set(name, first);
    else
      throw new CommandError(
        `--wifi-password-file ${file}: no line "${name}=…" in it${names.length === 1 ? ', nor the passphrase alone' : ''}`,
      );
  }
  return found;
}

/** Asks on the terminal without showing what is typed. */
export async function askHidden(question: string): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, callback) => callback() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true });
  process.stderr.write(question);
  try {
    return await terminal.question('');
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}
