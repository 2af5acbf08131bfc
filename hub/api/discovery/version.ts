/** The answer of /version: the Kubernetes version whose API is offered, with Covey's own as build metadata. */

const MAJOR = '1';
const MINOR = '33';

export function versionDocument(buildVersion: string): object {
  return {
    major: MAJOR,
    minor: MINOR,
    gitVersion: `v${MAJOR}.${MINOR}.0+covey.${buildVersion}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: `node ${process.versions.node}`,
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}
