/** Lets a test file run its tests in a network namespace of its own, so that the machine's is never touched. */
import { spawn } from 'node:child_process';
import test from 'node:test';

const MARK = 'COVEY_TEST_OWN_NETNS';

/**
 * True inside the namespace: define the tests then. Outside it registers one test that runs the file again
 * inside, or skips with `skip`.
 */
export function inOwnNetns(file: string, skip: string | false): boolean {
  if (process.env[MARK] === '1') return true;
  test(`in a network namespace of its own: ${file.split('/').at(-1)}`, { skip }, async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const script = 'ip link set lo up && exec "$@"';
    const child = spawn('unshare', ['--net', 'sh', '-c', script, 'sh', process.execPath, file], {
      env: { ...env, [MARK]: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString('utf8');
      });
    }
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`failed inside the namespace:\n${said}`);
  });
  return false;
}
