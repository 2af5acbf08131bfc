/**
 * Loading this keeps zod from compiling a function per schema, for speed that nobody needs on a device. It must
 * be loaded before the first schema is made.
 */
import { z } from 'zod';

z.config({ jitless: true });
