/**
 * The image of the quick start: a static busybox with its applets as links, built from the machine's own
 * binary, so that a first workload runs with no registry on the internet. The same binary always gives
 * the same digest.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { pack } from 'tar-stream';

const run = promisify(execFile);

export interface BuiltBlob {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export interface BuiltImage {
  readonly manifest: BuiltBlob;
  /** Config and layers. */
  readonly blobs: readonly BuiltBlob[];
}

/** Node's name of an architecture → OCI's platform. */
const PLATFORMS: Readonly<Record<string, { architecture: string; variant?: string }>> = {
  x64: { architecture: 'amd64' },
  arm64: { architecture: 'arm64', variant: 'v8' },
  arm: { architecture: 'arm', variant: 'v7' },
};

/**
 * Builds the image from a static busybox. Without a list of applets the binary is asked for its own, which needs
 * one that runs here. Rejects when the binary is missing or does not run.
 */
export async function buildTinyImage(
  busybox: string,
  nodeArchitecture: string,
  applets?: readonly string[],
): Promise<BuiltImage> {
  const platform = PLATFORMS[nodeArchitecture];
  if (platform === undefined) throw new Error(`no image can be built for architecture ${nodeArchitecture}`);
  const binary = await readFile(busybox);
  const layerTar = await tarOf(binary, applets ?? (await appletsOf(busybox)));
  const layerBytes = await promisify(gzip)(layerTar, { level: 9 });
  const layer = blob(layerBytes, 'application/vnd.oci.image.layer.v1.tar+gzip');
  const config = json(
    {
      ...platform,
      os: 'linux',
      config: {
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
        Cmd: ['sh'],
        WorkingDir: '/',
      },
      rootfs: { type: 'layers', diff_ids: [digestOf(layerTar)] },
    },
    'application/vnd.oci.image.config.v1+json',
  );
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = json(
    { schemaVersion: 2, mediaType: manifestType, config: descriptor(config), layers: [descriptor(layer)] },
    manifestType,
  );
  return { manifest, blobs: [config, layer] };
}

async function appletsOf(busybox: string): Promise<readonly string[]> {
  const { stdout } = await run(busybox, ['--list'], { timeout: 10_000 });
  return stdout.split('\n').filter((name) => /^[\w[.-]+$/.test(name));
}

async function tarOf(busybox: Buffer, applets: readonly string[]): Promise<Buffer> {
  const tar = pack();
  const mtime = new Date(0);
  const directory = (name: string, mode = 0o755) => tar.entry({ name, type: 'directory', mode, mtime });
  for (const name of [
    'bin',
    'dev',
    'etc',
    'home',
    'proc',
    'root',
    'sys',
    'usr',
    'usr/bin',
    'var',
    'var/run',
    'www',
  ]) {
    directory(name);
  }
  directory('tmp', 0o1777);
  tar.entry({ name: 'bin/busybox', mode: 0o755, mtime }, busybox);
  for (const applet of applets.filter((name) => name !== 'busybox').sort()) {
    tar.entry({ name: `bin/${applet}`, type: 'symlink', linkname: 'busybox', mtime });
  }
  tar.entry(
    { name: 'etc/passwd', mode: 0o644, mtime },
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  );
  tar.entry({ name: 'etc/group', mode: 0o644, mtime }, 'root:x:0:\nnogroup:x:65534:\n');
  tar.entry({ name: 'www/index.html', mode: 0o644, mtime }, 'Hello from Covey\n');
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function blob(bytes: Buffer, mediaType: string): BuiltBlob {
  return { bytes, mediaType, digest: digestOf(bytes) };
}

function json(value: object, mediaType: string): BuiltBlob {
  return blob(Buffer.from(JSON.stringify(value)), mediaType);
}

function descriptor({ mediaType, digest, bytes }: BuiltBlob): object {
  return { mediaType, digest, size: bytes.length };
}
