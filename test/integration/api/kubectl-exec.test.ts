/**
 * The stock kubectl, old (SPDY) and new (WebSocket), running commands in pods of fake devices: every channel,
 * both directions, exit codes, cancellation, and nothing left open.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ApiHub } from '#test/helpers/api-hub.js';
import { eventually } from '#test/helpers/eventually.js';
import { fakeCommands } from '#test/helpers/fake-commands.js';
import { findKubectls, Kubectl } from '#test/helpers/kubectl.js';
import { runningPod } from '#test/helpers/running-pod.js';

const kubectls = findKubectls();

async function start(t: TestContext, binary: string) {
  const hub = await ApiHub.start(t);
  hub.streams.handler = fakeCommands;
  await runningPod(hub, 'web');
  return { hub, kubectl: new Kubectl(binary, await hub.kubeconfig()) };
}

const noScript = await new Promise<string | false>((resolve) => {
  execFile('script', ['--version'], (error) =>
    resolve(error === null ? false : 'script (util-linux) is not on this machine'),
  );
});

/** SPDY only, and WebSocket first. */
for (const version of ['1.27', '1.28', '1.30', '1.31', '1.33']) {
  const binary = kubectls.get(version);
  const skip = binary === undefined ? `kubectl ${version} is not on this machine` : false;
  const options = { skip, timeout: 60_000 };

  test(`kubectl ${version} exec shows output and exit code`, options, async (t) => {
    const { hub, kubectl } = await start(t, binary ?? '');
    const hello = await kubectl.try(['exec', 'web', '--', 'echo', 'hello']);
    assert.deepEqual(hello, { code: 0, stdout: 'hello\n', stderr: hello.stderr });
    const failed = await kubectl.try(['exec', 'web', '--', 'fail', '7']);
    assert.equal(failed.code, 7);
    assert.equal(failed.stdout, 'to stdout\n');
    assert.match(failed.stderr, /to stderr\n/);
    assert.match(failed.stderr, /command terminated with exit code 7/);
    await eventually('streams are closed', 5_000, () => hub.streams.active === 0, 20);
  });

  test(`kubectl ${version} exec -i sends stdin to its end and gets all of it back`, options, async (t) => {
    const { hub, kubectl } = await start(t, binary ?? '');
    const text = 'x'.repeat(2_000_000);
    assert.equal(
      (await kubectl.run(['exec', '-i', 'web', '--', 'cat'], { input: text })).length,
      text.length,
    );
    await eventually('streams are closed', 5_000, () => hub.streams.active === 0, 20);
  });

  test(`kubectl ${version} exec receives ten megabytes through bounded queues`, options, async (t) => {
    const { kubectl } = await start(t, binary ?? '');
    assert.equal((await kubectl.run(['exec', 'web', '--', 'yes', '10000000'])).length, 10_000_000);
  });

  test(`kubectl ${version} exec that is killed cancels the command on the device`, options, async (t) => {
    const { hub, kubectl } = await start(t, binary ?? '');
    const child = kubectl.start(['exec', 'web', '--', 'hang']);
    await eventually('the command runs', 10_000, () => hub.streams.active === 1, 20);
    child.kill();
    await child.ended;
    await eventually('the command is cancelled', 5_000, () => hub.streams.active === 0, 20);
  });

  test(`kubectl ${version} names what is wrong before any stream opens`, options, async (t) => {
    const { hub, kubectl } = await start(t, binary ?? '');
    const container = await kubectl.try(['exec', 'web', '-c', 'nope', '--', 'echo']);
    assert.match(container.stderr, /container nope is not valid for pod web/);
    hub.streams.unreachable = true;
    const unreachable = await kubectl.try(['exec', 'web', '--', 'echo']);
    assert.match(unreachable.stderr, /device kitchen-1 is not connected/);
  });

  test(`kubectl ${version} logs prints and follows`, options, async (t) => {
    const { hub, kubectl } = await start(t, binary ?? '');
    assert.equal(await kubectl.run(['logs', 'web']), 'one\ntwo\nthree\n');
    const child = kubectl.start(['logs', '-f', 'web']);
    await eventually('lines come', 10_000, () => child.output() === 'one\ntwo\nthree\n', 20);
    child.kill();
    await child.ended;
    await eventually('the log stream is cancelled', 5_000, () => hub.streams.active === 0, 20);
  });

  test(`kubectl ${version} port-forward carries connections`, options, async (t) => {
    const { hub, kubectl } = await start(t, binary ?? '');
    const child = kubectl.start(['port-forward', 'web', ':8080']);
    t.after(() => child.kill());
    const port = await eventually(
      'it listens',
      10_000,
      () => /127\.0\.0\.1:(\d+) ->/.exec(child.output())?.[1],
      20,
    );
    for (const text of ['first', 'y'.repeat(500_000)]) assert.equal(await echo(Number(port), text), text);
    child.kill();
    await child.ended;
    await eventually('streams are closed', 5_000, () => hub.streams.active === 0, 20);
  });

  test(`kubectl ${version} exec -it passes the size of the terminal`, {
    ...options,
    skip: skip || noScript,
  }, async (t) => {
    const { kubectl } = await start(t, binary ?? '');
    const child = spawn(
      'script',
      ['-qec', `stty rows 33 cols 77; ${kubectl.binary} exec -it web -- size`, '/dev/null'],
      {
        env: kubectl.environment,
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    t.after(() => child.kill());
    await eventually('the size arrives', 15_000, () => /"Width":77,"Height":33/.test(output), 50);
  });
}

/** Sends text, ends, and reads what comes back. */
function echo(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let got = '';
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString();
      if (got.length === text.length) socket.end();
    });
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
    socket.write(text);
  });
}
