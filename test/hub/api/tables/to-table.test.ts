/** Tables: kubectl's columns, and the STATUS that it gives to pods. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toTable } from '#hub/api/tables/to-table.js';
import type { ContainerState, Pod, PodStatus } from '#protocol/core/v1/pod.js';
import { KINDS, kindByGvk } from '#protocol/kinds.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { IncludeObject } from '#protocol/meta/table.js';
import * as build from '../../../helpers/objects.js';

const NOW = Date.parse(build.CREATED_AT) + 5 * 60_000;

function tableOf(object: KubernetesObject, includeObject: IncludeObject = 'None') {
  const [version = '', group = ''] = object.apiVersion.split('/').reverse();
  const resource = kindByGvk(group, version, object.kind);
  assert.ok(resource);
  return toTable([object], { resourceVersion: '7' }, { resource, includeObject, now: NOW });
}

/** Cells by column name. */
function cells(object: KubernetesObject): Record<string, unknown> {
  const table = tableOf(object);
  return Object.fromEntries(
    table.columnDefinitions.map(({ name }, index) => [name, table.rows[0]?.cells[index]]),
  );
}

function names(object: KubernetesObject, wide: boolean): string[] {
  return tableOf(object)
    .columnDefinitions.filter(({ priority }) => wide || priority === 0)
    .map(({ name }) => name.toUpperCase());
}

interface Fake {
  readonly name?: string;
  readonly state?: ContainerState;
  readonly ready?: boolean;
  readonly restarts?: number;
  readonly lastState?: ContainerState;
  readonly started?: boolean;
}

const statuses = (fakes: readonly Fake[]): NonNullable<PodStatus['containerStatuses']> =>
  fakes.map(({ name = 'main', state = {}, ready = false, restarts = 0, lastState = {}, started }) => ({
    name,
    state,
    lastState,
    ready,
    restartCount: restarts,
    image: 'i',
    imageID: '',
    ...(started === undefined ? {} : { started }),
  }));

function pod(status: PodStatus, init: string[] = [], metadata: build.DeepPartial<Pod['metadata']> = {}): Pod {
  return build.pod({
    metadata,
    spec: { initContainers: init.map((name) => ({ name, image: 'i:1' })) },
    status,
  });
}

const RUNNING: ContainerState = { running: {} };
const DONE: ContainerState = { terminated: { exitCode: 0, reason: 'Completed' } };

const POD_CASES: ReadonlyArray<
  readonly [title: string, pod: Pod, ready: string, status: string, restarts: string]
> = [
  ['pending', pod({ phase: 'Pending' }), '0/1', 'Pending', '0'],
  [
    'creating',
    pod({
      phase: 'Pending',
      containerStatuses: statuses([{ state: { waiting: { reason: 'ContainerCreating' } } }]),
    }),
    '0/1',
    'ContainerCreating',
    '0',
  ],
  [
    'running',
    pod({ phase: 'Running', containerStatuses: statuses([{ state: RUNNING, ready: true }]) }),
    '1/1',
    'Running',
    '0',
  ],
  [
    'crash loop, restarted a minute ago',
    pod({
      phase: 'Running',
      containerStatuses: statuses([
        {
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          restarts: 3,
          lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-02T03:08:05Z' } },
        },
      ]),
    }),
    '0/1',
    'CrashLoopBackOff',
    '3 (60s ago)',
  ],
  [
    'completed',
    pod({ phase: 'Succeeded', containerStatuses: statuses([{ state: DONE }]) }),
    '0/1',
    'Completed',
    '0',
  ],
  [
    'error',
    pod({
      phase: 'Failed',
      containerStatuses: statuses([{ state: { terminated: { exitCode: 1, reason: 'Error' } } }]),
    }),
    '0/1',
    'Error',
    '0',
  ],
  [
    'exit code without a reason',
    pod({ phase: 'Failed', containerStatuses: statuses([{ state: { terminated: { exitCode: 3 } } }]) }),
    '0/1',
    'ExitCode:3',
    '0',
  ],
  [
    'signal without a reason',
    pod({
      phase: 'Failed',
      containerStatuses: statuses([{ state: { terminated: { exitCode: 137, signal: 9 } } }]),
    }),
    '0/1',
    'Signal:9',
    '0',
  ],
  ['evicted', pod({ phase: 'Failed', reason: 'Evicted' }), '0/1', 'Evicted', '0'],
  [
    'second init container at work',
    pod(
      {
        phase: 'Pending',
        initContainerStatuses: statuses([
          { name: 'a', state: DONE },
          { name: 'b', state: RUNNING },
        ]),
      },
      ['a', 'b'],
    ),
    '0/1',
    'Init:1/2',
    '0',
  ],
  [
    'init container fails',
    pod(
      {
        phase: 'Pending',
        initContainerStatuses: statuses([{ name: 'a', state: { waiting: { reason: 'CrashLoopBackOff' } } }]),
      },
      ['a'],
    ),
    '0/1',
    'Init:CrashLoopBackOff',
    '0',
  ],
  [
    'terminating',
    pod({ phase: 'Running', containerStatuses: statuses([{ state: RUNNING, ready: true }]) }, [], {
      deletionTimestamp: build.CREATED_AT,
    }),
    '1/1',
    'Terminating',
    '0',
  ],
  [
    'lost with its node',
    pod({ phase: 'Running', reason: 'NodeLost' }, [], { deletionTimestamp: build.CREATED_AT }),
    '0/1',
    'Unknown',
    '0',
  ],
  [
    'gated',
    pod({
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
    }),
    '0/1',
    'SchedulingGated',
    '0',
  ],
];

