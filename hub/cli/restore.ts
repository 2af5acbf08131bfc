/** `covey restore`: puts a hub back from a backup file into an empty data directory. */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { restoreArchive } from '../backup/restore-archive.js';
import { UsageError } from '../lib/arguments.js';
import { type Command, CommandError } from './command.js';
import { dataDirectory, dataOption } from './data-option.js';

export const restoreCommand: Command = {
  name: 'restore',
  summary: 'Restore a hub from a backup file into an empty data directory',
  usage: '[--data DIR] --from FILE',
  options: {
    data: dataOption,
    from: { type: 'string', value: 'FILE', help: 'a file made by covey backup' },
  },
  async run(args, { err }) {
    const from = args.text('from') ?? args.positionals[0];
    if (from === undefined) throw new UsageError('--from FILE is needed');
    const directory = dataDirectory(args);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    try {
      const { entries, revision, created } = await restoreArchive(resolve(from), directory);
      err(
        `restored ${entries} objects of ${created} into ${directory}; the store goes on at revision ${revision}\n`,
      );
      return 0;
    } catch (error) {
      throw new CommandError(`nothing was restored: ${(error as Error).message}`);
    }
  },
};
