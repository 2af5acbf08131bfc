/**
 * Does once what a probe or a lifecycle hook asks for: runs a command in the container, sends an HTTP GET,
 * asks a gRPC health service, or opens a TCP connection inside the pod's network namespace. Nothing that it
 * opens outlives it, and it reads at most 10 KiB of what comes back.
 */
import type { Duplex } from 'node:stream';
import type { Container, LifecycleHandler, Probe } from '#protocol/core/v1/pod.js';
import type { Network } from '../network/network.js';
import type { Runtime } from '../runtime/runtime.js';
import { checkGrpc } from './grpc-check.js';

export type ProbeAction = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'> &
  Pick<LifecycleHandler, 'sleep'>;

export interface ActionTarget {
  readonly podUid: string;
  readonly containerId: string;
  readonly container: Container;
}

export interface ActionDependencies {
  readonly runtime: Pick<Runtime, 'exec'>;
  readonly network: Pick<Network, 'connect'>;
}

export interface ActionResult {
  readonly ok: boolean;
  /** Worded as kubelet words it, for events. */
  readonly message: string;
}

const MAX_OUTPUT_BYTES = 10 * 1024;

/** Never rejects: whatever goes wrong is a failed result. The signal is the action's time limit. */
export async function runAction(
  action: ProbeAction,
  target: ActionTarget,
  dependencies: ActionDependencies,
  signal: AbortSignal,
): Promise<ActionResult> {
  try {
    if (action.exec !== undefined)
      return await runExec(action.exec.command ?? [], target, dependencies, signal);
    if (action.httpGet !== undefined) return await runHttp(action.httpGet, target, dependencies, signal);
    if (action.tcpSocket !== undefined) {
      const port = resolvePort(action.tcpSocket.port, target.container);
      const socket = await connect(action.tcpSocket.host, port, target, dependencies, signal);
      socket.destroy();
      return { ok: true, message: '' };
    }
    if (action.grpc !== undefined) {
      const { port, service } = action.grpc;
      const socket = await connect(undefined, port, target, dependencies, signal);
      try {
        await checkGrpc({ port, service }, socket, signal);
      } finally {
        socket.destroy();
      }
      return { ok: true, message: '' };
    }
    return { ok: false, message: 'this device supports exec, httpGet, tcpSocket and grpc only' };
  } catch (error) {
    if (signal.aborted) return { ok: false, message: `${kindOf(action)} timed out` };
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}

async function runExec(
  command: readonly string[],
  { containerId }: ActionTarget,
  { runtime }: ActionDependencies,
  signal: AbortSignal,
): Promise<ActionResult> {
  await using session = await runtime.exec({ containerId, command, tty: false, stdin: false, signal });
  const collected: Buffer[] = [];
  const drain = async (stream: AsyncIterable<Uint8Array>) => {
    for await (const chunk of stream)
      if (collected.reduce((sum, one) => sum + one.length, 0) < MAX_OUTPUT_BYTES)
        collected.push(Buffer.from(chunk));
  };
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  const [exitCode] = await Promise.race([
    Promise.all([session.exit, drain(session.stdout), drain(session.stderr)]),
    aborted,
  ]);
  const output = Buffer.concat(collected).toString('utf8').slice(0, MAX_OUTPUT_BYTES);
  return { ok: exitCode === 0, message: exitCode === 0 ? '' : output || `command exited with ${exitCode}` };
}

async function runHttp(
  action: NonNullable<Probe['httpGet']>,
  target: ActionTarget,
  dependencies: ActionDependencies,
  signal: AbortSignal,
): Promise<ActionResult> {
  const port = resolvePort(action.port, target.container);
  const socket = await connect(action.host, port, target, dependencies, signal);
  try {
    const status = await httpStatus(action, port, socket, signal);
    const ok = status >= 200 && status < 400;
    return { ok, message: ok ? '' : `HTTP probe failed with statuscode: ${status}` };
  } finally {
    socket.destroy();
  }
}

async function httpStatus(
  action: NonNullable<Probe['httpGet']>,
  port: number,
  socket: Duplex,
  signal: AbortSignal,
): Promise<number> {
  const { request } = await import('node:http');
  // A probe asks whether the program answers; like kubelet it does not judge the certificate.
  const stream =
    action.scheme === 'HTTPS'
      ? (await import('node:tls')).connect({ socket, rejectUnauthorized: false })
      : socket;
  const headers: Record<string, string> = { Host: `${action.host ?? 'localhost'}:${port}` };
  headers['User-Agent'] = 'kube-probe/covey';
  headers['Accept'] = '*/*';
  for (const { name, value } of action.httpHeaders ?? []) headers[name] = value;
  const path = action.path.startsWith('/') ? action.path : `/${action.path}`;
  return await new Promise<number>((resolve, reject) => {
    // Any agent, even `false`, would make a connection of its own, outside the pod.
    const call = request({ createConnection: () => stream as never, path, headers, signal });
    call.once('response', (response) => {
      response.on('error', reject);
      response.resume();
      resolve(response.statusCode ?? 0);
      call.destroy();
    });
    call.on('error', reject);
    call.end();
  });
}

async function connect(
  host: string | undefined,
  port: number,
  { podUid }: ActionTarget,
  { network }: ActionDependencies,
  signal: AbortSignal,
): Promise<Duplex> {
  if (host === undefined || host === '' || host === 'localhost' || host === '127.0.0.1')
    return await network.connect(podUid, port, signal);
  const { connect: dial } = await import('node:net');
  return await new Promise((resolve, reject) => {
    const socket = dial({ host, port });
    const onAbort = () => socket.destroy(new Error('timed out'));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
    socket.once('close', () => signal.removeEventListener('abort', onAbort));
  });
}

/** A port by number or by the name that the container gives it. */
function resolvePort(port: string | number, container: Container): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find((one) => one.name === port)?.containerPort;
  const value = named ?? Number(port);
  if (Number.isInteger(value) && value > 0 && value < 65_536) return value;
  throw new Error(`container ${container.name} has no port named ${port}`);
}

function kindOf(action: ProbeAction): string {
  if (action.exec !== undefined) return 'command';
  if (action.httpGet !== undefined) return 'HTTP request';
  return action.grpc !== undefined ? 'health rpc' : 'connection';
}
