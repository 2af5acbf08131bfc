/** The planner's promises, over random pods, random leftovers, crashes and reboots, on the model of a device. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { desiredPod, type ModelContainer, PodModel } from '#test/helpers/pod-model.js';

const NAMES = ['init-a', 'side', 'init-b', 'main-a', 'main-b', 'stray'];
const STATUSES = ['created', 'running', 'exited', 'unknown'] as const;
const RUNS = { numRuns: 300 };

const SPEC = {
  initContainers: [
    { name: 'init-a', image: 'i:1' },
    { name: 'side', image: 's:1', restartPolicy: 'Always' },
    { name: 'init-b', image: 'i:1' },
  ],
  containers: [
    { name: 'main-a', image: 'm:1' },
    { name: 'main-b', image: 'm:2' },
  ],
};

const leftover = fc.record({
  name: fc.constantFrom(...NAMES),
  attempt: fc.nat(3),
  status: fc.constantFrom(...STATUSES),
  exitCode: fc.constantFrom(0, 1),
  image: fc.constantFrom('i:1', 's:1', 'm:1', 'm:2', 'old:1'),
});

const world = fc.record({
  policy: fc.constantFrom('Always' as const, 'OnFailure' as const, 'Never' as const),
  leftovers: fc.uniqueArray(leftover, { maxLength: 8, selector: (one) => `${one.name}-${one.attempt}` }),
  sandbox: fc.boolean(),
  base: fc.option(fc.constantFrom<Record<string, number>>({}, { 'init-a': 1, 'main-a': 1 }), {
    nil: undefined,
  }),
  volumes: fc.boolean(),
  stubborn: fc.subarray(NAMES),
});

/** The planner never makes two live containers of one name, so neither are there two left over. */
function onlyOneLive(containers: readonly ModelContainer[]): ModelContainer[] {
  const live = new Set<string>();
  return containers.map((one) => {
    if (one.status !== 'running') return one;
    // Init containers of this model end by themselves.
    if (one.name.startsWith('init') || live.has(one.name)) return { ...one, status: 'exited', exitCode: 1 };
    live.add(one.name);
    return one;
  });
}

function build(given: typeof world extends fc.Arbitrary<infer T> ? T : never): PodModel {
  const model = new PodModel(desiredPod({ spec: { ...SPEC, restartPolicy: given.policy } }));
  model.program = (name) => (name.startsWith('init') ? 0 : undefined);
  model.containers = onlyOneLive(
    given.leftovers.map(({ exitCode, ...one }) => ({
      ...one,
      ...(one.status === 'exited' && { exitCode, finishedAt: 0, startedAt: 0 }),
      ...(one.status === 'running' && { startedAt: 0 }),
    })),
  );
  for (const one of model.containers) {
    model.rootfs.add(`11111111-2222-3333-4444-555555555555-${one.name}-${one.attempt}`);
    model.highest[one.name] = Math.max(model.highest[one.name] ?? -1, one.attempt);
  }
  model.sandbox = given.sandbox;
  model.base = given.base;
  model.volumes = given.volumes;
  model.stubborn = new Set(given.stubborn);
  model.restartAgent();
  return model;
}

test('from anything left on the device a pod that restarts always comes to run', () => {
  fc.assert(
    fc.property(world, (given) => {
      const model = build({ ...given, policy: 'Always' });
      model.run(3_600_000);
      for (const name of ['side', 'main-a', 'main-b']) {
        const live = model.containers.filter((one) => one.name === name && one.status === 'running');
        assert.equal(live.length, 1, `${name}: ${model.recent()}`);
      }
      assert.equal(
        model.containers.some((one) => one.name === 'stray'),
        false,
      );
    }),
    RUNS,
  );
});

test('whatever the restart policy, planning comes to rest', () => {
  fc.assert(
    fc.property(world, (given) => {
      build(given).run(3_600_000);
    }),
    RUNS,
  );
});

