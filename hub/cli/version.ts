/** `covey version`: Covey's version and the Kubernetes API level that it speaks. */
import { COVEY_VERSION, KUBERNETES_VERSION } from '../lib/version.js';
import type { Command } from './command.js';

export const versionCommand: Command = {
  name: 'version',
  summary: 'Print the version',
  usage: '',
  options: {},
  async run(_args, { out }) {
    out(`covey ${COVEY_VERSION} (Kubernetes API ${KUBERNETES_VERSION}, Node.js ${process.versions.node})\n`);
    return 0;
  },
};
