/** Reads what is asked before anything else looks at it, so that an unreadable URL ends here. */
import type { Filter } from '../api-request.js';

export function requestInfoFilter(): Filter {
  return {
    name: 'request-info',
    wrap: (next) => async (request) => {
      void request.info;
      return next(request);
    },
  };
}
