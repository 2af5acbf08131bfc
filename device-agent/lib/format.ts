/** Durations and sizes as Go prints them, for messages that users compare with kubelet's. */

/** '850ms', '1.234s', '2m5s'. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)}ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${Number(seconds.toFixed(3))}s`;
  return `${Math.floor(seconds / 60)}m${Math.round(seconds % 60)}s`;
}

/** '12345 bytes'. */
export function formatBytes(bytes: number): string {
  return `${bytes} bytes`;
}
