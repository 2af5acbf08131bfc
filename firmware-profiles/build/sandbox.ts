/**
 * Runs programs as root of a user namespace of their own, with private mounts and processes: packages can set owners
 * and be configured, also when the caller is no root, and nothing of it is left on the machine, mounts and emulation
 * of arm64 included. Ends with all that it started.
 */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import {
  DEFAULT_TIMEOUT_MS,
  outputOf,
  ProgramError,
  type ProgramOptions,
  runProgram,
  startProgram,
} from '../lib/program.js';
import { BuildError } from './build-error.js';
import { EMULATOR } from './tools.js';

/** User ids in the namespace; Debian's packages use 0 to 65535. */
const IDS = 65_536;

/** How the kernel knows a program for arm64: the head of its ELF file and which bits of it matter. */
const MAGIC = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`;
const MASK = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`;

/** Waits until its ids are mapped, then makes arm64 programs run unless they do already. */
const ENTER = `
echo ready
read -r _ || exit 1
mount -t proc proc /proc
if ! arch-test arm64 >/dev/null 2>&1; then
  mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc &&
    printf '%s' "$1" >/proc/sys/fs/binfmt_misc/register
  if ! arch-test arm64 >/dev/null 2>&1; then
    echo "programs for arm64 do not run here: this kernel needs binfmt_misc set up by root: modprobe binfmt_misc; systemctl restart systemd-binfmt" >&2
    exit 1
  fi
fi
shift
exec "$@" </dev/null
`;

export async function runInSandbox(
  command: string,
  args: readonly string[],
  { timeoutMs = DEFAULT_TIMEOUT_MS, cwd = '/', ...options }: Omit<ProgramOptions, 'input'> = {},
): Promise<string> {
  const registration = `:qemu-aarch64:M::${MAGIC}:${MASK}:${EMULATOR}:OCF`;
  const namespace = startProgram(
    'unshare',
    [
      ...['--user', '--mount', '--pid', '--fork', '--'],
      ...['sh', '-euc', ENTER, 'sh', registration, command, ...args],
    ],
    { ...options, timeoutMs, cwd, shownAs: [command, ...args] },
  );
  const done = outputOf(namespace);
  // Whoever waits below gets the failure; a second, unheard rejection would end the process.
  done.catch(() => undefined);
  try {
    await Promise.race([once(namespace.stdout, 'data'), done]);
  } catch (error) {
    if (!(error instanceof ProgramError && error.stderr.includes('unshare failed'))) throw error;
    throw new BuildError(
      `user namespaces are switched off on this machine (${error.stderr.trim()}); see sysctl user.max_user_namespaces and kernel.unprivileged_userns_clone`,
      { cause: error },
    );
  }
  try {
    if (namespace.pid !== undefined) await mapIds(namespace.pid);
  } catch (error) {
    namespace.kill(error);
  }
  namespace.stdin.end('go\n');
  const { stdout } = await done;
  return stdout.toString('utf8').replace(/^ready\n/, '');
}

/** Root gives the namespace its own ids; another user those that the machine's administrator has set aside. */
async function mapIds(pid: number): Promise<void> {
  if (process.getuid?.() === 0) {
    for (const file of ['uid_map', 'gid_map']) await writeFile(`/proc/${pid}/${file}`, `0 0 ${IDS}`);
    return;
  }
  const { uid, gid, username } = userInfo();
  for (const [tool, file, own] of [
    ['newuidmap', '/etc/subuid', uid],
    ['newgidmap', '/etc/subgid', gid],
  ] as const) {
    const start = subordinateIds(await readFile(file, 'utf8').catch(() => ''), username, uid);
    if (start === undefined)
      throw new BuildError(
        `${file} sets no ${IDS} ids aside for ${username}; run: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}`,
      );
    await runProgram(tool, [String(pid), '0', String(own), '1', '1', String(start), String(IDS - 1)]);
  }
}

/** First id of the user's range in the text of /etc/subuid. */
export function subordinateIds(text: string, username: string, uid: number): number | undefined {
  for (const line of text.split('\n')) {
    const [who, start, count] = line.split(':');
    if ((who === username || who === String(uid)) && Number(count) >= IDS - 1) return Number(start);
  }
  return undefined;
}
