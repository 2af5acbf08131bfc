/** The agent's version, as the node shows it: the Kubernetes version that it follows, and Covey's own. */
const KUBERNETES_VERSION = 'v1.33.0';

export const AGENT_VERSION = `${KUBERNETES_VERSION}-covey.0.1.0`;

/** With the release that the launcher started, where there is one: the same code may be published anew. */
export function agentVersion(release: string | undefined): string {
  return release === undefined ? AGENT_VERSION : `${KUBERNETES_VERSION}-covey.${release}`;
}
