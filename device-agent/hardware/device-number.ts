/** The kernel's device numbers as stat gives them: 12 bits of major and 20 of minor in the low 32, as glibc splits them. */

export function majorOf(device: number): number {
  return (device >>> 8) & 0xfff;
}

export function minorOf(device: number): number {
  return (device & 0xff) | ((device >>> 12) & 0xfff00);
}
