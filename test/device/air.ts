/**
 * A simulated radio in the guest, mac80211_hwsim of Debian's kernel, with an access point: two radios that hear each
 * other, one for the guest, one in a network namespace of its own, where hostapd serves the network. What the
 * guest's own wpa_supplicant does with the card's settings is what it does on air.
 */
const UNITS = 'etc/systemd/system';
const NAMESPACE = 'air';

/** A network as people name theirs: blanks, and letters beyond ASCII. */
export const SSID = 'Küche 5 GHz';
export const PASSPHRASE = 'correct horse "battery" staple';
/** The guest's radio, by a name such as systems with UEFI give it. */
export const RADIO_NAME = 'wlp9s0';
/** Address of the access point. */
export const ROUTER = '10.9.8.1';

const ENTER = `#!/bin/sh -eu
ip netns add ${NAMESPACE}
iw phy "$(cat /sys/class/net/wlan1/phy80211/name)" set netns name ${NAMESPACE}
ip -n ${NAMESPACE} link set lo up
ip -n ${NAMESPACE} address add ${ROUTER}/24 dev wlan1
ip -n ${NAMESPACE} link set wlan1 up
`;

const HOSTAPD = `interface=wlan1
driver=nl80211
ssid2=P"${SSID}"
utf8_ssid=1
hw_mode=g
channel=6
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase=${PASSPHRASE}
`;

/** Early: the guest waits for its network before most services start, and an access point is there already. */
const SERVICE = `[Unit]
Description=Access point of the simulated radio
DefaultDependencies=no
After=systemd-modules-load.service local-fs.target
Conflicts=shutdown.target
Before=shutdown.target
ConditionPathExists=/sys/class/net/wlan1

[Service]
ExecStartPre=/bin/sh /etc/air/enter
ExecStart=/usr/sbin/ip netns exec ${NAMESPACE} hostapd /etc/air/hostapd.conf

[Install]
WantedBy=sysinit.target
`;

/** For the root file system. */
export const AIR_FILES: Readonly<Record<string, string>> = {
  'etc/modules-load.d/air.conf': 'mac80211_hwsim\n',
  'etc/modprobe.d/air.conf': 'options mac80211_hwsim radios=2\n',
  'etc/systemd/network/10-air.link': `[Match]\nOriginalName=wlan0\n\n[Link]\nName=${RADIO_NAME}\n`,
  'etc/air/enter': ENTER,
  'etc/air/hostapd.conf': HOSTAPD,
  [`${UNITS}/air.service`]: SERVICE,
};

export const AIR_LINKS: Readonly<Record<string, string>> = {
  [`${UNITS}/sysinit.target.wants/air.service`]: '../air.service',
};

/** Shell command in the guest: what the access point knows of its stations. */
export const STATIONS = `ip netns exec ${NAMESPACE} iw dev wlan1 station dump`;
