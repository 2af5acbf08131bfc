/** Who may have a name: laws that hold for every token, board, key and policy. */
import { test } from 'node:test';
import fc from 'fast-check';
import { decideJoin, isApproved, type JoinFacts, nameFor } from '#hub/link/join-decision.js';
import { BOARD_POLICIES, deviceSchema } from '#protocol/fleet/v1alpha1/device.js';

const serials = fc.constantFrom('board-a', 'board-b', undefined);
const keys = fc.constantFrom('a'.repeat(64), 'b'.repeat(64));

const facts: fc.Arbitrary<JoinFacts> = fc
  .record({
    tokenDevice: fc.constantFrom('kitchen', undefined),
    serial: serials,
    key: keys,
    exists: fc.boolean(),
    joinedBefore: fc.boolean(),
    keyIssued: fc.boolean(),
    policy: fc.constantFrom(...BOARD_POLICIES),
    spec: fc.record(
      {
        boardSerial: fc.constantFrom('board-a', 'board-b'),
        boardPolicy: fc.constantFrom(...BOARD_POLICIES),
        approvedKey: keys,
        replaceBoard: fc.boolean(),
        revoked: fc.boolean(),
      },
      { requiredKeys: [] },
    ),
    presence: fc.constantFrom('Online', 'Offline'),
  })
  .map(({ exists, spec, presence, ...rest }) => ({
    ...rest,
    name: 'kitchen',
    joinedBefore: rest.joinedBefore && exists,
    keyIssued: rest.keyIssued && rest.joinedBefore && exists,
    device: exists
      ? deviceSchema.parse({ metadata: { name: 'kitchen', uid: 'u' }, spec, status: { presence } })
      : undefined,
  }));

function holds(name: string, law: (input: JoinFacts, kind: string, replaces: boolean) => boolean): void {
  test(name, () => {
    fc.assert(
      fc.property(facts, (input) => {
        const decision = decideJoin(input);
        return law(input, decision.kind, decision.kind === 'admit' && decision.replaces);
      }),
      { numRuns: 2_000 },
    );
  });
}

const policyOf = ({ device, policy }: JoinFacts) => device?.spec.boardPolicy ?? policy;

holds(
  'a revoked device is never let in',
  (input, kind) => input.device?.spec.revoked !== true || kind === 'refuse',
);

holds(
  'with Approve nobody is let in without an approval, but the holder of the key that has a certificate',
  (input, kind) => policyOf(input) !== 'Approve' || kind !== 'admit' || isApproved(input) || input.keyIssued,
);

holds('with SameBoard another board is let in only when approved', (input, kind) => {
  const bound = input.device?.spec.boardSerial;
  const other = bound !== undefined && bound !== input.serial;
  return policyOf(input) !== 'SameBoard' || !other || kind !== 'admit' || isApproved(input);
});

holds(
  'a token for any name takes a name in use only with the serial of its board, or approved',
  (input, kind) => {
    const own = input.serial !== undefined && input.device?.spec.boardSerial === input.serial;
    const taken = input.joinedBefore && input.tokenDevice === undefined;
    return !taken || kind !== 'admit' || own || isApproved(input) || input.keyIssued;
  },
);

holds('a device that is connected is not taken over with a token for any name', (input, _kind, replaces) => {
  const taken =
    input.joinedBefore && input.tokenDevice === undefined && input.device?.status.presence === 'Online';
  return !taken || policyOf(input) === 'Approve' || !replaces || isApproved(input);
});

holds(
  'the holder of the key, on its board, is let in again and nothing is revoked',
  (input, kind, replaces) => {
    const bound = input.device?.spec.boardSerial;
    const again =
      input.keyIssued &&
      input.device?.spec.revoked !== true &&
      (bound === undefined || bound === input.serial);
    return !again || (kind === 'admit' && !replaces);
  },
);

holds(
  'an approved machine is let in, unless the device is revoked',
  (input, kind) => !isApproved(input) || input.device?.spec.revoked === true || kind === 'admit',
);

test('a claim gives no other name than its own', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('kitchen', 'cellar'),
      fc.boolean(),
      fc.array(fc.constantFrom('x', 'y')),
      (device, anyName, bound) => {
        try {
          return nameFor({ device, anyName }, 'kitchen', bound) === 'kitchen';
        } catch {
          return device !== 'kitchen' && !anyName;
        }
      },
    ),
  );
});
