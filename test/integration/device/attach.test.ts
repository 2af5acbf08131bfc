/** Input for the first process of real containers, through conmon. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { findProgram } from '#device-agent/runtime/oci-runtime.js';
import { RuntimeError } from '#device-agent/runtime/runtime.js';
import { containersMissing, type RuntimeFixture, runtimeFixture } from '#test/helpers/device-runtime.js';
import { eventually } from '#test/helpers/eventually.js';
import { textOfLog } from '#test/helpers/log-text.js';

const skip =
  containersMissing() ?? ((await findProgram('socat')) === undefined ? 'needs socat' : undefined) ?? false;
const SOON_MS = 20_000;

interface Started {
  readonly fixture: RuntimeFixture;
  readonly id: string;
  /** Resolves when the container has written this. */
  wrote(pattern: RegExp): Promise<true>;
}

async function started(container: object, script: string): Promise<Started> {
  const fixture = await runtimeFixture();
  const spec = fixture.spec(['sh', '-c', script], { container: { stdin: true, ...container } });
  const id = await fixture.run(spec);
  const wrote = (pattern: RegExp) =>
    eventually(`the log says ${pattern}`, SOON_MS, async () =>
      pattern.test(textOfLog(await readFile(spec.logPath))),
    );
  return { fixture, id, wrote };
}

test('input of a container with stdinOnce ends with the first who gives it', { skip }, async () => {
  const { fixture, id, wrote } = await started({ stdinOnce: true }, 'cat; echo over');
  await using _ = fixture;
  {
    await using input = await fixture.runtime.attachInput(id);
    await input.write(Buffer.from('hello\n'));
    input.end();
    await wrote(/^hello\nover\n$/);
  }
  assert.equal((await fixture.exited(id)).exitCode, 0);
});

test('input of another container stays open for the next', { skip }, async () => {
  const { fixture, id, wrote } = await started({}, 'while read line; do echo "got $line"; done; echo over');
  await using _ = fixture;
  for (const word of ['first', 'second']) {
    await using input = await fixture.runtime.attachInput(id);
    await input.write(Buffer.from(`${word}\n`));
    await wrote(new RegExp(`got ${word}\n`));
    if (word === 'first') input.end();
  }
  const [state] = await fixture.runtime.list();
  assert.equal(state?.status, 'running');
});

test('a terminal echoes, and takes its sizes', { skip }, async () => {
  const script = 'while read line; do echo "got $line"; stty size; test "$line" = stop && exit 7; done';
  const { fixture, id, wrote } = await started({ tty: true, stdinOnce: true }, script);
  await using _ = fixture;
  {
    await using input = await fixture.runtime.attachInput(id);
    await input.resize(80, 24);
    await input.resize(132, 43);
    // conmon takes sizes and input in no certain order.
    const sized = wrote(/43 132\r\n/);
    for (let asked = true; asked; ) {
      await input.write(Buffer.from('size\r'));
      asked = await Promise.race([sized.then(() => false), systemClock.sleep(100).then(() => true)]);
    }
    await input.write(Buffer.from('stop\r'));
    // The echo of a terminal comes letter by letter, and is in the log before the answer.
    await wrote(/(?<!got )stop\r\n.*got stop\r\n/s);
  }
  assert.equal((await fixture.exited(id)).exitCode, 7);
});

test('a program that reads late gets all of a megabyte', { skip }, async () => {
  const { fixture, id, wrote } = await started(
    { stdinOnce: true },
    'while ! test -e /tmp/go; do sleep 0.1; done; wc -c',
  );
  await using _ = fixture;
  await using input = await fixture.runtime.attachInput(id);
  const block = Buffer.alloc(64 * 1024, 'x');
  let taken = 0;
  const writing = (async () => {
    for (; taken < 16; taken += 1) await input.write(block);
    input.end();
  })();
  await using session = await fixture.runtime.exec({
    containerId: id,
    command: ['touch', '/tmp/go'],
    tty: false,
    stdin: false,
    signal: new AbortController().signal,
  });
  assert.equal(await session.exit, 0);
  await writing;
  await wrote(/^1048576\n$/);
});

test('nobody gives input to a container that has ended', { skip }, async () => {
  const { fixture, id } = await started({ stdinOnce: true }, 'read line');
  await using _ = fixture;
  await using input = await fixture.runtime.attachInput(id);
  await fixture.runtime.kill(id, 'SIGKILL');
  await fixture.exited(id);
  await assert.rejects(async () => {
    for (;;) await input.write(Buffer.alloc(64 * 1024));
  }, RuntimeError);
  await assert.rejects(fixture.runtime.attachInput(id), RuntimeError);
});
