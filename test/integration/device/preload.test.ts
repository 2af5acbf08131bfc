/** Images that a card brought as OCI archives: taken verified, used before any registry, removed, or named as no good. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { createImageStore } from '#device-agent/images/device-image-store.js';
import type { ImageStore } from '#device-agent/images/image-store.js';
import { importPreloads } from '#device-agent/images/preload.js';
import { unmountAll } from '#device-agent/lib/mounts.js';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { rejectsWith } from '#test/helpers/device-images.js';
import { type BuiltImage, buildImage, makeLayer, makeTar } from '#test/helpers/test-image.js';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const NAME = 'registry.invalid/team/app:v1';
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

interface Fixture extends AsyncDisposable {
  readonly cards: string;
  readonly store: ImageStore;
  archive(name: string, built: BuiltImage, change?: ArchiveChange): Promise<string>;
  preload(): Promise<void>;
}

interface ArchiveChange {
  readonly reference?: string;
  /** Replaces the bytes of the first layer, not its name. */
  readonly layer?: Buffer;
}

/** As skopeo writes it: blobs, then the index. */
async function ociArchive(built: BuiltImage, { reference = NAME, layer }: ArchiveChange): Promise<Buffer> {
  const blob = (digest: string) => `blobs/${digest.replace(':', '/')}`;
  const [first] = built.layers;
  const config = (JSON.parse(built.manifest.toString()) as { config: { digest: string } }).config.digest;
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        mediaType: OCI_MANIFEST,
        digest: built.digest,
        size: built.manifest.length,
        annotations: { 'org.opencontainers.image.ref.name': reference },
      },
    ],
  };
  return makeTar([
    ...built.layers.map((one) => ({
      name: blob(one.digest),
      content: one === first && layer !== undefined ? layer : one.blob,
    })),
    { name: blob(config), content: built.config },
    { name: blob(built.digest), content: built.manifest },
    { name: 'index.json', content: JSON.stringify(index) },
    { name: 'oci-layout', content: '{"imageLayoutVersion": "1.0.0"}' },
  ]);
}

async function fixture(): Promise<Fixture> {
  const directory = await mkdtemp(join(tmpdir(), 'covey-preload-'));
  const cards = await mkdtemp(join(directory, 'card-'));
  const store = await createImageStore({
    dataDir: join(directory, 'data'),
    clock: systemClock,
    logger: silentLogger,
    random: () => 0,
    reserveBytes: 0,
    maxAttempts: 1,
  });
  return {
    cards,
    store,
    async archive(name, built, change = {}) {
      const path = join(cards, name);
      await writeFile(path, await ociArchive(built, change));
      return path;
    },
    preload: () =>
      importPreloads({
        directory: cards,
        images: store,
        logger: silentLogger,
        signal: new AbortController().signal,
      }),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await unmountAll(directory);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const app = async () =>
  buildImage([await makeLayer([{ name: 'etc/motd', mode: 0o644, content: 'hello\n' }])]);

test('an archive becomes an image under its name, and is removed', { skip }, async () => {
  await using f = await fixture();
  const built = await app();
  await f.archive('app.tar', built);
  await f.preload();
  const image = await f.store.find(NAME);
  assert.equal(image?.reference, NAME);
  assert.equal(image?.manifestDigest, built.digest);
  assert.equal(image?.imageId, `registry.invalid/team/app@${built.digest}`);
  assert.deepEqual(await readdir(f.cards), []);
});

test('a pull that begins meanwhile waits, and needs no registry', { skip }, async () => {
  await using f = await fixture();
  await f.archive('app.tar', await app());
  const signal = new AbortController().signal;
  const taken = f.store.importArchive(join(f.cards, 'app.tar'), signal);
  const image = await f.store.pull(NAME, { credentials: [], signal });
  assert.deepEqual(image, await taken);
});

test('an archive that could not be removed is taken again at no cost', { skip }, async () => {
  await using f = await fixture();
  const path = await f.archive('app.tar', await app());
  const signal = new AbortController().signal;
  const image = await f.store.importArchive(path, signal);
  assert.deepEqual(await f.store.importArchive(path, signal), image);
});

test('a damaged layer is refused by its digest, and the archive is given up', { skip }, async () => {
  await using f = await fixture();
  const built = await app();
  const [layer] = built.layers;
  const bad = Buffer.from(layer?.blob ?? []);
  bad.writeUInt8(bad.readUInt8(bad.length - 9) ^ 1, bad.length - 9);
  const path = await f.archive('app.tar', built, { layer: bad });
  await rejectsWith(
    f.store.importArchive(path, new AbortController().signal),
    'DigestMismatch',
    /layer sha256/,
  );
  assert.equal(await f.store.find(NAME), undefined);
  await f.preload();
  assert.deepEqual(await readdir(f.cards), []);
});

test('what is no archive, is cut off, or is for another machine is named', { skip }, async () => {
  await using f = await fixture();
  const signal = new AbortController().signal;
  const file = async (name: string, bytes: Buffer) => {
    await writeFile(join(f.cards, name), bytes);
    return join(f.cards, name);
  };
  const whole = await ociArchive(await app(), {});
  const CASES: readonly [string, Buffer, RegExp][] = [
    ['text.tar', Buffer.alloc(2048, 'no archive '), /is not an OCI archive: there is no member at byte 0/],
    ['cut.tar', whole.subarray(0, 700), /is not an OCI archive: it ends in a header/],
    ['empty.tar', await makeTar([{ name: 'a', content: 'b' }]), /it has no index\.json/],
    [
      'index.tar',
      await makeTar([{ name: 'index.json', content: '{"manifests":[]}' }]),
      /does not name an image/,
    ],
    ['json.tar', await makeTar([{ name: 'index.json', content: '{' }]), /index\.json is not readable/],
  ];
  for (const [name, bytes, message] of CASES)
    await rejectsWith(f.store.importArchive(await file(name, bytes), signal), 'ErrImagePull', message);
  const other = buildImage([await makeLayer([{ name: 'a', content: '' }])], { architecture: 'riscv64' });
  const path = await f.archive('riscv.tar', other, { reference: 'registry.invalid/other:v1' });
  await rejectsWith(f.store.importArchive(path, signal), 'WrongArchitecture', /riscv64/);
});

test('no directory, and none of the card’s files, is no error', { skip }, async () => {
  await using f = await fixture();
  await writeFile(join(f.cards, 'notes.txt'), 'x');
  await f.preload();
  assert.deepEqual(await readdir(f.cards), ['notes.txt']);
  await rm(f.cards, { recursive: true });
  await f.preload();
});
