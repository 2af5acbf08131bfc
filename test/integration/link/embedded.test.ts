/** The link over the embedded broker. */
import { linkSuite } from './link-suite.js';

linkSuite('embedded');
