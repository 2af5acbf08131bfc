/**
 * The layout of a message: field number → JSON name, read from the table in field-numbers.ts once per message.
 */
import { FIELD_NUMBERS } from './field-numbers.js';

export interface LayoutField {
  /** JSON name; '' for a message whose fields appear among those around it. */
  readonly name: string;
  /** Qualified name of the inlined message. */
  readonly inlined: string;
  /** A scalar whose zero value means something. */
  readonly keepsZero: boolean;
}

export type Layout = ReadonlyMap<number, LayoutField>;

/** Layouts by qualified message name: 'io.k8s.api.core.v1.Pod'. */
export class Layouts {
  readonly #lines = new Map<string, string>();
  readonly #layouts = new Map<string, Layout>();

  constructor(table: Readonly<Record<string, string>> = FIELD_NUMBERS) {
    for (const [packageName, text] of Object.entries(table)) {
      for (const line of text.trim().replace(/\n +/g, ' ').split('\n')) {
        const space = line.indexOf(' ');
        const name = space < 0 ? line : line.slice(0, space);
        this.#lines.set(`${packageName}.${name}`, space < 0 ? '' : line.slice(space + 1));
      }
    }
  }

  /** undefined: the message has no protobuf encoding. */
  of(qualifiedName: string): Layout | undefined {
    let layout = this.#layouts.get(qualifiedName);
    const line = this.#lines.get(qualifiedName);
    if (layout === undefined && line !== undefined) {
      const packageName = qualifiedName.slice(0, qualifiedName.lastIndexOf('.'));
      layout = new Map(line.split(' ').map((entry) => parseEntry(entry, packageName)));
      this.#layouts.set(qualifiedName, layout);
    }
    return layout;
  }
}

function parseEntry(entry: string, packageName: string): [number, LayoutField] {
  const [name = '', number = ''] = entry.split('=');
  const inlined = name.startsWith('@') ? `${packageName}.${name.slice(1)}` : '';
  const keepsZero = number.endsWith('?');
  return [Number.parseInt(number, 10), { name: inlined === '' ? name : '', inlined, keepsZero }];
}
