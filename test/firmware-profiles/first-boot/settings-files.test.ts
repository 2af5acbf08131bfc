/** Files that follow from a card's settings: for each network manager, for systemd, and for the agent. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { networkFiles } from '#firmware-profiles/first-boot/network-files.js';
import { shellAssignments } from '#firmware-profiles/first-boot/shell-text.js';
import { cardSettings } from '#test/helpers/card-settings.js';

const WIFI = { ssid: 'Café; "x"', psk: 'ab'.repeat(32), country: 'DE' };
const NETWORK = { address: '10.1.2.3/16', gateway: '10.1.0.1', dns: ['10.1.0.1', '9.9.9.9'] };
const CONNECTION = (name: string) =>
  `networkmanager/etc/NetworkManager/system-connections/covey-${name}.nmconnection`;

describe('network of a card', () => {
  test('nothing asked for is nothing written', () => assert.deepEqual(networkFiles(cardSettings()), {}));

  test('Wi-Fi by DHCP, in the words of every manager', () => {
    const files = networkFiles(cardSettings({ wifi: WIFI }));
    const keyfile = files[CONNECTION('wifi')] ?? '';
    assert.match(keyfile, /^ssid=67;97;102;195;169;59;32;34;120;34;$/m);
    assert.match(keyfile, new RegExp(`^psk=${WIFI.psk}$`, 'm'));
    assert.match(keyfile, /^\[ipv4\]\nmethod=auto$/m);
    const supplicant = files['networkd/etc/wpa_supplicant/wpa_supplicant-wlan0.conf'] ?? '';
    assert.match(supplicant, /^country=DE$/m);
    assert.match(supplicant, /^\tssid=436166c3a93b20227822$/m);
    assert.equal(files['dhcpcd/etc/wpa_supplicant/wpa_supplicant.conf'], supplicant);
    assert.match(
      files['networkd/etc/systemd/network/20-covey-wifi.network'] ?? '',
      /Name=wlan0\n\n\[Network\]\nDHCP=yes/,
    );
    const plan = parse(files['netplan/etc/netplan/10-covey.yaml'] ?? '') as {
      network: { wifis: Record<string, { 'access-points': object; dhcp4: boolean }> };
    };
    assert.deepEqual(plan.network.wifis['wlan0']?.['access-points'], { [WIFI.ssid]: { password: WIFI.psk } });
    assert.equal(plan.network.wifis['wlan0']?.dhcp4, true);
  });

  test('a fixed address of the wired interface', () => {
    const files = networkFiles(cardSettings({ network: { ...NETWORK, interface: 'end0' } }));
    assert.match(files[CONNECTION('wired')] ?? '', /interface-name=end0/);
    assert.match(
      files[CONNECTION('wired')] ?? '',
      /address1=10\.1\.2\.3\/16,10\.1\.0\.1\ndns=10\.1\.0\.1;9\.9\.9\.9;/,
    );
    assert.equal(
      files['networkd/etc/systemd/network/10-covey-static.network'],
      '[Match]\nName=end0\n\n[Network]\nAddress=10.1.2.3/16\nGateway=10.1.0.1\nDNS=10.1.0.1\nDNS=9.9.9.9\n',
    );
    assert.match(files['dhcpcd.conf'] ?? '', /^interface end0\nstatic ip_address=10\.1\.2\.3\/16$/m);
    assert.match(
      files['ifupdown/etc/network/interfaces.d/covey'] ?? '',
      /iface end0 inet static\n {4}address 10\.1\.2\.3\/16/,
    );
    assert.equal(files[CONNECTION('wifi')], undefined);
  });

  test('with Wi-Fi a fixed address is that of the Wi-Fi, unless an interface is named', () => {
    const onWifi = networkFiles(cardSettings({ wifi: WIFI, network: NETWORK }));
    assert.match(onWifi[CONNECTION('wifi')] ?? '', /method=manual/);
    assert.match(onWifi['networkd/etc/systemd/network/10-covey-static.network'] ?? '', /Name=wlan0/);
    assert.equal(onWifi[CONNECTION('wired')], undefined);
    const onWire = networkFiles(cardSettings({ wifi: WIFI, network: { ...NETWORK, interface: 'eth0' } }));
    assert.match(onWire[CONNECTION('wifi')] ?? '', /\[ipv4\]\nmethod=auto/);
    assert.match(onWire[CONNECTION('wired')] ?? '', /method=manual/);
  });
});

describe('text for the shell', () => {
  test('property: a shell reads back every value', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('\0')),
        (value) => {
          const script = `${shellAssignments({ VALUE: value })}printf %s "$VALUE"`;
          assert.equal(execFileSync('sh', ['-c', script], { encoding: 'utf8' }), value);
        },
      ),
      { numRuns: 50 },
    );
  });
});
