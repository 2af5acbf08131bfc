/** ConfigMaps: plain, except that immutable ones do not change. */
import type { ConfigMap } from '#protocol/core/v1/config-map.js';
import type { Strategy } from '../strategy.js';
import { validateImmutable } from './keyed-data.js';

export const configMapStrategy: Strategy<ConfigMap> = {
  countsGeneration: false,
  updates: { '': { validate: (map, old) => validateImmutable(map, old, ['data', 'binaryData']) } },
};
