/** Rules of volumes: one source each, and what each source needs. */
import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
} from '../../meta/field-error.js';
import { checkDns1123Label } from '../../meta/names.js';
import { validateFieldRef, validateResourceFieldRef } from './env-validation.js';
import { isNegative } from './resource-validation.js';
import type { DownwardAPIVolumeFile, KeyToPath, Volume, VolumeProjection } from './volume.js';

const HOST_PATH_TYPES = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];
const MAX_MODE = 0o777;
const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

/** Adds the names of the volumes to `names`. */
export function validateVolumes(volumes: readonly Volume[], names: Set<string>, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, volume] of volumes.entries()) {
    const at = `${field}[${index}]`;
    if (volume.name === '') errors.push(required(`${at}.name`));
    else {
      for (const problem of checkDns1123Label(volume.name))
        errors.push(invalid(`${at}.name`, volume.name, problem));
      if (names.has(volume.name)) errors.push(duplicate(`${at}.name`, volume.name));
      names.add(volume.name);
    }
    errors.push(...sourceErrors(volume, at));
  }
  return errors;
}

function sourceErrors(volume: Volume, field: string): FieldError[] {
  const sources = Object.keys(volume).filter(
    (key) => key !== 'name' && volume[key as keyof Volume] !== undefined,
  );
  const errors: FieldError[] = [];
  if (sources.length === 0) return [required(field, 'must specify a volume type')];
  for (const source of sources.slice(1)) {
    errors.push(forbidden(`${field}.${source}`, 'may not specify more than 1 volume type'));
  }
  if (sources.length > 1) return errors;
  if (volume.hostPath) {
    const { path, type } = volume.hostPath;
    if (path === '') errors.push(required(`${field}.hostPath.path`));
    else if (hasBacksteps(path))
      errors.push(invalid(`${field}.hostPath.path`, path, "must not contain '..'"));
    if (!HOST_PATH_TYPES.includes(type))
      errors.push(notSupported(`${field}.hostPath.type`, type, HOST_PATH_TYPES));
  }
  if (volume.emptyDir?.sizeLimit !== undefined && isNegative(volume.emptyDir.sizeLimit)) {
    errors.push(
      forbidden(`${field}.emptyDir.sizeLimit`, 'SizeLimit field must be a valid resource quantity'),
    );
  }
  if (volume.configMap) {
    if (!volume.configMap.name) errors.push(required(`${field}.configMap.name`));
    errors.push(...modeErrors(volume.configMap.defaultMode, `${field}.configMap.defaultMode`));
    errors.push(...itemErrors(volume.configMap.items, `${field}.configMap.items`));
  }
  if (volume.secret) {
    if (!volume.secret.secretName) errors.push(required(`${field}.secret.secretName`));
    errors.push(...modeErrors(volume.secret.defaultMode, `${field}.secret.defaultMode`));
    errors.push(...itemErrors(volume.secret.items, `${field}.secret.items`));
  }
  if (volume.downwardAPI) {
    errors.push(...modeErrors(volume.downwardAPI.defaultMode, `${field}.downwardAPI.defaultMode`));
    errors.push(...downwardErrors(volume.downwardAPI.items, `${field}.downwardAPI.items`));
  }
  if (volume.projected) {
    errors.push(...modeErrors(volume.projected.defaultMode, `${field}.projected.defaultMode`));
    for (const [index, source] of (volume.projected.sources ?? []).entries()) {
      errors.push(...projectionErrors(source, `${field}.projected.sources[${index}]`));
    }
  }
  errors.push(...storageErrors(volume, field));
  return errors;
}

function storageErrors(volume: Volume, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (volume.persistentVolumeClaim?.claimName === '')
    errors.push(required(`${field}.persistentVolumeClaim.claimName`));
  if (volume.nfs) {
    if (volume.nfs.server === '') errors.push(required(`${field}.nfs.server`));
    if (volume.nfs.path === '') errors.push(required(`${field}.nfs.path`));
    else if (!volume.nfs.path.startsWith('/')) {
      errors.push(invalid(`${field}.nfs.path`, volume.nfs.path, 'must be an absolute path'));
    }
  }
  if (volume.csi?.driver === '') errors.push(required(`${field}.csi.driver`));
  if (volume.flexVolume?.driver === '') errors.push(required(`${field}.flexVolume.driver`));
  if (volume.gitRepo?.repository === '') errors.push(required(`${field}.gitRepo.repository`));
  return errors;
}

