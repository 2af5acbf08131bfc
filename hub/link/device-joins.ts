/**
 * What joining writes on Device objects: that a board waits for approval, what was found wrong with it, and at
 * last which board it is. Written only when it says something new, and for one device at most every ten seconds,
 * so that a machine that asks again and again costs nothing.
 */
import type {
  Device,
  DeviceBoard,
  DeviceSpec,
  DeviceStatus,
  PendingJoin,
} from '#protocol/fleet/v1alpha1/device.js';
import { DEVICE_CONDITION, FLEET_FINALIZER } from '#protocol/fleet/v1alpha1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import { type BoardFinding, preflightState } from '#protocol/link/board-finding.js';
import { type Condition, findCondition, setCondition } from '#protocol/meta/condition.js';
import { checkLabelValue } from '#protocol/meta/names.js';
import { isAlreadyExists, isConflict } from '#protocol/meta/status.js';
import { formatTime } from '#protocol/meta/time.js';
import { DEVICES } from '../cache/resources.js';
import type { Client } from '../client/client.js';
import { sameJson } from '../lib/same-json.js';
import { newDevice } from './node-status.js';

/** Who asked, as the Device shows it. */
export interface Asker {
  readonly key: string;
  readonly board: DeviceBoard;
  readonly address: string | undefined;
  readonly findings: readonly BoardFinding[];
  /** Where it stands, as its card says. */
  readonly site?: string | undefined;
}

type WrittenAtJoin = keyof Pick<DeviceSpec, 'boardSerial' | 'approvedKey' | 'replaceBoard' | 'site'>;

const QUIET_MS = 10_000;
const MAX_QUIET = 1_024;
const MAX_ATTEMPTS = 8;
const MAX_MESSAGE = 1_024;

export class DeviceJoins {
  readonly #client: Client;
  readonly #clock: Clock;
  /** Device → when its waiting was last written, monotonic. */
  readonly #written = new Map<string, number>();

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** The Device, made if there is none. */
  async ensure(name: string): Promise<Device> {
    const devices = this.#client.resource<Device>(DEVICES);
    try {
      return await devices.create(newDevice(name));
    } catch (error) {
      if (isAlreadyExists(error)) return await devices.get(name);
      throw error;
    }
  }

  /** Notes that a board waits; true when that is news. */
  async waiting(name: string, asker: Asker, message: string): Promise<boolean> {
    const now = this.#clock.monotonic();
    const last = this.#written.get(name);
    if (last !== undefined && now - last < QUIET_MS) return false;
    const device = await this.ensure(name);
    const { pendingJoin } = device.status;
    const news = pendingJoin?.key !== asker.key || pendingJoin.message !== message;
    const wrote = await this.#changeStatus(device, (status, time) => ({
      ...status,
      pendingJoin: { ...pending(asker, message), since: (news ? undefined : pendingJoin?.since) ?? time },
      conditions: setCondition(
        findingConditions(status, asker.findings, time),
        condition(DEVICE_CONDITION.pendingApproval, true, 'ApprovalNeeded', message),
        time,
      ),
    }));
    if (wrote) this.#note(name, now);
    return news;
  }

  /** Notes a board that was let in, with its certificate; the approval that it needed is used up. */
  async joined(device: Device, asker: Asker, certificateEndsMs: number): Promise<void> {
    const { name, finalizers = [], resourceVersion } = device.metadata;
    const { serial } = asker.board;
    const spec: Record<WrittenAtJoin, unknown> = {
      boardSerial: serial ?? null,
      approvedKey: null,
      replaceBoard: null,
      // What an operator has said counts more than a card.
      site: device.spec.site ?? siteOf(asker) ?? null,
    };
    const stale = Object.entries(spec).some(
      ([field, value]) => (device.spec[field as keyof typeof spec] ?? null) !== value,
    );
    // One that somebody made beforehand must not go without its certificates either.
    const { device: cleanUp } = FLEET_FINALIZER;
    const metadata = finalizers.includes(cleanUp)
      ? {}
      : { metadata: { resourceVersion, finalizers: [...finalizers, cleanUp] } };
    const devices = this.#client.resource<Device>(DEVICES);
    const bound =
      stale || 'metadata' in metadata
        ? await devices.patch(name, undefined, 'merge', { ...metadata, spec })
        : device;
    await this.#changeStatus(bound, (status, time) => {
      const { pendingJoin: _over, ...rest } = status;
      const conditions = findingConditions(status, asker.findings, time);
      const waited = findCondition(conditions, DEVICE_CONDITION.pendingApproval) !== undefined;
      return {
        ...rest,
        board: asker.board,
        certificateExpirationTime: formatTime(certificateEndsMs),
        conditions: waited
          ? setCondition(
              conditions,
              condition(DEVICE_CONDITION.pendingApproval, false, 'Joined', 'the board has joined'),
              time,
            )
          : conditions,
      };
    });
    this.#written.delete(name);
  }

  /** Notes a new certificate. */
  renewed(name: string, certificateEndsMs: number): Promise<Device> {
    const status = { certificateExpirationTime: formatTime(certificateEndsMs) };
    return this.#client.resource<Device>(DEVICES).patch(name, undefined, 'merge', { status }, 'status');
  }

  /** False when nothing had to be written. */
  async #changeStatus(
    device: Device,
    edit: (status: DeviceStatus, time: string) => DeviceStatus,
  ): Promise<boolean> {
    const devices = this.#client.resource<Device>(DEVICES);
    let current = device;
    for (let attempt = 1; ; attempt += 1) {
      const status = edit(current.status, formatTime(this.#clock.now()));
      if (sameJson(status, current.status)) return false;
      try {
        await devices.updateStatus({ ...current, status });
        return true;
      } catch (error) {
        if (!isConflict(error) || attempt >= MAX_ATTEMPTS) throw error;
        current = await devices.get(device.metadata.name);
      }
    }
  }

  #note(name: string, now: number): void {
    this.#written.delete(name);
    this.#written.set(name, now);
    const [oldest] = this.#written.keys();
    if (this.#written.size > MAX_QUIET && oldest !== undefined) this.#written.delete(oldest);
  }
}

function pending({ key, board, address }: Asker, message: string): PendingJoin {
  return { key, board, message, ...(address === undefined ? {} : { address }) };
}

/** One that cannot be a label of the node is none. */
function siteOf({ site = '' }: Asker): string | undefined {
  return site !== '' && checkLabelValue(site).length === 0 ? site : undefined;
}

function condition(type: string, holds: boolean, reason: string, message: string): Condition {
  return { type, status: holds ? 'True' : 'False', reason, message: message.slice(0, MAX_MESSAGE) };
}

/** Conditions with what was found on the board; without any finding ever, there is none about it. */
function findingConditions(
  { conditions = [] }: DeviceStatus,
  findings: readonly BoardFinding[],
  time: string,
): Condition[] {
  const known = findCondition(conditions, DEVICE_CONDITION.preflightFailed) !== undefined;
  if (findings.length === 0 && !known) return [...conditions];
  return setCondition(conditions, preflightState(findings), time);
}
