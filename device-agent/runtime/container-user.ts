/**
 * Who the container's process is: user and groups from the security context, else from the image, with names
 * looked up in the image's own passwd and group files. Files of an image are read without leaving its root.
 */
import { open } from 'node:fs/promises';
import { orMissing } from '../lib/errno.js';
import { resolveInRoot } from '../lib/safe-path.js';
import { RuntimeError } from './runtime.js';

export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

export interface UserRequest {
  /** 'user', 'uid', 'user:group', … or empty, from the image. */
  readonly imageUser: string;
  readonly runAsUser: number | undefined;
  readonly runAsGroup: number | undefined;
  readonly runAsNonRoot: boolean | undefined;
  readonly supplementalGroups: readonly number[];
  /** 'Strict' leaves out the groups that the image's group file gives the user. */
  readonly strictGroups: boolean;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const MAX_FILE_BYTES = 1024 * 1024;

/** Resolves against the root file system. Rejects with RuntimeError for unknown names and broken promises of non-root. */
export async function resolveUser(rootfs: string, request: UserRequest): Promise<ResolvedUser> {
  return chooseUser(request, await readInRoot(rootfs, '/etc/passwd'), await readInRoot(rootfs, '/etc/group'));
}

/** The decision behind resolveUser on the files' text. Pure. */
export function chooseUser(request: UserRequest, passwdText: string, groupText: string): ResolvedUser {
  const passwd = parsePasswd(passwdText);
  const groups = parseGroups(groupText);
  const [imageName = '', imageGroup = ''] = request.imageUser.split(':');
  const wanted = request.runAsUser === undefined ? imageName : String(request.runAsUser);
  const entry = passwd.find((candidate) =>
    isNumber(wanted) ? candidate.uid === Number(wanted) : candidate.name === wanted,
  );
  const uid = wanted === '' ? 0 : isNumber(wanted) ? Number(wanted) : entry?.uid;
  if (uid === undefined) throw refused(`image user "${wanted}" is not in the image's /etc/passwd`);
  const owner = entry ?? passwd.find((candidate) => candidate.uid === uid);
  if (request.runAsNonRoot) {
    if (uid === 0) throw refused('container has runAsNonRoot and image will run as root');
    if (request.runAsUser === undefined && imageName !== '' && !isNumber(imageName))
      throw refused(
        `container has runAsNonRoot and image has non-numeric user (${imageName}), cannot verify user is non-root`,
      );
  }
  const gid = chooseGroup(request, imageGroup, owner, groups);
  const memberships = request.strictGroups
    ? []
    : groups.filter((group) => owner && group.members.includes(owner.name)).map((group) => group.gid);
  const additional = [...new Set([...memberships, ...request.supplementalGroups])].filter((id) => id !== gid);
  return { uid, gid, additionalGids: additional, home: owner?.home || '/' };
}

function chooseGroup(
  request: UserRequest,
  imageGroup: string,
  owner: PasswdEntry | undefined,
  groups: readonly GroupEntry[],
): number {
  if (request.runAsGroup !== undefined) return request.runAsGroup;
  // A user from the security context leaves the image's group behind, as its name belongs to the image's user.
  if (imageGroup !== '' && request.runAsUser === undefined) {
    if (isNumber(imageGroup)) return Number(imageGroup);
    const group = groups.find((candidate) => candidate.name === imageGroup);
    if (!group) throw refused(`image group "${imageGroup}" is not in the image's /etc/group`);
    return group.gid;
  }
  return owner?.gid ?? 0;
}

function refused(message: string): RuntimeError {
  return new RuntimeError('CreateContainerConfigError', message);
}

const isNumber = (text: string): boolean => /^\d{1,10}$/.test(text);

function parsePasswd(text: string): readonly PasswdEntry[] {
  return text.split('\n').flatMap((line) => {
    const [name, , uid, gid, , home] = line.split(':');
    if (!name || !isNumber(uid ?? '') || !isNumber(gid ?? '')) return [];
    return [{ name, uid: Number(uid), gid: Number(gid), home: home ?? '' }];
  });
}

function parseGroups(text: string): readonly GroupEntry[] {
  return text.split('\n').flatMap((line) => {
    const [name, , gid, members] = line.split(':');
    if (!name || !isNumber(gid ?? '')) return [];
    return [{ name, gid: Number(gid), members: (members ?? '').split(',').filter(Boolean) }];
  });
}

async function readInRoot(rootfs: string, path: string): Promise<string> {
  const handle = await orMissing(open(await resolveInRoot(rootfs, path), 'r'));
  if (!handle) return '';
  try {
    if (!(await handle.stat()).isFile()) return '';
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_FILE_BYTES), 0, MAX_FILE_BYTES, 0);
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await handle.close();
  }
}
