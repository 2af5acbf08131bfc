/** What the filters of the chain stand on; made once by the composition root. */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { Authenticator } from '../../authn/authenticator.js';
import type { Authorizer } from '../../authz/authorizer.js';
import type { MetricsRegistry } from '../../lib/metrics.js';
import type { AuditLog } from './audit.js';
import type { Limits } from './limits.js';

export interface ChainParts {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  /** undefined: no audit. */
  readonly audit: AuditLog | undefined;
  readonly limits: Limits;
}
