/** Image references, platforms and challenges. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ImageError } from '#device-agent/images/image-store.js';
import { formatPlatform, platformRank } from '#device-agent/images/platform.js';
import { formatReference, parseReference } from '#device-agent/images/reference.js';
import { credentialFor, parseChallenge } from '#device-agent/images/registry-auth.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;

const NORMAL: ReadonlyArray<readonly [written: string, normal: string]> = [
  ['busybox', 'docker.io/library/busybox:latest'],
  ['busybox:1.36', 'docker.io/library/busybox:1.36'],
  ['team/app', 'docker.io/team/app:latest'],
  ['docker.io/busybox', 'docker.io/library/busybox:latest'],
  ['index.docker.io/busybox', 'docker.io/library/busybox:latest'],
  ['localhost/app', 'localhost/app:latest'],
  ['localhost:5000/app:v1', 'localhost:5000/app:v1'],
  ['127.0.0.1:5000/a/b/c', '127.0.0.1:5000/a/b/c:latest'],
  ['hub.covey.internal/hello:1', 'hub.covey.internal/hello:1'],
  [`ghcr.io/x/y@${DIGEST}`, `ghcr.io/x/y@${DIGEST}`],
  [`ghcr.io/x/y:t@${DIGEST}`, `ghcr.io/x/y:t@${DIGEST}`],
  ['a__b/c-d.e_f', 'docker.io/a__b/c-d.e_f:latest'],
];

test('references have one normal form, which is its own', () => {
  for (const [written, normal] of NORMAL) {
    assert.equal(formatReference(parseReference(written)), normal);
    assert.equal(formatReference(parseReference(normal)), normal);
  }
});

test('references that break the rules are InvalidImageName', () => {
  const bad = [
    '',
    ':',
    'a:',
    'app:bad tag',
    'app@sha256:123',
    'team/UPPER',
    'a//b',
    '-a',
    'a/',
    'app:-x',
    `x/${'y'.repeat(300)}`,
  ];
  for (const text of bad) {
    assert.throws(
      () => parseReference(text),
      (error) => error instanceof ImageError && error.reason === 'InvalidImageName',
      text,
    );
  }
});

test('a board runs its own variant and older ones, the best first', () => {
  const arm = (variant?: string) => ({ os: 'linux', architecture: 'arm', variant });
  const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' };
  assert.equal(platformRank(arm('v7'), arm('v7')), 0);
  assert.equal(platformRank(arm('v6'), arm('v7')), 1);
  assert.equal(platformRank(arm(), arm('v7')), 0);
  assert.equal(platformRank(arm('v7'), arm('v6')), undefined);
  assert.equal(platformRank(arm('v8'), arm('v7')), undefined);
  assert.equal(platformRank({ os: 'linux', architecture: 'arm64' }, arm64), 0);
  assert.equal(platformRank(arm('v7'), arm64), undefined);
  assert.equal(platformRank({ os: 'windows', architecture: 'arm64' }, arm64), undefined);
  const amd64 = { os: 'linux', architecture: 'amd64' };
  assert.equal(platformRank(amd64, amd64), 0);
  assert.equal(platformRank({ ...amd64, variant: 'v3' }, amd64), undefined);
  assert.equal(formatPlatform(arm64), 'linux/arm64/v8');
});

test('challenges are understood, credentials fit their host in docker’s spellings too', () => {
  assert.deepEqual(parseChallenge('Bearer realm="https://a/t",service="s",scope="repository:x:pull"'), {
    scheme: 'bearer',
    realm: 'https://a/t',
    service: 's',
    scope: 'repository:x:pull',
  });
  assert.deepEqual(parseChallenge('Basic realm="x"'), { scheme: 'basic' });
  assert.equal(parseChallenge('Negotiate'), undefined);
  const hub = { registry: 'https://index.docker.io/v1/', username: 'u', password: 'p' };
  assert.equal(credentialFor('docker.io', [hub]), hub);
  assert.equal(credentialFor('ghcr.io', [hub]), undefined);
});