function projectionErrors(source: VolumeProjection, field: string): FieldError[] {
  const kinds = Object.keys(source).filter((key) => source[key as keyof VolumeProjection] !== undefined);
  if (kinds.length > 1) return [forbidden(field, 'may not specify more than 1 volume type per source')];
  const errors: FieldError[] = [];
  for (const name of ['configMap', 'secret'] as const) {
    const projection = source[name];
    if (!projection) continue;
    if (!projection.name) errors.push(required(`${field}.${name}.name`));
    errors.push(...itemErrors(projection.items, `${field}.${name}.items`));
  }
  if (source.downwardAPI)
    errors.push(...downwardErrors(source.downwardAPI.items, `${field}.downwardAPI.items`));
  const token = source.serviceAccountToken;
  if (token) {
    const at = `${field}.serviceAccountToken`;
    if (token.expirationSeconds < MIN_TOKEN_SECONDS) {
      errors.push(
        invalid(
          `${at}.expirationSeconds`,
          token.expirationSeconds,
          'may not specify a duration less than 10 minutes',
        ),
      );
    } else if (token.expirationSeconds > MAX_TOKEN_SECONDS) {
      errors.push(
        invalid(
          `${at}.expirationSeconds`,
          token.expirationSeconds,
          'may not specify a duration larger than 2^32 seconds',
        ),
      );
    }
    if (token.path === '') errors.push(required(`${at}.path`));
    else errors.push(...relativePathErrors(token.path, `${at}.path`));
  }
  return errors;
}

function itemErrors(items: readonly KeyToPath[] | undefined, field: string): FieldError[] {
  return (items ?? []).flatMap((item, index) => {
    const at = `${field}[${index}]`;
    return [
      ...(item.key === '' ? [required(`${at}.key`)] : []),
      ...(item.path === '' ? [required(`${at}.path`)] : relativePathErrors(item.path, `${at}.path`)),
      ...modeErrors(item.mode, `${at}.mode`),
    ];
  });
}

const FILE_FIELDS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];

function downwardErrors(items: readonly DownwardAPIVolumeFile[] | undefined, field: string): FieldError[] {
  return (items ?? []).flatMap((item, index) => {
    const at = `${field}[${index}]`;
    const errors = [
      ...(item.path === '' ? [required(`${at}.path`)] : relativePathErrors(item.path, `${at}.path`)),
      ...modeErrors(item.mode, `${at}.mode`),
    ];
    if (item.fieldRef) {
      errors.push(...validateFieldRef(item.fieldRef, FILE_FIELDS, `${at}.fieldRef`));
      if (item.resourceFieldRef) {
        errors.push(
          invalid(at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'),
        );
      }
    } else if (item.resourceFieldRef) {
      errors.push(...validateResourceFieldRef(item.resourceFieldRef, true, `${at}.resourceFieldRef`));
    } else errors.push(required(at, 'one of fieldRef and resourceFieldRef is required'));
    return errors;
  });
}

function modeErrors(mode: number | undefined, field: string): FieldError[] {
  return mode === undefined || (mode >= 0 && mode <= MAX_MODE)
    ? []
    : [invalid(field, mode, 'must be a number between 0 and 0777 (octal), both inclusive')];
}

function hasBacksteps(path: string): boolean {
  return path.split('/').includes('..');
}

/** For files inside a volume: relative, and never out of it. */
export function relativePathErrors(path: string, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (path.startsWith('/')) errors.push(invalid(field, path, 'must be a relative path'));
  if (hasBacksteps(path)) errors.push(invalid(field, path, "must not contain '..'"));
  if (path.startsWith('..') && !path.startsWith('../'))
    errors.push(invalid(field, path, "must not start with '..'"));
  return errors;
}
