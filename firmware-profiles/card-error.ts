/** A card cannot be made as asked; the message says which value is wrong and what to do. */
export class CardError extends Error {
  override readonly name: string = 'CardError';
}
