/** What a pod's assignment holds, and when its revision changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podReferences, referenceKeys } from '#hub/link/references.js';
import {
  contentRevision,
  fullRevision,
  parseRevision,
  podForDevice,
  pullCredentialsOf,
  resolveInputs,
} from '#hub/link/resolve.js';
import { configMap, pod, secret } from '#test/helpers/objects.js';

const full = pod({
  metadata: { name: 'web' },
  spec: {
    nodeName: 'kitchen',
    imagePullSecrets: [{ name: 'pull' }],
    initContainers: [{ name: 'i', image: 'x', envFrom: [{ configMapRef: { name: 'from-env' } }] }],
    containers: [
      {
        name: 'main',
        image: 'x',
        env: [
          { name: 'A', valueFrom: { configMapKeyRef: { name: 'key-ref', key: 'k' } } },
          { name: 'B', valueFrom: { secretKeyRef: { name: 'secret-ref', key: 'k' } } },
        ],
        envFrom: [{ secretRef: { name: 'secret-env' } }],
      },
    ],
    volumes: [
      { name: 'a', configMap: { name: 'volume' } },
      { name: 'b', secret: { secretName: 'secret-volume' } },
      {
        name: 'c',
        projected: { sources: [{ configMap: { name: 'projected' } }, { secret: { name: 'hidden' } }] },
      },
    ],
  },
});

test('every place where a pod names a ConfigMap or Secret is found', () => {
  assert.deepEqual(podReferences(full), {
    configMaps: ['from-env', 'key-ref', 'projected', 'volume'],
    secrets: ['hidden', 'secret-env', 'secret-ref', 'secret-volume'],
    pullSecrets: ['pull'],
  });
  assert.ok(referenceKeys(full).includes('Secret/default/pull'));
});

test('what exists is resolved to bytes, what does not is left out', () => {
  const settings = configMap({
    metadata: { name: 'volume' },
    data: { key: 'value' },
    binaryData: { raw: 'AAE=' },
  });
  const hidden = secret({ metadata: { name: 'hidden' }, data: { key: 'c2VjcmV0' } });
  const resolved = resolveInputs(full, {
    configMap: (key) => (key === 'default/volume' ? settings : undefined),
    secret: (key) => (key === 'default/hidden' ? hidden : undefined),
  });
  assert.deepEqual(resolved, {
    configMaps: { volume: { raw: 'AAE=', key: 'dmFsdWU=' } },
    secrets: { hidden: { key: 'c2VjcmV0' } },
    binaryKeys: { volume: ['raw'] },
    pullCredentials: [],
  });
});

test('pull credentials are read from dockerconfigjson, by host, and garbage gives none', () => {
  const of = (text: string) =>
    pullCredentialsOf(
      secret({
        type: 'kubernetes.io/dockerconfigjson',
        data: { '.dockerconfigjson': Buffer.from(text).toString('base64') },
      }),
    );
  const auth = Buffer.from('me:pass:word').toString('base64');
  const auths = {
    'https://index.docker.io/v1/': { auth },
    'r.example:5000': { username: 'u', password: 'p' },
    broken: { auth: 7 },
  };
  assert.deepEqual(of(JSON.stringify({ auths })), [
    { registry: 'docker.io', username: 'me', password: 'pass:word' },
    { registry: 'r.example:5000', username: 'u', password: 'p' },
  ]);
  assert.deepEqual(of('no json'), []);
  assert.deepEqual(of('null'), []);
});

test('the revision follows the content, not the order of keys, the status or the version in the store', () => {
  const content = (subject: typeof full) =>
    contentRevision({
      failoverClass: 'fast',
      pod: podForDevice(subject),
      resolved: { configMaps: {}, secrets: {}, pullCredentials: [] },
    });
  const revision = content(full);
  const { spec, ...rest } = full;
  assert.equal(content({ spec, ...rest }), revision);
  assert.equal(
    content({ ...full, status: { phase: 'Running' }, metadata: { ...full.metadata, resourceVersion: '99' } }),
    revision,
  );
  assert.notEqual(content({ ...full, metadata: { ...full.metadata, labels: { a: 'b' } } }), revision);
});

test('a revision tells when its token expires', () => {
  const token = { name: 'default', token: 't', caCertificate: 'c', expires: 1_800_000_000_000 };
  assert.deepEqual(parseRevision(fullRevision('abc', token)), {
    content: 'abc',
    tokenExpires: token.expires,
  });
  assert.deepEqual(parseRevision(fullRevision('abc', undefined)), {
    content: 'abc',
    tokenExpires: undefined,
  });
  assert.deepEqual(parseRevision('from-elsewhere.x'), { content: 'from-elsewhere', tokenExpires: undefined });
});
