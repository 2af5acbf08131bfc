/**
 * Where the network leaves the files that every container of a pod sees (hosts, hostname, resolv.conf) and
 * its shared memory. The runtime mounts what it finds there.
 */
import { join } from 'node:path';

export function podFilesDirectory(runDir: string, podUid: string): string {
  return join(runDir, 'pods', podUid);
}

export const POD_FILES = {
  hosts: 'hosts',
  hostname: 'hostname',
  resolvConf: 'resolv.conf',
  shm: 'shm',
} as const;
