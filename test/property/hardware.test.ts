/**
 * The promises of hardware for pods, over random boards on which things are plugged in, out and about while pods
 * come and go and the agent is started again: a unit never serves two pods, a pod keeps its unit, and what is given
 * back can be had again.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { planAllocation } from '#device-agent/hardware/allocate.js';
import { Hardware } from '#device-agent/hardware/hardware.js';
import { locate } from '#device-agent/hardware/locate.js';
import { numbersOf, type Unit } from '#device-agent/hardware/unit.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { pod } from '#test/helpers/objects.js';

const RESOURCE = 'covey.dev/serial';
const PODS = ['pod-a', 'pod-b', 'pod-c', 'pod-d'];

/** A thing that exists, plugged in or not; two of them are twins with one serial number. */
interface Thing {
  readonly id: string;
  readonly name?: string;
  place: string;
  number: number | undefined;
}

function things(): Thing[] {
  return [
    { id: 'named', name: 'usb:1:1:A', place: 'port-1', number: undefined },
    { id: 'twin-1', name: 'usb:1:1:X', place: 'port-2', number: undefined },
    { id: 'twin-2', name: 'usb:1:1:X', place: 'port-3', number: undefined },
    { id: 'nameless', place: 'port-4', number: undefined },
  ];
}

function unitOf({ name, place, number = 0 }: Thing): Unit {
  return {
    resource: RESOURCE,
    identity: { ...(name !== undefined && { name }), place },
    nodes: [{ paths: [`/dev/ttyUSB${number}`], type: 'c', major: 188, minor: number }],
  };
}

const which = fc.nat(3);
const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('plug' as const), thing: which, move: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('unplug' as const), thing: which }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('ask' as const), pod: which, amount: fc.constantFrom(1, 1, 2) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('start' as const), pod: which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), pod: which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop' as const) }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

class Board implements AsyncDisposable {
  readonly all = things();
  /** Pod → what it was given at first. */
  readonly owners = new Map<string, readonly string[]>();
  /** Device numbers that living containers can open. */
  readonly open = new Map<string, readonly string[]>();
  readonly #directory: string;
  hardware: Hardware;

  private constructor(directory: string, hardware: Hardware) {
    this.#directory = directory;
    this.hardware = hardware;
  }

  static async create(): Promise<Board> {
    const directory = await mkdtemp(join(tmpdir(), 'covey-hardware-'));
    const board = new Board(directory, undefined as never);
    await board.start();
    return board;
  }

  async start(): Promise<void> {
    this.hardware?.[Symbol.dispose]();
    const hardware = await Hardware.open({
      directory: this.#directory,
      resources: ['serial'],
      discover: async () => this.#units(),
      leaving: () => false,
      clock: new FakeClock(),
      logger: silentLogger,
    });
    this.hardware = hardware;
    for (const [uid, numbers] of this.open)
      hardware.opened(`${uid}-main-0`, { podUid: uid, container: 'main', numbers });
  }

