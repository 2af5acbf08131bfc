/**
 * Image references as users write them, and their one normal form: 'busybox' is
 * 'docker.io/library/busybox:latest'. Pure.
 */
import { ImageError } from './image-store.js';

export interface Reference {
  /** 'docker.io', 'hub.covey.internal', '127.0.0.1:5000'. */
  readonly registry: string;
  /** 'library/busybox'. */
  readonly repository: string;
  /** Absent when only a digest was given. */
  readonly tag?: string;
  /** 'sha256:…'; decides when both are there. */
  readonly digest?: string;
}

const DEFAULT_REGISTRY = 'docker.io';
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[a-f0-9]{64}$/;
const MAX_NAME = 255;

/** Throws ImageError InvalidImageName. */
export function parseReference(text: string): Reference {
  const refuse = (why: string): never => {
    throw new ImageError('InvalidImageName', `Failed to apply default image tag "${text}": ${why}`);
  };
  if (text.length > 2 * MAX_NAME + 256) refuse('the reference is too long');
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !DIGEST.test(digest))
    refuse('the digest must be sha256: and 64 hexadecimal digits');
  const named = at < 0 ? text : text.slice(0, at);
  const slash = named.lastIndexOf('/');
  const colon = named.indexOf(':', slash + 1);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) refuse(`"${tag}" is not a tag`);
  const { registry, repository } = splitName(colon < 0 ? named : named.slice(0, colon));
  if (!HOST.test(registry)) refuse(`"${registry}" is not a registry host`);
  if (repository === '' || repository.length + registry.length > MAX_NAME)
    refuse('the name is empty or too long');
  for (const component of repository.split('/')) {
    if (PATH_COMPONENT.test(component)) continue;
    refuse(
      /[A-Z]/.test(component)
        ? 'invalid reference format: repository name must be lowercase'
        : 'invalid reference format',
    );
  }
  const chosen = tag ?? (digest === undefined ? 'latest' : undefined);
  return {
    registry,
    repository,
    ...(chosen === undefined ? {} : { tag: chosen }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** The first part is a host only if it looks like one, as `docker` has it. */
function splitName(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isHost = first === 'localhost' || /[.:A-Z]/.test(first);
  const registry = isHost ? first : DEFAULT_REGISTRY;
  const rest = isHost ? name.slice(slash + 1) : name;
  if (registry === 'index.docker.io') return splitName(`docker.io/${rest}`);
  const repository = registry === DEFAULT_REGISTRY && !rest.includes('/') ? `library/${rest}` : rest;
  return { registry, repository };
}

/** The normal form; parsing it again gives the same. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${reference.registry}/${reference.repository}${tag}${digest}`;
}
