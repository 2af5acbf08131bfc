/** Programs are run to their end in bounded time and with bounded output, and a failure says what a person needs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { CardError } from '#firmware-profiles/card-error.js';
import { ProgramError, programText, runProgram, startProgram } from '#firmware-profiles/lib/program.js';
import { eventually } from '#test/helpers/eventually.js';

const failure = (message: string) => (error: unknown) => {
  assert.ok(error instanceof ProgramError);
  assert.equal(error.message, message);
  return true;
};

/** Resolves once no process of the group is there. */
const groupEnded = (group: number) =>
  eventually('the group has ended', 10_000, () => {
    try {
      process.kill(-group, 0);
      return false;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ESRCH';
    }
  });

describe('program', () => {
  test('gets its input, its directory and English, and is heard', async () => {
    const lines: string[] = [];
    const said = await programText('sh', ['-c', 'echo a >&2; echo b >&2; pwd; echo $LC_ALL $X; cat'], {
      cwd: '/usr',
      env: { X: 'x' },
      input: 'input',
      onLine: (line) => lines.push(line),
    });
    assert.equal(said, '/usr\nC x\ninput');
    assert.deepEqual(lines, ['a', 'b']);
  });

  test('that is missing is told with what installs it, or in words of its own', async () => {
    await assert.rejects(
      runProgram('no-such-program-here', []),
      (error) => error instanceof CardError && /"apt install no-such-program-here"$/.test(error.message),
    );
    await assert.rejects(
      runProgram('no-such-program-here', [], { missing: 'build it elsewhere' }),
      (error) => error instanceof CardError && error.message === 'build it elsewhere',
    );
  });

  test('that fails is told by its words, its status and its last lines', async () => {
    await assert.rejects(
      runProgram('sh', ['-c', 'exit 3', 'sh', 'word']),
      failure('sh -c exit 3 sh word failed (exit status 3)'),
    );
    await assert.rejects(
      runProgram('sh', ['-c', 'echo why >&2; exit 1']),
      failure('sh -c echo why >&2; exit 1 failed (exit status 1): why'),
    );
    await assert.rejects(
      runProgram('sh', ['-c', 'seq 20 >&2; kill -9 $$']),
      failure(
        `sh -c seq 20 >&2; kill -9 $$ failed (SIGKILL):\n${Array.from({ length: 12 }, (_, index) => index + 9).join('\n')}`,
      ),
    );
  });

  test('with a long script is told short, and no password in an address is shown', async () => {
    const script = `exit 1 # ${'x'.repeat(1000)}`;
    await assert.rejects(runProgram('sh', ['-c', script]), ({ message }: Error) => message.length < 120);
    await assert.rejects(
      runProgram('sh', ['-c', 'echo "$1" >&2; exit 1', 'sh', 'https://me:hidden@mirror.example/x']),
      ({ message }: Error) =>
        !message.includes('hidden') && message.split('https://***@mirror.example/x').length === 3,
    );
  });

  test('that is given up ends with all that it started, and with the reason', async () => {
    const stop = new AbortController();
    const running = startProgram('sh', ['-c', 'sleep 60 & echo started; sleep 60'], { signal: stop.signal });
    const [chunk] = (await once(running.stdout, 'data')) as [Buffer];
    assert.equal(String(chunk), 'started\n');
    const reason = new Error('given up');
    stop.abort(reason);
    await assert.rejects(running.ended, (error) => error === reason);
    await groupEnded(running.pid ?? 0);
    await assert.rejects(runProgram('true', [], { signal: stop.signal }), (error) => error === reason);
  });

  test('that takes too long is ended with all that it started', async () => {
    const running = startProgram('sh', ['-c', 'sleep 60 & sleep 60'], { timeoutMs: 200 });
    running.stdout.resume();
    await assert.rejects(running.ended, /took longer than 0\.2 s$/);
    await groupEnded(running.pid ?? 0);
  });

  test('that writes without end is ended', async () => {
    await assert.rejects(runProgram('cat', ['/dev/zero']), /cat \/dev\/zero wrote more than \d+ bytes$/);
  });
});
