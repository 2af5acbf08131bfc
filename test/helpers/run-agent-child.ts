/**
 * A process of its own that owns a runtime, to be killed with SIGKILL in the middle of its work. Arguments: JSON
 * with the runtime's paths, then JSON with container specs that it creates and starts; prints each id.
 */
import { systemClock } from '#device-agent/lib/system-clock.js';
import { createRuntime } from '#device-agent/runtime/create-runtime.js';
import { type ContainerSpec, containerId } from '#device-agent/runtime/runtime.js';
import { silentLogger } from '#protocol/lib/logger.js';

const paths = JSON.parse(process.argv[2] ?? '{}') as {
  dataDir: string;
  runDir: string;
  cgroupParent: string;
};
const specs = JSON.parse(process.argv[3] ?? '[]') as ContainerSpec[];
const runtime = await createRuntime({ ...paths, clock: systemClock, logger: silentLogger });
for (const spec of specs) {
  await runtime.createPodCgroup(spec.key.podUid, {});
  await runtime.create(spec);
  await runtime.start(containerId(spec.key));
  process.stdout.write(`${containerId(spec.key)}\n`);
}
setInterval(() => undefined, 1000);
