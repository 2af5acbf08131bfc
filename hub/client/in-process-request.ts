/** An ApiRequest made inside the process: its info is given, not parsed, and its body is a value. */
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { ApiRequest, RequestBody } from '../api/api-request.js';
import { QueryParams } from '../api/query.js';
import type { RequestInfo } from '../api/request-info.js';
import type { ResourceId } from './client.js';

export interface RequestParts {
  readonly id: string;
  readonly user: UserInfo;
  readonly resource: ResourceId;
  readonly method: string;
  readonly verb: string;
  readonly name?: string;
  readonly namespace?: string | undefined;
  readonly subresource?: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Ends a watch. */
  readonly signal?: AbortSignal;
}

export class InProcessRequest implements ApiRequest {
  readonly id: string;
  readonly method: string;
  readonly query: QueryParams;
  readonly info: RequestInfo;
  readonly source = 'in-process';
  readonly credentials = undefined;
  readonly upgrade = undefined;
  user: UserInfo;
  impersonator: UserInfo | undefined;
  readonly warnings: readonly string[] = [];
  readonly #body: RequestBody;
  readonly #given: AbortSignal | undefined;
  #controller: AbortController | undefined;

  constructor(parts: RequestParts) {
    const { resource, verb, name = '', namespace = '', subresource = '' } = parts;
    this.id = parts.id;
    this.method = parts.method;
    this.user = parts.user;
    this.query = QueryParams.of(parts.query ?? {});
    this.info = { kind: 'resource', verb, ...resource, subresource, namespace, name, rest: '' };
    this.#body = { kind: 'value', value: parts.body, contentType: parts.contentType ?? '' };
    this.#given = parts.signal;
  }

  get path(): string {
    return `in-process:${JSON.stringify(this.info)}`;
  }

  /** In-process callers send no headers; their field manager is their name. */
  header(name: string): string | undefined {
    return name === 'user-agent' ? this.user.username : undefined;
  }

  headersFrom(): readonly [] {
    return [];
  }

  get signal(): AbortSignal {
    return this.#aborter().signal;
  }

  abort(reason: Error): void {
    this.#given?.removeEventListener('abort', this.#follow);
    this.#aborter().abort(reason);
  }

  /** Nobody reads warnings here: problems of our own parts show in tests. */
  warn(): void {}

  async readBody(): Promise<RequestBody> {
    return this.#body;
  }

  #aborter(): AbortController {
    if (this.#controller !== undefined) return this.#controller;
    const controller = new AbortController();
    this.#controller = controller;
    const given = this.#given;
    if (given?.aborted) controller.abort(given.reason);
    else given?.addEventListener('abort', this.#follow, { once: true });
    return controller;
  }

  readonly #follow = () => this.#controller?.abort(this.#given?.reason);
}
