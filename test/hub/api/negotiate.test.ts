import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiRequest } from '#hub/api/api-request.js';
import { parseAccept, parseMediaType } from '#hub/api/media-type.js';
import { acceptsGzip, Negotiator, wantsPretty } from '#hub/api/negotiate.js';
import { NO_QUERY, QueryParams } from '#hub/api/query.js';

function request(headers: Record<string, string>, query = ''): ApiRequest {
  return {
    header: (name: string) => headers[name],
    query: query === '' ? NO_QUERY : new QueryParams(query),
  } as unknown as ApiRequest;
}

const chosen = (accept: string) => {
  const { encoding, view, viewVersion } = new Negotiator().negotiate(request({ accept }));
  return [encoding, view ?? '', viewVersion].filter((part) => part !== '').join(' ');
};

test('the first form that can be made is chosen', () => {
  const g = 'g=meta.k8s.io';
  assert.equal(chosen('*/*'), 'json');
  assert.equal(chosen('application/*'), 'json');
  assert.equal(chosen('application/yaml'), 'yaml');
  assert.equal(chosen('application/vnd.kubernetes.protobuf,application/json'), 'json');
  assert.equal(chosen(`application/json;as=Table;v=v1;${g},application/json`), 'json Table v1');
  assert.equal(
    chosen(`application/json;as=Table;v=v2;${g},application/json;as=Table;v=v1beta1;${g}`),
    'json Table v1beta1',
  );
  assert.equal(chosen(`application/json;as=Nothing;v=v1;${g},application/yaml`), 'yaml');
  assert.equal(chosen('application/yaml;q=0.5,application/json;q=0.9'), 'json');
  assert.equal(chosen('application/json;q=0,application/yaml'), 'yaml');
});

test('what cannot be made is 406', () => {
  const negotiator = new Negotiator();
  for (let round = 0; round < 2; round += 1) {
    assert.throws(
      () => negotiator.negotiate(request({ accept: 'text/html,image/png' })),
      /only the following media types are accepted/,
    );
  }
});

test('media types are parsed, junk is not', () => {
  assert.deepEqual(parseMediaType('Application/JSON; Charset="utf-8";x'), {
    type: 'application/json',
    params: { charset: 'utf-8' },
  });
  for (const junk of ['', 'json', 'a/b/c', 'a b/c', `a/${'b'.repeat(3000)}`])
    assert.equal(parseMediaType(junk), undefined);
  assert.equal(parseAccept('a/b,'.repeat(1000)).length <= 32, true);
});

test('gzip is taken only from those who say so', () => {
  assert.equal(acceptsGzip(request({ 'accept-encoding': 'deflate, gzip;q=0.5' })), true);
  assert.equal(acceptsGzip(request({ 'accept-encoding': 'gzip;q=0' })), false);
  assert.equal(acceptsGzip(request({})), false);
});

test('people get indented JSON, programs do not', () => {
  assert.equal(wantsPretty(request({ 'user-agent': 'curl/8' })), true);
  assert.equal(wantsPretty(request({ 'user-agent': 'kubectl/v1.33' })), false);
  assert.equal(wantsPretty(request({}, 'pretty=1')), true);
  assert.equal(wantsPretty(request({ 'user-agent': 'curl/8' }, 'pretty=0')), false);
});
