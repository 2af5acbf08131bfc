/** Status errors: messages, details and causes exactly as Kubernetes has them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duplicate, forbidden, invalid, notSupported, required } from '#protocol/meta/field-error.js';
import {
  ApiError,
  isAlreadyExists,
  isConflict,
  isGone,
  isInvalid,
  isNotFound,
} from '#protocol/meta/status.js';

const PODS = { group: '', resource: 'pods' };
const DEPLOYMENTS = { group: 'apps', resource: 'deployments' };

test('not found names resource and object', () => {
  assert.deepEqual(ApiError.notFound(PODS, 'x').status, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'pods "x" not found',
    reason: 'NotFound',
    details: { name: 'x', kind: 'pods' },
    code: 404,
  });
});

test('a conflict tells the client to take the latest version', () => {
  const error = ApiError.conflict(DEPLOYMENTS, 'x');
  assert.equal(
    error.message,
    'Operation cannot be fulfilled on deployments.apps "x": the object has been modified; please apply your changes to the latest version and try again',
  );
  assert.deepEqual(error.status.details, { name: 'x', group: 'apps', kind: 'deployments' });
  assert.equal(error.code, 409);
});

test('one invalid field stands alone', () => {
  const error = ApiError.invalid({ group: '', kind: 'Pod' }, 'x', [required('spec.containers[0].name')]);
  assert.equal(error.message, 'Pod "x" is invalid: spec.containers[0].name: Required value');
  assert.deepEqual(error.status.details?.causes, [
    { reason: 'FieldValueRequired', message: 'Required value', field: 'spec.containers[0].name' },
  ]);
  assert.equal(error.code, 422);
});

test('several invalid fields stand in brackets, repeated ones once', () => {
  const twice = required('a');
  const error = ApiError.invalid({ group: 'apps', kind: 'Deployment' }, 'x', [
    twice,
    twice,
    required('b', 'why'),
  ]);
  assert.equal(error.message, 'Deployment.apps "x" is invalid: [a: Required value, b: Required value: why]');
});

test('field errors are worded by their type', () => {
  assert.equal(invalid('f', 'X_', 'must be so').message, 'Invalid value: "X_": must be so');
  assert.equal(invalid('f', 0, 'must be so').message, 'Invalid value: 0: must be so');
  assert.equal(
    notSupported('f', 'x', ['b', 'a']).message,
    'Unsupported value: "x": supported values: "a", "b"',
  );
  assert.equal(duplicate('f', 'x').message, 'Duplicate value: "x"');
  assert.equal(forbidden('f', 'not here').message, 'Forbidden: not here');
});

test('forbidden explains itself', () => {
  const error = ApiError.forbidden(DEPLOYMENTS, 'x', 'User "ada" cannot get it');
  assert.equal(error.message, 'deployments.apps "x" is forbidden: User "ada" cannot get it');
});

test('every constructor has its code and reason', () => {
  const expected: ReadonlyArray<readonly [ApiError, number, string]> = [
    [ApiError.badRequest('m'), 400, 'BadRequest'],
    [ApiError.unauthorized(), 401, 'Unauthorized'],
    [ApiError.forbidden(PODS, 'x', 'm'), 403, 'Forbidden'],
    [ApiError.notFound(PODS, 'x'), 404, 'NotFound'],
    [ApiError.resourceNotFound(), 404, 'NotFound'],
    [ApiError.methodNotSupported(PODS, 'create'), 405, 'MethodNotAllowed'],
    [ApiError.notAcceptable(['application/json']), 406, 'NotAcceptable'],
    [ApiError.alreadyExists(PODS, 'x'), 409, 'AlreadyExists'],
    [ApiError.generateNameConflict(PODS, 'x'), 409, 'AlreadyExists'],
    [ApiError.conflict(PODS, 'x'), 409, 'Conflict'],
    [ApiError.expired('m'), 410, 'Expired'],
    [ApiError.gone('m'), 410, 'Gone'],
    [ApiError.requestEntityTooLarge('m'), 413, 'RequestEntityTooLarge'],
    [ApiError.unsupportedMediaType(['application/json']), 415, 'UnsupportedMediaType'],
    [ApiError.invalid({ group: '', kind: 'Pod' }, 'x', []), 422, 'Invalid'],
    [ApiError.tooManyRequests('m', 1), 429, 'TooManyRequests'],
    [ApiError.internal(new Error('m')), 500, 'InternalError'],
    [ApiError.serverTimeout(PODS, 'get', 1), 500, 'ServerTimeout'],
    [ApiError.serviceUnavailable('m'), 503, 'ServiceUnavailable'],
    [ApiError.timeout('m'), 504, 'Timeout'],
  ];
  for (const [error, code, reason] of expected) {
    assert.equal(error.code, code, error.message);
    assert.equal(error.reason, reason, error.message);
    assert.equal(error.status.message, error.message);
  }
});

test('guards tell errors apart and take anything', () => {
  assert.ok(isNotFound(ApiError.notFound(PODS, 'x')));
  assert.ok(isConflict(ApiError.conflict(PODS, 'x')));
  assert.ok(!isConflict(ApiError.alreadyExists(PODS, 'x')));
  assert.ok(isAlreadyExists(ApiError.alreadyExists(PODS, 'x')));
  assert.ok(isGone(ApiError.expired('old')) && isGone(ApiError.gone('old')));
  assert.ok(isInvalid(ApiError.invalid({ group: '', kind: 'Pod' }, 'x', [])));
  assert.ok(!isNotFound(undefined) && !isNotFound(new Error('NotFound')) && !isNotFound('NotFound'));
});
