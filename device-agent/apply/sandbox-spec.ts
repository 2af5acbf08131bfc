/** The network's specification of a pod: host name, ports, hosts and resolver settings. Pure. */
import type { Pod } from '#protocol/core/v1/pod.js';
import { containersInOrder } from '../lib/pod-types.js';
import type { PortMapping, SandboxSpec } from '../network/network.js';
import { hostnameOf } from './container-spec.js';

export function sandboxSpec(pod: Pod): SandboxSpec {
  const { metadata, spec } = pod;
  const hostNetwork = spec.hostNetwork === true;
  const { nameservers, searches, options } = spec.dnsConfig ?? {};
  return {
    podUid: metadata.uid ?? '',
    namespace: metadata.namespace ?? 'default',
    name: metadata.name ?? '',
    hostname: hostnameOf(pod),
    hostNetwork,
    hostIpc: spec.hostIPC === true,
    // With the device's own network a container port is on the device already.
    ports: hostNetwork ? [] : portMappings(pod),
    ...(spec.hostAliases !== undefined && {
      hostAliases: spec.hostAliases.map(({ ip, hostnames = [] }) => ({ ip, hostnames })),
    }),
    dns: {
      policy: spec.dnsPolicy,
      ...(nameservers !== undefined && { nameservers }),
      ...(searches !== undefined && { searches }),
      ...(options !== undefined && {
        options: options.map(({ name = '', value }) => (value === undefined ? name : `${name}:${value}`)),
      }),
    },
  };
}

function portMappings(pod: Pod): readonly PortMapping[] {
  return containersInOrder(pod.spec).flatMap(({ container }) =>
    (container.ports ?? []).flatMap((port) =>
      port.hostPort === undefined || port.hostPort === 0
        ? []
        : [
            {
              hostPort: port.hostPort,
              containerPort: port.containerPort,
              protocol: port.protocol,
              hostIp: port.hostIP ?? '',
            },
          ],
    ),
  );
}
