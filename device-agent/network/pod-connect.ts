/**
 * Connections into a pod: straight to its address, and where nothing listens there, from inside its network
 * namespace to its loopback, by a small helper process that carries the bytes. A connection that fails closes; who
 * wants to know why listens for its error, and nothing that a pod does to it can end the agent.
 */
import { spawn } from 'node:child_process';
import { createConnection, type Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** Resolves when connected; rejects with the system's error or the signal's reason. */
export function connectTcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const socket = createConnection({ host, port, noDelay: true, allowHalfOpen: true });
    const onAbort = () => socket.destroy(signal.reason instanceof Error ? signal.reason : undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', onAbort));
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(withoutThrowing(socket));
    });
  });
}

/** Runs inside the pod's namespace: says one byte when connected, then carries bytes both ways. */
const HELPER = `
const socket = require('node:net').connect({ host: '127.0.0.1', port: Number(process.argv[1]), allowHalfOpen: true });
socket.once('connect', () => { process.stdout.write('+'); process.stdin.pipe(socket); socket.pipe(process.stdout); });
socket.once('error', (error) => { process.stderr.write(error.message); process.exit(1); });
socket.once('close', () => process.exit(0));
`;

export function connectInside(netns: string, port: number, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const args = [`--net=${netns}`, process.execPath, '-e', HELPER, String(port)];
    const child = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      if (said.length < 1000) said += chunk.toString('utf8');
    });
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new Error(`connecting to port ${port} inside the pod: ${said || `helper ended with ${code}`}`)),
    );
    child.stdin.on('error', () => undefined);
    child.stdout.once('readable', () => {
      // The first byte only tells that the connection stands.
      if (child.stdout.read(1) === null) return;
      const both = Duplex.from({ readable: child.stdout, writable: child.stdin });
      both.once('close', () => child.kill('SIGKILL'));
      resolve(withoutThrowing(both));
    });
  });
}

/** An error that nobody listens for ends the process, and destroying a joined stream that is open is one too. */
function withoutThrowing<T extends Duplex>(stream: T): T {
  return stream.on('error', () => undefined);
}
