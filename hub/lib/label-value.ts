/** Free text as the value of a label. Never refuses; what a label cannot hold becomes a hyphen or is cut off. */

const MAX_LENGTH = 63;

/** 'Raspberry Pi 4 Model B' → 'Raspberry-Pi-4-Model-B'; '' when nothing is left. */
export function labelValue(text: string): string {
  return text
    .replace(/[^A-Za-z0-9_.-]+/g, '-')
    .slice(0, MAX_LENGTH)
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
}
