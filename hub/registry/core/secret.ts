/** Secrets: stringData is folded into data, the type never changes, immutable ones do not change. */
import type { Secret } from '#protocol/core/v1/secret.js';
import { invalid } from '#protocol/meta/field-error.js';
import type { Strategy } from '../strategy.js';
import { validateImmutable } from './keyed-data.js';

export const secretStrategy: Strategy<Secret> = {
  countsGeneration: false,
  prepareForCreate: foldStringData,
  updates: {
    '': {
      prepare: foldStringData,
      validate: (secret, old) => [
        ...(secret.type === old.type ? [] : [invalid('type', secret.type, 'field is immutable')]),
        ...validateImmutable(secret, old, ['data']),
      ],
    },
  },
};

/** Text wins over bytes of the same key. */
function foldStringData(secret: Secret): void {
  const { stringData } = secret;
  if (stringData === undefined) return;
  delete secret.stringData;
  const data: Record<string, string> = { ...secret.data };
  for (const [key, text] of Object.entries(stringData)) data[key] = Buffer.from(text).toString('base64');
  secret.data = data;
}
