/** Commands inside real containers, on pipes and on a terminal. */
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { createRuntime } from '#device-agent/runtime/create-runtime.js';
import { type ExecRequest, type ExecSession, RuntimeError } from '#device-agent/runtime/runtime.js';
import { containersMissing, type RuntimeFixture, runtimeFixture } from '#test/helpers/device-runtime.js';

const skip = containersMissing() ?? false;

async function started(): Promise<{ fixture: RuntimeFixture; id: string }> {
  const fixture = await runtimeFixture();
  const id = await fixture.run(fixture.spec(['sleep', '100000'], { env: [['GREETING', 'hello']] }));
  return { fixture, id };
}

function exec(
  fixture: RuntimeFixture,
  id: string,
  command: readonly string[],
  more: Partial<ExecRequest> = {},
): Promise<ExecSession> {
  return fixture.runtime.exec({
    containerId: id,
    command,
    tty: false,
    stdin: false,
    signal: new AbortController().signal,
    ...more,
  });
}

async function text(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function processesWith(fixture: RuntimeFixture, id: string, word: string): Promise<string[]> {
  const session = await exec(fixture, id, ['ps', '-o', 'pid,args']);
  const listing = await text(session.stdout);
  return listing.split('\n').filter((line) => line.includes(word));
}

test('output, errors, environment and exit code come through', { skip }, async () => {
  const { fixture, id } = await started();
  await using _ = fixture;
  const session = await exec(fixture, id, ['sh', '-c', 'echo $GREETING; echo oops >&2; exit 3']);
  assert.deepEqual(await Promise.all([text(session.stdout), text(session.stderr), session.exit]), [
    'hello\n',
    'oops\n',
    3,
  ]);
});

test('standard input reaches the process until its end', { skip }, async () => {
  const { fixture, id } = await started();
  await using _ = fixture;
  const session = await exec(fixture, id, ['wc', '-c'], { stdin: true });
  const output = text(session.stdout);
  const chunk = Buffer.alloc(64 * 1024, 'x');
  for (let index = 0; index < 32; index += 1) await session.write(chunk);
  session.endStdin();
  assert.equal((await output).trim(), String(2 * 2 ** 20));
  assert.equal(await session.exit, 0);
});

test('large output arrives whole at a slow reader, without piling up', { skip }, async () => {
  const { fixture, id } = await started();
  await using _ = fixture;
  const session = await exec(fixture, id, ['dd', 'if=/dev/zero', 'bs=65536', 'count=64']);
  let size = 0;
  for await (const chunk of session.stdout) {
    size += chunk.length;
    if (size < 2 ** 20) await systemClock.sleep(5);
  }
  assert.equal(size, 4 * 2 ** 20);
  assert.equal(await session.exit, 0);
});

test('a command that does not exist is ExecFailed with the runtime’s words', { skip }, async () => {
  const { fixture, id } = await started();
  await using _ = fixture;
  const session = await exec(fixture, id, ['/no/such/program']);
  await assert.rejects(session.exit, (error) => {
    assert.ok(error instanceof RuntimeError);
    assert.equal(error.reason, 'ExecFailed');
    assert.match(error.message, /no such file or directory/);
    return true;
  });
  assert.equal(await text(session.stdout), '');
});

test('a process that dies by a signal ends with 128 and its number', { skip }, async () => {
  const { fixture, id } = await started();
  await using _ = fixture;
  const session = await exec(fixture, id, ['sh', '-c', 'kill -9 $$']);
  assert.equal(await session.exit, 137);
});

test('cancelling kills the process and its children in the container', { skip }, async () => {
  const { fixture, id } = await started();
  await using _ = fixture;
  const abort = new AbortController();
  const session = await exec(fixture, id, ['sh', '-c', 'sleep 7777 & echo ready; sleep 7778'], {
    signal: abort.signal,
  });
  const first = await session.stdout[Symbol.asyncIterator]().next();
  assert.equal(String(Buffer.from(first.value as Uint8Array)), 'ready\n');
  assert.equal(
    (await processesWith(fixture, id, 'sleep 777')).filter((line) => !line.includes('sh -c')).length,
    2,
  );
  abort.abort();
  await session.exit.catch(() => undefined);
  assert.deepEqual(await processesWith(fixture, id, 'sleep 777'), []);
  assert.equal((await fixture.runtime.list())[0]?.status, 'running');
});

test('a terminal has a size that follows, one stream, and the process’s exit code', { skip }, async () => {
  const { fixture, id } = await started();
  await using _ = fixture;
  const session = await exec(fixture, id, ['sh'], { tty: true, stdin: true });
  let seen = '';
  const reading = (async () => {
    for await (const chunk of session.stdout) seen += Buffer.from(chunk).toString('utf8');
  })();
  const until = async (pattern: RegExp) => {
    for (let look = 0; look < 200 && !pattern.test(seen); look += 1) await systemClock.sleep(20);
    assert.match(seen, pattern);
  };
  await session.write(Buffer.from('tty\n'));
  await until(/\/dev\/pts\/\d/);
  session.resize(132, 43);
  await systemClock.sleep(100);
  await session.write(Buffer.from('stty size\n'));
  await until(/43 132/);
  await session.write(Buffer.from('exit 9\n'));
  assert.equal(await session.exit, 9);
  await reading;
});

test('the end of input ends a shell on a terminal', { skip }, async () => {
  const { fixture, id } = await started();
  await using _ = fixture;
  const session = await exec(fixture, id, ['cat'], { tty: true, stdin: true });
  const output = text(session.stdout);
  await session.write(Buffer.from('line\n'));
  session.endStdin();
  assert.equal(await session.exit, 0);
  assert.match(await output, /line\r\nline\r\n/);
});

test('disposing a session kills its process on a terminal too', { skip }, async () => {
  const { fixture, id } = await started();
  await using _ = fixture;
  const session = await exec(fixture, id, ['sh', '-c', 'echo ready; sleep 7779'], { tty: true });
  await session.stdout[Symbol.asyncIterator]().next();
  await session[Symbol.asyncDispose]();
  assert.deepEqual(await processesWith(fixture, id, 'sleep 7779'), []);
});

test('many sessions leave no files behind', { skip }, async () => {
  const { fixture, id } = await started();
  await using _ = fixture;
  const codes = await Promise.all(
    [0, 1, 2, 3].map(async (code) => (await exec(fixture, id, ['sh', '-c', `exit ${code}`])).exit),
  );
  assert.deepEqual(codes, [0, 1, 2, 3]);
  assert.deepEqual(await readdir(`${fixture.options.runDir}/execs`), []);
});

test('what a killed agent left of its sessions is gone when the next one starts', { skip }, async () => {
  await using fixture = await runtimeFixture();
  const { runDir } = fixture.options;
  await writeFile(`${runDir}/execs/1-abcdef.json`, '{}');
  await using _ = await createRuntime(fixture.options);
  assert.deepEqual(await readdir(`${runDir}/execs`), []);
});
