/** Packet lengths that were written leave nothing behind, in the writer that the agent has loaded. */
import { packetLengthsSuite } from '#test/contract/packet-lengths-suite.js';

packetLengthsSuite(() => import('#device-agent/link/connection.js'));
