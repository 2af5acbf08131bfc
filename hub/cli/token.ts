/** `covey token`: makes, lists and withdraws the join tokens with which devices get their certificate. */
import { randomBytes } from 'node:crypto';
import { isDeviceName } from '../authn/claim.js';
import { JoinTokens, type NewJoinToken } from '../authn/join-token.js';
import { type Arguments, parseCount, UsageError } from '../lib/arguments.js';
import type { Credentials } from '../lib/https-client.js';
import { systemClock } from '../lib/system-clock.js';
import type { Command, Output } from './command.js';
import { readCredentials } from './credentials.js';
import { dataDirectory, dataOption } from './data-option.js';
import { parseDuration } from './duration.js';
import { createRemoteClient } from './remote-client.js';

/** Namespace of everything that Covey keeps for itself. */
const SYSTEM_NAMESPACE = 'covey-system';

export const tokenCommand: Command = {
  name: 'token',
  summary: 'Create, list or withdraw join tokens',
  usage: '[--data DIR] create [--device NAME] [--ttl 24h] [--uses N] | list | revoke ID',
  options: {
    data: dataOption,
    device: { type: 'string', value: 'NAME', help: 'only this device may join with it' },
    ttl: { type: 'string', value: 'TIME', help: 'how long it is good: 30m, 24h, 7d', default: '24h' },
    uses: { type: 'string', value: 'N', help: 'how many devices may join with it', default: '1' },
    description: { type: 'string', value: 'TEXT', help: 'shown in the list' },
  },
  async run(args, output) {
    const [action, id, ...rest] = args.positionals;
    if (rest.length > 0 || (id !== undefined && action !== 'revoke')) throw wrongUse(args);
    const tokens = async () => joinTokens(await readCredentials(dataDirectory(args)));
    if (action === 'create') {
      const request = newToken(args);
      output.out(`${(await (await tokens()).create(request)).token}\n`);
      return 0;
    }
    if (action === 'list') return list(await tokens(), output);
    if (action === 'revoke' && id !== undefined) {
      const found = await (await tokens()).revoke(id);
      output.err(found ? `token ${id} withdrawn\n` : `there is no token ${id}\n`);
      return found ? 0 : 1;
    }
    throw wrongUse(args);
  },
};

function wrongUse({ positionals }: Arguments): UsageError {
  return new UsageError(`expected create, list or revoke ID, not "${positionals.join(' ')}"`);
}

/** Join tokens through a running hub's API. */
export function joinTokens(credentials: Credentials): JoinTokens {
  return new JoinTokens({
    client: createRemoteClient(credentials),
    clock: systemClock,
    namespace: SYSTEM_NAMESPACE,
    randomBytes,
  });
}

function newToken(args: Arguments): NewJoinToken {
  const device = args.text('device');
  if (device !== undefined && !isDeviceName(device))
    throw new UsageError(
      `--device ${JSON.stringify(device)} is no device name: lower-case letters, digits and '-', at most 63, not '-' at an end`,
    );
  const description = args.text('description');
  return {
    lifetimeMs: parseDuration(args.text('ttl') ?? '', 'ttl'),
    uses: parseCount(args.text('uses') ?? '', 'uses', 1, 1_000_000),
    ...(device === undefined ? {} : { device }),
    ...(description === undefined ? {} : { description }),
  };
}

async function list(tokens: JoinTokens, { out }: Output): Promise<number> {
  out('ID       EXPIRES                    USES   DEVICE\n');
  for (const { id, expires, usesLeft, device } of await tokens.list()) {
    const uses = usesLeft === undefined ? '∞' : String(usesLeft);
    out(`${id}   ${new Date(expires).toISOString()}   ${uses.padEnd(4)}   ${device ?? 'any'}\n`);
  }
  return 0;
}
