/**
 * The composition root of the device agent: builds the parts in order of dependency and takes them down in
 * reverse. Pods are taken up from disk before the hub has said anything; the link joins in when it can.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#protocol/lib/clock.js';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { FailoverClass } from '#protocol/link/assignment.js';
import type { BoardFinding } from '#protocol/link/board-finding.js';
import type { NodeFacts } from '#protocol/link/hello.js';
import { type CadenceClass, strictestClass } from '#protocol/link/lease-policy.js';
import { quantityToMilli, quantityToNumber } from '#protocol/meta/quantity.js';
import { createExecutor } from './apply/executor.js';
import { ImagePuller } from './apply/image-puller.js';
import { LeaseGate } from './apply/lease-gate.js';
import { SyncLoop } from './apply/sync-loop.js';
import type { AgentConfig } from './config.js';
import { DesiredStore } from './desired/desired-store.js';
import { PodRecords } from './desired/pod-records.js';
import { boardProfile } from './firmware/board-profile.js';
import { reboot } from './firmware/reboot.js';
import { refusing, type Updates } from './firmware/update/updates.js';
import { openHardware } from './hardware/open-hardware.js';
import { type HardwareSource, hardwareSource } from './hardware/source.js';
import { HardwareWatch } from './hardware/watch.js';
import { importPreloads } from './images/preload.js';
import { PodPaths } from './lib/pod-paths.js';
import { containersInOrder } from './lib/pod-types.js';
import { createSealer, loadOrCreateKey } from './lib/seal.js';
import { makePrivateDirectory } from './lib/state-dir.js';
import type { HelloFacts, Link } from './link/link.js';
import { readPressure } from './metrics/machine.js';
import { Sampler } from './metrics/sampler.js';
import { attachedHardware, readHardware } from './observe/attached-hardware.js';
import { primaryAddress, readBoardFacts, readNodeFacts } from './observe/node-facts.js';
import { Observer } from './observe/observer.js';
import { RunRecords } from './observe/run-records.js';
import type { DeviceParts } from './parts.js';
import { isLeaving } from './plan/plan.js';
import { Prober } from './probes/prober.js';
import { NodeReporter } from './status/node-reporter.js';
import { Reporter } from './status/reporter.js';
import { PodDirectory } from './streams/pod-directory.js';
import { registerStreams } from './streams/register-streams.js';
import { removeEmptyDirectories, tearDownDevice } from './teardown.js';

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly agentVersion: string;
  readonly clock: Clock;
  /** The kernel's monotonic clock, milliseconds; see LeaseGate. */
  readonly kernelClock: () => number;
  readonly random: () => number;
  readonly logger: Logger;
  readonly parts: DeviceParts;
  /** How this agent is updated; not at all unless given. `changed`: there is something new to report. */
  readonly updates?: (changed: () => void) => Promise<Updates>;
  /** The hardware for pods; what flags and profile say unless given. */
  readonly hardware?: HardwareSource;
  /** What the board lacks; undefined where that is not looked for. */
  readonly findings?: () => readonly BoardFinding[];
  /** Starts the link once there is something to say in a hello. */
  readonly connect: (hello: () => Promise<HelloFacts>) => Promise<Link>;
}

/** Damaged desired state is let go only when the hub has been heard for this long without mentioning it. */
const RELEASE_HELD_BACK_MS = 15_000;

export class Agent implements AsyncDisposable {
  readonly loop: SyncLoop;
  readonly desired: DesiredStore;
  readonly link: Link;
  readonly #stack: AsyncStack;

  private constructor(loop: SyncLoop, desired: DesiredStore, link: Link, stack: AsyncStack) {
    this.loop = loop;
    this.desired = desired;
    this.link = link;
    this.#stack = stack;
  }

