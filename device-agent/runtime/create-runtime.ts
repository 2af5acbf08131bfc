/** Builds the real runtime from what is installed on this machine. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { createCgroups } from '../cgroups/create-cgroups.js';
import { capabilitiesOfMask } from './capabilities.js';
import { ConmonRuntime } from './conmon-runtime.js';
import { ContainerObserver } from './container-observer.js';
import { chooseOciRuntime, findProgram, OciRuntime } from './oci-runtime.js';
import type { RuntimeOptions } from './options.js';
import { capabilityMask, hasArgument } from './process-table.js';
import { RunFiles } from './run-files.js';
import { type Runtime, RuntimeError } from './runtime.js';

const DEFAULT_LOG_BYTES = 10 * 1024 * 1024;
const DEFAULT_LOG_FILES = 2;
const DEFAULT_RESCAN_MS = 10_000;

/** Rejects with RuntimeError that names the missing program or mount and what installs it. */
export async function createRuntime(options: RuntimeOptions): Promise<Runtime> {
  const conmon = await findProgram(options.conmon ?? 'conmon');
  if (conmon === undefined)
    throw new RuntimeError('Unsupported', 'conmon is not installed (apt-get install conmon)');
  const cgroups = await createCgroups({
    root: options.cgroupRoot ?? '/sys/fs/cgroup',
    parent: options.cgroupParent,
    clock: options.clock,
  });
  const files = new RunFiles(options.runDir);
  // What is run inside a container ends with the agent that asked for it.
  await rm(files.execs, { recursive: true, force: true });
  for (const path of [files.containers, files.exits, files.persist, files.ociState, files.execs]) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  }
  const program = await chooseOciRuntime(cgroups.layout, options.ociRuntime);
  const oci = await OciRuntime.open(program, files.ociState);
  await cgroups.setUp();
  for (const id of await files.ids()) {
    // An earlier agent may have been killed before it could move the monitor out of its own group.
    const monitor = await files.pid(id, 'conmon.pid');
    if (monitor !== undefined && (await hasArgument(monitor, id))) await cgroups.adoptMonitor(monitor);
  }
  const observer = new ContainerObserver({
    files,
    cgroups,
    oci,
    clock: options.clock,
    logger: options.logger,
    logLimits: {
      maxBytes: options.logMaxBytes ?? DEFAULT_LOG_BYTES,
      maxFiles: options.logMaxFiles ?? DEFAULT_LOG_FILES,
    },
    rescanIntervalMs: options.rescanIntervalMs ?? DEFAULT_RESCAN_MS,
  });
  observer.start();
  const oomScoreAdjustable = await canLowerOomScore();
  if (!oomScoreAdjustable)
    options.logger.warn({}, 'CAP_SYS_RESOURCE is missing: containers run without a negative oom_score_adj');
  return new ConmonRuntime({
    options,
    conmon,
    oci,
    cgroups,
    files,
    observer,
    available: capabilitiesOfMask(await capabilityMask('CapBnd')),
    oomScoreAdjustable,
  });
}

/** Lowering the score below the agent's own needs a capability that containers around us may not have. */
async function canLowerOomScore(): Promise<boolean> {
  if (capabilitiesOfMask(await capabilityMask('CapEff')).has('CAP_SYS_RESOURCE')) return true;
  return Number(await readFile('/proc/self/oom_score_adj', 'utf8')) <= -997;
}
