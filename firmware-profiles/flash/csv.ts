/**
 * Comma-separated values as RFC 4180 says: quoted fields with commas, line breaks and doubled quotes in them; LF,
 * CRLF or CR. Every field knows where it stands, for messages. Pure.
 */

export interface CsvField {
  readonly text: string;
  /** Both 1-based; a tab or an umlaut is one column. */
  readonly line: number;
  readonly column: number;
}

export interface CsvProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface CsvRecords {
  /** Empty lines are left out. */
  readonly records: readonly (readonly CsvField[])[];
  readonly problems: readonly CsvProblem[];
}

export function parseCsv(text: string): CsvRecords {
  return new CsvReader(text.replace(/^\uFEFF/, '')).read();
}

class CsvReader {
  readonly #letters: readonly string[];
  readonly #records: (readonly CsvField[])[] = [];
  readonly #problems: CsvProblem[] = [];
  #at = 0;
  #line = 1;
  #column = 1;

  constructor(text: string) {
    this.#letters = [...text.replace(/\r\n?/g, '\n')];
  }

  read(): CsvRecords {
    while (this.#peek() !== undefined) {
      const record = this.#record();
      if (record.some(({ text }) => text !== '')) this.#records.push(record);
    }
    return { records: this.#records, problems: this.#problems };
  }

  #record(): readonly CsvField[] {
    const fields = [this.#field()];
    while (this.#peek() === ',') {
      this.#take();
      fields.push(this.#field());
    }
    // The line's end, or the file's.
    this.#take();
    return fields;
  }

  #field(): CsvField {
    const { line, column } = this.#place();
    const text = this.#peek() === '"' ? this.#quoted() : this.#plain();
    return { text: text.trim(), line, column };
  }

  #plain(): string {
    let text = '';
    for (let next = this.#peek(); next !== undefined && next !== ',' && next !== '\n'; next = this.#peek()) {
      if (next === '"') this.#problem('a quote inside a field: put the whole field in quotes, and double it');
      text += this.#take();
    }
    return text;
  }

  #quoted(): string {
    const begin = this.#place();
    let text = '';
    this.#take();
    for (;;) {
      const next = this.#take();
      if (next === undefined) {
        this.#problems.push({ ...begin, message: 'this quote is never closed' });
        return text;
      }
      if (next !== '"') text += next;
      else if (this.#peek() === '"') text += this.#take();
      else break;
    }
    const after = this.#peek();
    if (after !== undefined && after !== ',' && after !== '\n') {
      this.#problem('expected a comma after the closing quote');
      this.#plain();
    }
    return text;
  }

  #problem(message: string): void {
    this.#problems.push({ ...this.#place(), message });
  }

  #place(): { readonly line: number; readonly column: number } {
    return { line: this.#line, column: this.#column };
  }

  #peek(): string | undefined {
    return this.#letters[this.#at];
  }

  #take(): string | undefined {
    const letter = this.#letters[this.#at];
    this.#at += 1;
    this.#column += 1;
    if (letter === '\n') {
      this.#line += 1;
      this.#column = 1;
    }
    return letter;
  }
}
