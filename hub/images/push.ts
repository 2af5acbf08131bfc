/** Pushes a built image into a hub's registry over HTTPS, by the same door as everybody else. */
import { type Answer, type Credentials, callHub } from '../lib/https-client.js';
import type { BuiltImage } from './tiny-image.js';

/** Pushes what is missing, then the manifest under `tag`. Rejects with the registry's own message. */
export async function pushImage(
  hub: Credentials,
  repository: string,
  tag: string,
  image: BuiltImage,
): Promise<void> {
  for (const { digest, bytes } of image.blobs) {
    const head = await callHub(hub, { method: 'HEAD', path: `/v2/${repository}/blobs/${digest}` });
    if (head.status === 200) continue;
    expectStatus(
      await callHub(hub, {
        method: 'POST',
        path: `/v2/${repository}/blobs/uploads/?digest=${digest}`,
        headers: { 'Content-Type': 'application/octet-stream' },
        body: bytes,
      }),
      201,
    );
  }
  expectStatus(
    await callHub(hub, {
      method: 'PUT',
      path: `/v2/${repository}/manifests/${tag}`,
      headers: { 'Content-Type': image.manifest.mediaType },
      body: image.manifest.bytes,
    }),
    201,
  );
}

function expectStatus(answer: Answer, status: number): void {
  if (answer.status === status) return;
  throw new Error(
    `the hub's registry answered ${answer.status}: ${answer.body.toString('utf8').slice(0, 500)}`,
  );
}