  #units(): readonly Unit[] {
    const names = this.present().map(({ name }) => name);
    const isTwin = ({ name }: Thing) => name !== undefined && names.filter((one) => one === name).length > 1;
    return this.present().map((thing) => {
      const unit = unitOf(thing);
      return isTwin(thing) ? { ...unit, identity: { ...unit.identity, twin: true } } : unit;
    });
  }

  present(): Thing[] {
    return this.all.filter(({ number }) => number !== undefined);
  }

  async act(one: Action): Promise<void> {
    switch (one.kind) {
      case 'plug': {
        const thing = this.all[one.thing];
        if (thing === undefined || thing.number !== undefined) return;
        // Only one of its kind may come back anywhere: it alone is told by its serial number.
        if (one.move && thing.id === 'named') thing.place = `port-${thing.place === 'port-1' ? 9 : 1}`;
        const used = new Set(this.present().map(({ number }) => number));
        thing.number = [0, 1, 2, 3, 4].find((number) => !used.has(number)) ?? 5;
        await this.hardware.scan();
        return;
      }
      case 'unplug': {
        const thing = this.all[one.thing];
        if (thing !== undefined) thing.number = undefined;
        await this.hardware.scan();
        return;
      }
      case 'ask':
        // A twin that was never seen with the other cannot be told from it by anybody.
        if (this.present().filter(({ id }) => id.startsWith('twin')).length === 1) return;
        await this.ask(PODS[one.pod] ?? '', one.amount);
        return;
      case 'start': {
        const uid = PODS[one.pod] ?? '';
        const given = this.hardware.forContainer(uid, 'main');
        if (given === undefined || this.open.has(uid)) return;
        this.open.set(uid, given.numbers);
        this.hardware.opened(`${uid}-main-0`, { podUid: uid, container: 'main', numbers: given.numbers });
        return;
      }
      case 'delete': {
        const uid = PODS[one.pod] ?? '';
        this.#delete(uid);
        await this.hardware.release(uid);
        this.owners.delete(uid);
        return;
      }
      case 'restart':
        await this.start();
        return;
      case 'stop':
        this.stopOutdated();
        this.checkOpen();
    }
  }

  async ask(uid: string, amount: number): Promise<boolean> {
    const limits = { [RESOURCE]: String(amount) };
    const { spec } = pod({ spec: { containers: [{ name: 'main', image: 'x', resources: { limits } }] } });
    const before = this.owners.get(uid);
    const result = await this.hardware.allocate(uid, spec);
    if ('shortage' in result) return false;
    if (before !== undefined) return true;
    this.owners.set(uid, this.held(uid));
    const given = this.hardware.forContainer(uid, 'main')?.numbers ?? [];
    for (const [other, numbers] of this.open)
      if (other !== uid)
        assert.ok(
          !given.some((number) => numbers.includes(number)),
          `${other} can open what ${uid} was given`,
        );
    return true;
  }

  /** Which things the pod has now, as the containers made for it would find them. */
  held(uid: string): readonly string[] {
    const numbers = this.hardware.forContainer(uid, 'main')?.numbers ?? [];
    return numbers.map((number) => this.all.find((thing) => `c188:${thing.number}` === number)?.id ?? '?');
  }

  /** A container whose device nodes are not its own any more is stopped by the agent, sooner or later. */
  stopOutdated(): void {
    for (const uid of this.open.keys())
      if ((this.hardware.view(uid, undefined)?.outdated.size ?? 0) > 0) this.#delete(uid);
  }

  #delete(uid: string): void {
    this.open.delete(uid);
    this.hardware.deleted(`${uid}-main-0`);
  }

  check(): void {
    const given = PODS.flatMap((uid) => this.held(uid));
    assert.equal(new Set(given).size, given.length, `a unit serves two pods: ${given}`);
    for (const [uid, first] of this.owners) {
      const now = this.held(uid);
      if (now.length > 0) assert.deepEqual([...now], [...first], `${uid} has other units than it was given`);
    }
  }

  /** Once outdated containers are stopped, what is left opens nothing but its own. */
  checkOpen(): void {
    for (const [uid, numbers] of this.open) {
      const own = new Set(this.owners.get(uid));
      for (const thing of this.present())
        if (numbers.includes(`c188:${thing.number}`))
          assert.ok(own.has(thing.id), `${uid} can open ${thing.id}, which is not its own`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hardware[Symbol.dispose]();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

test('a unit never serves two pods, a pod keeps its unit, and what is given back can be had again', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 30, maxLength: 80, size: 'max' }), async (actions) => {
      await using board = await Board.create();
      for (const one of actions) {
        await board.act(one);
        board.check();
      }
      await board.act({ kind: 'stop' });
      for (const [index] of PODS.entries()) await board.act({ kind: 'delete', pod: index });
      for (const [index] of board.all.entries()) await board.act({ kind: 'plug', thing: index, move: false });
      assert.deepEqual(board.hardware.capacity(), { [RESOURCE]: '4' });
      for (const uid of PODS) assert.equal(await board.ask(uid, 1), true, `nothing is left for ${uid}`);
      assert.equal(await board.ask('pod-e', 1), false);
      board.check();
    }),
    { numRuns: 100 },
  );
});

const identity = fc.record(
  { name: fc.constantFrom('A', 'B'), place: fc.constantFrom('p1', 'p2', 'p3', 'p4') },
  { requiredKeys: ['place'] },
);
const boardUnits = fc
  .uniqueArray(identity, { maxLength: 5, selector: ({ name, place }) => `${name} ${place}` })
  .map((all) =>
    all.map((one, number): Unit => ({ ...unitOf({ id: '', place: '', number }), identity: one })),
  );

test('no present unit stands for two that are held, and what is where it was is found there', () => {
  fc.assert(
    fc.property(fc.array(identity, { maxLength: 5 }), boardUnits, (held, present) => {
      const found = locate(held, present);
      const units = found.filter((unit) => unit !== undefined);
      assert.equal(new Set(units).size, units.length);
      for (const unit of present)
        if (held.some((one) => one.place === unit.identity.place && one.name === unit.identity.name))
          assert.ok(found.includes(unit));
    }),
    { numRuns: 500 },
  );
});

test('a plan is all or nothing, repeats itself, and takes nothing that others hold or can open', () => {
  fc.assert(
    fc.property(
      boardUnits,
      fc.array(fc.nat(4), { maxLength: 3 }),
      fc.array(fc.nat(4), { maxLength: 2 }),
      fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
      (present, heldAt, openedAt, amounts) => {
        const held = heldAt.flatMap((at) => present[at] ?? []);
        const holdings = [
          { uid: 'other', leaving: false, allocation: new Map([['main', [...new Set(held)]]]) },
        ];
        const opened = new Set(
          openedAt.flatMap((at) => present[at]).flatMap((one) => (one ? numbersOf(one) : [])),
        );
        const requests = amounts.map((amount, index) => ({
          container: `c${index}`,
          role: 'main' as const,
          resources: new Map([[RESOURCE, amount]]),
        }));
        const input = { requests, present, holdings, opened };
        const planned = planAllocation(input);
        assert.deepEqual(planAllocation(input), planned);
        const wanted = amounts.reduce((sum, amount) => sum + amount, 0);
        const usable = present.filter(
          (unit) => !held.includes(unit) && !numbersOf(unit).some((number) => opened.has(number)),
        );
        assert.equal('allocation' in planned, wanted <= usable.length);
        if ('shortage' in planned) return;
        const given = [...planned.allocation.values()].flat();
        assert.equal(given.length, wanted);
        for (const { identity: one } of given)
          assert.ok(
            usable.some(({ identity: other }) => other.place === one.place && other.name === one.name),
          );
        assert.equal(new Set(given.map((one) => JSON.stringify(one.identity))).size, wanted);
      },
    ),
    { numRuns: 500 },
  );
});
