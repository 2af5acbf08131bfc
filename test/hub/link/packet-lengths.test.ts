/** Packet lengths that were written leave nothing behind, in the writer that the hub has loaded. */
import { packetLengthsSuite } from '#test/contract/packet-lengths-suite.js';

packetLengthsSuite(() => import('#hub/hub.js'));
