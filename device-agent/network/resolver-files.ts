/** Text of a pod's hosts and resolv.conf files. Pure. */
import type { SandboxSpec } from './network.js';

const HOSTS_HEAD = '# Written by Covey for this pod.\n';

const LOCAL_HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
`;

/** `deviceHosts` is the device's own file, for pods on the device's network. */
export function hostsFile(spec: SandboxSpec, ip: string, deviceHosts: string): string {
  const own = spec.hostNetwork
    ? deviceHosts.replace(/\n*$/, '\n')
    : `${LOCAL_HOSTS}${ip}\t${spec.hostname}\n`;
  const aliases = (spec.hostAliases ?? []).map((alias) => `${alias.ip}\t${alias.hostnames.join('\t')}\n`);
  return `${HOSTS_HEAD}${own}${aliases.join('')}`;
}

const MAX_NAMESERVERS = 3;

/** The pod's resolver settings: the device's, extended, or replaced with policy None. */
export function resolvConf(dns: SandboxSpec['dns'], device: string): string {
  const base =
    dns?.policy === 'None' ? { nameservers: [], searches: [], options: [] } : parseResolvConf(device);
  const nameservers = unique([...base.nameservers, ...(dns?.nameservers ?? [])]).slice(0, MAX_NAMESERVERS);
  const searches = unique([...base.searches, ...(dns?.searches ?? [])]);
  const options = unique([...base.options, ...(dns?.options ?? [])]);
  return [
    ...nameservers.map((server) => `nameserver ${server}`),
    ...(searches.length > 0 ? [`search ${searches.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

/** Whether all name servers are on the device's loopback, where a pod of its own network cannot reach them. */
export function onlyLoopbackServers(text: string): boolean {
  const { nameservers } = parseResolvConf(text);
  return (
    nameservers.length > 0 && nameservers.every((server) => server.startsWith('127.') || server === '::1')
  );
}

function parseResolvConf(text: string): { nameservers: string[]; searches: string[]; options: string[] } {
  const result = { nameservers: [] as string[], searches: [] as string[], options: [] as string[] };
  for (const line of text.split('\n')) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === 'nameserver' && rest[0]) result.nameservers.push(rest[0]);
    if (word === 'search' || word === 'domain') result.searches = rest;
    if (word === 'options') result.options.push(...rest);
  }
  return result;
}

const unique = (items: readonly string[]): string[] => [...new Set(items)];
