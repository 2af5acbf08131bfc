/**
 * The same rules as `packet-rules.ts` in the words of iptables, for kernels that have only the older tables.
 * Vendors' kernels for boards come with few of the extensions, so the rules get by with four: a port is matched
 * as conntrack saw it, and nothing is marked. Three chains belong to the bridge; one `iptables-restore` replaces
 * what is in them, table by table. Pure.
 */
import { LOOPBACK, type MappedPort, MULTICAST, onEveryAddress, type PacketRules } from './packet-rules.js';

export interface LegacyJump {
  readonly table: 'nat' | 'filter';
  readonly from: 'PREROUTING' | 'OUTPUT' | 'POSTROUTING' | 'INPUT';
  readonly chain: string;
}

/** How the kernel's chains lead to this bridge's own. A name of a chain has at most 28 characters. */
export function legacyJumps(bridge: string): readonly LegacyJump[] {
  const { ports, masquerade, input } = chains(bridge);
  return [
    { table: 'nat', from: 'PREROUTING', chain: ports },
    { table: 'nat', from: 'OUTPUT', chain: ports },
    { table: 'nat', from: 'POSTROUTING', chain: masquerade },
    { table: 'filter', from: 'INPUT', chain: input },
  ];
}

/** Input of `iptables-restore --noflush`, which makes or empties the chains that it names. */
export function legacyRules(rules: PacketRules): string {
  const { bridge, subnet } = rules;
  const { ports, masquerade, input } = chains(bridge);
  const single = rules.ports.filter((port) => !onEveryAddress(port));
  const every = rules.ports.filter(onEveryAddress);
  const translated = '-m conntrack --ctstate DNAT';
  return `${[
    '*nat',
    `:${ports} - [0:0]`,
    `:${masquerade} - [0:0]`,
    ...[...single, ...every].map((port) => `-A ${ports} ${legacyPort(port)}`),
    `-A ${masquerade} -s ${LOOPBACK} -o ${bridge} ${translated} -j MASQUERADE`,
    `-A ${masquerade} -s ${subnet} -d ${subnet} ${translated} -j MASQUERADE`,
    ...(rules.masquerade
      ? [
          `-A ${masquerade} -s ${subnet} -d ${subnet} -j RETURN`,
          `-A ${masquerade} -s ${subnet} ! -d ${MULTICAST} -j MASQUERADE`,
        ]
      : []),
    'COMMIT',
    '*filter',
    `:${input} - [0:0]`,
    `-A ${input} -i ${bridge} -d ${LOOPBACK} -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP`,
    'COMMIT',
  ].join('\n')}\n`;
}

function chains(bridge: string) {
  return { ports: `COVEY-PORTS-${bridge}`, masquerade: `COVEY-MASQ-${bridge}`, input: `COVEY-IN-${bridge}` };
}

function legacyPort(port: MappedPort): string {
  const address = onEveryAddress(port) ? '-m addrtype --dst-type LOCAL' : `-d ${port.hostIp}`;
  const matched = `-p ${port.protocol.toLowerCase()} -m conntrack --ctorigdstport ${port.hostPort}`;
  return `${matched} ${address} -j DNAT --to-destination ${port.address}:${port.containerPort}`;
}
