/**
 * Watches, in the phases: (initial objects, then their bookmark if asked for) → changes, with a bookmark
 * about every minute and one shortly before the end, so that who comes back has little to catch up. A watch sees an object enter its selection as ADDED and leave it as DELETED, whatever
 * really happened to it. Many watchers with one selection share the work: a batch of the store is turned into
 * wire events once, and remembered by its identity for as long as anybody holds it.
 */
import { ANNOTATION } from '#protocol/core/v1/well-known.js';
import type { Timer } from '#protocol/lib/clock.js';
import { ApiError } from '#protocol/meta/status.js';
import { formatApiVersion } from '#protocol/meta/type-meta.js';
import type { StoreEvent, WatchBatch } from '../store/store.js';
import type { ResourceContext } from './context.js';
import { encodeCopy, objectOf, toValue } from './encode.js';
import { listObjects } from './list.js';
import type { RequestScope, StorageWatchEvent, StorageWatchOptions } from './resource-storage.js';
import { parseResourceVersion, reachRevision } from './revisions.js';
import { type CompiledSelection, selectedPrefix } from './selection.js';
import { hasStoreCode, toApiError } from './store-errors.js';

const BOOKMARK_MS = 60_000;
/** The last bookmark comes this long before the end of the watch. */
const LAST_BOOKMARK_MS = 2_000;
const INITIAL_BATCH = 500;
const NOTHING: readonly StorageWatchEvent[] = [];

export async function* watchObjects(
  context: ResourceContext,
  scope: RequestScope,
  options: StorageWatchOptions,
  selection: CompiledSelection,
): AsyncGenerator<readonly StorageWatchEvent[], void, undefined> {
  const wanted = parseResourceVersion(options.resourceVersion);
  const endsAt = context.clock.monotonic() + (options.endsAfterMs ?? Number.POSITIVE_INFINITY);
  try {
    await reachRevision(context, wanted, scope.signal);
  } catch (error) {
    // The time of the watch is over: it ends as it would have later.
    if (scope.signal.aborted) return;
    throw error;
  }
  let from = wanted;
  if (wanted === 0 || options.sendInitialEvents) {
    const everything = {
      limit: undefined,
      continue: '',
      resourceVersion: '',
      resourceVersionMatch: '',
    } as const;
    const list = await listObjects(context, scope, { ...options, ...everything }, selection);
    from = Number(list.resourceVersion);
    for (let start = 0; start < list.items.length; start += INITIAL_BATCH) {
      yield list.items.slice(start, start + INITIAL_BATCH).map((value) => ({ type: 'ADDED', value }));
    }
    if (options.sendInitialEvents && options.allowWatchBookmarks) {
      yield [bookmark(context, from, { [ANNOTATION.initialEventsEnd]: 'true' })];
    }
  }
  using ticker = options.allowWatchBookmarks ? new Ticker(context, endsAt) : undefined;
  yield* follow(context, scope, ticker, selection, from);
}

/** Changes after `from`, until the scope's signal aborts. */
async function* follow(
  context: ResourceContext,
  scope: RequestScope,
  ticker: Ticker | undefined,
  selection: CompiledSelection,
  from: number,
): AsyncGenerator<readonly StorageWatchEvent[], void, undefined> {
  const ended = new AbortController();
  const signal = AbortSignal.any([scope.signal, ended.signal]);
  const prefix = selectedPrefix(context.kind, scope.namespace, selection);
  const changes = context.store.watch({ prefix, fromRevision: from, signal })[Symbol.asyncIterator]();
  let announced = from;
  let complete = from;
  try {
    let pending = changes.next();
    for (;;) {
      const step = await (ticker?.race(pending) ?? pending);
      if (step === 'tick' || step === 'last') {
        if (step === 'tick' && complete === announced) continue;
        announced = complete;
        yield [bookmark(context, complete, undefined)];
        continue;
      }
      if (step.done === true) return;
      pending = changes.next();
      // The rejection is seen by the next race; this keeps it from counting as unhandled until then.
      pending.catch(() => undefined);
      complete = step.value.revision;
      const events = convert(step.value, selection);
      if (events.length > 0) yield events;
    }
  } catch (error) {
    throw watchError(context, error, from);
  } finally {
    ended.abort();
  }
}

/** When a bookmark is due: about every minute, and a last time shortly before the end. */
type Tick = 'tick' | 'last';

