/** What `covey up` prints when everything runs: where things are, and what to try. */
import { join } from 'node:path';
import type { Credentials } from '../../lib/https-client.js';
import type { DevicePlace } from './device.js';
import type { UpOptions } from './up.js';

export function banner(options: UpOptions, { server }: Credentials, devices: readonly DevicePlace[]): string {
  const rows = devices.map(({ name, network, dataDir }) => {
    const place = network === undefined ? '' : `  ${network.address}  netns ${network.namespace}`;
    return `    ${name}${place}  ${dataDir}`;
  });
  return `
  Covey is up.

  kubeconfig  ${join(options.dataDir, 'kubeconfig')}
  API         ${server}
  logs        ${join(options.dataDir, 'logs')}
  devices${options.hollow ? ' (hollow: containers only pretend to run)' : ''}
${rows.join('\n')}

  Try:
    export KUBECONFIG=${join(options.dataDir, 'kubeconfig')}
    kubectl get nodes -o wide
    kubectl apply -f examples/hello.yaml
    kubectl get pods -A -w -o wide

  Ctrl-C stops everything; the next start goes on from here.
`;
}
