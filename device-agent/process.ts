/**
 * The device agent's process: arguments in, signals, exit code. SIGTERM and SIGINT stop the agent and leave
 * containers running (they are adopted at the next start), unless it was told to take them down. Exit codes:
 * 0 clean stop, 1 failure with one clear line, 2 wrong usage.
 */
import { hostname } from 'node:os';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import type { Logger } from '#protocol/lib/logger.js';
import { Agent } from './agent.js';
import { type AgentConfig, helpText, parseConfig, renamed, UsageError } from './config.js';
import type { CardLog as CardLogType } from './firmware/card-log.js';
import type { ClockKeeper } from './firmware/clock.js';
import { noteFailure, openUpdates, releaseArchitecture } from './firmware/update/updates.js';
import { identify } from './identify.js';
import { createLogger } from './lib/logger.js';
import { makePrivateDirectory } from './lib/state-dir.js';
import { systemClock } from './lib/system-clock.js';
import { loadIdentity } from './link/identity.js';
import { startLink } from './link/start.js';
import { HeapTrimmer, processHeap } from './metrics/heap-trimmer.js';
import { readBoard } from './observe/node-facts.js';
import { Observer } from './observe/observer.js';
import { createParts, registryEndpoint } from './parts.js';
import { PreflightWatch } from './runtime/preflight-watch.js';
import { tearDownDevice } from './teardown.js';
import { agentVersion } from './version.js';

/** What is still open after this long is not waited for. */
const STOP_LIMIT_MS = 10_000;

async function run(given: AgentConfig, logger: Logger, stopper: AbortController): Promise<void> {
  const stop = stopper.signal;
  await makePrivateDirectory(given.dataDir);
  await using stack = new AsyncStack();
  const keeper = given.setClock ? stack.use(await keepClock(given.dataDir, logger)) : undefined;
  const watch = given.hollow ? undefined : stack.use(watchPreflight(given.runDir, logger));
  await watch?.run();
  let identity = await identify({
    config: given,
    // A hollow device is no board, whatever machine plays it.
    board: given.hollow ? {} : await readBoard(),
    findings: watch?.findings ?? [],
    logger,
    join: async (request) => (await import('./join-process.js')).joinInOwnProcess(request, stop),
  });
  const config = renamed(given, identity.device);
  const firstContact = config.card === undefined ? undefined : await noteFirstContact(config.card);
  const { random } = Math;
  const parts = await createParts({ config, identity: () => identity, clock: systemClock, logger, random });
  const agent = await Agent.start({
    config,
    agentVersion: agentVersion(config.install?.release),
    clock: systemClock,
    kernelClock: () => Number(process.hrtime.bigint() / 1_000_000n),
    random,
    logger,
    parts,
    updates: (changed) =>
      openUpdates({
        config,
        identity: () => identity,
        architecture: releaseArchitecture(config),
        registries: (host) => registryEndpoint(host, config, identity),
        clock: systemClock,
        random,
        logger: logger.child({ part: 'update' }),
        changed,
        restart: () => stopper.abort(new Error('restarting as another release')),
      }),
    ...(watch === undefined ? {} : { findings: () => watch.findings }),
    connect: (hello) =>
      startLink({
        identity,
        dataDir: config.dataDir,
        identityReplaced: (replaced) => {
          identity = replaced;
        },
        hubTimeHeard: (time) => void keeper?.heard(time),
        connectFailed: (reason) => firstContact?.failed(reason),
        hello,
        clock: systemClock,
        random,
        logger: logger.child({ part: 'link' }),
      }),
  });
  logger.info({ device: config.name, runtime: parts.runtime.version }, 'the device agent is running');
  if (agent.link.connected) firstContact?.made();
  using _contact = agent.link.onConnectionChange((connected) => {
    if (connected) firstContact?.made();
  });
  using _trimmer = new HeapTrimmer(systemClock, processHeap());
  await new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    stop.addEventListener('abort', () => resolve(), { once: true });
  });
  await agent[Symbol.asyncDispose]();
}

