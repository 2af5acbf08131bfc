/** What every Runtime promises, run on the real one and on the hollow one. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import {
  type ContainerSpec,
  type ContainerState,
  containerId,
  type Runtime,
  RuntimeError,
} from '#device-agent/runtime/runtime.js';
import { eventually } from '#test/helpers/eventually.js';

export interface RuntimeSubject extends AsyncDisposable {
  readonly runtime: Runtime;
  /** A container that runs until it is killed. */
  forever(podUid: string): ContainerSpec;
  /** A container that ends at once with this exit code. */
  endsWith(podUid: string, exitCode: number): ContainerSpec;
  /** Resolves when the container has exited. */
  exited(id: string): Promise<ContainerState>;
}

/** `skip` is the reason why the subject cannot run here. */
export function runtimeSuite(
  name: string,
  open: () => Promise<RuntimeSubject>,
  skip: string | undefined,
): void {
  const check = (title: string, body: (subject: RuntimeSubject, podUid: string) => Promise<void>) =>
    test(`${name}: ${title}`, { skip: skip ?? false }, async () => {
      await using subject = await open();
      const podUid = randomUUID();
      await subject.runtime.createPodCgroup(podUid, {});
      await body(subject, podUid);
      for (const state of await subject.runtime.list()) {
        await subject.runtime.kill(state.id, 'SIGKILL');
        if (state.status === 'running') await subject.exited(state.id);
        await subject.runtime.delete(state.id);
      }
      await subject.runtime.removePodCgroup(podUid);
      assert.deepEqual(await subject.runtime.list(), []);
    });

  check(
    'a container is created, runs, is killed and is gone',
    async ({ runtime, forever, exited }, podUid) => {
      const spec = forever(podUid);
      const id = containerId(spec.key);
      await runtime.create(spec);
      assert.equal((await stateOf(runtime, id))?.status, 'created');
      await runtime.start(id);
      const running = await stateOf(runtime, id);
      assert.equal(running?.status, 'running');
      assert.ok((running?.startedAt ?? 0) >= (running?.createdAt ?? 0));
      assert.deepEqual(running?.key, spec.key);
      await runtime.kill(id, 'SIGKILL');
      const dead = await exited(id);
      assert.equal(dead.exitCode, 137);
      assert.equal(dead.oomKilled, false);
      assert.ok((dead.finishedAt ?? 0) >= (dead.startedAt ?? 0));
      await runtime.delete(id);
      assert.equal(await stateOf(runtime, id), undefined);
    },
  );

  check('the exit code is the process’s own', async ({ runtime, endsWith, exited }, podUid) => {
    const spec = endsWith(podUid, 42);
    await runtime.create(spec);
    await runtime.start(containerId(spec.key));
    assert.equal((await exited(containerId(spec.key))).exitCode, 42);
  });

  check(
    'codes by which shells tell that they cannot execute are a program’s own too',
    async ({ runtime, endsWith, exited }, podUid) => {
      for (const exitCode of [126, 127, 128]) {
        const spec = endsWith(podUid, exitCode);
        const id = containerId(spec.key);
        await runtime.create(spec);
        await runtime.start(id);
        const state = await exited(id);
        assert.deepEqual([state.exitCode, state.startError], [exitCode, undefined]);
        assert.ok(state.startedAt !== undefined);
        await runtime.delete(id);
      }
    },
  );

  check('every operation may be repeated', async ({ runtime, forever, exited }, podUid) => {
    const spec = forever(podUid);
    const id = containerId(spec.key);
    await runtime.create(spec);
    await runtime.create(spec);
    await runtime.start(id);
    await runtime.start(id);
    assert.equal((await runtime.list()).length, 1);
    await runtime.kill(id, 'SIGKILL');
    await exited(id);
    await runtime.kill(id, 'SIGKILL');
    await runtime.start(id);
    assert.equal((await stateOf(runtime, id))?.status, 'exited');
    await runtime.delete(id);
    await runtime.delete(id);
    await runtime.kill(id, 'SIGTERM');
    await runtime.removePodCgroup(podUid);
    await runtime.removePodCgroup(podUid);
  });

  check('a running container is not deleted', async ({ runtime, forever }, podUid) => {
    const spec = forever(podUid);
    const id = containerId(spec.key);
    await runtime.create(spec);
    await runtime.start(id);
    await assert.rejects(runtime.delete(id), RuntimeError);
    assert.equal((await stateOf(runtime, id))?.status, 'running');
  });

  check('starting what does not exist is NotFound', async ({ runtime }) => {
    await assert.rejects(runtime.start('nothing'), (error) => isReason(error, 'NotFound'));
  });

  check('an empty command is CreateContainerError', async ({ runtime, forever }, podUid) => {
    await assert.rejects(runtime.create({ ...forever(podUid), argv: [] }), (error) =>
      isReason(error, 'CreateContainerError'),
    );
    assert.deepEqual(await runtime.list(), []);
  });

  check('subscribers hear of every change', async ({ runtime, endsWith, exited }, podUid) => {
    const spec = endsWith(podUid, 0);
    const id = containerId(spec.key);
    const heard: Array<string | undefined> = [];
    using _ = runtime.subscribe((changed) => {
      heard.push(changed);
    });
    await runtime.create(spec);
    await runtime.start(id);
    await exited(id);
    // Who looks may see the end before it is told.
    await eventually('three changes are told', 10_000, () => heard.length >= 3);
    assert.deepEqual([...new Set(heard)], [id]);
  });

  check(
    'a command inside a running container ends with its exit code',
    async ({ runtime, forever }, podUid) => {
      const spec = forever(podUid);
      const id = containerId(spec.key);
      await runtime.create(spec);
      await runtime.start(id);
      await using session = await runtime.exec({
        containerId: id,
        command: ['true'],
        tty: false,
        stdin: false,
        signal: new AbortController().signal,
      });
      assert.equal(await session.exit, 0);
    },
  );

  check('a command in a container that does not run is refused', async ({ runtime, forever }, podUid) => {
    const spec = forever(podUid);
    const request = { command: ['true'], tty: false, stdin: false, signal: new AbortController().signal };
    await assert.rejects(runtime.exec({ ...request, containerId: 'nothing' }), RuntimeError);
    await runtime.create(spec);
    await assert.rejects(runtime.exec({ ...request, containerId: containerId(spec.key) }), RuntimeError);
  });

  check('running containers have a usage', async ({ runtime, forever }, podUid) => {
    const spec = forever(podUid);
    await runtime.create(spec);
    await runtime.start(containerId(spec.key));
    const [usage] = await runtime.usage();
    assert.equal(usage?.id, containerId(spec.key));
    assert.ok((usage?.pids ?? 0) >= 1);
  });
}

async function stateOf(runtime: Runtime, id: string): Promise<ContainerState | undefined> {
  return (await runtime.list()).find((state) => state.id === id);
}

function isReason(error: unknown, reason: string): boolean {
  return error instanceof RuntimeError && error.reason === reason;
}
