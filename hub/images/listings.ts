/** Listings: tags of a repository, the catalogue, and referrers of a manifest; paged by `n` and `last`. */
import type { ServerResponse } from 'node:http';
import type { RegistryContext } from './image-registry.js';

const MAX_PAGE = 1_000;

export async function catalog({ url, response, manifests }: RegistryContext): Promise<void> {
  const { page, link } = paginate(await manifests.repositories(), url);
  sendJson(response, { repositories: page }, link);
}

export async function tags(
  { url, response, manifests }: RegistryContext,
  { name }: { name: string },
): Promise<void> {
  const { page, link } = paginate(await manifests.tags(name), url);
  sendJson(response, { name, tags: page }, link);
}

export async function referrers(
  { url, response, manifests }: RegistryContext,
  { name, digest }: { name: string; digest: string },
): Promise<void> {
  const wanted = url.searchParams.get('artifactType');
  const all = await manifests.referrers(name, digest);
  const found =
    wanted === null ? all : all.filter((entry) => 'artifactType' in entry && entry.artifactType === wanted);
  if (wanted !== null) response.setHeader('OCI-Filters-Applied', 'artifactType');
  response.setHeader('Content-Type', 'application/vnd.oci.image.index.v1+json');
  response.end(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: found,
    }),
  );
}

function paginate(all: readonly string[], url: URL): { page: readonly string[]; link: string | undefined } {
  const last = url.searchParams.get('last') ?? '';
  const asked = Number.parseInt(url.searchParams.get('n') ?? '', 10);
  const size = Number.isNaN(asked) ? MAX_PAGE : Math.min(Math.max(asked, 0), MAX_PAGE);
  const rest = last === '' ? all : all.filter((entry) => entry > last);
  const page = rest.slice(0, size);
  const end = page.at(-1);
  const more = end !== undefined && page.length < rest.length;
  const link = more ? `<${url.pathname}?n=${size}&last=${encodeURIComponent(end)}>; rel="next"` : undefined;
  return { page, link };
}

function sendJson(response: ServerResponse, body: object, link: string | undefined): void {
  if (link !== undefined) response.setHeader('Link', link);
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify(body));
}
