/**
 * A fleet that is updated, as a value: what the hub has on record, what each device has on its disk and in its
 * memory, and what really happened, against which the laws of rollouts are checked. The hub's planner and the
 * agent's are the real ones.
 */
import assert from 'node:assert/strict';
import {
  type FleetDevice,
  LOST_AFTER_MS,
  OFFER_LIMIT_MS,
  offerOf,
} from '#hub/controllers/agent-release/assign.js';
import { planFleet, type UpdateStep } from '#hub/controllers/agent-release/plan.js';
import { rolloutStatus } from '#hub/controllers/agent-release/status.js';
import { type DeviceFacts, deviceStatus } from '#hub/link/node-status.js';
import type { AgentReleaseStatus, AgentRollout } from '#protocol/fleet/v1alpha1/agent-release.js';
import type { DeviceStatus } from '#protocol/fleet/v1alpha1/device.js';
import { helloSchema } from '#protocol/link/hello.js';
import { formatTime } from '#protocol/meta/time.js';
import { agentRelease } from './agent-releases.js';

const NOW = Date.UTC(2026, 5, 1);
const TIME = formatTime(NOW);
const LONG_AGO = NOW - LOST_AFTER_MS - 1000;
const OLD = '1.0.0';

interface Release {
  readonly version: string;
  readonly rollout: AgentRollout;
  readonly status: AgentReleaseStatus;
}

interface Agent {
  readonly running: string;
  readonly record?: {
    readonly offer: string;
    readonly version: string;
    readonly state: 'Downloading' | 'OnTrial' | 'Updated' | 'Failed';
  };
  /** What the hub offered it, until it says otherwise. */
  readonly offered?: { readonly offer: string; readonly version: string } | undefined;
  readonly before?: string | undefined;
}

interface Member {
  readonly name: string;
  readonly there: boolean;
  readonly presence: 'online' | 'away' | 'long-away';
  readonly status: DeviceStatus;
  readonly agent: Agent;
  /** Offers that failed on this card. */
  readonly failed: readonly string[];
}

export interface Fleet {
  readonly releases: readonly Release[];
  readonly devices: readonly Member[];
  /** `<offer> <device>` of each failure, also of devices that are gone. */
  readonly failures: readonly string[];
  readonly publishedTwice: boolean;
}

const HELLO = helloSchema.parse({
  agentVersion: '1',
  bootId: 'b',
  profile: '',
  spool: 's',
  cadenceClass: 'idle',
  labels: {},
  node: {},
  has: {},
});

export function firstFleet(size: number, rollout: Partial<AgentRollout>): Fleet {
  const devices = Array.from({ length: size }, (_, index) => newMember(`d${index}`));
  return {
    releases: [newRelease('2.0.0', rollout)],
    devices: devices.map(report),
    failures: [],
    publishedTwice: false,
  };
}

function newRelease(version: string, rollout: Partial<AgentRollout>): Release {
  return { version, rollout: agentRelease({ version, rollout }).spec.rollout, status: {} };
}

function newMember(name: string): Member {
  return { name, there: true, presence: 'online', status: {}, agent: { running: OLD }, failed: [] };
}

/** What the device says reaches the hub's record. */
function report(member: Member): Member {
  if (member.presence !== 'online' || !member.there) return member;
  const { running, record } = member.agent;
  const last =
    record === undefined
      ? undefined
      : { ...record, ...(record.state === 'Failed' ? { reason: 'broken' } : {}) };
  const update = { release: running, hasKey: true, ...(last === undefined ? {} : { last }) };
  const facts: DeviceFacts = { device: member.name, epoch: 1, hello: HELLO, report: undefined, update };
  return { ...member, status: deviceStatus(member.status, facts, TIME) };
}

function objectOf({ version, rollout, status }: Release, index: number) {
  return { ...agentRelease({ version, rollout, createdAt: NOW + index * 1000 }), status };
}

function seenByPlanner({ name, presence, status }: Member): FleetDevice {
  return {
    name,
    labels: {},
    architecture: 'arm64',
    online: presence === 'online',
    lastHeard: presence === 'long-away' ? LONG_AGO : NOW,
    running: status.agentRelease,
    offered: status.updateOffer ?? undefined,
    update: status.update,
  };
}

/** The hub plans until there is nothing to do; each step is judged before it is taken. */
export function settle(fleet: Fleet): Fleet {
  let now = fleet;
  for (let round = 0; round < 4; round += 1) {
    const present = now.devices.filter(({ there }) => there);
    const { steps, rollouts } = planFleet(now.releases.map(objectOf), present.map(seenByPlanner), NOW);
    const releases = now.releases.map((release) => {
      const rollout = rollouts.find((one) => one.release.spec.version === release.version);
      return rollout === undefined ? release : { ...release, status: rolloutStatus(rollout, NOW) };
    });
    const written = JSON.stringify(releases) !== JSON.stringify(now.releases);
    if (steps.length === 0 && !written) return now;
    now = { ...now, releases };
    for (const step of steps) now = take(now, step);
  }
  throw new Error('the hub goes back and forth');
}

