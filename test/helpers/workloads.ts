/** Manifests of the end-to-end tests, made from the tiny image of the hub's own registry. */

export const TINY = 'hub.covey.internal/hello:latest';

interface ContainerOptions {
  readonly image?: string;
  readonly args?: readonly string[];
  readonly [field: string]: unknown;
}

/** A container that runs a shell script. */
export function shell(script: string, options: ContainerOptions = {}): object {
  return { name: 'main', image: TINY, command: ['sh', '-c', script], ...options };
}

export function podManifest(
  name: string,
  container: object,
  spec: object = {},
  metadata: object = {},
): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', ...metadata },
    spec: { terminationGracePeriodSeconds: 2, containers: [container], ...spec },
  };
}

export function deploymentManifest(
  name: string,
  replicas: number,
  container: object,
  template: { spec?: object; annotations?: object } = {},
): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name }, annotations: template.annotations ?? {} },
        spec: { terminationGracePeriodSeconds: 2, containers: [container], ...template.spec },
      },
    },
  };
}

/** The parts of a Pod that the tests look at. */
export interface PodView {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: ReadonlyArray<{
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }>;
    readonly containerStatuses?: ReadonlyArray<{
      readonly ready: boolean;
      readonly restartCount: number;
      readonly containerID?: string;
      readonly state: {
        readonly running?: { readonly startedAt: string };
        readonly waiting?: { readonly reason: string; readonly message?: string };
        readonly terminated?: { readonly exitCode: number; readonly reason: string };
      };
      readonly lastState?: { readonly terminated?: { readonly exitCode: number; readonly reason: string } };
    }>;
  };
}

export interface PodListView {
  readonly items: readonly PodView[];
}

export function isReady(pod: PodView): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  );
}
