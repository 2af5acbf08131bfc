/**
 * Operations of a kind: which paths it has, which methods they take, with which parameters and bodies. Neutral of
 * the OpenAPI version; documents.ts writes them down.
 */
import type { KindInfo, SubresourceInfo, Verb } from '#protocol/kind-info.js';

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly type: 'string' | 'integer' | 'boolean';
  readonly description: string;
}

export interface GroupVersionKindName {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** As in x-kubernetes-action: 'list', 'post', 'deletecollection' … */
  readonly action: string;
  readonly operationId: string;
  readonly kind: GroupVersionKindName;
  /** What a body is: an object of the kind, a patch, DeleteOptions, or nothing. */
  readonly body: 'object' | 'patch' | 'delete-options' | 'none';
  readonly response: 'object' | 'list' | 'status' | 'text';
  readonly parameters: readonly Parameter[];
}

export interface PathOperations {
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly operations: readonly Operation[];
}

const query = (name: string, type: Parameter['type'], description: string): Parameter => ({
  name,
  in: 'query',
  type,
  description,
});

const PRETTY = query('pretty', 'string', 'If true, the answer is indented.');
const NAMESPACE: Parameter = {
  name: 'namespace',
  in: 'path',
  type: 'string',
  description: 'Namespace of the object.',
};
const NAME: Parameter = { name: 'name', in: 'path', type: 'string', description: 'Name of the object.' };

const WRITE: readonly Parameter[] = [
  query('dryRun', 'string', 'All: process the request but store nothing.'),
  query('fieldManager', 'string', 'Name of the actor that makes the change.'),
  query(
    'fieldValidation',
    'string',
    'What happens to unknown and duplicate fields: Ignore, Warn (default) or Strict.',
  ),
];
const SELECT: readonly Parameter[] = [
  query('labelSelector', 'string', 'Restricts the objects by their labels.'),
  query('fieldSelector', 'string', 'Restricts the objects by their fields.'),
  query('limit', 'integer', 'Most objects in one answer.'),
  query('continue', 'string', 'Token of the answer before, for the next page.'),
  query('resourceVersion', 'string', 'Revision that the answer is taken at.'),
  query('resourceVersionMatch', 'string', 'How resourceVersion is applied: Exact or NotOlderThan.'),
  query('timeoutSeconds', 'integer', 'Longest duration of the call, in seconds.'),
];
const WATCH: readonly Parameter[] = [
  query('watch', 'boolean', 'Stream the changes instead of the list.'),
  query('allowWatchBookmarks', 'boolean', 'Send bookmarks while watching.'),
  query('sendInitialEvents', 'boolean', 'Begin a watch with the present objects and a bookmark.'),
];
const REMOVE: readonly Parameter[] = [
  query('dryRun', 'string', 'All: process the request but store nothing.'),
  query('gracePeriodSeconds', 'integer', 'Seconds before the object is gone; 0 means at once.'),
  query('propagationPolicy', 'string', 'What happens to dependents: Orphan, Background or Foreground.'),
];

const METHODS: Readonly<Record<Exclude<Verb, 'watch'>, Omit<Operation, 'operationId' | 'kind'>>> = {
  get: { method: 'get', action: 'get', body: 'none', response: 'object', parameters: [] },
  list: { method: 'get', action: 'list', body: 'none', response: 'list', parameters: [...SELECT, ...WATCH] },
  create: { method: 'post', action: 'post', body: 'object', response: 'object', parameters: WRITE },
  update: { method: 'put', action: 'put', body: 'object', response: 'object', parameters: WRITE },
  patch: { method: 'patch', action: 'patch', body: 'patch', response: 'object', parameters: WRITE },
  delete: {
    method: 'delete',
    action: 'delete',
    body: 'delete-options',
    response: 'status',
    parameters: REMOVE,
  },
  deletecollection: {
    method: 'delete',
    action: 'deletecollection',
    body: 'delete-options',
    response: 'status',
    parameters: [...SELECT, ...REMOVE],
  },
};

const ON_COLLECTION: readonly Verb[] = ['list', 'create', 'deletecollection'];
const ON_OBJECT: readonly Verb[] = ['get', 'update', 'patch', 'delete'];

/** '/api/v1' or '/apis/apps/v1'. */
export function groupVersionPath({ group, version }: { group: string; version: string }): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
}

function operation(
  info: KindInfo,
  verb: Exclude<Verb, 'watch'>,
  scope: string,
  kind: GroupVersionKindName,
): Operation {
  const method = METHODS[verb];
  const group = info.group === '' ? 'Core' : capitalize(info.group.split('.')[0] ?? '');
  return {
    ...method,
    operationId: `${verb}${group}${capitalize(info.version)}${scope}`,
    kind: { group: kind.group, version: kind.version, kind: kind.kind },
  };
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Every path of a kind. */
export function operationsOf(info: KindInfo): PathOperations[] {
  const root = groupVersionPath(info);
  const scoped = info.namespaced
    ? `${root}/namespaces/{namespace}/${info.resource}`
    : `${root}/${info.resource}`;
  const scope = `${info.namespaced ? 'Namespaced' : ''}${info.kind}`;
  const namespace = info.namespaced ? [NAMESPACE] : [];
  const of = (verbs: readonly Verb[]) =>
    verbs
      .filter((verb) => info.verbs.includes(verb))
      .map((verb) => operation(info, verb as Exclude<Verb, 'watch'>, scope, info));
  const paths: PathOperations[] = [
    { path: scoped, parameters: [...namespace, PRETTY], operations: of(ON_COLLECTION) },
    { path: `${scoped}/{name}`, parameters: [NAME, ...namespace, PRETTY], operations: of(ON_OBJECT) },
    ...info.subresources.map((sub) => subresourcePath(info, sub, scoped, scope)),
  ];
  if (info.namespaced && info.verbs.includes('list')) {
    paths.push({
      path: `${root}/${info.resource}`,
      parameters: [PRETTY],
      operations: [operation(info, 'list', `${info.kind}ForAllNamespaces`, info)],
    });
  }
  return paths.filter(({ operations }) => operations.length > 0);
}

function subresourcePath(
  info: KindInfo,
  sub: SubresourceInfo,
  scoped: string,
  scope: string,
): PathOperations {
  const connects = sub.kind.endsWith('Options');
  const name = `${scope}${capitalize(sub.name)}`;
  return {
    path: `${scoped}/{name}/${sub.name}`,
    parameters: [NAME, ...(info.namespaced ? [NAMESPACE] : []), PRETTY],
    operations: sub.verbs.map((verb) => {
      const made = operation(info, verb as Exclude<Verb, 'watch'>, name, sub);
      if (connects) return { ...made, action: 'connect', body: 'none', response: 'text', parameters: [] };
      return sub.name === 'log' ? { ...made, response: 'text' } : made;
    }),
  };
}
