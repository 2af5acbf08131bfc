/** Who asks. Requests from inside the process bring their identity; everybody else shows credentials. */
import { ApiError } from '#protocol/meta/status.js';
import type { Filter } from '../api-request.js';
import type { ChainParts } from './chain-parts.js';

export function authenticationFilter({ authenticator }: Pick<ChainParts, 'authenticator'>): Filter {
  return {
    name: 'authentication',
    wrap: (next) => async (request) => {
      if (request.credentials !== undefined) {
        const user = await authenticator.authenticate(request.credentials);
        if (user === undefined) throw ApiError.unauthorized();
        request.user = user;
      }
      return next(request);
    },
  };
}
