/** Writes OpenAPI documents: one of version 3 for each group and version, one of version 2 for everything. */

import type { KindInfo } from '#protocol/kind-info.js';
import { deleteOptionsSchema } from '#protocol/meta/delete-options.js';
import { listMetaSchema } from '#protocol/meta/list-meta.js';
import { PATCH_CONTENT_TYPE } from '#protocol/meta/patch-type.js';
import { statusSchema } from '#protocol/meta/status.js';
import { ComponentCollector, type OpenApiSchema } from './from-zod.js';
import {
  type GroupVersionKindName,
  groupVersionPath,
  type Operation,
  operationsOf,
  type Parameter,
  type PathOperations,
} from './operations.js';

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const GVK = 'x-kubernetes-group-version-kind';
/** Fields that every kind has and none demands. */
const OPTIONAL_AT_TOP = ['metadata', 'spec', 'status', 'rules'];
/** What every kind means by them. */
const COMMON_FIELDS = {
  apiVersion: 'Group and version of the API that the object is written in.',
  kind: 'What kind of object this is.',
} as const;
const PATCH_TYPES = Object.values(PATCH_CONTENT_TYPE);
const MEDIA_TYPES = ['application/json', 'application/yaml'];
const WATCH_TYPE = 'application/json;stream=watch';

export interface DocumentInfo {
  readonly title: string;
  readonly version: string;
}

/** Names of the components that operations refer to. */
interface Names {
  readonly objects: ReadonlyMap<string, string>;
  readonly lists: ReadonlyMap<string, string>;
}

const kindKey = ({ group, version, kind }: GroupVersionKindName) => `${group}/${version}/${kind}`;

/** Adds kinds, their lists and what every document needs. */
function collect(collector: ComponentCollector, kinds: readonly KindInfo[]): Names {
  const objects = new Map<string, string>();
  const lists = new Map<string, string>();
  collector.addStruct(listMetaSchema);
  collector.addStruct(statusSchema, { [GVK]: [{ group: '', kind: 'Status', version: 'v1' }] }, [
    'metadata',
    'status',
  ]);
  const groupVersions = new Map(
    kinds.map(({ group, version }) => [`${group}/${version}`, { group, version }]),
  );
  collector.addStruct(deleteOptionsSchema, {
    [GVK]: [...groupVersions.values()].map((gv) => ({
      group: gv.group,
      kind: 'DeleteOptions',
      version: gv.version,
    })),
  });
  collector.define(`${META}.Patch`, {
    type: 'object',
    description: 'A patch of the kind that Content-Type names.',
  });
  for (const info of kinds) {
    const { group, version, kind, description } = info;
    const name = collector.addStruct(
      info.schema,
      { description, [GVK]: [{ group, kind, version }] },
      OPTIONAL_AT_TOP,
    );
    collector.describe(name, COMMON_FIELDS);
    objects.set(kindKey(info), name);
    if (!info.verbs.includes('list')) continue;
    const listName = `${name}List`;
    lists.set(kindKey(info), listName);
    collector.define(listName, listSchema(collector, info, name));
  }
  return { objects, lists };
}

function listSchema(collector: ComponentCollector, info: KindInfo, item: string): OpenApiSchema {
  return {
    description: `${info.listKind} is a collection of ${info.kind}.`,
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: { type: 'string', description: COMMON_FIELDS.apiVersion },
      items: { type: 'array', items: collector.referenceWith(item, { default: {} }) },
      kind: { type: 'string', description: COMMON_FIELDS.kind },
      metadata: collector.referenceWith(`${META}.ListMeta`, { default: {} }),
    },
    [GVK]: [{ group: info.group, kind: info.listKind, version: info.version }],
  };
}

function responseSchema(collector: ComponentCollector, names: Names, operation: Operation): OpenApiSchema {
  switch (operation.response) {
    case 'text':
      return { type: 'string' };
    case 'status':
      return collector.reference(`${META}.Status`);
    case 'list':
      return referenceTo(collector, names.lists, operation.kind);
    case 'object':
      return referenceTo(collector, names.objects, operation.kind);
  }
}

/** Kinds outside the documents (options of exec and the like) are texts. */
function referenceTo(
  collector: ComponentCollector,
  names: ReadonlyMap<string, string>,
  kind: GroupVersionKindName,
): OpenApiSchema {
  const name = names.get(kindKey(kind));
  return name === undefined ? { type: 'string' } : collector.reference(name);
}

function bodySchema(collector: ComponentCollector, names: Names, operation: Operation): OpenApiSchema {
  switch (operation.body) {
    case 'patch':
      return collector.reference(`${META}.Patch`);
    case 'delete-options':
      return collector.reference(`${META}.DeleteOptions`);
    default:
      return referenceTo(collector, names.objects, operation.kind);
  }
}

