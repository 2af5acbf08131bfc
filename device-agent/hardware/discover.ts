/**
 * Which units are there now: the offers' globs against /dev, each node with its identity from sysfs. A node
 * belongs to the first offer that names it, so that no piece of hardware is handed out under two names. Looking
 * again costs a directory and a few stat calls; sysfs is read only when a node has come, gone or changed.
 */
import { realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hasErrno } from '../lib/errno.js';
import { byName, GlobReader } from './device-glob.js';
import { majorOf, minorOf } from './device-number.js';
import { attachmentOf, kernelConsoles } from './sysfs.js';
import { type HardwareOffer, numberOf, RESOURCE_PREFIX, type Unit, type UnitNode } from './unit.js';

/** Looks; resolves with the same array for as long as nothing has changed. */
export type Discover = () => Promise<readonly Unit[]>;

export interface DiscoverOptions {
  readonly offers: readonly HardwareOffer[];
  /** What globs below /dev are matched in; '/dev' unless given. */
  readonly devRoot?: string;
  /** '/sys' unless given. */
  readonly sysRoot?: string;
  /** What a path is the node of; the kernel's answer unless given. */
  readonly statNode?: StatNode;
}

/** Undefined for what is no device node, or not there. */
export type StatNode = (path: string) => Promise<NodeStat | undefined>;

export interface NodeStat {
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  /** Changes when the node is made anew, under the same number too. */
  readonly mark: string;
}

type FoundNode = UnitNode & Pick<NodeStat, 'mark'>;

interface FoundOffer {
  readonly offer: HardwareOffer;
  readonly nodes: readonly FoundNode[];
}

export function discovery(options: DiscoverOptions): Discover {
  const { offers, devRoot = '/dev', sysRoot = '/sys', statNode = kernelStat } = options;
  let mark = '';
  let units: readonly Unit[] = [];
  return async () => {
    const found = await findNodes(offers, devRoot, statNode);
    const now = found.flatMap(({ offer, nodes }) => nodes.map((one) => offer.resource + one.mark)).join('\n');
    if (now === mark) return units;
    units = await identify(found, sysRoot);
    mark = now;
    return units;
  };
}

async function findNodes(
  offers: readonly HardwareOffer[],
  devRoot: string,
  statNode: StatNode,
): Promise<FoundOffer[]> {
  const globs = new GlobReader();
  const look = async (patterns: readonly string[]): Promise<ReadonlyMap<string, FoundNode>> => {
    const nodes = new Map<string, FoundNode>();
    for (const pattern of patterns)
      for (const path of await globs.expand(belowRoot(pattern, devRoot))) {
        const node = await lookAt(path, devRoot, statNode);
        if (node !== undefined) nodes.set(numberOf(node), withNamesOf(node, nodes.get(numberOf(node))));
      }
    return nodes;
  };
  const taken = new Set<string>();
  const all: FoundOffer[] = [];
  for (const offer of offers) {
    const present = offer.presence === undefined ? undefined : await look(offer.presence);
    const free = [...(present?.keys() ?? [])].some((number) => !taken.has(number));
    if (present !== undefined && !free) continue;
    const nodes: FoundNode[] = [];
    for (const [number, node] of await look(offer.devices)) {
      const shared = offer.per === 'board' && present?.has(number) === false;
      if (taken.has(number)) continue;
      nodes.push(shared ? { ...node, shared } : node);
    }
    for (const node of nodes) if (node.shared !== true) taken.add(numberOf(node));
    all.push({ offer, nodes });
  }
  return all;
}

/** One node under several names: links first, they stay; the kernel's own name last. */
function withNamesOf(node: FoundNode, before: FoundNode | undefined): FoundNode {
  if (before === undefined) return node;
  const links = [...before.paths.slice(0, -1), ...node.paths.slice(0, -1)];
  const [first, ...more] = [...new Set(links), kernelName(node)];
  return { ...node, paths: [first ?? kernelName(node), ...more], mark: `${before.mark} ${node.mark}` };
}

async function lookAt(path: string, devRoot: string, statNode: StatNode): Promise<FoundNode | undefined> {
  const node = await statNode(path);
  if (node === undefined) return undefined;
  const real = (await orUnusable(realpath(path))) ?? path;
  const names = [path, real].map((name) => inside(name, devRoot));
  const [first = path, ...more] = new Set(names);
  return { ...node, paths: [first, ...more], mark: `${path} ${numberOf(node)} ${node.mark}` };
}

async function kernelStat(path: string): Promise<NodeStat | undefined> {
  const info = await orUnusable(stat(path));
  if (info === undefined || !(info.isCharacterDevice() || info.isBlockDevice())) return undefined;
  return {
    type: info.isCharacterDevice() ? 'c' : 'b',
    major: majorOf(info.rdev),
    minor: minorOf(info.rdev),
    mark: `${info.ino} ${info.ctimeMs}`,
  };
}

/** A link that leads nowhere or in circles, or a node that went meanwhile, is none. */
async function orUnusable<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENXIO', 'ENODEV')) return undefined;
    throw error;
  }
}

function belowRoot(glob: string, devRoot: string): string {
  return glob.startsWith('/dev/') ? join(devRoot, glob.slice('/dev/'.length)) : glob;
}

/** The name inside a container: the host's own below /dev, wherever the node really lies. */
function inside(path: string, devRoot: string): string {
  return path.startsWith(`${devRoot}/`)
    ? join('/dev', path.slice(devRoot.length))
    : join('/dev', path.startsWith('/dev/') ? path.slice('/dev'.length) : basename(path));
}

/** Units with their identities; two that say the same of themselves are marked. */
async function identify(found: readonly FoundOffer[], sysRoot: string): Promise<readonly Unit[]> {
  const consoles = await kernelConsoles(sysRoot);
  const units: Unit[] = [];
  for (const { offer, nodes } of found) {
    const resource = RESOURCE_PREFIX + offer.resource;
    const usable = nodes.filter(({ paths }) => !paths.some((path) => consoles.has(basename(path))));
    if (offer.per === 'board') {
      if (usable.length > 0) units.push({ resource, identity: { place: 'board' }, nodes: usable.map(bare) });
      continue;
    }
    const siblings = new Map<string, number>();
    for (const node of [...usable].sort((a, b) => byName(kernelName(a), kernelName(b)))) {
      const attached = await attachmentOf(sysRoot, node);
      const place = attached?.place ?? `node:${node.paths[0]}`;
      const order = siblings.get(place) ?? 0;
      siblings.set(place, order + 1);
      const index = attached?.index ?? String(order);
      // The first of a device is the device; only what follows needs telling apart.
      const suffix = index === '0' ? '' : `#${index}`;
      const name = attached?.name === undefined ? undefined : attached.name + suffix;
      const identity = { ...(name !== undefined && { name }), place: place + suffix };
      units.push({ resource, identity, nodes: [bare(node)] });
    }
  }
  return markTwins(units);
}

function markTwins(units: readonly Unit[]): readonly Unit[] {
  const named = new Map<string, number>();
  for (const { identity } of units)
    if (identity.name !== undefined) named.set(identity.name, (named.get(identity.name) ?? 0) + 1);
  return units.map((unit) =>
    (named.get(unit.identity.name ?? '') ?? 0) > 1
      ? { ...unit, identity: { ...unit.identity, twin: true } }
      : unit,
  );
}

function kernelName({ paths }: UnitNode): string {
  return paths.at(-1) ?? paths[0];
}

function bare({ paths, type, major, minor, shared }: UnitNode): UnitNode {
  return { paths, type, major, minor, ...(shared === true && { shared }) };
}
