/** The agent's leaf helpers. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { writeFileAtomic } from '#device-agent/lib/atomic-file.js';
import { ByteQueue } from '#device-agent/lib/byte-queue.js';
import { CommandError, runCommand } from '#device-agent/lib/command.js';
import { KeyedMutex } from '#device-agent/lib/keyed-mutex.js';
import { parseMountPoints } from '#device-agent/lib/mounts.js';
import { resolveInRoot } from '#device-agent/lib/safe-path.js';
import { Semaphore } from '#device-agent/lib/semaphore.js';
import { SharedTasks } from '#device-agent/lib/shared-task.js';

async function inTemporary(body: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'covey-lib-'));
  try {
    await body(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

test('a command gives its output; a failure says which, how and why', async () => {
  assert.equal(await runCommand('cat', [], { input: 'hello' }), 'hello');
  await assert.rejects(runCommand('sh', ['-c', 'echo why >&2; exit 3']), (error) => {
    assert.ok(error instanceof CommandError);
    assert.equal(error.exitCode, 3);
    assert.match(error.message, /exit status 3: why/);
    return true;
  });
  await assert.rejects(runCommand('/no/such/thing', []), /is not installed/);
  await assert.rejects(runCommand('sleep', ['100'], { timeoutMs: 20 }), /killed by SIGKILL/);
});

test('an atomic write leaves the new content and nothing else', () =>
  inTemporary(async (root) => {
    const path = join(root, 'f');
    await writeFileAtomic(path, 'one');
    await writeFileAtomic(path, 'two');
    assert.equal(await readFile(path, 'utf8'), 'two');
    assert.deepEqual(await readdir(root), ['f']);
    await assert.rejects(writeFileAtomic(join(root, 'no/dir'), 'x'), { code: 'ENOENT' });
    await mkdir(join(root, 'g.tmp'));
    await assert.rejects(writeFileAtomic(join(root, 'g'), 'x'), { code: 'EISDIR' }, 'the first error stands');
  }));

test('links are followed inside the root only', () =>
  inTemporary(async (root) => {
    await symlink('/etc', join(root, 'absolute'));
    await symlink('../../../../etc', join(root, 'climbing'));
    await symlink('loop', join(root, 'loop'));
    assert.equal(await resolveInRoot(root, '/absolute/passwd'), join(root, 'etc/passwd'));
    assert.equal(await resolveInRoot(root, 'climbing/passwd'), join(root, 'etc/passwd'));
    assert.equal(await resolveInRoot(root, '../../x'), join(root, 'x'));
    assert.equal(await resolveInRoot(root, 'absolute', true), join(root, 'absolute'));
    await assert.rejects(resolveInRoot(root, 'loop'), /too many levels/);
  }));

test('mount points are read with their escapes', () => {
  const table = '22 1 0:1 / /plain rw - ext4 /dev/x rw\n23 1 0:2 / /with\\040space rw - tmpfs t rw\n';
  assert.deepEqual(parseMountPoints(table), ['/plain', '/with space']);
});

test('a byte queue pauses its producer and wakes it when there is room', async () => {
  let drained = 0;
  const queue = new ByteQueue(10, () => {
    drained += 1;
  });
  assert.equal(queue.push(Buffer.alloc(6)), true);
  assert.equal(queue.push(Buffer.alloc(6)), false);
  const room = queue.writable();
  const reader = queue[Symbol.asyncIterator]();
  await reader.next();
  assert.equal(drained, 0);
  await reader.next();
  assert.equal(drained, 1);
  await room;
  queue.end();
  assert.equal((await reader.next()).done, true);
});

test('a reader that leaves frees the producer', async () => {
  const queue = new ByteQueue(1);
  assert.equal(queue.push(Buffer.from('abc')), false);
  for await (const _ of queue) break;
  await queue.writable();
  assert.equal(queue.push(Buffer.from('abc')), true);
  assert.equal(queue.bytes, 0);
});

test('tasks of one key run one after another, of two keys side by side', async () => {
  const mutex = new KeyedMutex();
  const order: string[] = [];
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const first = mutex.run('a', async () => {
    await gate;
    order.push('a1');
    throw new Error('does not stop the next');
  });
  const second = mutex.run('a', async () => void order.push('a2'));
  await mutex.run('b', async () => void order.push('b'));
  release();
  await assert.rejects(first, /does not stop/);
  await second;
  assert.deepEqual(order, ['b', 'a1', 'a2']);
});

test('a semaphore lets so many in and keeps the order of the others', async () => {
  const semaphore = new Semaphore(2);
  let running = 0;
  let most = 0;
  const order: number[] = [];
  await Promise.all(
    [0, 1, 2, 3, 4].map((index) =>
      semaphore.run(async () => {
        running += 1;
        most = Math.max(most, running);
        order.push(index);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
      }),
    ),
  );
  assert.equal(most, 2);
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
});

test('a shared task ends when the last of its callers gives up, and can be begun anew', async () => {
  const tasks = new SharedTasks<string>();
  let started = 0;
  let aborted = 0;
  const task = (signal: AbortSignal) =>
    new Promise<string>((_, reject) => {
      started += 1;
      signal.addEventListener('abort', () => {
        aborted += 1;
        reject(new Error('aborted'));
      });
    });
  const [a, b] = [new AbortController(), new AbortController()];
  const first = tasks.run('k', a.signal, task);
  const second = tasks.run('k', b.signal, task);
  a.abort(new Error('a left'));
  await assert.rejects(first, /a left/);
  assert.deepEqual([started, aborted], [1, 0]);
  b.abort(new Error('b left'));
  await assert.rejects(second, /b left/);
  assert.equal(aborted, 1);
  assert.equal(await tasks.run('k', new AbortController().signal, async () => 'anew'), 'anew');
});
