/**
 * What a device agent with ten pods may cost when nothing happens. The benchmark of the agent asserts these
 * figures on the bundle as `covey up` starts it, with real containers, after a minute of rest.
 */
export const agentBudget = {
  pods: 10,
  /** Resident memory of the agent's process; its pages of the Node binary are shared and reclaimable. */
  residentBytes: 64 * 1024 ** 2,
  anonymousBytes: 20 * 1024 ** 2,
  /** Share of one core. */
  idleCpu: 0.005,
  writtenBytesPerDay: 5 * 10 ** 6,
  /** On the wire in both directions, TCP and TLS included, in 30 days, with beats every 60 s. */
  wireBytesPerMonth: 10 * 10 ** 6,
} as const;