function take(fleet: Fleet, step: UpdateStep): Fleet {
  if (step.kind === 'offer') judgeOffer(fleet, step.device, step.offer);
  return change(fleet, step.device, (member) => {
    const { updateOffer: _before, ...rest } = member.status;
    if (step.kind === 'offer') {
      const status = { ...rest, updateOffer: { release: step.release, offer: step.offer, time: TIME } };
      return hear({ ...member, status });
    }
    return hear({
      ...member,
      status: { ...rest, ...(step.kind === 'give-up' ? { update: { ...step.update, time: TIME } } : {}) },
    });
  });
}

/** What the hub offers, or offers no more, reaches a device that is connected. */
function hear(member: Member): Member {
  if (member.presence !== 'online') return member;
  const offered = member.status.updateOffer ?? undefined;
  return {
    ...member,
    agent: {
      ...member.agent,
      offered: offered === undefined ? undefined : { offer: offered.offer, version: offered.release },
    },
  };
}

function change(fleet: Fleet, name: string, edit: (member: Member) => Member): Fleet {
  return {
    ...fleet,
    devices: fleet.devices.map((member) => (member.name === name ? edit(member) : member)),
  };
}

function judgeOffer(fleet: Fleet, name: string, offer: string): void {
  const release = fleet.releases.find((one, index) => offerOf(objectOf(one, index)) === offer);
  assert.ok(release, 'what is offered is no release');
  const { version, rollout } = release;
  const there = fleet.devices.filter((member) => member.there);
  const target = there.find((member) => member.name === name);
  assert.ok(target, 'offered to nobody');
  // Whom the hub has given up holds no place, whatever it is still at.
  const onTrial = ({ agent, status }: Member) =>
    agent.record?.state === 'OnTrial' && agent.running === version && status.update?.state !== 'Failed';
  if (onTrial(target)) return;
  assert.ok(target.presence === 'online', 'offered to a device that is away');
  assert.ok(target.agent.running !== version, 'offered to a device that runs it');
  assert.ok(!target.failed.includes(offer), 'offered again after it failed');
  assert.ok(!rollout.paused, 'offered while paused');
  const failures = fleet.failures.filter((failure) => failure.startsWith(`${offer} `));
  assert.ok(failures.length < rollout.maxFailures, 'offered although it is halted');
  const touched = there.filter(
    (member) =>
      member === target ||
      member.agent.running === version ||
      member.failed.includes(offer) ||
      member.status.updateOffer?.offer === offer,
  );
  const allowed = Math.ceil((there.length * rollout.percentage) / 100);
  assert.ok(touched.length <= allowed, `offered to ${touched.length} of at most ${allowed}`);
  const atIt = there.filter(
    (member) =>
      member === target ||
      (member.presence !== 'long-away' &&
        (onTrial(member) ||
          (member.status.updateOffer?.offer === offer && member.agent.running !== version))),
  );
  assert.ok(atIt.length <= rollout.maxInFlight, `${atIt.length} at it at one time`);
}

/** What may happen next, as texts. */
export function events(fleet: Fleet): string[] {
  const [first] = fleet.releases;
  const last = fleet.releases.at(-1);
  return [
    ...fleet.devices.flatMap((member) => deviceEvents(member).map((what) => `${what} ${member.name}`)),
    ...(first === undefined ? [] : ['delete-first']),
    ...(last === undefined
      ? []
      : ['pause', 'resume'].filter((what) => (what === 'resume') === last.rollout.paused)),
    ...(last !== undefined && last.rollout.attempt < 2 ? ['retry'] : []),
    ...(last?.version === '2.0.0' && !fleet.publishedTwice ? ['publish'] : []),
    ...(last?.version === '3.0.0' ? ['unpublish'] : []),
  ];
}

function deviceEvents({ there, presence, agent, status }: Member): string[] {
  if (!there) return ['add'];
  const { record, offered } = agent;
  const online = presence === 'online';
  const trial = record?.state === 'OnTrial';
  const fresh = offered !== undefined && record?.offer !== offered.offer;
  return [
    'remove',
    ...(online ? ['leave', 'flash-new', 'flash-old'] : ['return']),
    ...(presence === 'away' ? ['long'] : []),
    // A trial that outlasts the offer that came after it is left out: a Device has one place for what it says.
    ...(online && status.updateOffer !== undefined && !(trial && fresh) ? ['limit'] : []),
    ...(online && fresh && !trial ? ['take'] : []),
    ...(online && record?.state === 'Downloading' && offered?.offer === record.offer
      ? ['switch', 'refuse']
      : []),
    ...(trial ? ['break'] : []),
    ...(trial && online ? ['prove'] : []),
  ];
}

