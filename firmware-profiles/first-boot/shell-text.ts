/** Values as text that a POSIX shell, and systemd's EnvironmentFile=, read back unchanged. */

/** One word of a shell. */
export function shellQuoted(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

/** Lines KEY='value'. */
export function shellAssignments(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${shellQuoted(value)}\n`)
    .join('');
}
