/** Puts tools in the way of a shell script, of which the Nth that it starts kills it instead of doing its work. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Everything by which starter and launcher change something. */
export async function killingTools(directory: string, step: number) {
  await mkdir(directory, { recursive: true });
  const counter = join(directory, 'count');
  await writeFile(counter, '');
  for (const tool of ['mv', 'ln', 'rm', 'sync', 'readlink']) {
    const path = join(directory, tool);
    const lines = [
      '#!/bin/sh',
      `printf x >>${counter}`,
      `if [ "$(wc -c <${counter})" -eq ${step} ]; then`,
      `  : >${counter}.killed`,
      '  kill -KILL $PPID',
      '  exit 1',
      'fi',
      `exec /bin/${tool} "$@"`,
      '',
    ];
    await writeFile(path, lines.join('\n'));
    await chmod(path, 0o755);
  }
  return {
    env: { PATH: `${directory}:${process.env['PATH'] ?? ''}` },
    killed: () => existsSync(`${counter}.killed`),
  };
}
