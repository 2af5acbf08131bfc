/**
 * The MQTT client, as a small board wants it: the client alone. The package's entry loads WebSockets, SOCKS and
 * the transports of browsers as well.
 */
// Before the packet writer is loaded.
import './packet-lengths.js';

import clientModule from 'mqtt/lib/client';

export type { MqttClient } from 'mqtt';

/** Makes a client over the connection that `connect` returns. */
export function createMqttClient(
  ...[connect, options]: ConstructorParameters<typeof clientModule.default>
): InstanceType<typeof clientModule.default> {
  return new clientModule.default(connect, options);
}
