/** What a container has written, from its log in the CRI format, however the log has cut it. */
import { NEWLINE, parseCriLine } from '#device-agent/logs/cri-line.js';

export function textOfLog(log: Buffer): string {
  const pieces: string[] = [];
  for (let start = 0, end = log.indexOf(NEWLINE); end >= 0; end = log.indexOf(NEWLINE, start)) {
    const piece = parseCriLine(log.subarray(start, end));
    if (piece !== undefined) pieces.push(`${piece.content}${piece.partial ? '' : '\n'}`);
    start = end + 1;
  }
  return pieces.join('');
}
