/**
 * Where a device is attached, out of its path below /sys/devices. The path names controllers, ports and
 * addresses, which stay, and things that the kernel numbers as they come (`ttyUSB0`, `i2c-1`, `usb3`), which do
 * not. Pure; the rules are udev's for ID_PATH: the running numbers go, what tells siblings apart stays.
 */

/** Names that the kernel gives by a running number, at the end of a path. */
const NUMBERED = [
  /^(i2c|gpiochip|ttyUSB|ttyACM|ttyAMA|ttyS|video|media|v4l-subdev|hidraw|event|input|js|mouse|spidev|iio:device|pps|rtc|watchdog|virtio|vport|host|serial|lirc|rc|card|ptp|usblp|tap|mmc)-?\d+([p.]\d+)*$/,
  /^spi\d+(\.\d+)?$/,
  // An instance of a HID device: bus, vendor, product and a counter.
  /^[0-9A-F]{4}:[0-9A-F]{4}:[0-9A-F]{4}\.[0-9A-F]{4}$/,
];
/** Directories that only say of which class their entries are. */
const CLASSES = new Set([
  ...['tty', 'gpio', 'i2c-dev', 'i2c-adapter', 'spi_master', 'spidev', 'video4linux', 'media', 'hidraw'],
  ...['input', 'usbmisc', 'virtio-ports', 'pps', 'rtc', 'watchdog', 'lirc', 'rc', 'sound', 'ptp', 'macvtap'],
  ...['misc', 'mem', 'block', 'net', 'iio'],
]);
/** A root hub, then ports by number: `usb3/3-1/3-1.2/3-1.2:1.0`. */
const USB = /\/usb\d+((?:\/\d+-[\d.]+)*)(?:\/\d+-([\d.]+:[\d.]+))?/;

/** `path`: without '/sys/devices/'. */
export function placeOf(path: string): string {
  const parts = path.split('/');
  // Below `virtual` there is no port: the name is all that there is.
  const kept = parts[0] === 'virtual' ? 3 : 1;
  while (parts.length > kept && isVolatile(parts.at(-1) ?? '')) parts.pop();
  return withoutBusNumbers(parts.join('/'));
}

function isVolatile(name: string): boolean {
  return CLASSES.has(name) || NUMBERED.some((pattern) => pattern.test(name));
}

/** The bus of a port is numbered as controllers come up; the controller is in the path already. */
function withoutBusNumbers(path: string): string {
  return path.replace(USB, (_whole, ports: string, inner: string | undefined) => {
    const last = inner ?? ports.split('/').at(-1)?.replace(/^\d+-/, '') ?? '';
    return `/usb-${last}`;
  });
}
