/**
 * The container runtime as the agent sees it. Implementations: conmon with crun or runc, and hollow (only
 * pretends). All pass `test/contract/runtime-suite.ts`. Every operation is idempotent: creating what
 * exists, starting what runs, killing what is dead and deleting what is gone succeed without effect.
 */
import type { Container, PodSecurityContext } from '#protocol/core/v1/pod.js';

/** Identity of one run of one container. `id` is derived from the rest and is safe as a file name. */
export interface ContainerKey {
  readonly podUid: string;
  readonly name: string;
  /** 0 for the first run, one more for each restart. */
  readonly attempt: number;
}

/** `<podUid>-<name>-<attempt>`, the name of the container everywhere on the device. */
export function containerId(key: ContainerKey): string {
  return `${key.podUid}-${key.name}-${key.attempt}`;
}

export interface Mount {
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  /** A tmpfs instead of a bind mount when set; `source` is then ignored. */
  readonly tmpfs?: { readonly sizeBytes?: number };
}

/** A device node that a container is given, and may open, whoever it runs as. */
export interface ContainerDevice {
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
}

export interface ContainerSpec {
  readonly key: ContainerKey;
  readonly podNamespace: string;
  readonly podName: string;
  readonly hostname: string;
  /** The pod spec's container: resources, securityContext, tty, stdin, workingDir. */
  readonly container: Container;
  readonly podSecurityContext: PodSecurityContext | undefined;
  /** Image config merged with the container's command and args. */
  readonly argv: readonly string[];
  readonly env: ReadonlyArray<readonly [name: string, value: string]>;
  readonly workingDir: string;
  /** From the image, for example '1000:1000' or 'nobody'; the security context overrides it. */
  readonly imageUser: string;
  /** Mounted root file system of the image, writable layer included. */
  readonly rootfs: string;
  readonly mounts: readonly Mount[];
  /** Device nodes besides those that every container has. */
  readonly devices?: readonly ContainerDevice[];
  /** Pinned namespaces of the pod; undefined where the pod shares the device's. */
  readonly namespaces: { readonly net?: string; readonly ipc?: string; readonly uts?: string };
  readonly hostPid: boolean;
  /** An init container: it ends by itself when its work is done. Only a runtime that pretends must know. */
  readonly runsToEnd?: boolean;
  /** File that conmon writes the log to, in CRI format. */
  readonly logPath: string;
}

export type ContainerStatus = 'created' | 'running' | 'exited' | 'unknown';

/** Observed state of one container; survives agent restarts, comes from the runtime's own files. */
export interface ContainerState {
  readonly id: string;
  readonly key: ContainerKey;
  readonly status: ContainerStatus;
  readonly pid?: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly exitCode?: number;
  readonly oomKilled: boolean;
  /** Why starting failed, of a container that ended without having been started. */
  readonly startError?: string;
}

export interface ContainerUsage {
  readonly id: string;
  readonly cpuUsageNanoseconds: number;
  readonly memoryWorkingSetBytes: number;
  readonly pids: number;
}

export interface ExecRequest {
  readonly containerId: string;
  readonly command: readonly string[];
  readonly tty: boolean;
  /** What the terminal has when the process starts; 80 by 24 unless given. */
  readonly terminalSize?: TerminalSize;
  readonly stdin: boolean;
  readonly signal: AbortSignal;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A process inside a container. With a terminal everything arrives on stdout. */
export interface ExecSession extends AsyncDisposable {
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  /** Resolves when the process has taken the data (back-pressure). */
  write(data: Uint8Array): Promise<void>;
  endStdin(): void;
  resize(columns: number, rows: number): void;
  /** Exit code; 128 + signal number when killed. Rejects with RuntimeError when it could not start. */
  readonly exit: Promise<number>;
}

/** Input for the first process of a running container. Disposing leaves, and the process goes on. */
export interface AttachedInput extends AsyncDisposable {
  /** Resolves when the data was taken (back-pressure). Rejects with RuntimeError when nobody takes it any more. */
  write(data: Uint8Array): Promise<void>;
  /** Nothing more comes from here. The process's input ends with it if the container says `stdinOnce`. */
  end(): void;
  /** Does nothing to a container without a terminal. */
  resize(columns: number, rows: number): Promise<void>;
}

export interface Runtime extends AsyncDisposable {
  /** For Node status: 'crun://1.8.1', 'runc://1.1.5' or 'hollow://…'. */
  readonly version: string;
  /** Makes the pod's cgroup with the pod-level limits. */
  createPodCgroup(podUid: string, limits: PodLimits): Promise<void>;
  removePodCgroup(podUid: string): Promise<void>;
  create(spec: ContainerSpec): Promise<void>;
  start(id: string): Promise<void>;
  /** Sends a signal by name ('SIGTERM') to the container's first process; SIGKILL goes to every process in it. */
  kill(id: string, signal: string): Promise<void>;
  /** Removes a container that is not running, with its cgroup and runtime state. Its log stays. */
  delete(id: string): Promise<void>;
  /** Everything of this device's runtime, after an agent restart too. */
  list(): Promise<readonly ContainerState[]>;
  /** The argument is the id of a container whose state has changed; at least once per change. */
  subscribe(changed: (id: string) => void): Disposable;
  exec(request: ExecRequest): Promise<ExecSession>;
  /** Of a container with `stdin`. Several may give input to one. Rejects with RuntimeError where it cannot be done. */
  attachInput(id: string): Promise<AttachedInput>;
  usage(): Promise<readonly ContainerUsage[]>;
}

/** Limits of a whole pod; undefined means none. */
export interface PodLimits {
  /** Sum of the containers' CPU requests: the pod's share when CPU is scarce; the least share when undefined. */
  readonly cpuRequestMillicores?: number;
  readonly cpuMillicores?: number;
  readonly memoryBytes?: number;
  readonly pids?: number;
}

export type RuntimeErrorReason =
  | 'CreateContainerError'
  | 'CreateContainerConfigError'
  | 'RunContainerError'
  | 'NotFound'
  | 'ExecFailed'
  | 'AttachFailed'
  | 'Unsupported';

/** A failure of the runtime, worded for the pod's status and event. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly reason: RuntimeErrorReason;

  constructor(reason: RuntimeErrorReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}
