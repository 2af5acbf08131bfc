/** `covey backup`: writes a consistent copy of a running hub's store to one file, without stopping it. */
import { resolve } from 'node:path';
import { UsageError } from '../lib/arguments.js';
import { type Command, CommandError } from './command.js';
import { readCredentials } from './credentials.js';
import { dataDirectory, dataOption } from './data-option.js';
import { downloadBackup } from './download-backup.js';

export const backupCommand: Command = {
  name: 'backup',
  summary: 'Back a running hub up into one file',
  usage: '[--data DIR] --to FILE',
  options: {
    data: dataOption,
    to: { type: 'string', value: 'FILE', help: 'the file to write; must not exist' },
  },
  async run(args, { err }) {
    const to = args.text('to');
    if (to === undefined) throw new UsageError('--to FILE is needed');
    const credentials = await readCredentials(dataDirectory(args));
    try {
      const bytes = await downloadBackup(credentials, resolve(to));
      err(`${bytes} bytes written to ${to}\n`);
      return 0;
    } catch (error) {
      throw new CommandError(`no backup was made: ${(error as Error).message}`);
    }
  },
};
