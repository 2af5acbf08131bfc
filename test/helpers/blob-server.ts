/** A registry with one blob that can be told to misbehave: stalling, other bytes, no answer at all. */
import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { RegistryEndpoint } from '#device-agent/images/options.js';

export class BlobServer {
  readonly digest: string;
  /** Ranges that were asked for: where each began. */
  readonly offsets: number[] = [];
  /** Bytes of each answer after which nothing more comes, while the connection stays. */
  stallAfter: number | undefined;
  /** Answers with these instead. */
  instead: Buffer | undefined;
  status = 200;
  readonly #bytes: Buffer;
  #port = 0;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  }

  static async start(t: TestContext, bytes: Buffer): Promise<BlobServer> {
    const blob = new BlobServer(bytes);
    const server = createServer((request, response) => {
      const [, from = '0'] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
      blob.#answer(Number(from), response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    blob.#port = (server.address() as AddressInfo).port;
    return blob;
  }

  get endpoint(): RegistryEndpoint {
    return { url: `http://127.0.0.1:${this.#port}`, plainHttp: true };
  }

  #answer(from: number, response: ServerResponse): void {
    this.offsets.push(from);
    const bytes = this.instead ?? this.#bytes;
    if (this.status !== 200) {
      response.writeHead(this.status);
      response.end();
      return;
    }
    const rest = bytes.subarray(from);
    response.writeHead(from === 0 ? 200 : 206, {
      'Content-Length': rest.length,
      ...(from === 0 ? {} : { 'Content-Range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    });
    if (this.stallAfter === undefined) {
      response.end(rest);
      return;
    }
    response.write(rest.subarray(0, this.stallAfter));
  }
}
