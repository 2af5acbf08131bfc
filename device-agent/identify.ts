/**
 * Who this device is: the identity on its disk, or a new one by joining the hub when there is none, or when it is
 * that of another board. A card that was copied with its identity is thus refused by the hub like any other copy,
 * and until then no pod of the other board is started here.
 */
import { boardSerial } from '#protocol/fleet/board-serial.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { BoardFinding } from '#protocol/link/board-finding.js';
import type { Board } from '#protocol/link/join.js';
import { type AgentConfig, UsageError } from './config.js';
import type { JoinRequest } from './join-process.js';
import { type DeviceIdentity, loadIdentity } from './link/identity.js';
import { AGENT_VERSION } from './version.js';

export interface IdentifyOptions {
  readonly config: AgentConfig;
  /** This board. */
  readonly board: Board;
  /** What is wrong with it; goes with the join. */
  readonly findings: readonly BoardFinding[];
  readonly logger: Logger;
  /** Joins; resolves once the identity is on disk. */
  readonly join: (request: JoinRequest) => Promise<void>;
}

export async function identify({
  config,
  board,
  findings,
  logger,
  join,
}: IdentifyOptions): Promise<DeviceIdentity> {
  const { name: device, nameGiven, dataDir, logLevel, card, setClock } = config;
  const known = await loadIdentity(dataDir);
  const copied = known !== undefined && isOfAnotherBoard(known, board);
  if (known !== undefined && !copied) {
    if (nameGiven && known.device !== device)
      throw new UsageError(`--name ${device}: ${dataDir} belongs to device ${known.device}`);
    return known;
  }
  if (copied)
    logger.error(
      { identityOf: known.board, board: board.serial },
      'the identity on this card is that of another board: joining as this one',
    );
  if (config.join === undefined)
    throw new UsageError(
      'this device has no identity yet: give --hub, --token-file, and --ca or --ca-fingerprint',
    );
  await join({
    device,
    anyName: !nameGiven,
    site: config.site,
    board,
    findings,
    dataDir,
    agentVersion: AGENT_VERSION,
    logLevel,
    card,
    setClock,
    join: config.join,
  });
  const joined = await loadIdentity(dataDir);
  if (joined === undefined) throw new Error(`joined, but ${dataDir} has no identity`);
  logger.info({ device: joined.device, hub: config.join.hub }, 'this device has joined the hub');
  return joined;
}

/** Where one of the two has no serial number, nothing speaks against it. */
function isOfAnotherBoard({ board }: DeviceIdentity, { serial }: Board): boolean {
  const own = boardSerial(serial);
  return board !== undefined && own !== undefined && board !== own;
}
