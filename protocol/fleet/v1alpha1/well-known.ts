/** Every fixed string that is Covey's own: group, annotations, labels, taints, identities, host names. */

export const FLEET_GROUP = 'fleet.covey.dev';
export const FLEET_VERSION = 'v1alpha1';
export const FLEET_API_VERSION = 'fleet.covey.dev/v1alpha1';

export const FLEET_ANNOTATION = {
  /** On a pod or its template: fast, exclusive or relaxed. */
  failoverClass: 'fleet.covey.dev/failover-class',
  /** On a pod: the device that it was taken from, when it replaces one. */
  replaces: 'fleet.covey.dev/replaces',
  /** On an event: the last report of the device that is counted in it, `<spool>/<sequence>`. */
  countedReport: 'fleet.covey.dev/counted-report',
  /** On a device: the boot (status.bootID) that is to end: it restarts, once. */
  reboot: 'fleet.covey.dev/reboot',
} as const;

export const FLEET_LABEL = {
  /** On a node: model of its board, from the device tree. */
  board: 'fleet.covey.dev/board',
  /** On a node: the firmware profile it was flashed with. */
  profile: 'fleet.covey.dev/profile',
  /** On a node: spec.site of its device. */
  site: 'fleet.covey.dev/site',
  /** On a node: what its board normally starts from, by its profile: sd, emmc … */
  storage: 'fleet.covey.dev/storage',
  /** On a node: temperature from which its processor is slowed down, by its profile. */
  throttleCelsius: 'fleet.covey.dev/throttle-celsius',
  /** On a firmware profile, 'true': it comes with the hub, which keeps it up to date. Without it, it is a person's. */
  shipped: 'fleet.covey.dev/shipped',
} as const;

/** Conditions that a device adds to its pods; usable as readiness gates. */
export const POD_CONDITION = {
  /** True while every unit of hardware that the pod was given is attached. */
  hardwareReady: 'covey.dev/HardwareReady',
} as const;

export const FLEET_TAINT = {
  /** NoExecute: the certificate of the device was revoked. */
  revoked: 'fleet.covey.dev/revoked',
} as const;

/** Types of conditions of Devices. */
export const DEVICE_CONDITION = {
  /** True: a board waits for `covey devices approve`. */
  pendingApproval: 'PendingApproval',
  /** True: something on the board keeps it from running containers as it should. */
  preflightFailed: 'PreflightFailed',
} as const;

export const FLEET_FINALIZER = {
  /** On a device: its node and certificate are cleaned up first. */
  device: 'fleet.covey.dev/device',
} as const;

export const FLEET_IDENTITY = {
  /** Group of every device. */
  devicesGroup: 'system:devices',
  /** `system:device:<name>` is a device's user name. */
  devicePrefix: 'system:device:',
  /** The hub on an external broker. */
  hubOnBroker: 'system:covey:hub',
  /** Organization of certificates that may read `monitor/` on the broker. */
  monitorsGroup: 'covey:monitors',
} as const;

/** Namespace of what Covey keeps for itself: join tokens, its own leases. */
export const FLEET_NAMESPACE = 'covey-system';

/** Host name of the hub's own registry in image references; agents resolve it to their hub. */
export const HUB_REGISTRY_HOST = 'hub.covey.internal';

/** Type of the Secrets that hold join tokens. */
export const JOIN_TOKEN_TYPE = 'fleet.covey.dev/join-token';

/** Annotations by which the board's own tools find the pod of a container in the OCI runtime's state. */
export const OCI_ANNOTATION = {
  podUid: 'covey.dev/pod-uid',
  pod: 'covey.dev/pod',
  container: 'covey.dev/container',
} as const;

/** User name of a device: the common name of its certificate and its MQTT client id. */
export function deviceUsername(device: string): string {
  return `${FLEET_IDENTITY.devicePrefix}${device}`;
}

/** The device that a user name stands for; undefined when it is no device's. */
export function deviceOfUsername(username: string): string | undefined {
  const { devicePrefix } = FLEET_IDENTITY;
  if (!username.startsWith(devicePrefix)) return undefined;
  return username.slice(devicePrefix.length) || undefined;
}

/** Whether a label key is Kubernetes' or the fleet's own, which neither a device nor its card may choose. */
export function isReservedLabel(key: string): boolean {
  const [prefix = '', name] = key.split('/');
  return name !== undefined && /(^|\.)(kubernetes\.io|k8s\.io|covey\.dev)$/.test(prefix);
}
