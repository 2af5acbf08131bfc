/** The agent's version, as the node shows it: the Kubernetes version that it follows, and Covey's own. */
export const AGENT_VERSION = 'v1.33.0-covey.0.1.0';
