/**
 * A unit is the smallest piece of a board's hardware that a pod can be given: a serial adapter, an I2C bus, all
 * GPIO lines of the board. It is known by what it says of itself and by where it is attached, never by the
 * running number that the kernel gave its device node: that one changes with every replug and every boot.
 */
/** Pods ask for `covey.dev/<resource>` in their limits. */
export const RESOURCE_PREFIX = 'covey.dev/';

/** What a board offers: device nodes that match are units of one resource. As in a firmware profile. */
export interface HardwareOffer {
  /** Without prefix. */
  readonly resource: string;
  readonly devices: readonly string[];
  /**
   * One of these must match for the resource to be there at all. The other nodes of a board's unit are helpers
   * that several resources may have, such as /dev/dma_heap.
   */
  readonly presence?: readonly string[] | undefined;
  readonly per: 'device' | 'board';
}

export interface UnitIdentity {
  /** Vendor, product and serial number, where the unit has a serial number: found again at any port. */
  readonly name?: string | undefined;
  /** Where it is attached: its path below /sys/devices without the kernel's running numbers. */
  readonly place: string;
  /** Another unit says the same of itself: only the place tells them apart. Once seen, never forgotten. */
  readonly twin?: true | undefined;
}

/** One device node. */
export interface UnitNode {
  /** Names inside a container: the one that stays the same first, then the kernel's own. */
  readonly paths: readonly [string, ...string[]];
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  /** A helper: other units may have it too. */
  readonly shared?: boolean;
}

export interface Unit {
  /** With the prefix: `covey.dev/gpio`. */
  readonly resource: string;
  readonly identity: UnitIdentity;
  readonly nodes: readonly UnitNode[];
}

/** A unit that a pod has, present or not. */
export type HeldUnit = Pick<Unit, 'resource' | 'identity'>;

/** The device number as one word: what a container's device rules are compared by. */
export function numberOf({ type, major, minor }: Pick<UnitNode, 'type' | 'major' | 'minor'>): string {
  return `${type}${major}:${minor}`;
}

export function numbersOf(unit: Unit): readonly string[] {
  return unit.nodes.map(numberOf);
}

/** Device numbers that nobody but the holder of the unit may open. */
export function exclusiveNumbers(unit: Unit): readonly string[] {
  return unit.nodes.filter(({ shared }) => shared !== true).map(numberOf);
}

/** The same for two records of one held unit. */
export function heldKey({ resource, identity }: HeldUnit): string {
  return JSON.stringify([resource, identity.place, identity.name]);
}

export function sameIdentity(a: UnitIdentity, b: UnitIdentity): boolean {
  return a.place === b.place && a.name === b.name;
}

/** For people: what a unit is, wherever it is now. */
export function describeIdentity({ name, place }: UnitIdentity): string {
  return name ?? place;
}
