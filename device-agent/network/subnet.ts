/** IPv4 subnets in CIDR notation. Pure. */

/** Addresses in the subnet, the network's own and the broadcast included. Throws Error on bad notation. */
export function subnetSize(subnet: string): number {
  return 2 ** (32 - parse(subnet).bits);
}

/** Address number `index` of the subnet, counted from the network's own. */
export function subnetAddress(subnet: string, index: number): string {
  const { base } = parse(subnet);
  const address = base + index;
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

function parse(subnet: string): { base: number; bits: number } {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(subnet);
  const parts = match?.slice(1).map(Number) ?? [];
  const bits = parts[4] ?? 33;
  if (!match || bits > 30 || bits < 8 || parts.slice(0, 4).some((part) => part > 255))
    throw new Error(`"${subnet}" is not an IPv4 subnet such as 10.88.1.0/24 (8 to 30 bits)`);
  const address = parts.slice(0, 4).reduce((sum, part) => sum * 256 + part, 0);
  const size = 2 ** (32 - bits);
  return { base: Math.floor(address / size) * size, bits };
}
