/**
 * Keeps the MQTT packet writer from preparing a buffer for each of the 65,536 packet identifiers at its first
 * packet: seven megabytes that a hub may spend on speed, and a device that sends a few packets a minute may not.
 */
// Before the packet writer is loaded.
import './packet-lengths.js';

import { writeToStream } from 'mqtt-packet';

/** Holds for the whole process from the next packet on; call it before the first one. */
export function withoutPacketCache(): void {
  writeToStream.cacheNumbers = false;
}
