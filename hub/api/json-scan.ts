/**
 * A scan over JSON text for what JSON.parse cannot tell: keys that occur twice in one object, and nesting that
 * is too deep to be meant well. Runs before parsing, in one pass over the characters; malformed text is left
 * for the parser to complain about.
 */
import { ApiError } from '#protocol/meta/status.js';

const MAX_DEPTH = 512;
const MAX_REPORTED = 100;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COLON = 0x3a;
const COMMA = 0x2c;

interface Level {
  /** undefined for arrays. */
  readonly keys: Set<string> | undefined;
  /** The key or index at which the scan is. */
  at: string | number;
}

/** Paths of duplicate keys ('spec.containers[0].name'), at most 100. Throws BadRequest for absurd nesting. */
export function duplicateKeys(text: string): readonly string[] {
  const levels: Level[] = [];
  const duplicates: string[] = [];
  let level: Level | undefined;
  for (let index = 0; index < text.length; index += 1) {
    switch (text.charCodeAt(index)) {
      case QUOTE: {
        const end = endOfString(text, index);
        if (level?.keys !== undefined && isKey(text, end)) {
          const key = text.slice(index + 1, end);
          if (level.keys.has(key) && duplicates.length < MAX_REPORTED) duplicates.push(pathOf(levels, key));
          level.keys.add(key);
          level.at = key;
        }
        index = end;
        break;
      }
      case OPEN_OBJECT:
      case OPEN_ARRAY: {
        const keys = text.charCodeAt(index) === OPEN_OBJECT ? new Set<string>() : undefined;
        level = { keys, at: keys === undefined ? 0 : '' };
        levels.push(level);
        if (levels.length > MAX_DEPTH)
          throw ApiError.badRequest(`the body is nested more than ${MAX_DEPTH} levels deep`);
        break;
      }
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        levels.pop();
        level = levels.at(-1);
        break;
      case COMMA:
        if (level !== undefined && typeof level.at === 'number') level.at += 1;
        break;
    }
  }
  return duplicates;
}

/** Index of the closing quote of the string that opens at `start`; the end of the text when it never closes. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}

/** Whether the string that ends at `end` is followed by a colon. */
function isKey(text: string, end: number): boolean {
  for (let index = end + 1; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === COLON) return true;
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return false;
  }
  return false;
}

function pathOf(levels: readonly Level[], key: string): string {
  let path = '';
  for (const { at } of levels.slice(0, -1)) {
    if (typeof at === 'number') path += `[${at}]`;
    else path += path === '' ? at : `.${at}`;
  }
  return path === '' ? key : `${path}.${key}`;
}