function statusCodes(operation: Operation): string[] {
  if (operation.method === 'post') return ['200', '201', '202'];
  if (operation.method === 'put' || operation.method === 'patch') return ['200', '201'];
  return operation.action === 'delete' ? ['200', '202'] : ['200'];
}

function common(operation: Operation): OpenApiSchema {
  const { group, version, kind } = operation.kind;
  return {
    operationId: operation.operationId,
    'x-kubernetes-action': operation.action,
    [GVK]: { group, kind, version },
  };
}

function operationV3(collector: ComponentCollector, names: Names, operation: Operation): OpenApiSchema {
  const bodyTypes = operation.body === 'patch' ? PATCH_TYPES : MEDIA_TYPES;
  const responseTypes =
    operation.response === 'text'
      ? ['text/plain']
      : operation.action === 'list'
        ? [...MEDIA_TYPES, WATCH_TYPE]
        : MEDIA_TYPES;
  const contentOf = (types: readonly string[], schema: OpenApiSchema) =>
    Object.fromEntries(types.map((type) => [type, { schema }]));
  const response = {
    description: 'OK',
    content: contentOf(responseTypes, responseSchema(collector, names, operation)),
  };
  return {
    ...common(operation),
    parameters: operation.parameters.map(parameterV3),
    ...(operation.body === 'none'
      ? {}
      : {
          requestBody: {
            content: contentOf(bodyTypes, bodySchema(collector, names, operation)),
            ...(operation.body === 'delete-options' ? {} : { required: true }),
          },
        }),
    responses: Object.fromEntries(statusCodes(operation).map((code) => [code, response])),
  };
}

function parameterV3({ name, in: place, type, description }: Parameter): OpenApiSchema {
  return {
    name,
    in: place,
    description,
    ...(place === 'path' ? { required: true } : {}),
    schema: { type, uniqueItems: true },
  };
}

function operationV2(collector: ComponentCollector, names: Names, operation: Operation): OpenApiSchema {
  const schema = responseSchema(collector, names, operation);
  const body =
    operation.body === 'none'
      ? []
      : [
          {
            name: 'body',
            in: 'body',
            ...(operation.body === 'delete-options' ? {} : { required: true }),
            schema: bodySchema(collector, names, operation),
          },
        ];
  return {
    ...common(operation),
    consumes: operation.body === 'patch' ? PATCH_TYPES : ['*/*'],
    produces: operation.response === 'text' ? ['text/plain'] : MEDIA_TYPES,
    schemes: ['https'],
    parameters: [...body, ...operation.parameters.map(parameterV2)],
    responses: Object.fromEntries(
      statusCodes(operation).map((code) => [code, { description: 'OK', schema }]),
    ),
  };
}

function parameterV2({ name, in: place, type, description }: Parameter): OpenApiSchema {
  return {
    name,
    in: place,
    description,
    type,
    uniqueItems: true,
    ...(place === 'path' ? { required: true } : {}),
  };
}

function pathItems(
  paths: readonly PathOperations[],
  writeParameter: (parameter: Parameter) => OpenApiSchema,
  writeOperation: (operation: Operation) => OpenApiSchema,
): Record<string, OpenApiSchema> {
  return Object.fromEntries(
    paths.map(({ path, parameters, operations }) => [
      path,
      {
        ...Object.fromEntries(operations.map((operation) => [operation.method, writeOperation(operation)])),
        parameters: parameters.map(writeParameter),
      },
    ]),
  );
}

/** What the document of one group and version describes; bodies of subresources come from other groups. */
export function documentV3(
  info: DocumentInfo,
  kinds: readonly KindInfo[],
  bodies: readonly KindInfo[],
): Record<string, unknown> {
  const collector = new ComponentCollector(3);
  const used = new Set(kinds.flatMap(({ subresources }) => subresources.map(kindKey)));
  const names = collect(collector, [...kinds, ...bodies.filter((body) => used.has(kindKey(body)))]);
  const paths = pathItems(kinds.flatMap(operationsOf), parameterV3, (operation) =>
    operationV3(collector, names, operation),
  );
  return { openapi: '3.0.0', info, paths, components: { schemas: collector.components() } };
}

export function documentV2(
  info: DocumentInfo,
  kinds: readonly KindInfo[],
  bodies: readonly KindInfo[],
): Record<string, unknown> {
  const collector = new ComponentCollector(2);
  const names = collect(collector, [...kinds, ...bodies]);
  const paths = pathItems(kinds.flatMap(operationsOf), parameterV2, (operation) =>
    operationV2(collector, names, operation),
  );
  return { swagger: '2.0', info, paths, definitions: collector.components() };
}

/** 'api/v1' or 'apis/apps/v1': the key of a document in the index. */
export function documentKey(info: { group: string; version: string }): string {
  return groupVersionPath(info).slice(1);
}
