import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeProtobuf } from '#hub/api/protobuf/decode.js';
import { KINDS, kindByGvk, SUBRESOURCE_KINDS } from '#protocol/kinds.js';
import { ApiError } from '#protocol/meta/status.js';
import { ProtobufWriter } from '#test/helpers/protobuf-writer.js';

type Write = (writer: ProtobufWriter) => void;

/** An object in its envelope. */
function body(apiVersion: string, kind: string, write: Write): Buffer {
  const writer = new ProtobufWriter();
  writer.message(1, (type) => {
    type.string(1, apiVersion);
    type.string(2, kind);
  });
  writer.message(2, write);
  return Buffer.concat([Buffer.from('k8s\0'), writer.finish()]);
}

function decode(group: string, kind: string, write: Write): Record<string, unknown> {
  const info = kindByGvk(group, 'v1', kind);
  assert.ok(info);
  return decodeProtobuf(body(group === '' ? 'v1' : `${group}/v1`, kind, write), info.schema, kind);
}

test('strings, maps and bytes become what JSON has', () => {
  const secret = decode('', 'Secret', (writer) => {
    writer.message(1, (meta) => {
      meta.string(1, 'a');
      meta.string(5, '');
      meta.message(11, (label) => {
        label.string(1, 'tier');
        label.string(2, 'front');
      });
      meta.message(8, () => undefined);
    });
    writer.message(2, (entry) => {
      entry.string(1, 'key');
      entry.string(2, 'value');
    });
    writer.string(3, 'Opaque');
  });
  assert.deepEqual(secret, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'a', labels: { tier: 'front' } },
    data: { key: 'dmFsdWU=' },
    type: 'Opaque',
  });
});

test('the zero of an optional number is kept, that of a plain one is not', () => {
  const deployment = decode('apps', 'Deployment', (writer) =>
    writer.message(2, (spec) => {
      spec.bool(1, false);
      spec.bool(5, false);
      spec.bool(7, false);
    }),
  );
  assert.deepEqual(deployment['spec'], { replicas: 0 });
});

test('lists keep empty strings', () => {
  const role = decode('rbac.authorization.k8s.io', 'Role', (writer) =>
    writer.message(2, (rule) => {
      rule.string(1, 'get');
      rule.string(2, '');
      rule.string(3, 'pods');
    }),
  );
  assert.deepEqual(role['rules'], [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }]);
});

test('messages inside others appear where JSON has them', () => {
  const pod = decode('', 'Pod', (writer) =>
    writer.message(2, (spec) => {
      spec.message(1, (volume) => {
        volume.string(1, 'v');
        volume.message(2, (source) =>
          source.message(19, (map) => map.message(1, (name) => name.string(1, 'settings'))),
        );
      });
      spec.message(2, (container) => {
        container.string(1, 'main');
        container.message(8, (resources) =>
          resources.message(1, (limit) => {
            limit.string(1, 'cpu');
            limit.message(2, (quantity) => quantity.string(1, '500m'));
          }),
        );
        container.message(10, (probe) =>
          probe.message(1, (handler) =>
            handler.message(2, (http) =>
              http.message(2, (port) => {
                port.bool(1, true);
                port.string(3, 'web');
              }),
            ),
          ),
        );
      });
    }),
  );
  assert.deepEqual(pod['spec'], {
    volumes: [{ name: 'v', configMap: { name: 'settings' } }],
    containers: [
      { name: 'main', resources: { limits: { cpu: '500m' } }, livenessProbe: { httpGet: { port: 'web' } } },
    ],
  });
});

test('every kind of Kubernetes in the catalogue has its numbers', () => {
  for (const info of [...KINDS, ...SUBRESOURCE_KINDS]) {
    if (info.group === 'fleet.covey.dev') continue;
    const apiVersion = info.group === '' ? info.version : `${info.group}/${info.version}`;
    const bytes = body(apiVersion, info.kind, (writer) => writer.message(1, (meta) => meta.string(1, 'x')));
    assert.deepEqual(decodeProtobuf(bytes, info.schema, info.kind)['metadata'], { name: 'x' }, info.kind);
  }
});

test('an object of another kind shows its type and nothing else', () => {
  const info = kindByGvk('', 'v1', 'Pod');
  assert.ok(info);
  const bytes = body('v1', 'Secret', (writer) => writer.string(3, 'Opaque'));
  assert.deepEqual(decodeProtobuf(bytes, info.schema, 'Pod'), { apiVersion: 'v1', kind: 'Secret' });
});

test('any bytes are an object or a bad request', () => {
  const info = kindByGvk('', 'v1', 'Pod');
  assert.ok(info);
  const envelope = (raw: Uint8Array) => {
    const writer = new ProtobufWriter();
    writer.message(1, (type) => {
      type.string(1, 'v1');
      type.string(2, 'Pod');
    });
    return Buffer.concat([
      Buffer.from('k8s\0'),
      writer.finish(),
      Buffer.from([0x12, raw.length & 0x7f]),
      raw,
    ]);
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 127 }), (raw) => {
      for (const bytes of [raw, Buffer.concat([Buffer.from('k8s\0'), raw]), envelope(raw)]) {
        try {
          decodeProtobuf(bytes, info.schema, 'Pod');
        } catch (error) {
          assert.ok(error instanceof ApiError && error.code === 400, String(error));
        }
      }
    }),
    { numRuns: 500 },
  );
});
