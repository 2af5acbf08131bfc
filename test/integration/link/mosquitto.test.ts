/** The link over Debian's Mosquitto. */
import { linkSuite } from './link-suite.js';

linkSuite('mosquitto');
