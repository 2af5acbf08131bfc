/**
 * What one card is told: the device's name, its hub, its claim, and the person's choices. The schema is strict and
 * complete, so what passes it can be written to a card without another look; every message says what a right value
 * looks like.
 */
import { isIPv4 } from 'node:net';
import { z } from 'zod';
import { FLEET_LABEL, isReservedLabel } from '#protocol/fleet/v1alpha1/well-known.js';
import { checkDns1123Label, checkLabelValue, checkQualifiedName } from '#protocol/meta/names.js';
import { unreachable } from './fixed-address.js';

const MAX_SSH_KEYS = 32;
const MAX_LABELS = 64;
/** The C library asks no more. */
const MAX_NAME_SERVERS = 3;
const MAX_SSID_BYTES = 32;
const MAX_CA_LENGTH = 16_384;
const KEY_TYPES =
  '(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com)';

/** A line of an authorized_keys file, without options in front. */
export const PUBLIC_KEY = new RegExp(`^${KEY_TYPES} [A-Za-z0-9+/=]+( [^\\p{Cc}]*)?$`, 'u');

/** A string that one of the protocol's checks accepts. */
function checked(check: (value: string) => string[]): z.ZodString {
  return z.string().check(({ value, issues }) => {
    for (const message of check(value)) issues.push({ code: 'custom', message, input: value });
  });
}

/** The hub ignores what a device says of a reserved label: the card would not do what it was told. */
function checkLabelKey(key: string): string[] {
  if (key === FLEET_LABEL.site) return ['the site has an option and a column of its own, site'];
  return isReservedLabel(key)
    ? ['labels below kubernetes.io, k8s.io and covey.dev are set by the hub alone']
    : checkQualifiedName(key);
}

const ipv4 = z.string().refine(isIPv4, 'expected an IPv4 address such as 192.168.1.1');

const cidr = z.string().refine((text) => {
  const [address = '', length, ...rest] = text.split('/');
  return rest.length === 0 && isIPv4(address) && /^([1-9]|[12]\d|3[0-2])$/.test(length ?? '');
}, 'expected an IPv4 address with its prefix length, such as 192.168.1.20/24');

const wifiSchema = z.strictObject({
  ssid: z
    .string()
    // Printable: the name stands in the text files of three network daemons.
    .regex(/^[^\p{Cc}]+$/u, 'expected the name of a network, without control characters')
    .refine(
      (ssid) => Buffer.byteLength(ssid) <= MAX_SSID_BYTES,
      `expected the name of a network, of at most ${MAX_SSID_BYTES} bytes`,
    ),
  /** The derived key, never the passphrase: see `wifi-key.ts`. */
  psk: z.string().regex(/^[0-9a-f]{64}$/, 'expected the derived key, 64 hexadecimal digits'),
  /** Regulatory domain, without which many adapters stay silent. */
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, 'expected a country of two capital letters, such as DE')
    .optional(),
});

const networkSchema = z
  .strictObject({
    address: cidr,
    gateway: ipv4,
    dns: z
      .array(ipv4)
      .min(1, 'expected a name server')
      .max(MAX_NAME_SERVERS, `at most ${MAX_NAME_SERVERS} name servers`),
    /** Default: the first wired interface, or the wireless one when Wi-Fi is given. */
    interface: z
      .string()
      .regex(/^[a-zA-Z0-9._-]{1,15}$/, 'expected the name of an interface, such as eth0')
      .optional(),
  })
  .check(({ value, issues }) => {
    const problem = unreachable(value.address, value.gateway);
    if (problem === undefined) return;
    const { field, message } = problem;
    issues.push({ code: 'custom', path: [field], message, input: value[field] });
  });

export const cardSettingsSchema = z.strictObject({
  name: checked(checkDns1123Label),
  hub: z.strictObject({
    url: z
      .string()
      .regex(
        /^https:\/\/[A-Za-z0-9.:[\]-]+\/?$/,
        'expected the address of a hub, such as https://hub.local:6443',
      )
      .refine((url) => URL.canParse(url), 'expected the address of a hub, such as https://hub.local:6443'),
    /** Certificate of the hub's authority, PEM. */
    ca: z
      .string()
      .max(MAX_CA_LENGTH)
      .regex(
        /^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\n?$/,
        "expected the hub's certificate in PEM",
      ),
  }),
  /** One-time token, good for this name only. */
  claim: z.string().regex(/^[a-z0-9]+\.[a-zA-Z0-9]+$/, 'expected a claim of the hub, <id>.<secret>'),
  /** Name of the firmware profile. */
  profile: checked(checkDns1123Label),
  labels: z
    .record(checked(checkLabelKey), checked(checkLabelValue))
    .refine((labels) => Object.keys(labels).length <= MAX_LABELS, `at most ${MAX_LABELS} labels`),
  site: checked(checkLabelValue).optional(),
  wifi: wifiSchema.optional(),
  /** Lines of an authorized_keys file. Without any, nobody logs in from the network. */
  sshKeys: z
    .array(z.string().regex(PUBLIC_KEY, 'expected a public key such as "ssh-ed25519 AAAA… name"'))
    .max(MAX_SSH_KEYS, `at most ${MAX_SSH_KEYS} keys`),
  network: networkSchema.optional(),
});

export type CardSettings = z.infer<typeof cardSettingsSchema>;
