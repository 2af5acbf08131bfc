/** An update that cannot be made: trying the same offer again is of no use. The message is the reason that people see. */
export class UpdateError extends Error {
  override readonly name = 'UpdateError';

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
}
