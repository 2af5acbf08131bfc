/** A base image cannot be built as asked; the message says what is missing or wrong and what to do. */
export class BuildError extends Error {
  override readonly name = 'BuildError';
}
