/**
 * Resource quantities ("500m", "1Gi", "1e3"), exact: a value is a bigint count of nano-units, rounded up below
 * that as Kubernetes does. `canonicalQuantity` gives the form that Kubernetes writes back.
 */

export type QuantityFormat = 'BinarySI' | 'DecimalSI' | 'DecimalExponent';

export interface Quantity {
  /** Value in units of 10⁻⁹. */
  readonly nanos: bigint;
  readonly format: QuantityFormat;
}

const NANO = 1_000_000_000n;
const MAX_NANOS = (2n ** 63n - 1n) * NANO;
const PATTERN = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)([numkMGTPE]?|[KMGTPE]i|[eE][+-]?\d{1,4})$/;
const PLAIN_INTEGER = /^(?:0|[1-9]\d{0,14})$/;
const SYNTAX = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const BINARY: readonly string[] = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const DECIMAL_SUFFIXES: ReadonlyArray<readonly [suffix: string, exponent: number]> = [
  ['E', 18],
  ['P', 15],
  ['T', 12],
  ['G', 9],
  ['M', 6],
  ['k', 3],
  ['', 0],
  ['m', -3],
  ['u', -6],
  ['n', -9],
];

/** Parses a quantity; throws Error in Kubernetes' words. Values beyond 2⁶³−1 are capped. */
export function parseQuantity(text: string): Quantity {
  const match = PATTERN.exec(text);
  if (!match) throw new Error(SYNTAX);
  const [, sign, number = '', suffix = ''] = match;
  const [whole = '', fraction = ''] = number.split('.');
  const digits = BigInt(`${whole}${fraction}` || '0');
  let exponent = 9 - fraction.length;
  let scale = 1n;
  let format: QuantityFormat = 'DecimalSI';
  if (suffix.endsWith('i')) {
    scale = 1024n ** BigInt(BINARY.indexOf(suffix));
    format = 'BinarySI';
  } else if (/^[eE][+-]?\d/.test(suffix)) {
    exponent += Number(suffix.slice(1));
    format = 'DecimalExponent';
  } else {
    exponent += DECIMAL[suffix] ?? 0;
  }
  const nanos = capped(scaleByPowerOfTen(digits * scale, exponent));
  return { nanos: sign === '-' ? -nanos : nanos, format };
}

/** digits × 10^exponent, rounded away from zero; huge exponents are cut off at the cap. */
function scaleByPowerOfTen(digits: bigint, exponent: number): bigint {
  if (digits === 0n) return 0n;
  if (exponent >= 0) return exponent > 40 ? MAX_NANOS : digits * 10n ** BigInt(exponent);
  if (-exponent > String(digits).length) return 1n;
  const divisor = 10n ** BigInt(-exponent);
  return (digits + divisor - 1n) / divisor;
}

function capped(nanos: bigint): bigint {
  return nanos > MAX_NANOS ? MAX_NANOS : nanos;
}

/** The shortest exact form in the quantity's own format, as Kubernetes writes it. */
function formatQuantity(quantity: Quantity): string {
  const { nanos, format } = quantity;
  if (nanos === 0n) return '0';
  const negative = nanos < 0n;
  const magnitude = negative ? -nanos : nanos;
  return `${negative ? '-' : ''}${formatMagnitude(magnitude, format)}`;
}

function formatMagnitude(nanos: bigint, format: QuantityFormat): string {
  if (format === 'BinarySI' && nanos % NANO === 0n && nanos >= 1024n * NANO) {
    let value = nanos / NANO;
    let step = 0;
    while (value % 1024n === 0n && step < BINARY.length - 1) {
      value /= 1024n;
      step += 1;
    }
    return `${value}${BINARY[step]}`;
  }
  for (const [suffix, exponent] of DECIMAL_SUFFIXES) {
    const unit = 10n ** BigInt(exponent + 9);
    if (nanos % unit !== 0n) continue;
    if (format !== 'DecimalExponent') return `${nanos / unit}${suffix}`;
    return exponent === 0 ? `${nanos / unit}` : `${nanos / unit}e${exponent}`;
  }
  return `${nanos}n`;
}

/** Canonical text of a quantity's text: '1000m' → '1', '1024Mi' → '1Gi', '0.5' → '500m'. Throws Error. */
export function normalizeQuantity(text: string): string {
  if (PLAIN_INTEGER.test(text) && !text.endsWith('000')) return text;
  return formatQuantity(parseQuantity(text));
}

export function isQuantity(text: string): boolean {
  return PATTERN.test(text);
}

/** Negative, zero or positive as `a` is less than, equal to or greater than `b`. Throws Error on bad text. */
export function compareQuantities(a: string, b: string): number {
  const left = parseQuantity(a).nanos;
  const right = parseQuantity(b).nanos;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Sum in the format of the first. */
export function addQuantities(a: string, b: string): string {
  const left = parseQuantity(a);
  return formatQuantity({ nanos: left.nanos + parseQuantity(b).nanos, format: left.format });
}

/** Whole units, rounded up: bytes of '1Ki' is 1024. Not exact above 2⁵³. */
export function quantityToNumber(text: string): number {
  const { nanos } = parseQuantity(text);
  return Number(nanos >= 0n ? (nanos + NANO - 1n) / NANO : nanos / NANO);
}

/** Thousandths, rounded up: millicores of '0.5' is 500. */
export function quantityToMilli(text: string): number {
  const { nanos } = parseQuantity(text);
  return Number(nanos >= 0n ? (nanos + 999_999n) / 1_000_000n : nanos / 1_000_000n);
}
