/** Sizes for people, rounded so that what is too little never looks like enough. */
export const MEBIBYTE = 2 ** 20;

/** Of what is needed: rounded up. */
export function mebibytesNeeded(bytes: number): string {
  return `${Math.ceil(bytes / MEBIBYTE)} MiB`;
}

/** Of what there is: rounded down. */
export function mebibytesThere(bytes: number): string {
  return `${Math.floor(bytes / MEBIBYTE)} MiB`;
}