for (const [title, object, ready, status, restarts] of POD_CASES) {
  test(`pod: ${title}`, () => {
    const row = cells(object);
    assert.deepEqual([row['Ready'], row['Status'], row['Restarts']], [ready, status, restarts]);
  });
}

test('a sidecar counts among the ready', () => {
  const object = build.pod({
    spec: { initContainers: [{ name: 's', image: 'i:1', restartPolicy: 'Always' }] },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Initialized', status: 'True' }],
      initContainerStatuses: statuses([{ name: 's', state: RUNNING, ready: true, started: true }]),
      containerStatuses: statuses([{ state: RUNNING, ready: true }]),
    },
  });
  assert.equal(cells(object)['Ready'], '2/2');
});

test('columns are those of kubectl', () => {
  assert.deepEqual(names(build.pod(), false), ['NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE']);
  assert.deepEqual(names(build.pod(), true).slice(5), ['IP', 'NODE', 'NOMINATED NODE', 'READINESS GATES']);
  assert.deepEqual(names(build.node(), false), ['NAME', 'STATUS', 'ROLES', 'AGE', 'VERSION']);
  assert.deepEqual(names(build.deployment(), false), ['NAME', 'READY', 'UP-TO-DATE', 'AVAILABLE', 'AGE']);
  assert.deepEqual(names(build.replicaSet(), false), ['NAME', 'DESIRED', 'CURRENT', 'READY', 'AGE']);
  assert.deepEqual(names(build.event(), false), ['LAST SEEN', 'TYPE', 'REASON', 'OBJECT', 'MESSAGE']);
  assert.deepEqual(names(build.secret(), false), ['NAME', 'TYPE', 'DATA', 'AGE']);
});

test('nodes: status, roles and addresses', () => {
  const labels = { 'node-role.kubernetes.io/edge': '', 'node-role.kubernetes.io/camera': '' };
  const row = cells(build.node({ metadata: { labels }, spec: { unschedulable: true } }));
  assert.equal(row['Status'], 'Ready,SchedulingDisabled');
  assert.equal(row['Roles'], 'camera,edge');
  assert.equal(row['Internal-IP'], '10.0.0.1');
  assert.equal(row['External-IP'], '<none>');
  assert.equal(row['Age'], '5m');
  assert.equal(cells(build.node({ status: { conditions: [] } }))['Status'], 'Unknown');
});

test('workloads, events and devices', () => {
  assert.equal(cells(build.deployment({ status: { readyReplicas: 2 } }))['Ready'], '2/3');
  assert.equal(cells(build.deployment())['Selector'], 'app=web');
  assert.equal(cells(build.event())['Object'], 'pod/web-0');
  assert.equal(cells(build.event())['Last Seen'], '5m');
  assert.equal(cells(build.device({ spec: { revoked: true } }))['Presence'], 'Online,Revoked');
  const leaseEndTime = new Date(NOW - 1_000).toISOString();
  assert.equal(cells(build.device({ status: { leaseEndTime } }))['Lease Ends'], 'renewed');
  assert.equal(
    cells(build.device({ status: { leaseEndTime, presence: 'Offline' } }))['Lease Ends'],
    'expired',
  );
  assert.equal(cells(build.configMap({ binaryData: { b: 'YQ==' } }))['Data'], 2);
  assert.equal(cells(build.roleBinding())['Role'], 'Role/reader');
});

test('rows carry as much of the object as is asked for', () => {
  const object = build.pod();
  assert.equal(tableOf(object, 'None').rows[0]?.object, undefined);
  assert.equal(tableOf(object, 'Object').rows[0]?.object, object);
  assert.deepEqual(tableOf(object, 'Metadata').rows[0]?.object, {
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1',
    metadata: object.metadata,
  });
});

test('every column of the catalogue has its cells', () => {
  for (const resource of KINDS) {
    const context = { resource, includeObject: 'None', now: NOW } as const;
    assert.equal(toTable([], {}, context).columnDefinitions.length, resource.columns.length);
    assert.deepEqual(toTable([], {}, context, false).columnDefinitions, []);
  }
});
