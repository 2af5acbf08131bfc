/** `covey release`: publishes the agent of this version to the fleet, lists the releases, and steers their rollout. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CardError } from '#firmware-profiles/card-error.js';
import { stageAgentRelease } from '#firmware-profiles/payload/agent-release.js';
import { defaultCache } from '#firmware-profiles/payload/build-payload.js';
import {
  type AgentRelease,
  type AgentRollout,
  RELEASE_ARCHITECTURES,
  type ReleaseArchitecture,
} from '#protocol/fleet/v1alpha1/agent-release.js';
import { FLEET_API_VERSION } from '#protocol/fleet/v1alpha1/well-known.js';
import { PATCH_CONTENT_TYPE } from '#protocol/meta/patch-type.js';
import { isSemver } from '#protocol/meta/semver.js';
import { isApiError } from '#protocol/meta/status.js';
import { openReleaseKey } from '../../authn/pki/release-key.js';
import { AGENT_RELEASES } from '../../cache/resources.js';
import { orNotFound } from '../../client/or-not-found.js';
import { type Arguments, parseCount, UsageError } from '../../lib/arguments.js';
import { dataLayout } from '../../lib/data-layout.js';
import { exists } from '../../lib/files.js';
import type { Credentials } from '../../lib/https-client.js';
import { COVEY_VERSION } from '../../lib/version.js';
import { type Command, CommandError, type Output } from '../command.js';
import { callApi, readCredentials } from '../credentials.js';
import { dataDirectory, dataOption } from '../data-option.js';
import { bundledAgent } from '../programs.js';
import { createRemoteClient } from '../remote-client.js';
import { StopSignal } from '../stop-signal.js';
import { textTable } from '../text-table.js';
import { type BuiltArchive, buildArchive } from './build.js';
import { publishRelease, releaseName } from './publish.js';

/** Switches that mean something to one action only. */
const SWITCHES_OF = [
  ['allow-downgrade', 'publish'],
  ['resume', 'set'],
  ['retry', 'set'],
] as const;

const RELEASES = `/apis/${FLEET_API_VERSION}/agentreleases`;

export const releaseCommand: Command = {
  name: 'release',
  summary: 'Publish releases of the device agent, list them, steer their rollout',
  usage: '[list | publish | set NAME] [options] [--data DIR]',
  options: {
    data: dataOption,
    version: { type: 'string', value: 'V', help: 'publish: semantic version', default: COVEY_VERSION },
    architecture: {
      type: 'string',
      value: 'LIST',
      help: `publish: of ${RELEASE_ARCHITECTURES.join(',')}`,
      default: 'arm64',
    },
    'allow-downgrade': { type: 'boolean', help: 'publish: devices that run a later version go back to it' },
    percentage: { type: 'string', value: 'N', help: 'of the devices that may take it (100)' },
    'max-failures': { type: 'string', value: 'N', help: 'failed devices that halt the rollout (1)' },
    'max-in-flight': { type: 'string', value: 'N', help: 'devices that update at one time (10)' },
    'healthy-seconds': { type: 'string', value: 'N', help: 'within which the new agent must be well (300)' },
    selector: { type: 'string', value: 'K=V,…', help: 'only devices whose nodes have these labels' },
    pause: { type: 'boolean', help: 'no device starts to update' },
    resume: { type: 'boolean', help: 'set: go on' },
    retry: { type: 'boolean', help: 'set: devices that failed try again' },
  },
  async run(args, output) {
    const [action = 'list', name, ...rest] = args.positionals;
    if (
      rest.length > 0 ||
      !['list', 'publish', 'set'].includes(action) ||
      (action === 'set') !== (name !== undefined)
    )
      throw new UsageError(`expected list, publish or set NAME, not "${args.positionals.join(' ')}"`);
    for (const [option, only] of SWITCHES_OF)
      if (args.flag(option) && action !== only) throw new UsageError(`--${option} is for ${only}`);
    const rollout = rolloutOf(args);
    const dataDir = dataDirectory(args);
    const hub = await readCredentials(dataDir);
    if (name !== undefined) return await set(hub, name, args, rollout, output);
    return action === 'publish'
      ? await publish(hub, dataDir, args, rollout, output)
      : await list(hub, output);
  },
};

async function list(hub: Credentials, { out }: Output): Promise<number> {
  const { items } = await createRemoteClient(hub).resource<AgentRelease>(AGENT_RELEASES).list();
  out(
    textTable([
      ['NAME', 'PHASE', 'DESIRED', 'UPDATED', 'UPDATING', 'FAILED', 'PERCENTAGE', 'MESSAGE'],
      ...items.map(({ metadata, spec, status }) => [
        metadata.name,
        status.phase ?? '',
        ...[status.desired, status.updated, status.updating, status.failed].map((count) =>
          String(count ?? 0),
        ),
        String(spec.rollout.percentage),
        status.message ?? '',
      ]),
    ]),
  );
  return 0;
}

