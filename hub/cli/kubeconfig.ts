/** `covey kubeconfig`: prints the admin kubeconfig, with another server address if asked. */
import { join } from 'node:path';
import { readFileIfPresent } from '../lib/files.js';
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
    const text = await readFileIfPresent(path);
    if (text === undefined) throw new CommandError(`there is no ${path}; start the hub first`);
    const server = args.text('server');
    out(server === undefined ? text : text.replace(/^(\s*server:\s*).*$/m, `$1${server}`));
    return 0;
  },
};
