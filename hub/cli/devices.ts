/** `covey devices`: lists the fleet; lets a waiting board in, or another one take over; restarts, revokes or removes a device. */

import { z } from 'zod';
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import {
  type Device,
  type DeviceBoard,
  type DeviceSpec,
  deviceSchema,
} from '#protocol/fleet/v1alpha1/device.js';
import { FLEET_ANNOTATION, FLEET_API_VERSION } from '#protocol/fleet/v1alpha1/well-known.js';
import { PATCH_CONTENT_TYPE } from '#protocol/meta/patch-type.js';
import { NODES } from '../cache/resources.js';
import { orNotFound } from '../client/or-not-found.js';
import { UsageError } from '../lib/arguments.js';
import type { Credentials } from '../lib/https-client.js';
import { type Command, CommandError } from './command.js';
import { callApi, readCredentials } from './credentials.js';
import { dataDirectory, dataOption } from './data-option.js';
import { createRemoteClient } from './remote-client.js';
import { textTable } from './text-table.js';

const DEVICES = `/apis/${FLEET_API_VERSION}/devices`;
const TABLE = `application/json;as=Table;v=v1;g=${API_GROUP.meta}`;

const tableSchema = z.object({
  columnDefinitions: z.array(z.object({ name: z.string(), priority: z.number().optional() })),
  rows: z.array(z.object({ cells: z.array(z.unknown()) })),
});

/** What is done with one device; each answers the line to print. */
const ACTIONS: Readonly<Record<string, (credentials: Credentials, name: string) => Promise<string>>> = {
  approve,
  replace,
  reboot,
  revoke,
  remove,
};

export const devicesCommand: Command = {
  name: 'devices',
  summary: 'List the devices; approve, replace, reboot, revoke or remove one',
  usage: '[--data DIR] [list | approve NAME | replace NAME | reboot NAME | revoke NAME | remove NAME]',
  options: { data: dataOption },
  async run(args, { out }) {
    const [verb = 'list', name, ...rest] = args.positionals;
    const action = Object.hasOwn(ACTIONS, verb) ? ACTIONS[verb] : undefined;
    const complete = verb === 'list' ? name === undefined : action !== undefined && name !== undefined;
    if (!complete || rest.length > 0) {
      const verbs = Object.keys(ACTIONS).map((known) => `${known} NAME`);
      throw new UsageError(`expected list, ${verbs.join(', ')}, not "${args.positionals.join(' ')}"`);
    }
    const credentials = await readCredentials(dataDirectory(args));
    if (action === undefined || name === undefined) {
      const answer = await callApi(credentials, { method: 'GET', path: DEVICES, headers: { Accept: TABLE } });
      out(formatTable(tableSchema.parse(answer)));
    } else out(`${await action(credentials, name)}\n`);
    return 0;
  },
};

/** Lets in the board that was seen waiting, and no other: one that asks meanwhile makes this a conflict. */
async function approve(credentials: Credentials, name: string): Promise<string> {
  const device = await readOpen(credentials, name);
  const { pendingJoin } = device.status;
  if (pendingJoin === undefined) {
    throw new CommandError(
      `no board waits to join as ${name}; "covey devices replace ${name}" lets the next one in`,
    );
  }
  await patchSpec(credentials, name, { approvedKey: pendingJoin.key }, device.metadata);
  return `device ${name}: ${describe(pendingJoin.board)} may join; it asks again within half a minute`;
}

async function replace(credentials: Credentials, name: string): Promise<string> {
  await readOpen(credentials, name);
  await patchSpec(credentials, name, { replaceBoard: true });
  return `device ${name}: the next board that shows a claim for it takes its place`;
}

/** A device that is not revoked: under the name of a revoked one nobody is let in, whatever is said. */
async function readOpen(credentials: Credentials, name: string): Promise<Device> {
  const device = deviceSchema.parse(await callApi(credentials, { method: 'GET', path: pathOf(name) }));
  if (device.spec.revoked !== true) return device;
  throw new CommandError(
    `device ${name} is revoked: nobody joins as ${name} until spec.revoked is false (kubectl patch device ${name} --type=merge -p '{"spec":{"revoked":false}}')`,
  );
}

/** Names the boot that is to end: asking twice restarts it once. */
async function reboot(credentials: Credentials, name: string): Promise<string> {
  const device = deviceSchema.parse(await callApi(credentials, { method: 'GET', path: pathOf(name) }));
  const { bootID, agentRelease } = device.status;
  if (bootID === undefined) throw new CommandError(`device ${name} has not been here yet`);
  if (agentRelease === undefined)
    throw new CommandError(
      `the agent of device ${name} was not started by its launcher: it restarts nothing`,
    );
  await callApi(credentials, {
    method: 'PATCH',
    path: pathOf(name),
    headers: { 'Content-Type': PATCH_CONTENT_TYPE.merge },
    body: JSON.stringify({ metadata: { annotations: { [FLEET_ANNOTATION.reboot]: bootID } } }),
  });
  return `device ${name} restarts, as soon as it is connected`;
}

async function revoke(credentials: Credentials, name: string): Promise<string> {
  await patchSpec(credentials, name, { revoked: true });
  return `device ${name} revoked`;
}

/** A device that never came up has no node; nor has one whose removal was cut off. */
async function remove(credentials: Credentials, name: string): Promise<string> {
  await patchSpec(credentials, name, { revoked: true });
  await orNotFound(createRemoteClient(credentials).resource(NODES).delete(name));
  await callApi(credentials, { method: 'DELETE', path: pathOf(name) });
  return `device ${name} removed`;
}

function pathOf(name: string): string {
  return `${DEVICES}/${encodeURIComponent(name)}`;
}

async function patchSpec(
  credentials: Credentials,
  name: string,
  spec: DeviceSpec,
  seen?: Device['metadata'],
): Promise<void> {
  const metadata = seen === undefined ? {} : { metadata: { resourceVersion: seen.resourceVersion } };
  await callApi(credentials, {
    method: 'PATCH',
    path: pathOf(name),
    headers: { 'Content-Type': PATCH_CONTENT_TYPE.merge },
    body: JSON.stringify({ ...metadata, spec }),
  });
}

function describe({ serial, model }: DeviceBoard = {}): string {
  const board = serial === undefined ? 'the board without a serial number' : `the board ${serial}`;
  return model === undefined ? board : `${board} (${model})`;
}

function formatTable({ columnDefinitions, rows }: z.infer<typeof tableSchema>): string {
  const shown = columnDefinitions.flatMap((column, index) => ((column.priority ?? 0) === 0 ? [index] : []));
  return textTable([
    shown.map((index) => (columnDefinitions[index]?.name ?? '').toUpperCase()),
    ...rows.map(({ cells }) => shown.map((index) => String(cells[index] ?? ''))),
  ]);
}
