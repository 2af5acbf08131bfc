/** What a device checks of what comes down to it, what it keeps without checking, and what it never loads. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encodeMessage } from '#protocol/link/codec.js';
import { decodeDownMessage } from '#protocol/link/device-codec.js';
import { runAssignment } from '#test/helpers/assignments.js';

const ENVELOPE = { epoch: 3, sequence: 9, hubInstance: 'h' };
const assignment = () => runAssignment({ metadata: { name: 'web', namespace: 'shop' } });

test('an assignment reaches the device as the hub sent it', () => {
  const sent = assignment();
  const decoded = decodeDownMessage('assignment', encodeMessage('assignment', ENVELOPE, sent));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.body, sent);
  assert.deepEqual(decoded.unknownFields, []);
});

test('fields of a pod that only a newer hub knows are kept', () => {
  const sent = assignment();
  Object.assign(sent.pod.spec, { novelty: { deep: [1] } });
  const decoded = decodeDownMessage('assignment', encodeMessage('assignment', ENVELOPE, sent));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.body, sent);
});

const broken: ReadonlyArray<readonly [string, (pod: Record<string, never>) => void]> = [
  ['no spec', (pod) => Reflect.deleteProperty(pod, 'spec')],
  ['containers that are no list', (pod) => Object.assign(pod['spec'] ?? {}, { containers: 'web' })],
  [
    'a container without a name',
    (pod) => Object.assign(pod['spec'] ?? {}, { containers: [{ resources: {} }] }),
  ],
  ['an unknown restart policy', (pod) => Object.assign(pod['spec'] ?? {}, { restartPolicy: 'Sometimes' })],
  ['labels that are no strings', (pod) => Object.assign(pod['metadata'] ?? {}, { labels: { a: 1 } })],
];
for (const [what, breakIt] of broken) {
  test(`an assignment of a pod with ${what} is malformed`, () => {
    const sent = assignment();
    breakIt(sent.pod as unknown as Record<string, never>);
    const decoded = decodeDownMessage('assignment', encodeMessage('assignment', ENVELOPE, sent));
    assert.ok(!decoded.ok && decoded.fault === 'malformed');
  });
}

test('commands and assignments of a kind that the device does not know are told from malformed ones', () => {
  const faultOf = (kind: 'command' | 'assignment', b: unknown) => {
    const decoded = decodeDownMessage(kind, new TextEncoder().encode(JSON.stringify({ e: 1, s: 1, b })));
    return decoded.ok ? 'none' : decoded.fault;
  };
  assert.equal(faultOf('command', { kind: 'dance' }), 'unknown-message');
  assert.equal(faultOf('assignment', { action: 'freeze' }), 'unknown-message');
  assert.equal(faultOf('assignment', {}), 'malformed');
});

test('the agent loads no complete schema of a Kubernetes kind', () => {
  // All of them are made of the building blocks of one module.
  const agent = new URL('../../../device-agent/agent.js', import.meta.url).href;
  const hooks = `export async function load(url, context, next) {
    if (url.endsWith('/protocol/meta/schema.js')) process._rawDebug('loaded ' + url);
    return next(url, context);
  }`;
  const script = `
    import { register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}));
    await import(${JSON.stringify(agent)});
    for (const part of ['runtime/create-runtime', 'images/device-image-store', 'network/create-network', 'volumes/create-volumes'])
      await import(new URL(part + '.js', ${JSON.stringify(agent)}));
    await import(new URL('link/start.js', ${JSON.stringify(agent)}));
  `;
  const said = execFileSync(
    'sh',
    ['-c', 'exec "$0" --input-type=module --eval "$1" 2>&1', process.execPath, script],
    { cwd: fileURLToPath(new URL('../../../..', import.meta.url)), encoding: 'utf8' },
  );
  assert.deepEqual(
    said.split('\n').filter((line) => line.startsWith('loaded ')),
    [],
  );
});
