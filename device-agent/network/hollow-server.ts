/**
 * The other end of a connection into a pod that only pretends to run: it answers HTTP with 200 and a gRPC call
 * with a health service's SERVING, whatever was asked, so that probes pass. HTTP/2 is loaded with the first
 * client that speaks it.
 */
import { type Duplex, duplexPair } from 'node:stream';

const ANSWER = 'This device only pretends to run the pod.\n';
const HTTP_ANSWER = `HTTP/1.1 200 OK\r\nContent-Length: ${ANSWER.length}\r\nConnection: close\r\n\r\n${ANSWER}`;
/** How every HTTP/2 client begins. */
const HTTP2_PREFACE = 'PRI * HTTP/2';
/** A gRPC message of grpc.health.v1.HealthCheckResponse with status SERVING. */
const SERVING = Buffer.of(0, 0, 0, 0, 2, 0x08, 0x01);

/** The client's end of a connection whose server answers the first thing that it hears. */
export function pretendedServer(): Duplex {
  const [client, server] = duplexPair();
  client.once('close', () => server.destroy());
  // Whoever broke the connection off has no use for its error.
  server.on('error', () => undefined);
  server.once('data', (heard: Buffer) => {
    if (!heard.toString('latin1').startsWith(HTTP2_PREFACE)) {
      server.resume();
      server.end(HTTP_ANSWER);
      return;
    }
    server.pause();
    server.unshift(heard);
    void serveHttp2(server);
  });
  return client;
}

async function serveHttp2(connection: Duplex): Promise<void> {
  const { createServer } = await import('node:http2');
  const server = createServer();
  server.on('sessionError', () => connection.destroy());
  server.on('stream', (stream) => {
    stream.on('error', () => connection.destroy());
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(SERVING);
  });
  server.emit('connection', connection);
}
