/**
 * Access to paths that are not the Kubernetes API's, by the same authenticators and authorizers: the path is
 * a non-resource URL, its method the verb. Basic credentials count as a bearer token in the password, as
 * registry clients send them.
 */

import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { IDENTITY } from '#protocol/core/v1/well-known.js';
import { ApiError } from '#protocol/meta/status.js';
import type { Authenticator } from '../authn/authenticator.js';
import type { Authorizer } from '../authz/authorizer.js';

export type Access = 'allowed' | 'unauthenticated' | 'forbidden';

export type PathAuthorizer = (request: IncomingMessage, verb: string, path: string) => Promise<Access>;

export function pathAuthorizer(authenticator: Authenticator, authorizer: Authorizer): PathAuthorizer {
  return async (request, verb, path) => {
    const peer = (request.socket as TLSSocket).getPeerCertificate();
    try {
      const user = await authenticator.authenticate({
        clientCertificate: peer?.raw,
        authorization: bearerOf(request.headers.authorization),
      });
      if (user === undefined) return 'unauthenticated';
      const { decision } = authorizer.authorize({ kind: 'path', user, verb, path });
      if (decision === 'Allow') return 'allowed';
      return user.username === IDENTITY.anonymous ? 'unauthenticated' : 'forbidden';
    } catch (error) {
      if (error instanceof ApiError && error.code === 401) return 'unauthenticated';
      throw error;
    }
  };
}

function bearerOf(header: string | undefined): string | undefined {
  const match = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? '');
  if (match === null) return header;
  const pair = Buffer.from(match[1] ?? '', 'base64').toString('utf8');
  return `Bearer ${pair.slice(pair.indexOf(':') + 1)}`;
}
