/** OpenAPI: what kubectl looks for in the documents, and that they hang together. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenApi } from '#hub/api/openapi/openapi.js';
import { KINDS } from '#protocol/kinds.js';
import { ApiError } from '#protocol/meta/status.js';

type Json = Record<string, unknown>;

const openApi = createOpenApi(KINDS, '1.2.3');

/** A member at a path of keys; fails when it is not there. */
function at(value: unknown, ...path: ReadonlyArray<string | number>): unknown {
  let current = value;
  for (const key of path) {
    assert.ok(
      typeof current === 'object' && current !== null && key in current,
      `${key} of ${path.join(' ')}`,
    );
    current = (current as Json)[key];
  }
  return current;
}

const index = at(openApi.v3Index(), 'paths') as Record<string, { serverRelativeURL: string }>;
const POD = ['components', 'schemas', 'io.k8s.api.core.v1.PodSpec', 'properties'] as const;

function references(value: unknown, found: Set<string> = new Set()): Set<string> {
  if (typeof value !== 'object' || value === null) return found;
  for (const [key, member] of Object.entries(value)) {
    if (key === '$ref') found.add(String(member));
    else references(member, found);
  }
  return found;
}

test('the index has a hash for every group and version', () => {
  assert.deepEqual(Object.keys(index).sort(), [
    'api/v1',
    'apis/apps/v1',
    'apis/authentication.k8s.io/v1',
    'apis/authorization.k8s.io/v1',
    'apis/coordination.k8s.io/v1',
    'apis/fleet.covey.dev/v1alpha1',
    'apis/rbac.authorization.k8s.io/v1',
  ]);
  assert.match(index['api/v1']?.serverRelativeURL ?? '', /^\/openapi\/v3\/api\/v1\?hash=[0-9A-F]{128}$/);
  const again = createOpenApi(KINDS, '1.2.3');
  assert.deepEqual(again.v3Index(), openApi.v3Index());
});

test('every reference leads somewhere', () => {
  for (const key of Object.keys(index)) {
    const document = openApi.v3(key);
    for (const reference of references(document)) {
      at(document, 'components', 'schemas', reference.replace('#/components/schemas/', ''));
    }
  }
  for (const reference of references(openApi.v2()))
    at(openApi.v2(), 'definitions', reference.replace('#/definitions/', ''));
});

test('PATCH knows fieldValidation and strategic merge', () => {
  for (const info of KINDS.filter(({ verbs }) => verbs.includes('patch'))) {
    const root = info.group === '' ? `api/${info.version}` : `apis/${info.group}/${info.version}`;
    const scope = info.namespaced ? '/namespaces/{namespace}' : '';
    const patch = at(openApi.v3(root), 'paths', `/${root}${scope}/${info.resource}/{name}`, 'patch');
    assert.deepEqual(at(patch, 'x-kubernetes-group-version-kind'), {
      group: info.group,
      kind: info.kind,
      version: info.version,
    });
    assert.ok(
      (at(patch, 'parameters') as Json[]).some(
        ({ name, in: place }) => name === 'fieldValidation' && place === 'query',
      ),
    );
    at(patch, 'requestBody', 'content', 'application/strategic-merge-patch+json');
  }
});

test('lists say how they merge', () => {
  const properties = at(openApi.v3('api/v1'), ...POD);
  const containers = at(properties, 'containers') as Json;
  assert.equal(containers['x-kubernetes-patch-merge-key'], 'name');
  assert.equal(containers['x-kubernetes-patch-strategy'], 'merge');
  assert.equal(containers['x-kubernetes-list-type'], 'map');
  assert.equal(at(properties, 'volumes', 'x-kubernetes-patch-strategy'), 'merge,retainKeys');
  assert.equal(at(properties, 'tolerations', 'x-kubernetes-list-type'), 'atomic');
  const ports = at(
    openApi.v3('api/v1'),
    'components',
    'schemas',
    'io.k8s.api.core.v1.Container',
    'properties',
    'ports',
  ) as Json;
  assert.deepEqual(ports['x-kubernetes-list-map-keys'], ['containerPort', 'protocol']);
  assert.equal(ports['x-kubernetes-patch-merge-key'], 'containerPort');
  assert.equal(
    at(
      openApi.v3('apis/apps/v1'),
      'components',
      'schemas',
      'io.k8s.api.apps.v1.DeploymentSpec',
      'properties',
      'strategy',
      'x-kubernetes-patch-strategy',
    ),
    'retainKeys',
  );
});

