/** What the steps of one pod work with: the pod as it is wanted and found, its running work, and its voice. */
import type { ReportedEvent } from '#protocol/link/report.js';
import type { DesiredPod } from '../desired/desired-pod.js';
import type { Activity } from '../observe/activity.js';
import type { ObservedPod } from '../observe/observed.js';

export interface PodContext {
  readonly uid: string;
  readonly desired: DesiredPod | undefined;
  readonly observed: ObservedPod;
  readonly activity: Activity;
  /** Says an event of a container (by name), or of the pod (''). */
  event(container: string, type: ReportedEvent['type'], reason: string, message: string): void;
  /** Plans the pod again, soon. */
  wake(): void;
  /** Nothing of the pod is left: reports so, and resolves once the report is safe. */
  reportRemoved(): Promise<void>;
}
