import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ApiRequest, ApiResult } from '#hub/api/api-request.js';
import { AuditLog, auditFilter } from '#hub/api/filters/audit.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { ApiError } from '#protocol/meta/status.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const request = (verb: string) =>
  ({
    id: 'r1',
    path: '/api/v1/pods',
    source: '127.0.0.1',
    user: { username: 'joe', groups: ['devs'] },
    info: { kind: 'resource', verb },
  }) as unknown as ApiRequest;

test('changes and refusals are recorded, reads are not', async (t) => {
  const path = join(await tempDir(t), 'audit.log');
  const audit = await AuditLog.open(path, new FakeClock(), silentLogger);
  const ok = auditFilter({ audit }).wrap(async () => ({ kind: 'raw', status: 201 }) as unknown as ApiResult);
  const refused = auditFilter({ audit }).wrap(async () => {
    throw ApiError.unauthorized();
  });
  await ok(request('create'));
  await ok(request('list'));
  await assert.rejects(refused(request('get')));
  await audit[Symbol.asyncDispose]();
  const lines = (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ verb, code, user }) => [verb, code, user]),
    [
      ['create', 201, 'joe'],
      ['get', 401, 'joe'],
    ],
  );
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test('a flood is bounded and the number of dropped records is recorded', async (t) => {
  const path = join(await tempDir(t), 'audit.log');
  const audit = await AuditLog.open(path, new FakeClock(), silentLogger);
  for (let index = 0; index < 15_000; index += 1) audit.record(request('create'), 201);
  await audit[Symbol.asyncDispose]();
  const lines = (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.ok(lines.length <= 10_003);
  assert.ok(lines.some(({ dropped }) => dropped > 4_000));
});
