/**
 * Makes Debian's root file system one of a card: Covey's files, the kernel's modules and firmware go in, what must
 * not be the same on two cards goes out, and times after the archive's are set back to it.
 */
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ProgramOptions } from '../lib/program.js';
import type { RootFiles } from './root-files.js';
import { runInSandbox } from './sandbox.js';

/** $1 root, $2 staged files, $3 seconds since the epoch, $4 whether root logs in without a password, then what to remove. */
const FILL = `
cd "$1"; staged=$2 time=$3 login=$4; shift 4
IFS=
for pattern in "$@"; do rm -rf -- $pattern; done
cp -R --preserve=mode,links --remove-destination "$staged/." .
chown -R 0:0 usr/lib/modules
if [ "$login" = yes ]; then sed -i 's/^root:[^:]*:/root::/' etc/shadow; else sed -i 's/^root:[^:]*:/root:*:/' etc/shadow; fi
# A board without a clock starts at the time of its image instead of in 1970.
mkdir -p var/lib/systemd/timesync
: >var/lib/systemd/timesync/clock
find . -newermt "@$time" -exec touch -h -d "@$time" {} +
du -sk .
`;

export interface FillInput {
  readonly root: string;
  /** A directory for what is copied over the root; may hold files already. */
  readonly staged: string;
  readonly files: RootFiles;
  readonly consoleLogin: boolean;
  readonly time: number;
  readonly command: ProgramOptions;
}

/** Resolves to the bytes that the files take. */
export async function fillRoot(input: FillInput): Promise<number> {
  const { root, staged, files, consoleLogin, time, command } = input;
  for (const path of files.directories) await mkdir(join(staged, path), { recursive: true });
  for (const [path, text] of Object.entries(files.files)) {
    await mkdir(dirname(join(staged, path)), { recursive: true });
    await writeFile(join(staged, path), text);
    await chmod(join(staged, path), 0o644);
  }
  for (const [path, target] of Object.entries(files.links)) {
    await mkdir(dirname(join(staged, path)), { recursive: true });
    await symlink(target, join(staged, path));
  }
  const args = [root, staged, String(time), consoleLogin ? 'yes' : 'no', ...files.removed];
  const used = await runInSandbox('sh', ['-euc', FILL, 'sh', ...args], command);
  return Number(used.split('\t')[0]) * 1024;
}
