/** Bad input and bad intent against Debian's Mosquitto. */
import { hostileSuite } from './hostile-suite.js';

hostileSuite('mosquitto');
