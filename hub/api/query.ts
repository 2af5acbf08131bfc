/**
 * Query parameters of a request, parsed only when somebody asks. Numbers and booleans are read as Kubernetes
 * reads them; a value that cannot be read is a BadRequest that names the parameter and the value.
 */
import { ApiError } from '#protocol/meta/status.js';

export class QueryParams {
  readonly raw: string;
  #parsed: URLSearchParams | undefined;

  /** `raw` is the part of the URL after '?', without it. */
  constructor(raw: string) {
    this.raw = raw;
  }

  /** In-process callers give values, not text. */
  static of(values: Readonly<Record<string, string | number | boolean | undefined>>): QueryParams {
    const params = new URLSearchParams();
    for (const [key, value] of Object.entries(values)) {
      if (value !== undefined && value !== '') params.set(key, String(value));
    }
    const text = params.toString();
    return text === '' ? NO_QUERY : new QueryParams(text);
  }

  get isEmpty(): boolean {
    return this.raw === '';
  }

  get #params(): URLSearchParams {
    this.#parsed ??= new URLSearchParams(this.raw);
    return this.#parsed;
  }

  /** The first value, undefined when absent. */
  get(name: string): string | undefined {
    if (this.raw === '') return undefined;
    return this.#params.get(name) ?? undefined;
  }

  /** The first value, '' when absent. */
  text(name: string): string {
    return this.get(name) ?? '';
  }

  all(name: string): readonly string[] {
    return this.raw === '' ? [] : this.#params.getAll(name);
  }

  /** `1`, `t`, `true` and a bare `?name` are true; `0`, `f`, `false` and absence are false. */
  flag(name: string, absent = false): boolean {
    const value = this.get(name);
    switch (value?.toLowerCase()) {
      case undefined:
        return absent;
      case '':
      case '1':
      case 't':
      case 'true':
        return true;
      case '0':
      case 'f':
      case 'false':
        return false;
      default:
        throw ApiError.badRequest(
          `invalid value ${JSON.stringify(value)} for query parameter ${name}: want true or false`,
        );
    }
  }

  /** A whole number ≥ `minimum`; undefined when absent or empty. */
  integer(name: string, minimum = 0): number | undefined {
    const value = this.get(name);
    if (value === undefined || value === '') return undefined;
    const number = /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= minimum)) {
      throw ApiError.badRequest(
        `invalid value ${JSON.stringify(value)} for query parameter ${name}: want a whole number of at least ${minimum}`,
      );
    }
    return number;
  }
}

export const NO_QUERY = new QueryParams('');
