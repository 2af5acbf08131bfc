/**
 * The request and the answer as the filters and handlers see them. HTTP (hub/api/http-request.ts) and the
 * in-process client (hub/client/in-process.ts) both make an ApiRequest and drive the same chain; neither
 * filters nor handlers know which one it was, except through `credentials` (HTTP only) and `upgrade`.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { KindInfo } from '#protocol/kind-info.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { Credentials } from '../authn/authenticator.js';
import type { StorageList, StorageWatchEvent } from '../registry/resource-storage.js';
import type { StoredValue } from '../store/store.js';
import type { QueryParams } from './query.js';
import type { RequestInfo } from './request-info.js';

/** The body as it came: bytes with their media type from HTTP, a value from the in-process client. */
export type RequestBody =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly contentType: string }
  | { readonly kind: 'value'; readonly value: unknown; readonly contentType: string };

/** The raw connection of a request that asked for an upgrade. */
export interface UpgradeRequest {
  readonly message: IncomingMessage;
  readonly socket: Duplex;
  /** Bytes of the new protocol that came with the request. */
  readonly head: Buffer;
}

export interface ApiRequest {
  /** Unique; goes out as Audit-Id. */
  readonly id: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: QueryParams;
  readonly info: RequestInfo;
  /** A request header by its lower-case name. */
  header(name: string): string | undefined;
  /** Headers whose lower-case name begins so: the rest of the name, and every value that was sent. */
  headersFrom(prefix: string): ReadonlyArray<readonly [rest: string, values: readonly string[]]>;
  /** Where it came from, for audit and limits: an IP address, or 'in-process'. */
  readonly source: string;
  /** undefined: the caller is in this process and `user` is set already. */
  readonly credentials: Credentials | undefined;
  /** Set by authentication (and impersonation); handlers may rely on it. */
  user: UserInfo;
  /** Who authenticated, when `user` is impersonated. */
  impersonator: UserInfo | undefined;
  /** Aborted when the client is gone or the deadline has passed. */
  readonly signal: AbortSignal;
  /** Aborts `signal`; harmless when the request is over. */
  abort(reason: Error): void;
  /** Adds a `Warning:` to the answer. Bounded: what exceeds the limit is dropped. */
  warn(message: string): void;
  readonly warnings: readonly string[];
  /** Reads the whole body; ApiError RequestEntityTooLarge beyond the limit. Call at most once. */
  readBody(): Promise<RequestBody>;
  readonly upgrade: UpgradeRequest | undefined;
}

export interface ListResult {
  readonly kind: 'list';
  readonly list: StorageList;
  readonly resource: KindInfo;
}

export interface WatchResult {
  readonly kind: 'watch';
  readonly resource: KindInfo;
  /** Reading starts the watch. It ends when `stop` is called, the request is aborted or its time is over. */
  readonly events: AsyncIterable<readonly StorageWatchEvent[]>;
  /** Ends the watch and frees what it holds; harmless when repeated. */
  readonly stop: () => void;
}

/** What a handler answers. Only hub/api/respond.ts turns one into bytes. */
export type ApiResult =
  /** A stored object: its bytes go out as they are. */
  | {
      readonly kind: 'stored';
      readonly status: number;
      readonly value: StoredValue;
      readonly resource: KindInfo;
    }
  | ListResult
  | WatchResult
  /** An object made for this answer: Scale, Binding, TokenRequest, Status, a discovery document. */
  | { readonly kind: 'object'; readonly status: number; readonly object: object; readonly headers?: Headers }
  /** Bytes of any type: health, metrics, OpenAPI. */
  | {
      readonly kind: 'raw';
      readonly status: number;
      readonly contentType: string;
      readonly body: string | Uint8Array;
      readonly headers?: Headers;
    }
  /** Bytes as they come: logs. */
  | { readonly kind: 'stream'; readonly contentType: string; readonly chunks: AsyncIterable<Uint8Array> }
  /** The connection changes its protocol; `run` owns the socket from then on and settles when it is over. */
  | { readonly kind: 'upgrade'; readonly run: () => Promise<void> };

type Headers = Readonly<Record<string, string>>;

export type Handler = (request: ApiRequest) => Promise<ApiResult>;

/** One link of the chain: wraps everything that comes after it. */
export interface Filter {
  /** As in chain.ts, metrics and logs. */
  readonly name: string;
  wrap(next: Handler): Handler;
}

/** Long-running requests have no deadline and do not count as in flight. */
export function isLongRunning(request: ApiRequest): boolean {
  const { info } = request;
  if (info.kind === 'path') return false;
  return info.verb === 'watch' || LONG_RUNNING_SUBRESOURCES.has(info.subresource);
}

const LONG_RUNNING_SUBRESOURCES: ReadonlySet<string> = new Set([
  'log',
  'exec',
  'attach',
  'portforward',
  'proxy',
]);
