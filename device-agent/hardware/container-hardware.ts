/**
 * What a container is given of its units: device nodes under the host's usual names, and for each resource an
 * environment variable with the nodes' names, so that a program finds its unit without knowing the board. Pure.
 */
import type { ContainerDevice } from '../runtime/runtime.js';
import { numbersOf, RESOURCE_PREFIX, type Unit } from './unit.js';

export interface ContainerHardware {
  readonly devices: readonly ContainerDevice[];
  readonly env: ReadonlyMap<string, string>;
  /** Of all nodes, for telling later whether they are still the units'. */
  readonly numbers: readonly string[];
}

export function containerHardware(units: readonly Unit[]): ContainerHardware {
  const env = new Map<string, string>();
  const devices: ContainerDevice[] = [];
  for (const unit of units) {
    const variable = variableOf(unit.resource);
    const names = unit.nodes.map(({ paths }) => paths[0]);
    env.set(variable, [env.get(variable) ?? [], names].flat().join(','));
    for (const { paths, type, major, minor } of unit.nodes)
      for (const path of paths) devices.push({ path, type, major, minor });
  }
  return { devices, env, numbers: units.flatMap(numbersOf) };
}

/** `covey.dev/serial-port` → `COVEY_SERIAL_PORT`. */
export function variableOf(resource: string): string {
  const name = resource.slice(RESOURCE_PREFIX.length);
  return `COVEY_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`;
}
