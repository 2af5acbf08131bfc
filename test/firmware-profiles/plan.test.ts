/** The planner: what a card carries, that no secret stands where it should not, and what it refuses. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CardError } from '#firmware-profiles/card-error.js';
import { loadProfiles } from '#firmware-profiles/load.js';
import { type CardFacts, filesToRead, type PlanInput, planCard } from '#firmware-profiles/plan.js';
import { cardSettingsSchema } from '#firmware-profiles/settings.js';
import type { CardStep } from '#firmware-profiles/step.js';
import { wifiKey } from '#firmware-profiles/wifi-key.js';
import { cardSettings } from '#test/helpers/card-settings.js';

const profiles = await loadProfiles();
const PAYLOAD = { file: '/cache/payload.tar.gz', sha256: 'a'.repeat(64), bytes: 50 * 2 ** 20 };

function facts(freeBytes = 200 * 2 ** 20): CardFacts {
  const files = new Map([
    ['cmdline.txt', 'root=PARTUUID=1-02 rootwait\n'],
    ['config.txt', ''],
  ]);
  return { boot: { label: 'bootfs', files, freeBytes }, root: { files, freeBytes } };
}

function plan(changes: Partial<PlanInput> = {}): readonly CardStep[] {
  const profile = profiles.find(({ metadata }) => metadata.name === 'raspberry-pi-4');
  assert.ok(profile);
  return planCard({
    profile,
    settings: cardSettings(),
    facts: facts(),
    payload: PAYLOAD,
    preload: [],
    ...changes,
  });
}

function texts(steps: readonly CardStep[]): Map<string, string> {
  return new Map(
    steps.flatMap((step) =>
      step.kind === 'write' && 'text' in step.content ? [[step.path, step.content.text] as const] : [],
    ),
  );
}

describe('plan of a card', () => {
  for (const profile of profiles) {
    test(`${profile.metadata.name}: everything below covey/ comes before what arms the first boot`, () => {
      const settings = cardSettings({ profile: profile.metadata.name });
      const steps = plan({ profile, settings });
      const own = steps.map((step) => step.kind !== 'label' && step.path.startsWith('covey/'));
      const names = steps.flatMap((step) => (step.kind === 'label' ? [] : [step.path]));
      for (const name of [
        'first-boot.sh',
        'common.sh',
        'grow-root.sh',
        'card.env',
        'claim',
        'payload.tar.gz',
        'hub-ca.pem',
      ])
        assert.ok(names.includes(`covey/${name}`), name);
      assert.equal(own.at(-1), false);
      assert.deepEqual(plan({ profile, settings }), steps);
      const wanted = filesToRead(profile);
      assert.ok(wanted.boot.length + wanted.root.length > 0);
    });
  }

  test('the claim stands in its own file only, the key of the Wi-Fi only where a program of the board reads it', () => {
    const psk = wifiKey('home', 'correct horse');
    const all = texts(plan({ settings: cardSettings({ wifi: { ssid: 'home', psk, country: 'DE' } }) }));
    const { claim } = cardSettings();
    const holders = (secret: string) =>
      [...all].filter(([, text]) => text.includes(secret)).map(([path]) => path);
    assert.deepEqual(holders(claim), ['covey/claim']);
    assert.ok(holders(psk).length > 0);
    assert.ok(holders(psk).every((path) => path.startsWith('covey/network/')));
    assert.deepEqual(holders('correct horse'), []);
  });

  test('without Wi-Fi, address and keys there is no file for them', () => {
    const names = [...texts(plan()).keys()];
    assert.ok(names.every((name) => !name.startsWith('covey/network/')));
    assert.ok(!names.includes('covey/authorized_keys'));
  });

  test('the agent is told what it is', () => {
    const text = texts(plan({ settings: cardSettings({ labels: { room: 'lab', 'a.b/c': 'd' } }) })).get(
      'covey/files/etc/covey/agent.env',
    );
    assert.match(text ?? '', /^COVEY_NAME='kitchen-1'$/m);
    assert.match(text ?? '', /^COVEY_HUB='https:\/\/hub\.example:6443'$/m);
    assert.match(text ?? '', /^COVEY_LABELS='room=lab,a\.b\/c=d'$/m);
    assert.match(text ?? '', /^COVEY_CARD='\/boot\/firmware\/covey'$/m);
  });

  test('the site is told to the agent, and is none of the labels', () => {
    const labels = { room: 'lab' };
    const text = texts(plan({ settings: cardSettings({ site: 'home', labels }) })).get(
      'covey/files/etc/covey/agent.env',
    );
    assert.match(text ?? '', /^COVEY_SITE='home'$/m);
    assert.match(text ?? '', /^COVEY_LABELS='room=lab'$/m);
  });

  test('too small a partition is refused with both sizes', () => {
    assert.throws(
      () => plan({ facts: facts(40 * 2 ** 20) }),
      (error) => error instanceof CardError && /has 40 MiB free, the card needs 58 MiB/.test(error.message),
    );
  });

  test('settings for another profile, and an image without the partition, are refused', () => {
    assert.throws(() => plan({ settings: cardSettings({ profile: 'raspberry-pi-5' }) }), CardError);
    assert.throws(() => plan({ facts: {} }), /which this image does not have/);
  });
});

describe('settings of a card', () => {
  const CASES: readonly [string, object, RegExp][] = [
    ['a name in capitals', { name: 'Kitchen' }, /name: .*lowercase/],
    ['a hub without TLS', { hub: { url: 'http://hub', ca: cardSettings().hub.ca } }, /hub\.url: .*https/],
    ['a CA that is none', { hub: { url: 'https://hub', ca: 'x' } }, /hub\.ca: .*PEM/],
    ['a claim that is none', { claim: 'x' }, /claim: .*<id>\.<secret>/],
    ['a passphrase for a key', { wifi: { ssid: 'x', psk: 'passphrase' } }, /wifi\.psk: .*64 hex/],
    [
      'too long a network name',
      { wifi: { ssid: 'ü'.repeat(17), psk: 'a'.repeat(64) } },
      /wifi\.ssid: expected the name of a network, of at most 32 bytes/,
    ],
    ['a line break in a network name', { wifi: { ssid: 'a\nb', psk: 'a'.repeat(64) } }, /wifi\.ssid/],
    ['a private key', { sshKeys: ['-----BEGIN OPENSSH PRIVATE KEY-----'] }, /sshKeys\.0: .*public key/],
    [
      'an address without its length',
      { network: { address: '10.0.0.2', gateway: '10.0.0.1', dns: ['10.0.0.1'] } },
      /network\.address/,
    ],
    ['a field that is not known', { passwd: 'x' }, /passwd/],
    ...(
      [
        [
          'a router in another network',
          '10.0.0.2/24',
          '10.0.1.1',
          /network\.gateway: .*network of 10\.0\.0\.2\/24/,
        ],
        ['a router far away', '10.0.0.2/32', '10.0.0.1', /network\.gateway: .*must be in the network/],
        ['the address of the router', '10.0.0.1/24', '10.0.0.1', /network\.gateway: .*address of the device/],
        [
          'the address of a network',
          '10.0.0.16/28',
          '10.0.0.17',
          /network\.address: .*of the network itself/,
        ],
        ['an address for broadcasts', '10.0.0.31/28', '10.0.0.17', /network\.address: .*for broadcasts/],
      ] as const
    ).map(([name, address, gateway, message]): [string, object, RegExp] => [
      name,
      { network: { address, gateway, dns: ['9.9.9.9'] } },
      message,
    ]),
  ];
  for (const [name, changes, message] of CASES) {
    test(`${name} is refused by its field`, () => {
      const { error } = cardSettingsSchema.safeParse({ ...cardSettings(), ...changes });
      const [issue] = error?.issues ?? [];
      assert.match(`${issue?.path.join('.')}: ${issue?.message}`, message);
    });
  }
  test('right ones pass unchanged', () => {
    const full = cardSettings({
      sshKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI me@here'],
      wifi: { ssid: 'Café', psk: 'a'.repeat(64), country: 'DE' },
      network: { address: '10.0.0.2/24', gateway: '10.0.0.1', dns: ['10.0.0.1'], interface: 'eth0' },
      site: 'home',
    });
    assert.deepEqual(cardSettingsSchema.parse(full), full);
    // A network of two addresses; one that begins in the upper half of all addresses.
    for (const [address, gateway] of [
      ['10.0.0.0/31', '10.0.0.1'],
      ['192.168.1.20/16', '192.168.255.254'],
    ] as const) {
      const network = { address, gateway, dns: ['9.9.9.9'] };
      assert.deepEqual(cardSettingsSchema.parse(cardSettings({ network })).network, network);
    }
  });
});

describe('key of a Wi-Fi', () => {
  test('is the one of the standard (IEEE 802.11i, test vectors of annex H.4)', () => {
    assert.equal(
      wifiKey('IEEE', 'password'),
      'f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e',
    );
    assert.equal(
      wifiKey('ThisIsASSID', 'ThisIsAPassword'),
      '0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af',
    );
  });
  test('a key is taken as it is, a passphrase of the wrong length refused', () => {
    assert.equal(wifiKey('x', 'A'.repeat(64)), 'a'.repeat(64));
    assert.throws(() => wifiKey('x', 'short'), /8 to 63/);
  });
});
