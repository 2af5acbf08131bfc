/** What is wrong with the command line or the environment, and ends the agent with exit code 2. */

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
