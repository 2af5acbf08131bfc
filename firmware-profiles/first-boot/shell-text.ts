/** Values as text that a POSIX shell, and systemd's EnvironmentFile=, read back unchanged. */

/** Lines KEY='value'. */
export function shellAssignments(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join('');
}
