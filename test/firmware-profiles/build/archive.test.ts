/** Debian's repositories among those that apt knows. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { debianRepositories, sourcesList } from '#firmware-profiles/build/archive.js';

const TARGETS = `Debian|http://mirror.example/debian/|bookworm
Debian|http://mirror.example/debian/|bookworm-updates
Debian|http://mirror.example/debian/|bookworm
Debian|http://mirror.example/debian-security/|bookworm-security
Debian Backports|http://mirror.example/debian/|bookworm-backports
Raspberry Pi Foundation|http://pi.example/debian/|bookworm
Node Source|https://node.example/|nodistro
$(ORIGIN)|http://other.example/|bookworm
Debian|http://mirror.example/debian/|trixie
`;

test('only those of Debian itself and of the suite, each once', () => {
  assert.deepEqual(debianRepositories(TARGETS, 'bookworm'), [
    { uri: 'http://mirror.example/debian/', release: 'bookworm' },
    { uri: 'http://mirror.example/debian/', release: 'bookworm-updates' },
    { uri: 'http://mirror.example/debian-security/', release: 'bookworm-security' },
  ]);
});

test('without a mirror of the suite the error says what to set up', () => {
  for (const targets of [
    '',
    'Ubuntu|http://u.example/|jammy\n',
    'Debian|http://m.example/|bookworm-updates\n',
  ])
    assert.throws(
      () => debianRepositories(targets, 'bookworm'),
      /no package list of Debian bookworm.*apt-get update/,
    );
});

test('sources are for arm64, signed by Debian, with the components', () => {
  const [first] = debianRepositories(TARGETS, 'bookworm');
  assert.ok(first);
  assert.equal(
    sourcesList([first], ['main', 'non-free-firmware']),
    'deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian/ bookworm main non-free-firmware\n',
  );
});
