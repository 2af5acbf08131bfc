/** Directories that users of a container must be able to enter, whatever umask the agent was started with. */
import { chmod, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes the missing ones of the path's directories with mode 0755; what exists keeps its mode. */
export async function makeOpenDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let step = path; step.length >= first.length; step = dirname(step)) await chmod(step, 0o755);
}
