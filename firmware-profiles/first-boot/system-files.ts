/** Files of a device's root file system that follow from the card's settings: path without the first '/' → text. */
import { type FirmwareProfile, isShipped } from '../profile.js';
import type { CardSettings } from '../settings.js';
import { shellAssignments } from './shell-text.js';

/** The longest that the watchdog of a Raspberry Pi can wait, in seconds. */
const WATCHDOG_SECONDS = 15;
/** How long a start waits for a network. */
const NETWORK_SECONDS = 30;
const JOURNAL_MAX = '16M';
/** Only for a profile that does not come with the agent: those that do are as new as the agent. */
const OWN_PROFILE = 'etc/covey/profile.yaml';

export function systemFiles(
  profile: FirmwareProfile,
  settings: CardSettings,
  cardDirectory: string,
): Readonly<Record<string, string>> {
  const { hostname, port } = new URL(settings.hub.url);
  const { modules = [] } = profile.spec.kernel;
  return {
    'etc/covey/agent.env': agentEnvironment(profile, settings, cardDirectory),
    'etc/covey/preflight.env': shellAssignments({
      CARD: cardDirectory,
      KERNEL_WORDS: profile.spec.kernel.commandLine.join(' '),
      HUB_HOST: hostname.replace(/^\[(.*)\]$/, '$1'),
      HUB_PORT: port === '' ? '443' : port,
    }),
    // JSON is YAML too, and spares the agent a parser.
    ...(!isShipped(profile) && { [OWN_PROFILE]: `${JSON.stringify(ownProfile(profile))}\n` }),
    ...(modules.length > 0 && { 'etc/modules-load.d/covey.conf': `${modules.join('\n')}\n` }),
    // What is logged all day does not wear the card.
    'etc/systemd/journald.conf.d/10-covey.conf': `[Journal]\nStorage=volatile\nRuntimeMaxUse=${JOURNAL_MAX}\n`,
    ...(profile.spec.boot.dialect === 'cloud-init' && cloudInitFiles(cardDirectory)),
    ...(profile.spec.watchdog && {
      'etc/systemd/system.conf.d/10-covey.conf': `[Manager]\nRuntimeWatchdogSec=${WATCHDOG_SECONDS}\n`,
    }),
  };
}

function cloudInitFiles(cardDirectory: string): Readonly<Record<string, string>> {
  const units = 'etc/systemd/system';
  const wait = '/lib/systemd/systemd-networkd-wait-online';
  return {
    // It mounts the card by itself to look for its seed; were the system to mount it at the same moment, one of the two
    // would be refused.
    [`${units}/cloud-init-local.service.d/10-covey.conf`]: `[Unit]\nRequiresMountsFor=${cardDirectory}\n`,
    // cloud-init, and with it all the rest, waits for the network. One interface is enough, for a board has two and
    // mostly uses one; and the workloads of a board without a network start soon.
    [`${units}/systemd-networkd-wait-online.service.d/covey.conf`]: `[Service]\nExecStart=\nExecStart=${wait} --any --timeout=${NETWORK_SECONDS}\n`,
  };
}

function ownProfile({ apiVersion, kind, metadata, spec }: FirmwareProfile): object {
  return { apiVersion, kind, metadata: { name: metadata.name }, spec };
}

function agentEnvironment(profile: FirmwareProfile, settings: CardSettings, cardDirectory: string): string {
  const labels = Object.entries(settings.labels).map(([key, value]) => `${key}=${value}`);
  return shellAssignments({
    COVEY_NAME: settings.name,
    COVEY_HUB: settings.hub.url,
    COVEY_CA: '/etc/covey/hub-ca.pem',
    COVEY_TOKEN_FILE: '/var/lib/covey/claim',
    COVEY_PROFILE: settings.profile,
    ...(!isShipped(profile) && { COVEY_PROFILE_FILE: `/${OWN_PROFILE}` }),
    COVEY_CARD: cardDirectory,
    ...(settings.site !== undefined && { COVEY_SITE: settings.site }),
    ...(labels.length > 0 && { COVEY_LABELS: labels.join(',') }),
  });
}