/** Brings the clock out of 1970 before anything is started or joined. */
async function keepClock(dataDir: string, logger: Logger): Promise<ClockKeeper> {
  const { ClockKeeper, systemMachineClock } = await import('./firmware/clock.js');
  const keeper = new ClockKeeper({ machine: systemMachineClock(), clock: systemClock, dataDir, logger });
  await keeper.restore();
  return keeper;
}

/** Says on the card why a device that has joined does not come up, until it has come up once in this run. */
async function noteFirstContact(card: string) {
  const { CardLog } = await import('./firmware/card-log.js');
  let log: CardLogType | undefined = new CardLog(card, systemClock);
  return {
    failed: (reason: string) => void log?.write(`joined, but not connected yet: ${reason}`),
    made: () => {
      void log?.write('connected to the hub');
      log = undefined;
    },
  };
}

function watchPreflight(runDir: string, logger: Logger): PreflightWatch {
  return new PreflightWatch({
    clock: systemClock,
    logger,
    earlier: async () => (await import('./runtime/boot-findings.js')).readBootFindings(runDir),
    preflight: async () => (await import('./runtime/preflight.js')).preflight(),
  });
}

/** Takes down what an agent that could not do it itself has left. The hub is not needed. */
async function tearDown(given: AgentConfig, logger: Logger): Promise<void> {
  const identity = () => {
    throw new TypeError('taking down needs no images from the hub');
  };
  const { random } = Math;
  const joined = await loadIdentity(given.dataDir);
  const config = joined === undefined ? given : renamed(given, joined.device);
  await using stack = new AsyncStack();
  const parts = await createParts({ config, identity, clock: systemClock, logger, random });
  for (const part of Object.values(parts)) stack.use(part);
  const observer = new Observer(parts);
  await tearDownDevice({ parts, observer, runDir: config.runDir, clock: systemClock, wanted: [] });
}

/** Aborts when the process that started this one is gone. Nothing is polled where there is a channel. */
function watchParent(stop: AbortController, always: boolean): void {
  if (process.channel !== undefined) {
    process.once('disconnect', () => stop.abort(new Error('the parent is gone')));
    process.channel.unref();
  } else if (always) {
    const parent = process.ppid;
    const look = () => {
      if (process.ppid !== parent) stop.abort(new Error('the parent is gone'));
      else systemClock.setTimer(2_000, look);
    };
    look();
  }
}

/** Runs the agent until it is told to stop. Resolves with the exit code. */
export async function runProcess(): Promise<number> {
  let config: AgentConfig | undefined;
  try {
    config = parseConfig(process.argv.slice(2), process.env, hostname());
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`covey agent: ${error.message}\nTry --help.\n`);
    return 2;
  }
  if (config === undefined) {
    process.stdout.write(helpText());
    return 0;
  }
  const pretty = process.stderr.isTTY && config.color;
  const logger = await createLogger({ name: config.name, level: config.logLevel, pretty });
  const stop = new AbortController();
  const onSignal = () => stop.abort(new Error('asked to stop'));
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  watchParent(stop, config.exitWithParent);
  stop.signal.addEventListener('abort', () => {
    // The last resort: a part that does not let go must not keep the device from restarting its agent.
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
  });
  // A signal handler alone does not keep a process alive, and neither do the clock's timers.
  const alive = setInterval(() => undefined, 2 ** 30);
  try {
    if (config.tearDown) await tearDown(config, logger);
    else await run(config, logger, stop);
    return 0;
  } catch (error) {
    if (stop.signal.aborted && error === stop.signal.reason) return 0;
    await noteFailure(config, error);
    if (error instanceof UsageError) {
      process.stderr.write(`covey agent: ${error.message}\n`);
      return 2;
    }
    logger.error({ err: error }, 'the device agent failed');
    process.stderr.write(`covey agent: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    clearInterval(alive);
  }
}
