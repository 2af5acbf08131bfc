/** The network of a card in netplan's terms (version 2), as cloud-init reads it. */
import type { CardSettings } from '../settings.js';

/** Undefined when nothing was asked for: the image's own way, DHCP as a rule, stays. */
export function netplan({ wifi, network }: CardSettings): Readonly<Record<string, unknown>> | undefined {
  if (wifi === undefined && network === undefined) return undefined;
  const addressing =
    network === undefined
      ? { dhcp4: true }
      : {
          dhcp4: false,
          addresses: [network.address],
          routes: [{ to: 'default', via: network.gateway }],
          nameservers: { addresses: network.dns },
        };
  const wireless = network?.interface?.startsWith('wl') ?? wifi !== undefined;
  const dhcp = { dhcp4: true };
  // A system that waits for its network waits for what was asked for. Were all of it optional, systemd-networkd would
  // wait for the rest until its time is up: two minutes, at every start.
  const ethernets = wireless
    ? { wired: { match: { name: 'e*' }, optional: true, ...dhcp } }
    : { wired: { match: { name: network?.interface ?? 'e*' }, ...addressing } };
  const wifis =
    wifi === undefined
      ? undefined
      : {
          [network?.interface ?? 'wlan0']: {
            ...(wireless ? addressing : { optional: true, ...dhcp }),
            'access-points': { [wifi.ssid]: { password: wifi.psk } },
            ...(wifi.country !== undefined && { 'regulatory-domain': wifi.country }),
          },
        };
  return { version: 2, ethernets, ...(wifis !== undefined && { wifis }) };
}
