/**
 * A pod's namespaces and addresses. Namespaces are pinned below the run directory (tmpfs), so that they
 * outlive the agent and vanish with a reboot. All operations are idempotent.
 */

export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly hostIp: string;
}

export interface SandboxSpec {
  readonly podUid: string;
  readonly namespace: string;
  readonly name: string;
  readonly hostname: string;
  readonly hostNetwork: boolean;
  readonly hostIpc: boolean;
  readonly ports: readonly PortMapping[];
  /** Extra lines of the pod's hosts file: spec.hostAliases. */
  readonly hostAliases?: ReadonlyArray<{ readonly ip: string; readonly hostnames: readonly string[] }>;
  /** Replaces ('None') or extends the device's resolver settings: spec.dnsPolicy and spec.dnsConfig. */
  readonly dns?: {
    readonly policy?: string;
    readonly nameservers?: readonly string[];
    readonly searches?: readonly string[];
    readonly options?: readonly string[];
  };
}

export interface Sandbox {
  readonly podUid: string;
  /** Paths of the pinned namespaces; undefined where the pod uses the device's own. */
  readonly namespaces: { readonly net?: string; readonly ipc?: string; readonly uts?: string };
  /** The pod's address; the device's own address with hostNetwork. */
  readonly ip: string;
}

export interface Network extends AsyncDisposable {
  setUp(spec: SandboxSpec): Promise<Sandbox>;
  /** Releases address, port mappings and namespaces. */
  tearDown(podUid: string): Promise<void>;
  /** Sandboxes that exist now, after an agent restart too. */
  list(): Promise<readonly Sandbox[]>;
  /** Connects to a port inside the pod's network namespace (probes, port-forward). */
  connect(podUid: string, port: number, signal: AbortSignal): Promise<import('node:stream').Duplex>;
}
