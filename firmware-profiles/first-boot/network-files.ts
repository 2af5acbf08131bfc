/**
 * The network of a card in the words of each program that may manage it; the board takes those of the one that it
 * has. Path `<manager>/<path on the root file system>` → text; `dhcpcd.conf` is a piece of that program's own file.
 * Without a setting there is no file, and the image's own way, DHCP as a rule, stays.
 */
import { stringify } from 'yaml';
import type { CardSettings } from '../settings.js';
import { netplan } from './netplan.js';

type Wifi = NonNullable<CardSettings['wifi']>;
type Network = NonNullable<CardSettings['network']>;

/** The interface that the Wi-Fi is on. */
export function wirelessInterface({ network }: CardSettings): string {
  const name = network?.interface;
  return name?.startsWith('wl') === true ? name : 'wlan0';
}

/** The address is that of the wireless interface when one was named, or when there is Wi-Fi and none was. */
function addressIsWireless({ wifi, network }: CardSettings): boolean {
  return network?.interface === undefined ? wifi !== undefined : network.interface.startsWith('wl');
}

export function networkFiles(settings: CardSettings): Readonly<Record<string, string>> {
  const { wifi, network } = settings;
  const plan = netplan(settings);
  if (plan === undefined) return {};
  const wireless = addressIsWireless(settings);
  const wlan = wirelessInterface(settings);
  const wired = network?.interface ?? 'eth0';
  const addressed = wireless ? wlan : wired;
  const files: Record<string, string> = {
    'netplan/etc/netplan/10-covey.yaml': stringify({ network: plan }),
  };
  if (network !== undefined) {
    files['dhcpcd.conf'] = dhcpcd(network, addressed);
    files['networkd/etc/systemd/network/10-covey-static.network'] = networkd(network, [
      wireless || network.interface !== undefined ? addressed : 'e*',
    ]);
    files['ifupdown/etc/network/interfaces.d/covey'] = ifupdown(network, addressed);
    if (!wireless) {
      files[`${CONNECTIONS}/covey-wired.nmconnection`] = [
        ...connection('covey-wired', 'ethernet', network.interface),
        ...['', ...keyfileAddress(network)],
      ].join('\n');
    }
  }
  if (wifi !== undefined) {
    files[`${CONNECTIONS}/covey-wifi.nmconnection`] = [
      ...connection('covey-wifi', 'wifi', network?.interface?.startsWith('wl') ? wlan : undefined),
      ...['', '[wifi]', 'mode=infrastructure', `ssid=${[...Buffer.from(wifi.ssid)].join(';')};`],
      ...['', '[wifi-security]', 'key-mgmt=wpa-psk', `psk=${wifi.psk}`],
      ...['', ...(wireless ? keyfileAddress(network) : keyfileAddress(undefined))],
    ].join('\n');
    const supplicant = wpaSupplicant(wifi);
    files['dhcpcd/etc/wpa_supplicant/wpa_supplicant.conf'] = supplicant;
    for (const manager of ['networkd', 'ifupdown'])
      files[`${manager}/etc/wpa_supplicant/wpa_supplicant-${wlan}.conf`] = supplicant;
    if (!wireless || network === undefined) {
      files['networkd/etc/systemd/network/20-covey-wifi.network'] =
        `[Match]\nName=${wlan}\n\n[Network]\nDHCP=yes\n\n[DHCPv4]\nRouteMetric=600\n`;
      files['ifupdown/etc/network/interfaces.d/covey-wifi'] =
        `allow-hotplug ${wlan}\niface ${wlan} inet dhcp\n`;
    }
  }
  return files;
}

const CONNECTIONS = 'networkmanager/etc/NetworkManager/system-connections';

function connection(id: string, type: string, name: string | undefined): string[] {
  return [
    '[connection]',
    `id=${id}`,
    `type=${type}`,
    ...(name === undefined ? [] : [`interface-name=${name}`]),
    // Before any connection that the image has of its own.
    'autoconnect-priority=100',
    // Tries for ever.
    'autoconnect-retries=0',
  ];
}

function keyfileAddress(network: Network | undefined): string[] {
  const ipv6 = ['', '[ipv6]', 'method=auto', ''];
  if (network === undefined) return ['[ipv4]', 'method=auto', ...ipv6];
  const { address, gateway, dns } = network;
  return ['[ipv4]', 'method=manual', `address1=${address},${gateway}`, `dns=${dns.join(';')};`, ...ipv6];
}

/** The name as hexadecimal digits: no quoting to get wrong. */
function wpaSupplicant({ ssid, psk, country }: Wifi): string {
  return [
    'ctrl_interface=DIR=/run/wpa_supplicant GROUP=netdev',
    'update_config=0',
    ...(country === undefined ? [] : [`country=${country}`]),
    'network={',
    `\tssid=${Buffer.from(ssid).toString('hex')}`,
    `\tpsk=${psk}`,
    '}',
    '',
  ].join('\n');
}

function networkd({ address, gateway, dns }: Network, names: readonly string[]): string {
  return [
    ...['[Match]', `Name=${names.join(' ')}`, '', '[Network]'],
    ...[`Address=${address}`, `Gateway=${gateway}`, ...dns.map((server) => `DNS=${server}`), ''],
  ].join('\n');
}

function ifupdown({ address, gateway, dns }: Network, name: string): string {
  return [
    ...[`auto ${name}`, `iface ${name} inet static`, `    address ${address}`, `    gateway ${gateway}`],
    ...[`    dns-nameservers ${dns.join(' ')}`, ''],
  ].join('\n');
}

function dhcpcd({ address, gateway, dns }: Network, name: string): string {
  return [
    ...['# Covey: begin', `interface ${name}`, `static ip_address=${address}`, `static routers=${gateway}`],
    ...[`static domain_name_servers=${dns.join(' ')}`, '# Covey: end', ''],
  ].join('\n');
}
