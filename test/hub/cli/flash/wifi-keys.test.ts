/** Passphrases come from a file, the environment or a person, in this order, and only their keys go on. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { wifiKey } from '#firmware-profiles/wifi-key.js';
import { wifiKeys } from '#hub/cli/flash/wifi-keys.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const nobody = { file: undefined, env: {}, ask: undefined };
const [ONE, TWO] = ['first passphrase', 'second=passphrase'];

test('a file holds one passphrase, or a line for each network', async (t) => {
  const file = join(await tempDir(t), 'wifi');
  await writeFile(file, `${ONE}\n`);
  assert.deepEqual(
    [...(await wifiKeys(['Home', 'Home'], { ...nobody, file }))],
    [['Home', wifiKey('Home', ONE)]],
  );
  await assert.rejects(wifiKeys(['Home', 'Yard'], { ...nobody, file }), /no line "Home=…" in it/);
  await writeFile(file, `Home=${ONE}\r\nYard=${TWO}\r\n`);
  assert.deepEqual(
    [...(await wifiKeys(['Home', 'Yard'], { ...nobody, file }))],
    [
      ['Home', wifiKey('Home', ONE)],
      ['Yard', wifiKey('Yard', TWO)],
    ],
  );
  await assert.rejects(
    wifiKeys(['Home'], { ...nobody, file: `${file}.none` }),
    /cannot read --wifi-password-file/,
  );
});

test('the environment serves one network; a person is asked for each', async () => {
  const env = { COVEY_WIFI_PASSWORD: ONE };
  assert.equal((await wifiKeys(['Home'], { ...nobody, env })).get('Home'), wifiKey('Home', ONE));
  await assert.rejects(wifiKeys(['Home', 'Yard'], { ...nobody, env }), /no passphrase for the Wi-Fi "Home"/);
  const asked: string[] = [];
  const ask = async (question: string) => {
    asked.push(question);
    return TWO;
  };
  const keys = await wifiKeys(['Home', 'Yard'], { ...nobody, ask });
  assert.deepEqual(asked, ['Passphrase of the Wi-Fi "Home": ', 'Passphrase of the Wi-Fi "Yard": ']);
  assert.equal(keys.get('Yard'), wifiKey('Yard', TWO));
});

test('a passphrase that cannot be one is refused without being shown', async () => {
  const env = { COVEY_WIFI_PASSWORD: 'short' };
  await assert.rejects(wifiKeys(['Home'], { ...nobody, env }), (error: Error) => {
    assert.match(error.message, /Wi-Fi passphrase of "Home": expected 8 to 63/);
    return !error.message.includes('short');
  });
});
