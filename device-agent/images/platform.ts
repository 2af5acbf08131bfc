/** Which of an index's manifests fits this board. Pure except for `hostPlatform`. */
import type { Platform } from './options.js';

/** This machine in OCI's words. */
export function hostPlatform(): Platform {
  if (process.arch === 'x64') return { os: 'linux', architecture: 'amd64' };
  if (process.arch === 'arm64') return { os: 'linux', architecture: 'arm64', variant: 'v8' };
  if (process.arch === 'arm') {
    const version = (process.config.variables as { arm_version?: string }).arm_version ?? '7';
    return { os: 'linux', architecture: 'arm', variant: `v${version}` };
  }
  return { os: 'linux', architecture: process.arch };
}

/**
 * How well an image for `candidate` runs on `host`: undefined not at all, 0 best. A 32-bit ARM board runs its
 * own version and older ones; a 64-bit one runs arm64 only, because its kernel may lack 32-bit support.
 */
export function platformRank(candidate: Platform, host: Platform): number | undefined {
  if (candidate.os !== host.os || candidate.architecture !== host.architecture) return undefined;
  if (host.architecture === 'arm') {
    const mine = version(host.variant ?? 'v7');
    const theirs = version(candidate.variant ?? 'v7');
    return theirs > mine ? undefined : mine - theirs;
  }
  if (host.architecture === 'arm64') return version(candidate.variant ?? 'v8') > 8 ? undefined : 0;
  // amd64 variants (v2, v3) ask for newer processors than the baseline that every machine has.
  return candidate.variant === undefined || candidate.variant === 'v1' || candidate.variant === host.variant
    ? 0
    : undefined;
}

const version = (variant: string): number => Number(/^v(\d+)/.exec(variant)?.[1] ?? 99);

/** 'linux/arm64/v8', as people write platforms. */
export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/');
}