async function publish(
  hub: Credentials,
  dataDir: string,
  args: Arguments,
  rollout: Partial<AgentRollout>,
  { out, err }: Output,
): Promise<number> {
  const version = args.text('version') ?? COVEY_VERSION;
  if (!isSemver(version))
    throw new UsageError(`--version ${version}: expected a semantic version such as 1.2.3`);
  const architectures = architecturesOf(args.text('architecture') ?? '');
  const { pki } = dataLayout(dataDir);
  if (!(await exists(join(pki, 'release.key'))))
    throw new CommandError(`${pki} has no release.key: releases are published where the hub's data is`);
  const name = releaseName(version);
  // Found out before it is built.
  if ((await orNotFound(createRemoteClient(hub).resource(AGENT_RELEASES).get(name))) !== undefined)
    throw new CommandError(
      `release ${version} is published already: name another with --version, or steer this one with covey release set ${name}`,
    );
  const scratch = await mkdtemp(join(tmpdir(), 'covey-release-'));
  try {
    const archives: BuiltArchive[] = [];
    using stop = new StopSignal();
    for (const architecture of architectures) {
      err(`building release ${version} for ${architecture}\n`);
      const staged = join(scratch, architecture);
      await stageAgentRelease({
        directory: staged,
        bundle: bundledAgent(),
        cache: defaultCache(),
        architecture,
        signal: stop.signal,
      });
      archives.push(await buildArchive(staged, architecture, join(scratch, `${architecture}.tar.gz`)));
      stop.signal.throwIfAborted();
    }
    stop[Symbol.dispose]();
    const release = await publishRelease(hub, {
      version,
      archives,
      key: await openReleaseKey(pki),
      allowDowngrade: args.flag('allow-downgrade'),
      rollout,
    });
    out(`agentrelease ${release.metadata.name} published\n`);
    return 0;
  } catch (error) {
    if (error instanceof CardError || isApiError(error))
      throw new CommandError(error.message, { cause: error });
    throw error;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function set(
  hub: Credentials,
  name: string,
  args: Arguments,
  rollout: Partial<AgentRollout>,
  { out }: Output,
): Promise<number> {
  const path = `${RELEASES}/${encodeURIComponent(name)}`;
  const changes: Partial<AgentRollout> = { ...rollout };
  if (args.flag('retry')) {
    const { spec } = (await callApi(hub, { method: 'GET', path })) as AgentRelease;
    changes.attempt = spec.rollout.attempt + 1;
  }
  if (Object.keys(changes).length === 0) throw new UsageError(`say what to set of ${name}: see --help`);
  await callApi(hub, {
    method: 'PATCH',
    path,
    headers: { 'Content-Type': PATCH_CONTENT_TYPE.json },
    // A merge would add the labels of a selector to those of the one before.
    body: JSON.stringify(
      Object.entries(changes).map(([field, value]) => ({ op: 'add', path: `/spec/rollout/${field}`, value })),
    ),
  });
  out(`agentrelease ${name} changed\n`);
  return 0;
}

function architecturesOf(text: string): readonly ReleaseArchitecture[] {
  return [...new Set(text.split(','))].map((name) => {
    const known = RELEASE_ARCHITECTURES.find((architecture) => architecture === name.trim());
    if (known === undefined)
      throw new UsageError(`--architecture ${text}: expected some of ${RELEASE_ARCHITECTURES.join(',')}`);
    return known;
  });
}

function rolloutOf(args: Arguments): Partial<AgentRollout> {
  const number = (option: string, minimum: number, maximum: number) => {
    const text = args.text(option);
    return text === undefined ? undefined : parseCount(text, option, minimum, maximum);
  };
  const percentage = number('percentage', 0, 100);
  const maxFailures = number('max-failures', 1, 1_000_000);
  const maxInFlight = number('max-in-flight', 1, 100_000);
  const healthySeconds = number('healthy-seconds', 10, 86_400);
  const selector = args.text('selector');
  if (args.flag('pause') && args.flag('resume'))
    throw new UsageError('--pause and --resume contradict each other');
  return {
    ...(percentage === undefined ? {} : { percentage }),
    ...(maxFailures === undefined ? {} : { maxFailures }),
    ...(maxInFlight === undefined ? {} : { maxInFlight }),
    ...(healthySeconds === undefined ? {} : { healthySeconds }),
    ...(selector === undefined ? {} : { selector: { matchLabels: matchLabels(selector) } }),
    ...(args.flag('pause') ? { paused: true } : {}),
    ...(args.flag('resume') ? { paused: false } : {}),
  };
}

function matchLabels(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError(`--selector ${text}: expected KEY=VALUE,…`);
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    }),
  );
}
