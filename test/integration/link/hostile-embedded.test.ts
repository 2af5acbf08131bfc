/** Bad input and bad intent against the embedded broker. */
import { hostileSuite } from './hostile-suite.js';

hostileSuite('embedded');