/** Waits for a change or for the time of a bookmark, without leaving anything behind on the loser. */
class Ticker implements Disposable {
  readonly #context: ResourceContext;
  readonly #lastAt: number;
  #timer: Timer | undefined;
  #wake: ((tick: Tick) => void) | undefined;
  #due: Tick | undefined;

  /** `endsAt`: monotonic milliseconds. */
  constructor(context: ResourceContext, endsAt: number) {
    this.#context = context;
    const now = context.clock.monotonic();
    const lastAt = endsAt - LAST_BOOKMARK_MS;
    this.#lastAt = lastAt > now ? lastAt : Number.POSITIVE_INFINITY;
    this.#arm(now);
  }

  race<T>(pending: Promise<T>): Promise<T | Tick> {
    return new Promise((resolve, reject) => {
      if (this.#due !== undefined) {
        resolve(this.#due);
        this.#due = undefined;
        return;
      }
      this.#wake = (tick) => {
        this.#wake = undefined;
        this.#due = undefined;
        resolve(tick);
      };
      pending.then((value) => {
        this.#wake = undefined;
        resolve(value);
      }, reject);
    });
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
  }

  /** Spread by a tenth, so that watchers that began together do not stay together. */
  #arm(now: number): void {
    const { clock, random } = this.#context;
    const next = now + BOOKMARK_MS * (0.9 + 0.1 * random());
    const tick = this.#lastAt <= next ? 'last' : 'tick';
    this.#timer = clock.setTimer(Math.min(next, this.#lastAt) - now, () => {
      if (tick === 'tick') this.#arm(clock.monotonic());
      this.#due = tick;
      this.#wake?.(tick);
    });
  }
}

function convert(batch: WatchBatch, selection: CompiledSelection): readonly StorageWatchEvent[] {
  if (batch.events.length === 0) return NOTHING;
  const known = selection.batches.get(batch.events);
  if (known !== undefined) return known;
  const events: StorageWatchEvent[] = [];
  for (const event of batch.events) {
    const converted = convertOnce(event, selection);
    if (converted !== undefined) events.push(converted);
  }
  selection.batches.set(batch.events, events);
  return events;
}

function convertOnce(event: StoreEvent, selection: CompiledSelection): StorageWatchEvent | undefined {
  let converted = selection.events.get(event);
  if (converted === undefined) {
    converted = selection.everything ? plainEvent(event) : (selectedEvent(event, selection) ?? 'outside');
    selection.events.set(event, converted);
  }
  return converted === 'outside' ? undefined : converted;
}

function plainEvent({ type, value }: StoreEvent): StorageWatchEvent {
  return { type: type === 'created' ? 'ADDED' : type === 'updated' ? 'MODIFIED' : 'DELETED', value };
}

/** The event as seen through a selection: what counts is whether the object was inside and is inside now. */
function selectedEvent(event: StoreEvent, selection: CompiledSelection): StorageWatchEvent | undefined {
  const { previous, value, revision } = event;
  const was = previous !== undefined && selection.matches(previous);
  const is = event.type !== 'deleted' && selection.matches(value);
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', value };
  if (!was) return undefined;
  if (event.type === 'deleted') return { type: 'DELETED', value };
  // The last state that the watcher knew, at the revision at which it stopped being true.
  return { type: 'DELETED', value: encodeCopy(objectOf(previous))(revision) };
}

function bookmark(
  context: ResourceContext,
  revision: number,
  annotations: Record<string, string> | undefined,
): StorageWatchEvent {
  const { kind } = context.kind;
  const apiVersion = formatApiVersion(context.kind);
  const metadata = {
    resourceVersion: String(revision),
    ...(annotations === undefined ? {} : { annotations }),
  };
  return { type: 'BOOKMARK', value: toValue({ kind, apiVersion, metadata }) };
}

function watchError(context: ResourceContext, error: unknown, from: number): unknown {
  if (hasStoreCode(error, 'EXPIRED')) {
    return ApiError.expired(`too old resource version: ${from} (${context.store.compactedRevision})`);
  }
  if (hasStoreCode(error, 'SLOW_WATCHER')) {
    context.logger.warn({ resource: context.kind.resource }, 'watcher was too slow and has been ended');
  }
  return toApiError(error, context.kind, '');
}
