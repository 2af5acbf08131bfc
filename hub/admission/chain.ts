/**
 * Runs the plug-ins of both phases in order. Everything stays synchronous until a plug-in returns a promise,
 * so that a write that no plug-in has to wait for costs no turn of the event loop.
 */
import type { Admission, AdmissionAttributes, MutatingPlugin, ValidatingPlugin } from './plugin.js';

export type AnyPlugin = MutatingPlugin | ValidatingPlugin | (MutatingPlugin & ValidatingPlugin);

/** Plug-ins in the order in which they run; each takes part in the phases that it has a method for. */
export function admissionChain(plugins: readonly AnyPlugin[]): Admission {
  const mutating = plugins.filter((plugin): plugin is MutatingPlugin => 'admit' in plugin);
  const validating = plugins.filter((plugin): plugin is ValidatingPlugin => 'validate' in plugin);
  return {
    mutate: (attributes) => runFrom(mutating, 0, attributes, (plugin) => plugin.admit(attributes)),
    validate: (attributes) => runFrom(validating, 0, attributes, (plugin) => plugin.validate(attributes)),
  };
}

function runFrom<P extends AnyPlugin>(
  plugins: readonly P[],
  start: number,
  attributes: AdmissionAttributes,
  run: (plugin: P) => void | Promise<void>,
): void | Promise<void> {
  const { operation, group, resource, subresource } = attributes;
  for (let index = start; index < plugins.length; index += 1) {
    const plugin = plugins[index];
    if (!plugin?.handles(operation, group, resource, subresource)) continue;
    const waiting = run(plugin);
    if (waiting !== undefined) return waiting.then(() => runFrom(plugins, index + 1, attributes, run));
  }
}