test('schemas carry formats, defaults and required fields', () => {
  const schemas = at(openApi.v3('api/v1'), 'components', 'schemas');
  assert.deepEqual(at(schemas, 'io.k8s.api.core.v1.PodSpec', 'required'), ['containers']);
  assert.equal(at(schemas, 'io.k8s.api.core.v1.PodSpec', 'properties', 'restartPolicy', 'default'), 'Always');
  assert.equal(at(schemas, 'io.k8s.api.core.v1.PodSpec', 'properties', 'priority', 'format'), 'int32');
  assert.equal(
    at(schemas, 'io.k8s.api.core.v1.Secret', 'properties', 'data', 'additionalProperties', 'format'),
    'byte',
  );
  assert.deepEqual(at(schemas, 'io.k8s.api.core.v1.Pod', 'x-kubernetes-group-version-kind'), [
    { group: '', kind: 'Pod', version: 'v1' },
  ]);
});

test('documents come as bytes with a tag, in JSON', () => {
  const document = openApi.document('/openapi/v3/apis/apps/v1', 'application/json');
  assert.ok(document);
  assert.deepEqual(JSON.parse(String(document.body)), JSON.parse(JSON.stringify(openApi.v3('apis/apps/v1'))));
  assert.match(document.etag, /^"[0-9A-F]{128}"$/);
  assert.equal(openApi.document('/openapi/v3/apis/none/v1', ''), undefined);
  assert.equal(openApi.v3('apis/none/v1'), undefined);
});

test('version 2 comes in protobuf to those who want nothing else', () => {
  const accept = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
  const document = openApi.document('/openapi/v2', accept);
  assert.equal(document?.contentType, 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf');
  // Field 1 of the document: the text '2.0'.
  assert.deepEqual(
    Buffer.from(document?.body ?? '').subarray(0, 5),
    Buffer.from([0x0a, 3, 0x32, 0x2e, 0x30]),
  );
  assert.equal(
    openApi.document('/openapi/v2', `${accept}, application/json`)?.contentType,
    'application/json',
  );
});

test('a type that no document has is not acceptable', () => {
  assert.throws(
    () => openApi.document('/openapi/v3', 'text/html'),
    (error: unknown) => error instanceof ApiError && error.code === 406,
  );
});

test('every field of the fleet kinds says what it is for, wherever clients read it', () => {
  const documents = [
    at(openApi.v3('apis/fleet.covey.dev/v1alpha1'), 'components', 'schemas'),
    at(openApi.v2(), 'definitions'),
  ] as ReadonlyArray<Record<string, Json>>;
  for (const schemas of documents) {
    const fleet = Object.entries(schemas).filter(
      ([name]) => name.startsWith('dev.covey.fleet.') && !name.endsWith('List'),
    );
    assert.ok(fleet.length > 10);
    const silent = fleet.flatMap(([name, { properties }]) =>
      Object.entries(properties as Record<string, Json>).flatMap(([field, { description }]) =>
        typeof description === 'string' && description.endsWith('.') ? [] : [`${name}.${field}`],
      ),
    );
    assert.deepEqual(silent, []);
  }
});

test('a description stands beside a reference without hiding it', () => {
  const boot = ['dev.covey.fleet.v1alpha1.FirmwareProfileSpec', 'properties', 'boot'] as const;
  const name = 'dev.covey.fleet.v1alpha1.FirmwareProfileBoot';
  const { description, ...v3 } = at(
    openApi.v3('apis/fleet.covey.dev/v1alpha1'),
    'components',
    'schemas',
    ...boot,
  ) as Json;
  assert.match(String(description), /first boot/);
  assert.deepEqual(v3, { allOf: [{ $ref: `#/components/schemas/${name}` }] });
  const v2 = at(openApi.v2(), 'definitions', ...boot) as Json;
  assert.deepEqual(v2, { description, $ref: `#/definitions/${name}` });
});
