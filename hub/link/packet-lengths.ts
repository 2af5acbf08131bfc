/** Has the MQTT packet writer take lengths from one table. To be imported before the writer, which looks once. */
import numbers from 'mqtt-packet/numbers.js';
import { packetLengthBytes } from '#protocol/link/packet-length.js';

numbers.genBufVariableByteInt = packetLengthBytes;
