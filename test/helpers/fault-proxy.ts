/** An HTTP proxy before a registry that records requests and spoils answers as the test asks. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';

export interface Fault {
  /** End the connection after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Answer this status instead. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Change the body's bytes. */
  readonly spoil?: (chunk: Buffer) => Buffer;
}

export interface FaultProxy extends AsyncDisposable {
  readonly url: string;
  readonly host: string;
  readonly requests: Array<{
    readonly path: string;
    readonly range: string | undefined;
    readonly authorization: string | undefined;
  }>;
  /** Asked for every request. */
  fault: (incoming: IncomingMessage) => Fault | undefined;
}

export async function startFaultProxy(target: string, listen = '127.0.0.1'): Promise<FaultProxy> {
  const requests: FaultProxy['requests'] = [];
  const server = createServer((incoming, outgoing) => {
    requests.push({
      path: incoming.url ?? '',
      range: incoming.headers.range,
      authorization: incoming.headers.authorization,
    });
    answer(incoming, outgoing, proxy.fault(incoming) ?? {});
  });
  const answer = (incoming: IncomingMessage, outgoing: ServerResponse, fault: Fault) => {
    if (fault.status !== undefined) {
      outgoing.writeHead(fault.status, fault.headers);
      outgoing.end();
      return;
    }
    const url = new URL(incoming.url ?? '/', target);
    const upstream = request(url, {
      method: incoming.method,
      headers: { ...incoming.headers, host: url.host },
    });
    upstream.once('error', () => outgoing.destroy());
    upstream.once('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      let sent = 0;
      response.on('data', (chunk: Buffer) => {
        const bytes = fault.spoil ? fault.spoil(chunk) : chunk;
        const room = (fault.cutAfter ?? Number.POSITIVE_INFINITY) - sent;
        sent += bytes.length;
        if (bytes.length <= room) {
          outgoing.write(bytes);
          return;
        }
        outgoing.write(bytes.subarray(0, room), () => outgoing.destroy());
        response.destroy();
      });
      response.once('end', () => outgoing.end());
    });
    incoming.pipe(upstream);
  };
  await new Promise<void>((resolve) => server.listen(0, listen, resolve));
  const address = server.address();
  const host = `${listen}:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const proxy: FaultProxy = {
    url: `http://${host}`,
    host,
    requests,
    fault: () => undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
