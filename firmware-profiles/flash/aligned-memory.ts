/**
 * Buffers that direct I/O accepts: they begin on a page. Node cannot ask for that, but the memory of WebAssembly
 * always begins on one.
 */

/** Unit of writing and of verifying. */
export const BLOCK_BYTES = 4 * 2 ** 20;
const WASM_PAGE_BYTES = 2 ** 16;

/** The one part of it that is used here; the compiler's library for Node does not declare it. */
declare const WebAssembly: {
  readonly Memory: new (limits: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
};

/** `count` page-aligned buffers of BLOCK_BYTES. */
export function alignedBlocks(count: number): readonly Buffer[] {
  const memory = new WebAssembly.Memory({ initial: (count * BLOCK_BYTES) / WASM_PAGE_BYTES });
  return Array.from({ length: count }, (_, index) =>
    Buffer.from(memory.buffer, index * BLOCK_BYTES, BLOCK_BYTES),
  );
}