export function happen(fleet: Fleet, event: string): Fleet {
  const [what = '', name = ''] = event.split(' ');
  if (name !== '') return deviceDoes(fleet, name, what);
  const last = fleet.releases.at(-1);
  const edit = (rollout: Partial<AgentRollout>): Fleet => ({
    ...fleet,
    releases: fleet.releases.map((release) =>
      release === last ? { ...release, rollout: { ...release.rollout, ...rollout } } : release,
    ),
  });
  switch (what) {
    case 'pause':
    case 'resume':
      return edit({ paused: what === 'pause' });
    case 'retry':
      return edit({ attempt: (last?.rollout.attempt ?? 0) + 1 });
    case 'publish':
      return {
        ...fleet,
        publishedTwice: true,
        releases: [...fleet.releases, newRelease('3.0.0', last?.rollout ?? {})],
      };
    case 'unpublish':
      return { ...fleet, releases: fleet.releases.slice(0, -1) };
    default:
      return { ...fleet, releases: fleet.releases.slice(1) };
  }
}

const RUNS_IT: ReadonlySet<string> = new Set(['flash-new', 'prove']);

function deviceDoes(fleet: Fleet, name: string, what: string): Fleet {
  const after = change(fleet, name, (member) => report(does(member, what)));
  const heard = change(after, name, (member) => (what === 'return' ? hear(member) : member));
  const member = heard.devices.find((one) => one.name === name);
  const update = member?.status.update;
  // Whoever runs it after all has not failed.
  const others = heard.failures.filter((failure) => !RUNS_IT.has(what) || !failure.endsWith(` ${name}`));
  const news = update?.state === 'Failed' && member?.there ? [`${update.offer} ${name}`] : [];
  return { ...heard, failures: [...new Set([...others, ...news])] };
}

function does(member: Member, what: string): Member {
  const { agent, status } = member;
  const { record, offered } = agent;
  const to = (state: 'OnTrial' | 'Updated' | 'Failed', more: Partial<Agent> = {}): Member => {
    assert.ok(record);
    const failed = state === 'Failed' ? [...member.failed, record.offer] : member.failed;
    return { ...member, failed, agent: { ...agent, ...more, record: { ...record, state } } };
  };
  switch (what) {
    case 'remove':
      return { ...member, there: false, status: {}, presence: 'away', agent: { running: OLD }, failed: [] };
    case 'add':
      return newMember(member.name);
    case 'flash-new':
      return { ...member, agent: { running: '2.0.0' }, failed: [] };
    case 'flash-old':
      return { ...member, agent: { running: OLD }, failed: [] };
    case 'leave':
      return { ...member, presence: 'away' };
    case 'long':
      return { ...member, presence: 'long-away' };
    case 'return':
      return { ...member, presence: 'online' };
    case 'limit':
      return {
        ...member,
        status: {
          ...status,
          ...(status.updateOffer === undefined
            ? {}
            : { updateOffer: { ...status.updateOffer, time: formatTime(NOW - OFFER_LIMIT_MS - 1000) } }),
        },
      };
    case 'take':
      assert.ok(offered);
      return { ...member, agent: { ...agent, record: { ...offered, state: 'Downloading' } } };
    case 'switch':
      return to('OnTrial', { before: agent.running, running: record?.version ?? OLD });
    case 'prove':
      return to('Updated', { before: undefined });
    case 'refuse':
      return to('Failed');
    default:
      return to('Failed', { running: agent.before ?? OLD, before: undefined });
  }
}

/** The operator mends what there is to mend, and every device does what it should. */
export function mend(fleet: Fleet): Fleet {
  const retried = fleet.releases.length === 0 ? fleet : happen(happen(fleet, 'retry'), 'resume');
  let now: Fleet = {
    ...retried,
    releases: retried.releases.map((release) => ({
      ...release,
      rollout: { ...release.rollout, percentage: 100 },
    })),
  };
  for (let round = 0; round < 2 * now.devices.length; round += 1)
    for (const what of ['add', 'return', 'prove', 'take', 'switch', 'prove'])
      for (const { name } of now.devices)
        if (events(settle(now)).includes(`${what} ${name}`))
          now = settle(happen(settle(now), `${what} ${name}`));
  return now;
}
