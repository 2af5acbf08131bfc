/**
 * Character devices that really come and go: macvtap interfaces, for each of which the kernel makes and removes
 * /dev/tapN, with an entry in sysfs and a number of its own. Links to the nodes, as udev makes them for adapters,
 * lie in a directory of the test's own, so that tests do not get at each other's.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { majorOf, minorOf } from '#device-agent/hardware/device-number.js';

/** Why there can be none here; undefined when there can. */
export function hotplugMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!existsSync('/sys/class/macvtap')) return 'needs a kernel with macvtap';
  return readFileSync('/proc/mounts', 'utf8').includes('devtmpfs /dev ')
    ? undefined
    : 'needs devtmpfs on /dev';
}

export class Hotplug implements Disposable {
  readonly directory: string;
  readonly #id = randomBytes(3).toString('hex');
  readonly #plugged = new Set<string>();

  /** `directory`: made when missing. */
  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
    ip('link', 'add', this.#lower, 'type', 'veth', 'peer', 'name', `cv${this.#id}p`);
  }

  get #lower(): string {
    return `cv${this.#id}l`;
  }

  /** All links, for `--hardware`. */
  get glob(): string {
    return join(this.directory, '*');
  }

  /** The same name is the same device at the same place, with another number perhaps. Returns its node. */
  plug(name: string): string {
    const link = `cv${this.#id}${name}`;
    ip('link', 'add', 'link', this.#lower, 'name', link, 'type', 'macvtap', 'mode', 'bridge');
    this.#plugged.add(name);
    const index = readFileSync(`/sys/class/net/${link}/ifindex`, 'utf8').trim();
    const node = `/dev/tap${index}`;
    symlinkSync(node, join(this.directory, name));
    return node;
  }

  unplug(name: string): void {
    ip('link', 'del', `cv${this.#id}${name}`);
    rmSync(join(this.directory, name), { force: true });
    this.#plugged.delete(name);
  }

  /** Something else takes the number that is free now, and no link names it. */
  occupy(name: string): void {
    this.plug(name);
    rmSync(join(this.directory, name));
  }

  [Symbol.dispose](): void {
    spawnSync('ip', ['link', 'del', this.#lower]);
  }
}

/** '246:1' */
export function deviceNumber(path: string): string {
  const { rdev } = statSync(path);
  return `${majorOf(rdev)}:${minorOf(rdev)}`;
}

function ip(...args: string[]): void {
  execFileSync('ip', args);
}
