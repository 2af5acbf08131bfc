/**
 * Kubernetes' `$(NAME)` expansion in commands, arguments and environment values: `$$` is a literal dollar,
 * a name that is not known stays as it was written, and nothing is ever expanded twice.
 */
export function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$';
    return variables.get(name) ?? whole;
  });
}
