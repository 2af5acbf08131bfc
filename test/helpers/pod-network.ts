/** Pods on a real network for tests: what they are made of, programs that run in them, and questions to their ports. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { systemClock } from '#device-agent/lib/system-clock.js';
import type { Network, Sandbox, SandboxSpec } from '#device-agent/network/network.js';
import type { NetworkOptions } from '#device-agent/network/options.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { RuntimeFixture } from './device-runtime.js';

export const SUBNET = '10.88.77.0/24';

export function networkOptions(
  fixture: RuntimeFixture,
  change: Partial<NetworkOptions> = {},
): NetworkOptions {
  return {
    runDir: fixture.options.runDir,
    subnet: SUBNET,
    clock: systemClock,
    logger: silentLogger,
    ...change,
  };
}

export function sandboxSpec(change: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    podUid: randomUUID(),
    namespace: 'default',
    name: 'web',
    hostname: 'web',
    hostNetwork: false,
    hostIpc: false,
    ports: [],
    ...change,
  };
}

/** Runs a script in the pod to its end. */
export async function runIn(fixture: RuntimeFixture, sandbox: Sandbox, script: string) {
  const spec = fixture.spec(['sh', '-c', script], {
    podUid: sandbox.podUid,
    namespaces: sandbox.namespaces,
    hostname: 'web',
    name: `c${Math.floor(Math.random() * 1e9)}`,
  });
  const state = await fixture.exited(await fixture.run(spec));
  await fixture.runtime.delete(state.id);
  return { code: state.exitCode, log: await readFile(spec.logPath, 'utf8') };
}

export async function serve(fixture: RuntimeFixture, sandbox: Sandbox, address: string): Promise<string> {
  const spec = fixture.spec(
    ['sh', '-c', `echo served > /tmp/index.html; exec httpd -f -p ${address} -h /tmp`],
    {
      podUid: sandbox.podUid,
      namespaces: sandbox.namespaces,
      name: `s${Math.floor(Math.random() * 1e9)}`,
    },
  );
  return fixture.run(spec);
}

export async function answers(network: Network, podUid: string, port: number): Promise<string> {
  const signal = AbortSignal.timeout(5000);
  for (let attempt = 0; ; attempt += 1) {
    try {
      const socket = await network.connect(podUid, port, signal);
      socket.end('GET /index.html HTTP/1.0\r\n\r\n');
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString('utf8');
    } catch (error) {
      if (attempt > 50) throw error;
      await systemClock.sleep(50);
    }
  }
}
