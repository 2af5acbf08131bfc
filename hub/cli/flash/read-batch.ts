/**
 * The cards of a batch from its CSV. All that is wrong with it, in form and in meaning, is reported at once by line
 * and column, and nothing is done before it is right.
 */
import { type CardRow, MAX_LIST_BYTES, readCards } from '#firmware-profiles/flash/cards-csv.js';
import type { CsvProblem } from '#firmware-profiles/flash/csv.js';
import { fileTrouble } from '#firmware-profiles/lib/file-trouble.js';
import { readTextWithin } from '#firmware-profiles/lib/read-text.js';
import { CommandError, type Output } from '../command.js';
import { type CardOrder, type OrderContext, type OrderField, orderCard } from './card-order.js';
import type { CardTexts } from './options.js';

/** In a field that takes several: labels, name servers, keys. */
const SEPARATOR = /\s*;\s*/;

export interface BatchFile {
  readonly path: string;
  readonly rows: readonly CardRow[];
  readonly problems: readonly CsvProblem[];
}

export async function readBatch(path: string): Promise<BatchFile> {
  const text = await readTextWithin(path, MAX_LIST_BYTES).catch((error: unknown) => {
    throw new CommandError(`cannot read --batch ${path}: ${fileTrouble(error)}`);
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
  // The digest of the options is that of their image.
  const own = row.has('image');
  // Of the options, router and name servers are for those lines that have an address.
  const fixed = row.has('address') ? common : { gateway: undefined, dns: [] };
  return {
    name: text('name'),
    profile: text('profile') ?? common.profile,
    image: text('image') ?? common.image,
    sha256: text('sha256') ?? (own ? undefined : common.sha256),
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
  /** Address at a site → its line. */
  const addresses = new Map<string, number>();
  for (const row of rows) {
    const name = row.get('name');
    // Told by the form's check.
    if (name === undefined) continue;
    const result = await orderCard(textsOf(row, common), context);
    const tell = (field: OrderField, message: string) => {
      const { line, column } = row.get(field) ?? name;
      found.push({ line, column, message: `${field}: ${message}` });
    };
    if (!('order' in result)) {
      for (const { field, message } of result.problems) tell(field, message);
      continue;
    }
    orders.push(result.order);
    const { network, site = '' } = result.order.settings;
    if (network === undefined) continue;
    const [address = ''] = network.address.split('/');
    // Sites may well have the same private network.
    const key = `${site} ${address}`;
    const before = addresses.get(key);
    if (before === undefined) addresses.set(key, name.line);
    else tell('address', `${address} is that of line ${before} already, at the same site`);
  }
  if (found.length === 0) return orders;
  found.sort((a, b) => a.line - b.line || a.column - b.column);
  for (const { line, column, message } of found) err(`${path}:${line}:${column}: ${message}\n`);
  throw new CommandError(
    `${path}: ${found.length} ${found.length === 1 ? 'error' : 'errors'}; nothing was written`,
  );
}
