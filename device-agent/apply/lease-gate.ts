/**
 * Whether pods of class exclusive may run on this device now. They may while the device holds the hub's
 * lease by its own monotonic clock; they may be *started* only by an agent that was itself granted one. The
 * hub grants none before this device has acknowledged every assignment and removal that waited for it, so a
 * grant also says that what is on disk here is what the hub still wants.
 *
 * The end of the lease is also kept on tmpfs, on the kernel's monotonic clock: an agent that is started
 * again lets its exclusive pods run to the end of the lease that the earlier one was granted, no longer.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Clock } from '#protocol/lib/clock.js';
import { AGENT_STOP_BUDGET_MS } from '#protocol/link/lease-policy.js';
import { writeFileAtomic } from '../lib/atomic-file.js';
import { readFileIfPresent } from '../lib/state-dir.js';
import type { Link } from '../link/link.js';
import type { LeaseView } from '../plan/plan.js';

/** The kill at the end of the budget needs this long to be done. */
const KILL_RESERVE_MS = 1_000;

const carriedSchema = z.object({ endsAtMs: z.number() });

export interface LeaseGateOptions {
  readonly link: Pick<Link, 'lease'>;
  readonly clock: Clock;
  /** On tmpfs, so that it cannot outlive a boot. */
  readonly file: string;
  /** The kernel's monotonic clock in milliseconds: the same for every process until the next boot. */
  readonly kernelClock: () => number;
  /** Whether any pod here is of class exclusive: only then is the lease written down. */
  readonly needed: () => boolean;
  /** Called when the view may have changed. */
  readonly changed: () => void;
}

export class LeaseGate implements Disposable {
  readonly #options: LeaseGateOptions;
  readonly #registrations: Disposable[];
  /** End of a lease that an earlier agent held, on this agent's monotonic clock. */
  readonly #carriedUntil: number;
  #lostAt: number;
  #held: boolean;
  #writing: Promise<void> = Promise.resolve();

  private constructor(options: LeaseGateOptions, carriedMs: number) {
    this.#options = options;
    const { link, clock, changed } = options;
    const now = clock.monotonic();
    this.#carriedUntil = now + carriedMs;
    this.#lostAt = this.#carriedUntil;
    this.#registrations = [
      link.lease.onExpire(() => {
        this.#lostAt = clock.monotonic();
        this.#held = false;
        changed();
      }),
      link.lease.onGrant(() => this.#granted()),
    ];
    this.#held = link.lease.remaining() > 0;
    if (carriedMs > 0) this.#registrations.push(clock.setTimer(carriedMs, changed));
  }

  static async open(options: LeaseGateOptions): Promise<LeaseGate> {
    const bytes = await readFileIfPresent(options.file);
    let carriedMs = 0;
    if (bytes !== undefined) {
      const parsed = carriedSchema.safeParse(tryJson(bytes.toString('utf8')));
      // Damaged means unknown, and unknown means no lease.
      if (parsed.success) carriedMs = Math.max(0, parsed.data.endsAtMs - options.kernelClock());
    }
    await mkdir(dirname(options.file), { recursive: true, mode: 0o700 });
    return new LeaseGate(options, carriedMs);
  }

  view(): LeaseView {
    const { link, clock } = this.#options;
    const held = link.lease.remaining() > 0;
    const mayRun = held || clock.monotonic() < this.#carriedUntil;
    if (mayRun) return { mayRun, mayStart: held };
    const lostAt = Math.max(this.#lostAt, this.#carriedUntil);
    return { mayRun, mayStart: false, deadline: lostAt + AGENT_STOP_BUDGET_MS - KILL_RESERVE_MS };
  }

  /** Resolves when the last grant is written down. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  /** Grants come every few seconds; only the first one after none changes what may run. */
  #granted(): void {
    const regained = !this.#held;
    this.#held = true;
    if (this.#options.needed()) this.#carry();
    if (regained) this.#options.changed();
  }

  #carry(): void {
    const { link, file, kernelClock } = this.#options;
    const endsAtMs = kernelClock() + link.lease.remaining();
    this.#writing = this.#writing
      .then(() => writeFileAtomic(file, JSON.stringify({ endsAtMs }), { durable: false }))
      // Without the file a restarted agent stops its exclusive pods: safe, and the next grant tries again.
      .catch(() => undefined);
  }

  [Symbol.dispose](): void {
    for (const registration of this.#registrations) registration[Symbol.dispose]();
    this.#registrations.length = 0;
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema refuses undefined: a damaged file reads as no lease.
    return undefined;
  }
}
