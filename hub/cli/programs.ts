/** Where the compiled programs are that the command line starts as processes of their own. */
import { fileURLToPath } from 'node:url';

export const CLI_MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
export const AGENT_MAIN = fileURLToPath(new URL('../../device-agent/main.js', import.meta.url));
