/** The `--data` option and its defaults: the working directory's .covey when it is there, else the service's. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Arguments, Option } from '../lib/arguments.js';

const SERVICE_DATA = '/var/lib/covey';
export const LOCAL_DATA = './.covey';

export const dataOption: Option = {
  type: 'string',
  value: 'DIR',
  help: `the hub's data directory (default ${LOCAL_DATA} when it exists, else ${SERVICE_DATA})`,
};

/** The directory that a command about an existing hub means. */
export function dataDirectory(args: Arguments): string {
  return resolve(args.text('data') ?? (existsSync(LOCAL_DATA) ? LOCAL_DATA : SERVICE_DATA));
}
