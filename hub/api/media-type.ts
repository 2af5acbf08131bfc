/**
 * Parses media types and Accept headers (RFC 9110, sections 8.3 and 12.5.1). Pure and bounded; malformed
 * clauses are skipped, as clients in the field expect.
 */
export interface MediaType {
  /** Lower case: 'application/json'. */
  readonly type: string;
  /** Parameter names in lower case, values unquoted. */
  readonly params: Readonly<Record<string, string>>;
}

export interface AcceptClause extends MediaType {
  /** 0 to 1. */
  readonly quality: number;
}

const MAX_HEADER = 2048;
const MAX_CLAUSES = 32;

/** Parses `type/subtype; a=b; c="d"`. undefined when it is not one. */
export function parseMediaType(text: string): MediaType | undefined {
  if (text.length > MAX_HEADER) return undefined;
  const [head = '', ...rest] = text.split(';');
  const type = head.trim().toLowerCase();
  if (!/^[\w!#$&^.+*-]+\/[\w!#$&^.+*-]+$/.test(type)) return undefined;
  const params: Record<string, string> = {};
  for (const part of rest) {
    const equals = part.indexOf('=');
    if (equals < 0) continue;
    const value = part.slice(equals + 1).trim();
    params[part.slice(0, equals).trim().toLowerCase()] = value.startsWith('"') ? value.slice(1, -1) : value;
  }
  return { type, params };
}

/** The clauses of an Accept header, best first; equal qualities keep their order. */
export function parseAccept(header: string): readonly AcceptClause[] {
  const clauses: AcceptClause[] = [];
  for (const part of header.slice(0, MAX_HEADER).split(',').slice(0, MAX_CLAUSES)) {
    const parsed = parseMediaType(part);
    if (parsed === undefined) continue;
    const quality = parsed.params['q'] === undefined ? 1 : Number(parsed.params['q']);
    if (quality > 0 && quality <= 1) clauses.push({ ...parsed, quality });
  }
  return clauses.sort((a, b) => b.quality - a.quality);
}
