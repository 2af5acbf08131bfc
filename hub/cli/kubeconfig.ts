/** `covey kubeconfig`: prints the admin kubeconfig, with another server address if asked. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../lib/files.js';
import { type Command, CommandError } from './command.js';
import { dataDirectory, dataOption } from './data-option.js';

export const kubeconfigCommand: Command = {
  name: 'kubeconfig',
  summary: 'Print the admin kubeconfig',
  usage: '[--data DIR] [--server URL]',
  options: {
    data: dataOption,
    server: { type: 'string', value: 'URL', help: 'write this server address instead of the local one' },
  },
  async run(args, { out }) {
    const path = join(dataDirectory(args), 'kubeconfig');
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if (isMissing(error)) throw new CommandError(`there is no ${path}; start the hub first`);
      throw error;
    }
    const server = args.text('server');
    out(server === undefined ? text : text.replace(/^(\s*server:\s*).*$/m, `$1${server}`));
    return 0;
  },
};
