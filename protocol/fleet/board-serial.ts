/**
 * The serial number of a board as it is compared: trimmed, lower case, and nothing at all where a maker left the
 * place empty. Boards that share such a filler are strangers to each other.
 */
const FILLERS = [
  /^(.)\1*$/,
  /^[x0-]*$/,
  /^0*1?234567890?(abcdef)?$/,
  /^(default|system|chassis|board|base board)? ?(string|serial( number)?)$/,
  /^(to be filled by )?o\.?e\.?m\.?$/,
  /^(not (specified|applicable|available|set)|none|null|n\/a|na|unknown|invalid|undefined|empty|test)$/,
];
const MAX_LENGTH = 128;

/** The canonical serial number; undefined when `text` names no board. */
export function boardSerial(text: string | undefined): string | undefined {
  const serial = (text ?? '')
    .replace(/[^\x21-\x7e ]/g, '')
    .trim()
    .toLowerCase();
  if (serial.length > MAX_LENGTH || FILLERS.some((filler) => filler.test(serial))) return undefined;
  return serial === '' ? undefined : serial;
}
