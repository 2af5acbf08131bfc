/** Debian's docker-registry on a free port, of the loopback unless told otherwise, with temporary storage. */
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
  /** Directory of its blobs and manifests. */
  readonly storage: string;
}

export interface RegistryOptions {
  /** Address to listen on. */
  readonly address?: string;
  /** Storage of another registry to show; it stays when this one ends. */
  readonly storage?: string;
  /** A line of an htpasswd file (bcrypt): only this user may pull and push. */
  readonly htpasswd?: string;
}

export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const root = await mkdtemp(join(tmpdir(), 'covey-registry-'));
  const storage = options.storage ?? join(root, 'data');
  const port = await freePort();
  const host = `${options.address ?? '127.0.0.1'}:${port}`;
  if (options.htpasswd !== undefined) await writeFile(join(root, 'htpasswd'), `${options.htpasswd}\n`);
  const auth =
    options.htpasswd === undefined ? '' : `auth: {htpasswd: {realm: test, path: ${root}/htpasswd}}\n`;
  await writeFile(
    join(root, 'config.yml'),
    `version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: ${storage}}}
http: {addr: '${host}'}
${auth}`,
  );
  const child = spawn(PROGRAM, ['serve', join(root, 'config.yml')], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = `http://${host}`;
  for (let attempt = 0; ; attempt += 1) {
    const answer = await fetch(`${url}/v2/`).catch(() => undefined);
    if (answer?.ok || answer?.status === 401) break;
    if (attempt > 200) throw new Error('docker-registry did not start');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return {
    url,
    host,
    storage,
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
