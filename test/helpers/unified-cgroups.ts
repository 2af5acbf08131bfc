/**
 * Lets a test file run its tests where control groups look as on a board: one unified hierarchy at
 * /sys/fs/cgroup, mounted in a mount namespace of its own. Controllers that v1 holds are not in it.
 */
import { spawn } from 'node:child_process';
import test from 'node:test';

const MARK = 'COVEY_TEST_UNIFIED_CGROUPS';

const SCRIPT = `
while mountpoint -q /sys/fs/cgroup; do umount -l /sys/fs/cgroup || exit 1; done
mount -t cgroup2 covey-test /sys/fs/cgroup || exit 1
exec "$@"
`;

/** True inside: define the tests then. Outside it registers one test that runs the file again inside. */
export function underUnifiedCgroups(file: string, skip: string | false): boolean {
  if (process.env[MARK] === '1') return true;
  test(`under a unified cgroup hierarchy: ${file.split('/').at(-1)}`, { skip }, async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', SCRIPT, 'sh', process.execPath, file];
    const child = spawn('unshare', args, { env: { ...env, [MARK]: '1' }, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString('utf8');
      });
    }
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`failed under the unified hierarchy:\n${said}`);
  });
  return false;
}