test('from anything left on the device a pod that is not wanted disappears', () => {
  fc.assert(
    fc.property(world, fc.boolean(), (given, unknown) => {
      const model = build(given);
      if (unknown) model.desired = undefined;
      else
        model.desired = {
          ...desiredPod({ spec: { ...SPEC, restartPolicy: given.policy } }),
          removal: { action: 'remove', uid: 'x', revision: 'r2', gracePeriodSeconds: 5 },
        };
      model.run(600_000);
      assert.equal(model.forgotten, true, model.recent());
    }),
    RUNS,
  );
});

const HARDWARE_DISASTERS = ['unplug', 'plug', 'renumber', 'restart-agent', 'reboot', 'exit', 'none'] as const;

test('whatever is plugged in and out between any two steps, a pod with hardware runs again once it is back', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...HARDWARE_DISASTERS), { maxLength: 60 }), (disasters) => {
      const model = new PodModel(desiredPod({ spec: { ...SPEC, restartPolicy: 'Always' } }));
      model.program = (name) => (name.startsWith('init') ? 0 : undefined);
      model.hardware = { held: false, missing: new Set() };
      for (const one of disasters) {
        const [step] = model.plan().steps;
        if (step !== undefined) model.take(step);
        if (one === 'unplug') model.hardware.missing.add('main-a');
        if (one === 'plug') model.hardware.missing.clear();
        if (one === 'renumber')
          for (const { name, attempt } of model.containers.filter((container) => container.name === 'main-a'))
            model.outdated.add(`11111111-2222-3333-4444-555555555555-${name}-${attempt}`);
        if (one === 'restart-agent') model.restartAgent();
        if (one === 'reboot') model.reboot();
        if (one === 'exit' && model.find('main-a')?.status === 'running') model.end('main-a', 1);
      }
      model.hardware.missing.clear();
      model.run(3_600_000);
      for (const name of ['side', 'main-a', 'main-b'])
        assert.equal(model.find(name)?.status, 'running', `${name}: ${model.recent()}`);
      assert.equal(model.outdated.size, 0, 'nothing runs with outdated device nodes');
      model.desired = undefined;
      model.run(600_000);
      assert.equal(model.forgotten, true, model.recent());
    }),
    RUNS,
  );
});

const disaster = fc.constantFrom('restart-agent', 'reboot', 'exit-main-a', 'exit-side', 'wait', 'none');

test('a crash of agent, device or program between any two steps does no harm', () => {
  fc.assert(
    fc.property(
      fc.array(disaster, { maxLength: 60 }),
      fc.constantFrom('Always', 'OnFailure'),
      (disasters, policy) => {
        const model = new PodModel(
          desiredPod({ spec: { ...SPEC, restartPolicy: policy as 'Always' | 'OnFailure' } }),
        );
        model.program = (name) => (name.startsWith('init') ? 0 : undefined);
        for (const one of disasters) {
          const [step] = model.plan().steps;
          if (step !== undefined) model.take(step);
          if (one === 'restart-agent') model.restartAgent();
          if (one === 'reboot') model.reboot();
          if (one === 'wait') model.pass(20_000);
          const target = one === 'exit-main-a' ? 'main-a' : 'side';
          if (one.startsWith('exit-') && model.find(target)?.status === 'running') model.end(target, 1);
        }
        model.run(3_600_000);
        for (const name of ['side', 'main-a', 'main-b'])
          assert.equal(model.find(name)?.status, 'running', `${name}: ${model.recent()}`);
      },
    ),
    RUNS,
  );
});

test('an exclusive pod has nothing alive once its lease has been gone for the budget', () => {
  fc.assert(
    fc.property(world, (given) => {
      const model = build(given);
      model.desired = desiredPod(
        { spec: { ...SPEC, restartPolicy: given.policy } },
        { failoverClass: 'exclusive' },
      );
      model.lease = { mayRun: false, mayStart: false, deadline: model.monotonic + 4_000 };
      model.run(4_001);
      assert.equal(
        model.containers.some((one) => one.status === 'running'),
        false,
        model.recent(),
      );
      assert.equal(
        model.taken.some((step) => step.action === 'start-container' || step.action === 'create-container'),
        false,
      );
    }),
    RUNS,
  );
});
