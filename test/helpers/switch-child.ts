/**
 * What the agent does once an archive is here, as a process of its own to be killed: removes what is old, unpacks it,
 * gives it its name and switches to it. Environment: INSTALL, ARCHIVE.
 */
import { Installation } from '#device-agent/firmware/update/installation.js';
import { unpackRelease } from '#device-agent/firmware/update/unpack.js';

const { INSTALL = '', ARCHIVE = '' } = process.env;
const installation = new Installation(INSTALL, '1');
await installation.prune([]);
const target = await installation.workspace('2');
await unpackRelease({
  archive: ARCHIVE,
  target,
  maxBytes: 2 ** 20,
  signal: new AbortController().signal,
});
await installation.adopt(target, '2', 'sha256:of-2');
await installation.switchTo({ version: '2', previous: '1', healthySeconds: 60 });
