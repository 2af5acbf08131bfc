/** Who gets which unit, where a unit that moved is, and what a container is given. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Holding, planAllocation } from '#device-agent/hardware/allocate.js';
import { containerHardware, variableOf } from '#device-agent/hardware/container-hardware.js';
import { locate } from '#device-agent/hardware/locate.js';
import { hardwareRequests } from '#device-agent/hardware/requests.js';
import { type HeldUnit, numbersOf, type Unit } from '#device-agent/hardware/unit.js';
import { pod } from '#test/helpers/objects.js';

const SERIAL = 'covey.dev/serial';

function unit(place: string, minor: number, name?: string): Unit {
  return {
    resource: SERIAL,
    identity: { ...(name !== undefined && { name }), place },
    nodes: [{ paths: [`/dev/ttyUSB${minor}`], type: 'c', major: 188, minor }],
  };
}

function holding(units: readonly HeldUnit[], leaving = false): Holding {
  return { uid: 'other', leaving, allocation: new Map([['main', units]]) };
}

const wants = (...amounts: ReadonlyArray<readonly [string, 'init' | 'sidecar' | 'main', number]>) =>
  amounts.map(([container, role, amount]) => ({ container, role, resources: new Map([[SERIAL, amount]]) }));
const places = (planned: ReturnType<typeof planAllocation>) =>
  'shortage' in planned
    ? planned.shortage
    : Object.fromEntries(
        [...planned.allocation].map(([name, units]) => [name, units.map(({ identity }) => identity.place)]),
      );

const A = unit('port-a', 0);
const B = unit('port-b', 1);
const C = unit('port-c', 2);

test('a container asks by its limits, in whole units of this domain', () => {
  const spec = pod({
    spec: {
      initContainers: [{ name: 'flash', image: 'x', resources: { limits: { [SERIAL]: '1' } } }],
      containers: [
        {
          name: 'main',
          image: 'x',
          resources: { limits: { cpu: '1', [SERIAL]: '2', 'covey.dev/gpio': '0' } },
        },
        { name: 'log', image: 'x', resources: { limits: { 'example.com/serial': '1' } } },
      ],
    },
  }).spec;
  assert.deepEqual(
    hardwareRequests(spec).map(({ container, role, resources }) => [container, role, [...resources]]),
    [
      ['flash', 'init', [[SERIAL, 1]]],
      ['main', 'main', [[SERIAL, 2]]],
    ],
  );
});

test('units that others hold are not given, also while their owner is being stopped', () => {
  const given = (holdings: readonly Holding[], amount: number) =>
    places(
      planAllocation({
        requests: wants(['main', 'main', amount]),
        present: [A, B],
        holdings,
        opened: new Set(),
      }),
    );
  assert.deepEqual(given([], 2), { main: ['port-a', 'port-b'] });
  assert.deepEqual(given([holding([A])], 1), { main: ['port-b'] });
  assert.deepEqual(given([holding([A])], 2), { resource: SERIAL, wanted: 2, free: 1, awaited: false });
  assert.deepEqual(given([holding([A], true)], 2), { resource: SERIAL, wanted: 2, free: 1, awaited: true });
  // A unit that is away is not about to be free for anybody.
  assert.deepEqual(given([holding([C], true)], 3), { resource: SERIAL, wanted: 3, free: 2, awaited: false });
});

test('what a container of another pod can still open is waited for', () => {
  const planned = planAllocation({
    requests: wants(['main', 'main', 1]),
    present: [A],
    holdings: [],
    opened: new Set(numbersOf(A)),
  });
  assert.deepEqual(places(planned), { resource: SERIAL, wanted: 1, free: 0, awaited: true });
});

test('init containers hand their units on, sidecars keep theirs', () => {
  const give = (present: readonly Unit[], requests: ReturnType<typeof wants>) =>
    places(planAllocation({ requests, present, holdings: [], opened: new Set() }));
  assert.deepEqual(give([A], wants(['one', 'init', 1], ['two', 'init', 1], ['main', 'main', 1])), {
    one: ['port-a'],
    two: ['port-a'],
    main: ['port-a'],
  });
  assert.deepEqual(give([A, B], wants(['one', 'init', 2], ['main', 'main', 1], ['more', 'main', 1])), {
    one: ['port-a', 'port-b'],
    main: ['port-a'],
    more: ['port-b'],
  });
  assert.deepEqual(give([A], wants(['side', 'sidecar', 1], ['main', 'main', 1])), {
    resource: SERIAL,
    wanted: 1,
    free: 0,
    awaited: false,
  });
});

test('a unit with a serial number is found at another port, one without is not', () => {
  const named = unit('port-a', 0, 'usb:1:2:S1');
  const moved = unit('port-z', 5, 'usb:1:2:S1');
  assert.deepEqual(locate([named.identity], [moved]), [moved]);
  assert.deepEqual(locate([A.identity], [unit('port-z', 5)]), [undefined]);
  // Another adapter at the same port is another adapter.
  assert.deepEqual(locate([named.identity], [unit('port-a', 0, 'usb:1:2:S2')]), [undefined]);
  assert.deepEqual(locate([named.identity], [A]), [undefined]);
});

test('twins with one serial number are told apart by their ports', () => {
  const [one, two] = [unit('port-a', 0, 'twin'), unit('port-b', 1, 'twin')];
  const held = [two.identity, one.identity];
  assert.deepEqual(locate(held, [one, two]), [two, one]);
  assert.deepEqual(locate(held, [one]), [undefined, one]);
  const twin = { ...one.identity, twin: true as const };
  assert.deepEqual(locate([twin], [two]), [undefined]);
  // One that was given while it was alone is marked when its twin is seen; see Hardware.
  assert.deepEqual(locate([one.identity], [two]), [two]);
});

test('a container is given every name of its nodes, and a variable with the one that stays', () => {
  const nodes: Unit['nodes'] = [
    { paths: ['/dev/serial/by-id/usb-x', '/dev/ttyUSB0'], type: 'c', major: 188, minor: 0 },
  ];
  const given = containerHardware([{ ...A, nodes }, B, { ...C, resource: 'covey.dev/gpio' }]);
  assert.deepEqual(
    [...given.env],
    [
      ['COVEY_SERIAL', '/dev/serial/by-id/usb-x,/dev/ttyUSB1'],
      ['COVEY_GPIO', '/dev/ttyUSB2'],
    ],
  );
  assert.deepEqual(
    given.devices.map(({ path, major, minor }) => `${path} ${major}:${minor}`),
    ['/dev/serial/by-id/usb-x 188:0', '/dev/ttyUSB0 188:0', '/dev/ttyUSB1 188:1', '/dev/ttyUSB2 188:2'],
  );
  assert.deepEqual(given.numbers, ['c188:0', 'c188:1', 'c188:2']);
  assert.equal(variableOf('covey.dev/serial-port'), 'COVEY_SERIAL_PORT');
});