  /** Starts everything; the parts given are disposed of with the agent, also when it does not come up. */
  static async start(options: AgentOptions): Promise<Agent> {
    const stack = new AsyncStack();
    try {
      return await build(options, stack, (loop, desired, link) => new Agent(loop, desired, link, stack));
    } catch (error) {
      await stack[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Stops the agent. Containers run on, unless the configuration says to take everything down. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

async function build(
  options: AgentOptions,
  stack: AsyncStack,
  make: (loop: SyncLoop, desired: DesiredStore, link: Link) => Agent,
): Promise<Agent> {
  const { config, clock, logger, random, parts } = options;
  const { dataDir, runDir } = config;
  const { runtime, images, network, volumes } = parts;
  if (config.stopPodsOnExit) stack.defer(() => removeEmptyDirectories(runDir));
  for (const part of [runtime, images, network, volumes]) stack.use(part);
  await makePrivateDirectory(dataDir);
  await mkdir(runDir, { recursive: true });

  if (config.card !== undefined) {
    const preloading = new AbortController();
    stack.defer(() => preloading.abort());
    const directory = join(config.card, 'preload');
    void importPreloads({
      directory,
      images,
      logger: logger.child({ part: 'images' }),
      signal: preloading.signal,
    });
  }
  const sealer = createSealer(await loadOrCreateKey(join(dataDir, 'device.key')));
  const desired = await DesiredStore.open({ directory: join(dataDir, 'desired'), sealer, clock, logger });
  const records = await PodRecords.open(join(dataDir, 'records'), logger);
  const paths = new PodPaths(dataDir, runDir);
  const runRecords = new RunRecords(paths, logger);
  const observer = new Observer({ runtime, network, images, volumes });
  if (config.stopPodsOnExit)
    stack.defer(() =>
      tearDownDevice({ parts, observer, runDir, clock, wanted: desired.all().map((pod) => pod.uid) }),
    );

  const board = await boardProfile({ flashedWith: config.profile, file: config.profileFile, logger });
  const { hardware: claimed = {} } = config.claimed;
  const source =
    options.hardware ??
    hardwareSource({ hollow: config.hollow, claimed, flags: config.hardware, profile: board.hardware });
  const hardware = stack.use(
    await openHardware(source, { dataDir, runtime, runRecords, clock, logger, desired }),
  );
  const readFacts = () =>
    readNodeFacts({
      name: config.name,
      agentVersion: options.agentVersion,
      dataDir,
      runtimeVersion: runtime.version,
      claimed: config.claimed,
      ...(board.reserved !== undefined && { reserved: board.reserved }),
      hardware: hardware.capacity(),
    });
  let facts = await readFacts();
  const hostIp = () => primaryAddress(config.claimed);
  const hello = async (): Promise<HelloFacts> => {
    facts = await readFacts();
    return {
      agentVersion: options.agentVersion,
      bootId: facts.nodeInfo?.bootID ?? '',
      profile: board.name,
      labels: { ...config.labels },
      node: facts,
      update: updates.report(),
      has: Object.fromEntries(desired.revisions()),
    };
  };
  // Its state may change before there is a reporter; the hello tells it then.
  let nodeReporter: NodeReporter | undefined;
  const openUpdates = options.updates ?? (async () => refusing('this agent has no updates', () => undefined));
  const updates = stack.use(await openUpdates(() => void nodeReporter?.run()));
  const link = stack.use(await options.connect(hello));
  link.setCadenceClass(cadenceOf(desired));

  // The gate may call back while the loop is being built.
  let loop: SyncLoop | undefined;
  const gate = stack.use(
    await LeaseGate.open({
      link,
      clock,
      file: join(runDir, 'agent', 'lease.json'),
      kernelClock: options.kernelClock,
      needed: () => cadenceOf(desired) === 'exclusive',
      changed: () => loop?.wakeAll(),
    }),
  );
  const reporter = stack.use(new Reporter({ send: (report) => link.report(report), clock, logger }));
  const prober = stack.use(new Prober({ runtime, network, clock, random }));
  const executor = createExecutor({
    runtime,
    images,
    network,
    volumes,
    puller: new ImagePuller({ images, clock, random }),
    desired,
    records,
    runRecords,
    paths,
    hardware,
    clock,
    nodeFields: () => ({ nodeName: config.name, hostIp: hostIp(), allocatable: allocatableOf(facts) }),
  });
  const created = stack.use(
    new SyncLoop({
      runtime,
      observe: { observer, records, runRecords, paths, hardware, clock },
      desired,
      executor,
      reporter,
      prober,
      clock,
      random,
      logger: logger.child({ part: 'pods' }),
      lease: () => gate.view(),
      hostIp,
      runtimeVersion: runtime.version,
      podsChanged: () => link.setCadenceClass(cadenceOf(desired)),
    }),
  );
  loop = created;

  const pods = new PodDirectory({ desired, records, observer, paths });
  stack.use(registerStreams(link.streams, { pods, runtime, network, clock }));
  link.onCommand(async (command) => {
    if (command.kind === 'update-agent') updates.offer(command);
    else if (command.kind === 'withdraw-update') updates.withdraw(command.offer);
    else {
      const bootId = facts.nodeInfo?.bootID ?? '';
      await reboot({ config, bootId, logger, uid: process.geteuid?.() }, command);
    }
  });
  stack.use(releaseHeldBack(link, desired, created, clock));
  await created.start();
  link.onAssignment((assignment) => created.accept(assignment));

  const reportsNode = stack.use(
    new NodeReporter({
      facts: readFacts,
      pressure: () => readPressure(dataDir),
      images,
      imagesInUse: () => imagesInUse(desired),
      update: () => updates.report(),
      ...(options.findings === undefined ? {} : { findings: options.findings }),
      send: (report) => link.reportNode(report),
      clock,
      logger,
    }),
  );
  nodeReporter = reportsNode;
  await reportsNode.run();
  stack.use(updates.watch(link, () => gate.flush()));
  stack.use(
    new Sampler({
      runtime,
      send: (sample) => link.telemetry(sample),
      connected: () => link.connected,
      cadenceClass: () => cadenceOf(desired),
      podUids: () => new Set(desired.all().map((pod) => pod.uid)),
      dataDir,
      clock,
      logger,
    }),
  );
  stack.use(
    hardware.onChange(() => {
      created.wakeAll();
      void reportsNode.run();
    }),
  );
  if (source.changes) stack.use(new HardwareWatch({ scan: () => hardware.scan(), clock, logger }));
  stack.use(watchInventory(config, reportsNode, clock, logger));
  return make(created, desired, link);
}

/** The strictest class among the pods that are to run here. */
function cadenceOf(desired: DesiredStore): CadenceClass {
  const classes: FailoverClass[] = [];
  for (const pod of desired.all())
    if (pod.run !== undefined && !isLeaving(pod)) classes.push(pod.run.failoverClass);
  return strictestClass(classes);
}

function imagesInUse(desired: DesiredStore): ReadonlySet<string> {
  const references = new Set<string>();
  for (const { run } of desired.all())
    for (const { container } of run === undefined ? [] : containersInOrder(run.pod.spec))
      if (container.image !== undefined) references.add(container.image);
  return references;
}

function allocatableOf(facts: NodeFacts): { cpuMillicores: number; memoryBytes: number } {
  const { cpu = '0', memory = '0' } = facts.allocatable ?? {};
  return { cpuMillicores: quantityToMilli(cpu), memoryBytes: quantityToNumber(memory) };
}

/** What the hub never mentions in a session that lasts is held back no longer. */
function releaseHeldBack(link: Link, desired: DesiredStore, loop: SyncLoop, clock: Clock): Disposable {
  let timer: Disposable | undefined;
  const onChange = (connected: boolean) => {
    timer?.[Symbol.dispose]();
    if (!connected || desired.heldBack.size === 0) return;
    timer = clock.setTimer(RELEASE_HELD_BACK_MS, () => {
      const released = [...desired.heldBack];
      void desired.releaseHeldBack().then(() => {
        for (const uid of released) loop.wake(uid);
      });
    });
  };
  const registration = link.onConnectionChange(onChange);
  if (link.connected) onChange(true);
  return {
    [Symbol.dispose]() {
      timer?.[Symbol.dispose]();
      registration[Symbol.dispose]();
    },
  };
}

const HARDWARE_AFTER_MS = 10_000;

/** Looks once at what the board is and what is plugged in, well after the start, when pods are on their way. */
function watchInventory(
  config: AgentConfig,
  reporter: NodeReporter,
  clock: Clock,
  logger: Logger,
): Disposable {
  const abort = new AbortController();
  const timer = clock.setTimer(HARDWARE_AFTER_MS, () => {
    void readInventory(config, abort.signal)
      .then((inventory) => {
        reporter.setInventory(inventory);
        return reporter.run();
      })
      .catch((error: unknown) => {
        if (!abort.signal.aborted)
          logger.warn({ err: error }, 'the hardware of this device could not be listed');
      });
  });
  return {
    [Symbol.dispose]() {
      timer.cancel();
      abort.abort(new Error('the agent is stopping'));
    },
  };
}

async function readInventory(
  config: AgentConfig,
  signal: AbortSignal,
): Promise<Parameters<NodeReporter['setInventory']>[0]> {
  const board = await readBoardFacts();
  // A hollow device has the facts that it claims, not those of the machine that plays it.
  if (config.hollow || !existsSync('/sys/class')) return board;
  const hardware = await readHardware(signal);
  const model = board.model ?? hardware.model;
  const serial = board.serial ?? hardware.serial;
  return {
    ...board,
    ...(model !== undefined && { model }),
    ...(serial !== undefined && { serial }),
    attached: await attachedHardware(hardware.usb),
  };
}
