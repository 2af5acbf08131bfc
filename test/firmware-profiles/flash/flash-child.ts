/** One flashing in a process of its own, to be killed: tells each step that it makes on standard output. */
import { writeSync } from 'node:fs';
import { flashCard, prepareBase } from '#firmware-profiles/flash/flash-card.js';
import { checkTarget } from '#firmware-profiles/flash/open-target.js';
import { WorkDirectory } from '#firmware-profiles/flash/work-directory.js';
import { openBaseImage } from '#firmware-profiles/image/base-image.js';
import { noProgress } from '#firmware-profiles/lib/progress.js';
import type { PlanInput } from '#firmware-profiles/plan.js';
import { CLAIM_TIME, profileNamed, settingsFor } from '#test/helpers/flashing.js';

export interface FlashChild {
  readonly image: string;
  readonly path: string;
  readonly profile: string;
  readonly payload: PlanInput['payload'];
  readonly work: string;
  /** For a disk that is none: what it is named twice for. */
  readonly force: boolean;
}

const order = JSON.parse(process.argv[2] ?? '{}') as FlashChild;
const tell = (text: string) => void writeSync(1, `${text}\n`);
await using work = await WorkDirectory.create(order.work);
const profile = await profileNamed(order.profile);
const base = await openBaseImage({ file: order.image, workDirectory: work.path, progress: noProgress });
const written = await flashCard({
  prepared: await prepareBase(base, profile),
  settings: settingsFor(profile),
  payload: order.payload,
  preload: [],
  target: await checkTarget({
    path: order.path,
    consent: { force: order.force, destroy: order.force ? order.path : undefined },
  }),
  work,
  time: CLAIM_TIME,
  progress: { begin: (title) => tell(title), advance: () => tell('advance'), end: () => tell('end') },
  notice: tell,
});
tell(`finished ${written.sha256} ${written.resumed}`);
