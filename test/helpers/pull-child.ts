/** A process of its own that pulls one image, to be killed with SIGKILL meanwhile. Arguments: data directory, registry host, reference. */
import { createImageStore } from '#device-agent/images/device-image-store.js';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { silentLogger } from '#protocol/lib/logger.js';

const [, , dataDir = '', host = '', reference = ''] = process.argv;
const store = await createImageStore({
  dataDir,
  clock: systemClock,
  logger: silentLogger,
  reserveBytes: 0,
  registries: (asked) => (asked === host ? { plainHttp: true } : undefined),
});
process.stdout.write('begun\n');
await store.pull(reference, { credentials: [], signal: new AbortController().signal });
await store[Symbol.asyncDispose]();
process.stdout.write('done\n');
