/** Puts a pod into a test hub as if a device ran it: created, bound, reported running. */
import type { ApiHub } from './api-hub.js';

export interface RunningPodOptions {
  readonly containers?: readonly string[];
  readonly device?: string;
  readonly phase?: string;
  /** State of every container; running unless given. */
  readonly state?: object;
}

export async function runningPod(hub: ApiHub, name: string, options: RunningPodOptions = {}): Promise<void> {
  const { containers = ['main'], device = 'kitchen-1', phase = 'Running' } = options;
  const state = options.state ?? { running: { startedAt: '2026-01-01T00:00:00Z' } };
  await must(
    hub,
    'POST',
    '/api/v1/namespaces/default/serviceaccounts',
    { metadata: { name: 'default' } },
    [201, 409],
  );
  await must(hub, 'POST', '/api/v1/namespaces/default/pods', {
    metadata: { name },
    spec: { containers: containers.map((container) => ({ name: container, image: 'busybox' })) },
  });
  if (device !== '') {
    await must(hub, 'POST', `/api/v1/namespaces/default/pods/${name}/binding`, {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name },
      target: { kind: 'Node', name: device },
    });
  }
  const statuses = containers.map((container) => ({
    name: container,
    state,
    lastState: {},
    ready: true,
    restartCount: 0,
    image: 'busybox',
    imageID: 'sha256:1',
  }));
  const pod = (await hub.send('GET', `/api/v1/namespaces/default/pods/${name}`)).json<{ status: object }>();
  await must(
    hub,
    'PUT',
    `/api/v1/namespaces/default/pods/${name}/status`,
    { ...pod, status: { ...pod.status, phase, containerStatuses: statuses } },
    [200],
  );
}

async function must(
  hub: ApiHub,
  method: string,
  path: string,
  body: object,
  statuses: readonly number[] = [201],
): Promise<void> {
  const answer = await hub.send(method, path, body);
  if (!statuses.includes(answer.status))
    throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
}
