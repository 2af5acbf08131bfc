/**
 * A program for arm64 Linux that uses a GPIO chip, put together here instruction by instruction because no image of
 * the tests has one and no compiler for arm64 may be at hand. It opens the node that its first argument names, asks
 * for the chip's description and writes that to standard output (name, label: 32 bytes each; number of lines), then
 * requests line 0 as an input. Its exit code is 0, or the errno of the call that failed.
 */

/** struct gpiochip_info. */
export const CHIP_INFO_BYTES = 68;
/** struct gpio_v2_line_request: 64 offsets, a consumer's name, flags, attributes, counts, the file. */
const LINE_REQUEST_BYTES = 592;
const FLAGS_AT = 256 + 32;
const LINES_AT = FLAGS_AT + 272;
const FLAG_INPUT = 1 << 2;

const GPIO_GET_CHIPINFO_IOCTL = 0x8044b401;
const GPIO_V2_GET_LINE_IOCTL = 0xc250b407;
const SYSCALL = { ioctl: 29, openat: 56, write: 64, exit: 93 } as const;
const O_RDWR = 2;

const BASE = 0x400000n;
const HEADERS_BYTES = 64 + 56;
const SUPERVISOR_CALL = 0xd4000001;
/** x21 keeps the open file. */
const FILE = 21;

/** The whole ELF file. */
export function gpioProbe(): Buffer {
  const request = Buffer.alloc(LINE_REQUEST_BYTES);
  request.writeUInt32LE(FLAG_INPUT, FLAGS_AT);
  request.writeUInt32LE(1, LINES_AT);
  const length = instructions(0n, 0n, 0).length * 4;
  const requestAt = BASE + BigInt(HEADERS_BYTES + length);
  const infoAt = requestAt + BigInt(LINE_REQUEST_BYTES);
  const code = Buffer.from(new Uint32Array(instructions(requestAt, infoAt, length)).buffer);
  const fileBytes = HEADERS_BYTES + code.length + request.length;
  return Buffer.concat([headers(fileBytes, fileBytes + CHIP_INFO_BYTES), code, request]);
}

/** `length`: of all instructions, in bytes; the way out on failure is at their end. */
function instructions(requestAt: bigint, infoAt: bigint, length: number): number[] {
  const code: number[] = [];
  const add = (...words: readonly number[]) => code.push(...words.map((word) => word >>> 0));
  const call = (number: number) => add(...constant(8, BigInt(number)), SUPERVISOR_CALL);
  // tbnz x0, #63: a negative result goes to the third instruction from the end.
  const orFail = () => add(0xb7f80000 | ((((length - 12 - code.length * 4) / 4) & 0x3fff) << 5));
  // ldr x1, [sp, #16]: argv[1]; movn x0, #99: AT_FDCWD.
  add(0xf9400be1, 0x92800c60, ...constant(2, BigInt(O_RDWR)), ...constant(3, 0n));
  call(SYSCALL.openat);
  orFail();
  add(move(FILE, 0), ...constant(1, BigInt(GPIO_GET_CHIPINFO_IOCTL)), ...constant(2, infoAt));
  call(SYSCALL.ioctl);
  orFail();
  add(...constant(0, 1n), ...constant(1, infoAt), ...constant(2, BigInt(CHIP_INFO_BYTES)));
  call(SYSCALL.write);
  orFail();
  add(move(0, FILE), ...constant(1, BigInt(GPIO_V2_GET_LINE_IOCTL)), ...constant(2, requestAt));
  call(SYSCALL.ioctl);
  orFail();
  // movz x0, #0 and over the negation, which failures come to: neg x0, x0; then exit.
  add(0xd2800000, 0x14000002, 0xcb0003e0, 0xd2800008 | (SYSCALL.exit << 5), SUPERVISOR_CALL);
  return code;
}

/** movz, and movk for the upper half: always two instructions, so that lengths do not depend on values. */
function constant(register: number, value: bigint): number[] {
  const [low, high] = [Number(value & 0xffffn), Number((value >> 16n) & 0xffffn)];
  return [0xd2800000 | (low << 5) | register, 0xf2a00000 | (high << 5) | register];
}

function move(to: number, from: number): number {
  return 0xaa0003e0 | (from << 16) | to;
}

/** One segment, readable, writable and executable, with room for the answer behind it. */
function headers(fileBytes: number, memoryBytes: number): Buffer {
  const header = Buffer.alloc(HEADERS_BYTES);
  header.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(183, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BASE + BigInt(HEADERS_BYTES), 24);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, 64);
  header.writeUInt32LE(7, 68);
  header.writeBigUInt64LE(BASE, 80);
  header.writeBigUInt64LE(BASE, 88);
  header.writeBigUInt64LE(BigInt(fileBytes), 96);
  header.writeBigUInt64LE(BigInt(memoryBytes), 104);
  header.writeBigUInt64LE(0x10000n, 112);
  return header;
}
