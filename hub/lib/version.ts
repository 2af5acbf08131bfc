/** Covey's version, from package.json, and the level of the Kubernetes API that the hub speaks. */
import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

export const COVEY_VERSION: string = manifest.version;
/** kubectl compares itself with this; the kinds are those of this minor version. */
export const KUBERNETES_VERSION = 'v1.33.0';
