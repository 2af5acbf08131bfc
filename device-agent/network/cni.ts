/**
 * Calls CNI plugins (containernetworking.io, version 0.4.0) as a chain: what one plugin answers is the next
 * one's `prevResult`; removal runs the other way round and is idempotent.
 */
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, runCommand } from '../lib/command.js';

const CNI_VERSION = '0.4.0';
const TIMEOUT_MS = 60_000;

export interface CniResult {
  readonly ips?: ReadonlyArray<{ readonly address: string; readonly gateway?: string }>;
}

export interface CniPlugin {
  readonly type: string;
  readonly [setting: string]: unknown;
}

export interface CniTarget {
  readonly containerId: string;
  readonly netns: string;
  readonly interfaceName: string;
}

/** A plugin that failed, in its own words. */
export class CniError extends Error {
  override readonly name = 'CniError';
}

export class CniChain {
  readonly #name: string;
  readonly #plugins: readonly CniPlugin[];
  readonly #path: readonly string[];

  constructor(name: string, plugins: readonly CniPlugin[], path: readonly string[]) {
    this.#name = name;
    this.#plugins = plugins;
    this.#path = path;
  }

  /** Rejects with CniError; the caller then calls `remove` to take back what was done. */
  async add(target: CniTarget): Promise<CniResult> {
    let result: CniResult | undefined;
    for (const plugin of this.#plugins) result = await this.#call('ADD', plugin, target, result);
    return result ?? {};
  }

  /** `result` is what `add` gave, if that is known. */
  async remove(target: CniTarget, result: CniResult | undefined): Promise<void> {
    for (const plugin of [...this.#plugins].reverse()) await this.#call('DEL', plugin, target, result);
  }

  async #call(
    command: 'ADD' | 'DEL',
    plugin: CniPlugin,
    target: CniTarget,
    previous: CniResult | undefined,
  ): Promise<CniResult | undefined> {
    const program = await findPlugin(this.#path, plugin.type);
    if (program === undefined)
      throw new CniError(
        `CNI plugin "${plugin.type}" is not in ${this.#path.join(' or ')} (apt-get install containernetworking-plugins)`,
      );
    const input = JSON.stringify({
      cniVersion: CNI_VERSION,
      name: this.#name,
      ...plugin,
      ...(previous === undefined ? {} : { prevResult: previous }),
    });
    const env = {
      PATH: [process.env['PATH'], '/usr/sbin:/sbin:/usr/bin:/bin'].filter(Boolean).join(':'),
      CNI_COMMAND: command,
      CNI_CONTAINERID: target.containerId,
      CNI_NETNS: target.netns,
      CNI_IFNAME: target.interfaceName,
      CNI_PATH: this.#path.join(':'),
    };
    try {
      const output = await runCommand(program, [], { input, env, timeoutMs: TIMEOUT_MS });
      return output.trim() === '' ? previous : (JSON.parse(output) as CniResult);
    } catch (error) {
      throw new CniError(`CNI ${plugin.type} ${command}: ${pluginMessage(error)}`, { cause: error });
    }
  }
}

export async function findPlugin(path: readonly string[], type: string): Promise<string | undefined> {
  for (const directory of path) {
    const program = join(directory, type);
    try {
      await access(program, constants.X_OK);
      return program;
    } catch {
      // The next directory may have it.
    }
  }
  return undefined;
}

/** A plugin writes its error as JSON on standard output. */
function pluginMessage(error: unknown): string {
  if (!(error instanceof CommandError)) return String(error);
  try {
    const parsed = JSON.parse(error.stdout) as { msg?: string; details?: string };
    return [parsed.msg, parsed.details].filter(Boolean).join(': ') || error.message;
  } catch {
    // It failed without an error document; the exit status and standard error are all there is.
    return error.message;
  }
}
