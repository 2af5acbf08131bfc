/** The device under test through the eyes of kubectl and of its console, and the words that its tests share. */
import type { TestContext } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import type { Kubectl } from '#test/helpers/kubectl.js';
import { isReady, type PodView } from '#test/helpers/workloads.js';
import type { Guest } from './guest.js';
import { DEVICE, type Lab } from './lab.js';

/** An emulated board is some thirty times slower than a real one's processor, on a busy machine more. */
export const SLOW_MS = 180_000;
/** Of a board without a clock of its own. */
export const LONG_AGO = '1970-01-02';
export const FOREVER = 'trap "exit 0" TERM; sleep 100000 & wait';
export const ON_DEVICE = { nodeName: DEVICE };

/** A measured value, in the test's report. */
export function figure(t: TestContext, what: string, value: string): void {
  t.diagnostic(`${what}: ${value}`);
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

export class DeviceView {
  readonly lab: Lab;
  readonly #device: string;

  constructor(lab: Lab, device = DEVICE) {
    this.lab = lab;
    this.#device = device;
  }

  get kubectl(): Kubectl {
    return this.lab.kubectl;
  }

  /** The board that is switched on. */
  get guest(): Guest {
    return this.lab.guest;
  }

  pod(name: string): Promise<PodView> {
    return this.kubectl.json<PodView>(['get', 'pod', name]);
  }

  ready(name: string): Promise<PodView> {
    return eventually(`pod ${name} is ready`, SLOW_MS, async () => {
      const found = await this.pod(name);
      if (isReady(found)) return found;
      throw new Error(JSON.stringify(found.status.containerStatuses ?? found.status));
    });
  }

  inPod(name: string, script: string): Promise<string> {
    return this.kubectl.run(['exec', name, '--', 'sh', '-c', script], { timeoutMs: SLOW_MS });
  }

  /** Control group of a pod, as the guest sees it. */
  async groupOf(name: string): Promise<string> {
    return `/sys/fs/cgroup/covey/${this.#device}/pod${(await this.pod(name)).metadata.uid}`;
  }

  async nodeReady(): Promise<void> {
    await this.kubectl.run(['wait', '--for=condition=Ready', `node/${this.#device}`, '--timeout=240s'], {
      timeoutMs: 250_000,
    });
  }

  async agentPid(): Promise<number> {
    return Number(await this.guest.output('systemctl show --value -p MainPID covey-agent.service'));
  }

  /** Process ids of all containers with their start times, by which a restarted one is told from the same. */
  async containerProcesses(): Promise<readonly string[]> {
    const text = await this.guest.output(
      `for group in /sys/fs/cgroup/covey/${this.#device}/pod*/*/; do for pid in $(cat $group/cgroup.procs); do ` +
        'echo $group $pid $(cut -d " " -f 22 /proc/$pid/stat); done; done',
    );
    return text.split('\n').filter(Boolean).sort();
  }
}
