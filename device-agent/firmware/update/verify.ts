/** Whether a release comes from the hub that this device belongs to: the signature over all that the offer says of it. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { UpdateOffer } from '#protocol/link/agent-update.js';
import { releaseStatement } from '#protocol/link/agent-update.js';
import { UpdateError } from './update-error.js';

/** `key` is the PEM from joining. Throws UpdateError unless the signature is good for this version and architecture. */
export function verifyOffer(offer: UpdateOffer, architecture: string, key: string | undefined): void {
  if (key === undefined) throw new UpdateError('this device has no key to check signatures of releases with');
  const { version, digest, sizeBytes, unpackedBytes, signature } = offer;
  const statement = releaseStatement(version, { architecture, digest, sizeBytes, unpackedBytes });
  if (!verify(null, Buffer.from(statement), publicKey(key), Buffer.from(signature, 'base64')))
    throw new UpdateError(
      `the signature of release ${version} for ${architecture} is not from the hub that this device joined`,
    );
}

function publicKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (error) {
    throw new UpdateError('the key to check signatures of releases with is damaged; join again', error);
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw new UpdateError('the key to check signatures of releases with is not an ed25519 key; join again');
  return key;
}
