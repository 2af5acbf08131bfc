/** Selections give the same answer for a value that is kept with its object and for one that is kept as bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toValue } from '#hub/registry/encode.js';
import { Selections } from '#hub/registry/selection.js';
import { ByteKeeper } from '#hub/store/kept-bytes.js';
import { decodeJson } from '#hub/store/values.js';
import { kindByGvr } from '#protocol/kinds.js';

const EVENT = {
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'web-0.1', namespace: 'default', labels: { room: 'küche' } },
  involvedObject: { kind: 'Pod', name: 'web-0', uid: 'say "so"', fieldPath: 'spec.containers{ä\\b}' },
  reason: 'Started',
  type: 'Normal',
  source: { component: 'covey-agent' },
};

const CASES: ReadonlyArray<readonly [labels: string, fields: string, isSelected: boolean]> = [
  ['', 'involvedObject.name=web-0', true],
  ['', 'involvedObject.name=web-1', false],
  ['', 'involvedObject.name=web-0.1', false],
  ['', 'involvedObject.name!=web-1', true],
  ['', 'involvedObject.name!=web-0', false],
  ['', 'involvedObject.name=', false],
  ['', 'involvedObject.namespace=', true],
  ['', 'involvedObject.uid=say "so"', true],
  ['', 'involvedObject.fieldPath=spec.containers{ä\\\\b}', true],
  ['', 'reason=Started,type=Normal,source=covey-agent', true],
  ['', 'reason=Started,type=Warning', false],
  ['', 'metadata.name=web-0.1,metadata.namespace=default', true],
  ['', 'reason=Normal', false],
  ['room', 'type=Normal', true],
  ['!room', 'type=Normal', false],
];

const kind = kindByGvr('', 'v1', 'events');
assert.ok(kind);
for (const [labels, fields, isSelected] of CASES) {
  test(`events by "${labels}" and "${fields}"`, () => {
    const selection = new Selections(kind).compile(labels, fields);
    const value = toValue(structuredClone(EVENT));
    assert.equal(selection.matches(value), isSelected);
    assert.equal(selection.matches(new ByteKeeper(decodeJson).keep(value)), isSelected);
  });
}
