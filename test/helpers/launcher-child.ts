/**
 * An agent in a process of its own to be killed, as far as launchers go: it looks after its pods, and its release is
 * confirmed. Environment: INSTALL, COVEY_LAUNCHER.
 */
import { LauncherSwitch } from '#device-agent/firmware/update/launcher.js';
import { silentLogger } from '#protocol/lib/logger.js';

const { INSTALL = '', COVEY_LAUNCHER } = process.env;
const launcher = new LauncherSwitch({
  directory: INSTALL,
  release: `${INSTALL}/releases/1`,
  startedBy: COVEY_LAUNCHER,
  logger: silentLogger,
});
await launcher.prove();
await launcher.propose();
