/**
 * One call of grpc.health.v1.Health/Check over a connection that stands already: whether the service says
 * SERVING. The two messages are a field each, so they are written and read here by hand. HTTP/2 is loaded with
 * the first call: a device without gRPC probes does not pay for it.
 */
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';

export interface GrpcCheck {
  readonly port: number;
  /** Empty: the server as a whole. */
  readonly service: string;
}

const PATH = '/grpc.health.v1.Health/Check';
/** Flag and length of a gRPC message. */
const PREFIX_BYTES = 5;
/** The answer has two bytes; what is longer than this is none. */
const MAX_ANSWER_BYTES = 1024;
const SERVING = 'SERVING';
/** By number, as grpc.health.v1.HealthCheckResponse.ServingStatus has them. */
const SERVING_STATUS = ['UNKNOWN', SERVING, 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const GRPC_OK = '0';
const GRPC_UNIMPLEMENTED = '12';

/**
 * Resolves when the service is serving; rejects with what is wrong, worded as kubelet words it, or with the
 * signal's reason. Uses up the connection.
 */
export async function checkGrpc(check: GrpcCheck, socket: Duplex, signal: AbortSignal): Promise<void> {
  const { connect } = await import('node:http2');
  signal.throwIfAborted();
  const session = connect(`http://localhost:${check.port}`, { createConnection: () => socket });
  const abort = () => session.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const status = await call(session, check.service);
    if (status !== SERVING) throw new Error(`service unhealthy (responded with "${status}")`);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
    session.destroy();
  }
}

/** The name of the status that the server answers with. */
function call(session: ClientHttp2Session, service: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`error: health rpc probe failed: ${why}`));
    session.on('error', (error: Error) => fail(error.message));
    session.once('close', () => fail('the connection was closed'));
    const stream = session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'kube-probe/covey',
    });
    let http = 0;
    let outcome: IncomingHttpHeaders = {};
    const answer: Buffer[] = [];
    let bytes = 0;
    stream.on('response', (headers) => {
      http = headers[':status'] ?? 0;
      // A call that fails at once has its outcome in the only headers.
      outcome = headers;
    });
    stream.on('trailers', (trailers) => {
      outcome = trailers;
    });
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_ANSWER_BYTES) answer.push(chunk);
      else session.destroy(new Error(`the answer has more than ${MAX_ANSWER_BYTES} bytes`));
    });
    stream.on('error', (error) => fail(error.message));
    stream.once('end', () => {
      const code = outcome['grpc-status'];
      const message = String(outcome['grpc-message'] ?? '');
      if (http !== 200) fail(`HTTP status ${http}`);
      else if (code === GRPC_UNIMPLEMENTED)
        reject(
          new Error(
            `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${message}`,
          ),
        );
      else if (code !== GRPC_OK) fail(`rpc error: code = ${code ?? 'none'} desc = ${message}`);
      else {
        const status = servingStatus(Buffer.concat(answer));
        if (status === undefined) fail('the answer is no HealthCheckResponse');
        else resolve(status);
      }
    });
    stream.end(request(service));
  });
}

/** HealthCheckRequest: field 1, the service's name; left out when empty. */
function request(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.of(0x0a, ...varint(name.length)), name]);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function varint(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** HealthCheckResponse: field 1, a number; 0 when left out. Undefined: it is something else. */
function servingStatus(answer: Buffer): string | undefined {
  const message = answer.subarray(PREFIX_BYTES);
  const [tag, number = 0] = message;
  const wellFormed =
    answer.length >= PREFIX_BYTES && answer[0] === 0 && message.length === answer.readUInt32BE(1);
  if (!wellFormed || (tag !== undefined && tag !== 0x08)) return undefined;
  return SERVING_STATUS[number] ?? String(number);
}
