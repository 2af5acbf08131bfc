/** Where the compiled programs are, and how a child of the quick start is told about its parent. */
import { fileURLToPath } from 'node:url';

export const HUB_MAIN = fileURLToPath(new URL('../main.js', import.meta.url));
export const AGENT_MAIN = fileURLToPath(new URL('../../device-agent/main.js', import.meta.url));
