/** `covey devices`: lists the fleet, revokes a device's certificate, or removes a device. */

import { z } from 'zod';
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import { FLEET_API_VERSION } from '#protocol/fleet/v1alpha1/well-known.js';
import { PATCH_CONTENT_TYPE } from '#protocol/meta/patch-type.js';
import { UsageError } from '../lib/arguments.js';
import type { Command } from './command.js';
import { callApi, readCredentials } from './credentials.js';
import { dataDirectory, dataOption } from './data-option.js';

const DEVICES = `/apis/${FLEET_API_VERSION}/devices`;
const TABLE = `application/json;as=Table;v=v1;g=${API_GROUP.meta}`;

const tableSchema = z.object({
  columnDefinitions: z.array(z.object({ name: z.string(), priority: z.number().optional() })),
  rows: z.array(z.object({ cells: z.array(z.unknown()) })),
});

export const devicesCommand: Command = {
  name: 'devices',
  summary: 'List the devices, revoke or remove one',
  usage: '[--data DIR] [list | revoke NAME | remove NAME]',
  options: { data: dataOption },
  async run(args, { out }) {
    const [action = 'list', name] = args.positionals;
    if (action !== 'list' && ((action !== 'revoke' && action !== 'remove') || name === undefined)) {
      throw new UsageError(`expected list, revoke NAME or remove NAME, not "${args.positionals.join(' ')}"`);
    }
    const credentials = await readCredentials(dataDirectory(args));
    if (action === 'list' || name === undefined) {
      const answer = await callApi(credentials, { method: 'GET', path: DEVICES, headers: { Accept: TABLE } });
      out(formatTable(tableSchema.parse(answer)));
      return 0;
    }
    const path = `${DEVICES}/${encodeURIComponent(name)}`;
    await callApi(credentials, {
      method: 'PATCH',
      path,
      headers: { 'Content-Type': PATCH_CONTENT_TYPE.merge },
      body: JSON.stringify({ spec: { revoked: true } }),
    });
    if (action === 'remove') {
      await callApi(credentials, { method: 'DELETE', path: `/api/v1/nodes/${encodeURIComponent(name)}` });
      await callApi(credentials, { method: 'DELETE', path });
    }
    out(`device ${name} ${action}d\n`);
    return 0;
  },
};

function formatTable({ columnDefinitions, rows }: z.infer<typeof tableSchema>): string {
  const shown = columnDefinitions.flatMap((column, index) => ((column.priority ?? 0) === 0 ? [index] : []));
  const lines = [
    shown.map((index) => (columnDefinitions[index]?.name ?? '').toUpperCase()),
    ...rows.map(({ cells }) => shown.map((index) => String(cells[index] ?? ''))),
  ];
  const widths = shown.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('');
}
