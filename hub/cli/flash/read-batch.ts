/**
 * The cards of a batch from its CSV. All that is wrong with it, in form and in meaning, is reported at once by line
 * and column, and nothing is done before it is right.
 */
import { type CardRow, MAX_LIST_BYTES, readCards } from '#firmware-profiles/flash/cards-csv.js';
import type { CsvProblem } from '#firmware-profiles/flash/csv.js';
import { readTextWithin } from '#firmware-profiles/lib/read-text.js';
import { CommandError, type Output } from '../command.js';
import { type CardOrder, type OrderContext, orderCard } from './card-order.js';
import type { CardTexts } from './options.js';

/** In a field that takes several: labels, name servers, keys. */
const SEPARATOR = /\s*;\s*/;

export interface BatchFile {
  readonly path: string;
  readonly rows: readonly CardRow[];
  readonly problems: readonly CsvProblem[];
}

export async function readBatch(path: string): Promise<BatchFile> {
  const text = await readTextWithin(path, MAX_LIST_BYTES).catch((error: Error) => {
    throw new CommandError(`cannot read --batch ${path}: ${error.message}`);
  });
  if (text === undefined) throw new CommandError(`--batch ${path}: too large for a list of cards`);
  return { path, ...readCards(text) };
}

/** What a line says, over what all cards have. */
export function textsOf(row: CardRow, common: CardTexts): CardTexts {
  const text = (column: Parameters<CardRow['get']>[0]) => row.get(column)?.text;
  const list = (column: Parameters<CardRow['get']>[0]) =>
    text(column)
      ?.split(SEPARATOR)
      .filter((part) => part !== '') ?? [];
  const dns = list('dns');
  // Of the options, router and name servers are for those lines that have an address.
  const fixed = row.has('address') ? common : { gateway: undefined, dns: [] };
  return {
    name: text('name'),
    profile: text('profile') ?? common.profile,
    site: text('site') ?? common.site,
    labels: [...common.labels, ...list('labels')],
    wifi: text('wifi') ?? common.wifi,
    wifiCountry: text('wifi-country') ?? common.wifiCountry,
    address: text('address'),
    gateway: text('gateway') ?? fixed.gateway,
    dns: dns.length > 0 ? dns : fixed.dns,
    sshKeys: [...common.sshKeys, ...list('ssh-key')],
  };
}

/** Rejects with a CommandError after every problem was told. */
export async function orderBatch(
  { path, rows, problems }: BatchFile,
  common: CardTexts,
  context: OrderContext,
  { err }: Pick<Output, 'err'>,
): Promise<readonly CardOrder[]> {
  const found = [...problems];
  const orders: CardOrder[] = [];
  for (const row of rows) {
    const name = row.get('name');
    // Told by the form's check.
    if (name === undefined) continue;
    const result = await orderCard(textsOf(row, common), context);
    if ('order' in result) orders.push(result.order);
    else {
      for (const { field, message } of result.problems) {
        const { line, column } = row.get(field) ?? name;
        found.push({ line, column, message: `${field}: ${message}` });
      }
    }
  }
  if (found.length === 0) return orders;
  found.sort((a, b) => a.line - b.line || a.column - b.column);
  for (const { line, column, message } of found) err(`${path}:${line}:${column}: ${message}\n`);
  throw new CommandError(
    `${path}: ${found.length} ${found.length === 1 ? 'error' : 'errors'}; nothing was written`,
  );
}
