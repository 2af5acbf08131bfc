/** IntOrString: a number, or a text that is a percentage or a name. */

export type IntOrString = number | string;

const PERCENT = /^[0-9]+%$/;

/** The number before '%'; undefined for anything that is not a percentage. */
export function percentOf(value: IntOrString): number | undefined {
  return typeof value === 'string' && PERCENT.test(value) ? Number(value.slice(0, -1)) : undefined;
}

export function isIntOrPercent(value: IntOrString): boolean {
  return typeof value === 'number' || PERCENT.test(value);
}

export function isZeroIntOrPercent(value: IntOrString): boolean {
  return value === 0 || percentOf(value) === 0;
}

/** The value as a count: a percentage is taken of `total`, rounded up or down. Throws Error on other texts. */
export function scaledValue(value: IntOrString, total: number, roundUp: boolean): number {
  if (typeof value === 'number') return value;
  const percent = percentOf(value);
  if (percent === undefined)
    throw new Error(`invalid value for IntOrString: ${JSON.stringify(value)} is not a percentage`);
  const scaled = (percent * total) / 100;
  return roundUp ? Math.ceil(scaled) : Math.floor(scaled);
}
