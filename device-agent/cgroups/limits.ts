/** Limits in the kernel's units. Pure. */

/** Microseconds over which a CPU quota is counted. */
export const CPU_PERIOD_US = 100_000;
/** The kernel refuses smaller quotas. */
const MIN_QUOTA_US = 1_000;
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

/** CPU time in microseconds per period for a limit in thousandths of a core. */
export function cpuQuota(millicores: number): number {
  return Math.max(MIN_QUOTA_US, Math.round((millicores * CPU_PERIOD_US) / 1000));
}

/** Value of cpu.max. */
export function cpuMax(millicores: number | undefined): string {
  return `${millicores === undefined ? 'max' : cpuQuota(millicores)} ${CPU_PERIOD_US}`;
}

/** cpu.shares for a request in thousandths of a core: 1024 per core; 2, the least, without a request. */
export function cpuShares(millicores: number | undefined): number {
  if (millicores === undefined) return MIN_SHARES;
  return Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.round((millicores * 1024) / 1000)));
}

/** cpu.weight (1 to 10000) that stands for the shares of the same request. */
export function cpuWeight(millicores: number | undefined): number {
  return Math.floor(1 + ((cpuShares(millicores) - MIN_SHARES) * 9999) / (MAX_SHARES - MIN_SHARES));
}
