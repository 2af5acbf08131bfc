/** What a person said of a card, checked: every fault names its field, the text at fault and what a right one is. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCards } from '#firmware-profiles/flash/cards-csv.js';
import { loadProfile } from '#firmware-profiles/load.js';
import { ProfileError } from '#firmware-profiles/profile.js';
import { type OrderContext, orderCard } from '#hub/cli/flash/card-order.js';
import type { CardTexts } from '#hub/cli/flash/options.js';
import { orderBatch } from '#hub/cli/flash/read-batch.js';
import { cardSettings } from '#test/helpers/card-settings.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const context: OrderContext = {
  hub: cardSettings().hub,
  async profileNamed(name) {
    const found = await loadProfile(name);
    if (found === undefined) throw new ProfileError(`no firmware profile "${name}"`);
    return found;
  },
  build: true,
  wifiKeys: new Map(),
};

const COMMON: CardTexts = { profile: 'raspberry-pi-4', labels: [], dns: [], sshKeys: [] };
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI me@here';

async function faults(texts: Partial<CardTexts>): Promise<readonly string[]> {
  const result = await orderCard({ ...COMMON, name: 'a', ...texts }, context);
  return 'order' in result ? [] : result.problems.map(({ field, message }) => `${field}: ${message}`);
}

test('a fault names the text that is wrong, in words of this command', async () => {
  const cases: readonly [Partial<CardTexts>, readonly RegExp[]][] = [
    [{}, []],
    [{ site: 'a b' }, [/^site: "a b": a valid label must/]],
    [{ wifi: 'é'.repeat(17) }, [/^wifi: "é{17}": expected the name of a network, of at most 32 bytes$/]],
    [{ wifi: '' }, [/^wifi: "": expected the name of a network, without control characters$/]],
    [{ wifi: 'a\u001b[2J' }, [/^wifi: "a\\u001b\[2J": expected the name of a network/]],
    [{ labels: ['a b=c'] }, [/^labels: "a b=c": name part must consist of/]],
    [{ labels: ['kubernetes.io/hostname=x'] }, [/^labels: "kubernetes\.io\/hostname=x": .*by the hub alone/]],
    [
      { labels: ['fleet.covey.dev/site=x'] },
      [/^labels: "fleet\.covey\.dev\/site=x": the site has an option/],
    ],
    [{ labels: ['my.kubernetes.io.example/a=x'] }, []],
    [{ labels: ['room=x y'] }, [/^labels: "room=x y": a valid label must/]],
    [{ address: '10.0.0.2/24', gateway: 'x' }, [/^gateway: "x": expected an IPv4 address/]],
    [
      { address: '10.0.0.2/24', gateway: '10.0.0.1', dns: ['1.1.1.1', 'y'] },
      [/^dns: "y": expected an IPv4 address/],
    ],
    [
      { address: '10.0.0.2/24', gateway: '10.0.0.1', dns: Array<string>(4).fill('1.1.1.1') },
      [/^dns: at most 3 name servers$/],
    ],
    [{ address: '10.0.0.2/24', gateway: '10.9.0.1' }, [/^gateway: "10\.9\.0\.1": the router must be in/]],
  ];
  for (const [texts, expected] of cases) {
    const found = await faults(texts);
    assert.equal(found.length, expected.length, `${JSON.stringify(texts)}\n${found.join('\n')}`);
    for (const [index, message] of expected.entries()) assert.match(found[index] ?? '', message);
  }
});

test('a file that holds no public key is told by its line; a key that is given twice counts once', async (t) => {
  const directory = await tempDir(t);
  const [right, wrong] = [join(directory, 'id.pub'), join(directory, 'keys')];
  await writeFile(right, `# mine\n${KEY}\n`);
  await writeFile(wrong, `${KEY}\n\nfrom="10.0.0.1" ${KEY}\nand more\n`);
  assert.deepEqual(await faults({ sshKeys: [right, wrong] }), [
    `ssh-key: ${wrong}, line 3: expected a public key such as "ssh-ed25519 AAAA… name"`,
  ]);
  const result = await orderCard({ ...COMMON, name: 'a', sshKeys: [right, right] }, context);
  assert.deepEqual('order' in result && result.order.settings.sshKeys, [KEY]);
});

test('each card has an image, by its line, for all, or built; what is wrong with one is told', async (t) => {
  const directory = await tempDir(t);
  const path = (name: string) => join(directory, name);
  for (const name of ['a.img', 'b.img', 'common.img']) await writeFile(path(name), name);
  await writeFile(path('sums'), `${'a'.repeat(64)}  a.img\n${'b'.repeat(64)}  b.img\n`);
  const batch = (text: string, options: Partial<CardTexts>, build = false) => {
    const said: string[] = [];
    const err = (line: string) => void said.push(line.replaceAll(directory, '.'));
    const common = { ...COMMON, ...options };
    return orderBatch({ path: 'c.csv', ...readCards(text) }, common, { ...context, build }, { err }).then(
      (orders) => orders.map(({ image }) => image),
      () => said,
    );
  };
  const text = `name,image,sha256\na,${path('a.img')},${path('sums')}\nb,${path('b.img')},\nc,,\n`;
  const own = [
    { file: path('a.img'), sha256: 'a'.repeat(64) },
    { file: path('b.img'), sha256: undefined },
  ];
  assert.deepEqual(await batch(text, { image: path('common.img'), sha256: 'C'.repeat(64) }), [
    ...own,
    { file: path('common.img'), sha256: 'c'.repeat(64) },
  ]);
  assert.deepEqual(await batch(text, {}, true), [...own, undefined]);
  assert.deepEqual(await batch(text, {}), [
    'c.csv:4:1: image: no base image: name a file, or build one with --build\n',
  ]);
  const wrong = `name,image,sha256\na,${path('none.img')},\nb,${path('common.img')},${path('sums')}\nc,,${'0'.repeat(64)}\n`;
  assert.deepEqual(await batch(wrong, {}, true), [
    'c.csv:2:3: image: cannot read the image ./none.img: there is no such file\n',
    `c.csv:3:${`b,${path('common.img')},`.length + 1}: sha256: ./sums: none of its 2 lines is for common.img\n`,
    'c.csv:4:4: sha256: it is for an image, and this card names none\n',
  ]);
});

test('two cards of one site cannot have one address', async () => {
  const text =
    'name,site,address,gateway\n' +
    'a,home,10.0.0.2/24,10.0.0.1\n' +
    'b,yard,10.0.0.2/24,10.0.0.1\n' +
    'c,home,10.0.0.2/16,10.0.0.1\n';
  const said: string[] = [];
  const err = (line: string) => void said.push(line);
  await assert.rejects(
    orderBatch({ path: 'cards.csv', ...readCards(text) }, COMMON, context, { err }),
    /cards\.csv: 1 error; nothing was written/,
  );
  assert.deepEqual(said, ['cards.csv:4:8: address: 10.0.0.2 is that of line 2 already, at the same site\n']);
});
