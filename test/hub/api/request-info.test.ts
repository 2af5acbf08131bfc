import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_QUERY, QueryParams } from '#hub/api/query.js';
import { parseRequestInfo } from '#hub/api/request-info.js';
import { ApiError } from '#protocol/meta/status.js';

const cases: ReadonlyArray<[method: string, url: string, verb: string, what: string]> = [
  ['GET', '/api/v1/pods', 'list', '/v1/pods//'],
  ['GET', '/api/v1/pods?watch=1', 'watch', '/v1/pods//'],
  ['GET', '/api/v1/pods?watch=false', 'list', '/v1/pods//'],
  ['GET', '/api/v1/watch/pods', 'watch', '/v1/pods//'],
  ['GET', '/api/v1/watch/namespaces/a/pods/b', 'watch', '/v1/pods/a/b'],
  ['GET', '/api/v1/namespaces/a/pods/b', 'get', '/v1/pods/a/b'],
  ['HEAD', '/api/v1/namespaces/a/pods/b', 'get', '/v1/pods/a/b'],
  ['POST', '/api/v1/namespaces/a/pods', 'create', '/v1/pods/a/'],
  ['PUT', '/api/v1/namespaces/a/pods/b/status', 'update', '/v1/pods/a/b/status'],
  ['PATCH', '/apis/apps/v1/namespaces/a/deployments/b/scale', 'patch', 'apps/v1/deployments/a/b/scale'],
  ['DELETE', '/api/v1/namespaces/a/pods', 'deletecollection', '/v1/pods/a/'],
  ['DELETE', '/api/v1/nodes/n', 'delete', '/v1/nodes//n'],
  ['GET', '/api/v1/namespaces', 'list', '/v1/namespaces//'],
  ['GET', '/api/v1/namespaces/a', 'get', '/v1/namespaces/a/a'],
  ['PUT', '/api/v1/namespaces/a/finalize', 'update', '/v1/namespaces/a/a/finalize'],
  ['GET', '/api/v1/namespaces/a/status', 'get', '/v1/namespaces/a/a/status'],
  ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Db', 'list', '/v1/pods//b'],
  ['GET', '/api/v1/namespaces/a/pods/b%2Fc', 'get', '/v1/pods/a/b/c'],
  ['GET', '/api/v1/nodes/', 'list', '/v1/nodes//'],
];

for (const [method, url, verb, what] of cases) {
  test(`${method} ${url} is ${verb} of ${what}`, () => {
    const [path = '', query = ''] = url.split('?');
    const info = parseRequestInfo(method, path, query === '' ? NO_QUERY : new QueryParams(query));
    assert.equal(info.kind, 'resource');
    if (info.kind !== 'resource') return;
    const place = `${info.group}/${info.version}/${info.resource}/${info.namespace}/${info.name}`;
    assert.equal(info.verb, verb);
    assert.equal(info.subresource === '' ? place : `${place}/${info.subresource}`, what);
  });
}

test('what is above the resources is a path', () => {
  for (const path of [
    '/',
    '/api',
    '/api/v1',
    '/apis',
    '/apis/apps',
    '/apis/apps/v1',
    '/version',
    '/healthz/ping',
    '/metrics',
  ]) {
    assert.deepEqual(parseRequestInfo('GET', path, NO_QUERY), { kind: 'path', verb: 'get', path });
  }
});

test('unreadable paths are bad requests', () => {
  for (const path of ['/api/v1/namespaces/%zz/pods', `/api/v1/${'x'.repeat(5000)}`]) {
    assert.throws(
      () => parseRequestInfo('GET', path, NO_QUERY),
      (error) => error instanceof ApiError && error.code === 400,
    );
  }
});
