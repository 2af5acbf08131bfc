/** Standard base64 of text in UTF-8, without Node's Buffer so that protocol runs anywhere. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** UTF-8 bytes of a text; a lone surrogate becomes U+FFFD. */
function utf8(text: string): number[] {
  const out: number[] = [];
  for (const character of text) {
    let code = character.codePointAt(0) ?? 0;
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x80) out.push(code);
    else if (code < 0x800) out.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) out.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else {
      out.push(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 63),
        0x80 | ((code >> 6) & 63),
        0x80 | (code & 63),
      );
    }
  }
  return out;
}

export function encodeBase64(text: string): string {
  const input = utf8(text);
  let output = '';
  for (let index = 0; index < input.length; index += 3) {
    const [a = 0, b = 0, c = 0] = input.slice(index, index + 3);
    const word = (a << 16) | (b << 8) | c;
    const left = input.length - index;
    output += ALPHABET.charAt(word >> 18) + ALPHABET.charAt((word >> 12) & 63);
    output += left > 1 ? ALPHABET.charAt((word >> 6) & 63) : '=';
    output += left > 2 ? ALPHABET.charAt(word & 63) : '=';
  }
  return output;
}

/** Bytes that a well-formed base64 text stands for. */
export function decodedLength(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return Math.floor(base64.length / 4) * 3 - padding;
}
