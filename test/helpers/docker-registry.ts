/** Debian's docker-registry on a free port of the loopback, with its own temporary storage. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = '/usr/bin/docker-registry';

/** Why a registry cannot run here; undefined when it can. */
export const registryMissing: string | undefined = existsSync(PROGRAM) ? undefined : 'needs docker-registry';

export interface TestRegistry extends AsyncDisposable {
  /** 'http://127.0.0.1:<port>'. */
  readonly url: string;
  /** '127.0.0.1:<port>', for image references. */
  readonly host: string;
}

export async function startRegistry(): Promise<TestRegistry> {
  const root = await mkdtemp(join(tmpdir(), 'covey-registry-'));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  await writeFile(
    join(root, 'config.yml'),
    `version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: ${root}/data}}
http: {addr: '${host}'}
`,
  );
  const child = spawn(PROGRAM, ['serve', join(root, 'config.yml')], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = `http://${host}`;
  for (let attempt = 0; ; attempt += 1) {
    const answer = await fetch(`${url}/v2/`).catch(() => undefined);
    if (answer?.ok) break;
    if (attempt > 200) throw new Error('docker-registry did not start');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return {
    url,
    host,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      await rm(root, { recursive: true, force: true });
    },
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
