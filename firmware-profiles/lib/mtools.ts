/** mtools end with status 0 also when a write failed that they had put off until then: what they said tells. */
import { ProgramError, type ProgramOptions, type ProgramOutput, runProgram } from './program.js';

const LOST = /^(plain_io|buffer_flush|error in fat_write):? /m;

/** As runProgram; rejects with ProgramError when something that was written is not in the image. */
export async function runMtools(
  program: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<ProgramOutput> {
  const output = await runProgram(program, args, options);
  const { stderr } = output;
  if (LOST.test(stderr)) throw new ProgramError(`${program} could not write: ${stderr.trim()}`, stderr);
  return output;
}
