/** Rules of devices. */
import { type FieldError, invalid } from '../../meta/field-error.js';
import { checkLabelValue } from '../../meta/names.js';
import { boardSerial } from '../board-serial.js';
import type { Device } from './device.js';

/** Beats are asked for at least this often, in seconds: a day. */
const SLOWEST_BEAT_SECONDS = 86_400;

export function validateDevice(device: Device): FieldError[] {
  const errors: FieldError[] = [];
  const { beatIntervalSeconds, site } = device.spec;
  if (
    beatIntervalSeconds !== undefined &&
    (beatIntervalSeconds < 1 || beatIntervalSeconds > SLOWEST_BEAT_SECONDS)
  ) {
    errors.push(
      invalid(
        'spec.beatIntervalSeconds',
        beatIntervalSeconds,
        `must be between 1 and ${SLOWEST_BEAT_SECONDS}, inclusive`,
      ),
    );
  }
  const { boardSerial: serial, approvedKey } = device.spec;
  if (serial !== undefined && serial !== '' && boardSerial(serial) === undefined) {
    errors.push(invalid('spec.boardSerial', serial, 'names no board: it is a filler that many boards share'));
  }
  if (approvedKey !== undefined && approvedKey !== '' && !/^[0-9a-f]{64}$/.test(approvedKey)) {
    errors.push(invalid('spec.approvedKey', approvedKey, 'must be 64 hexadecimal digits'));
  }
  // The site becomes a label of the node.
  for (const problem of checkLabelValue(site ?? '')) errors.push(invalid('spec.site', site, problem));
  return errors;
}
