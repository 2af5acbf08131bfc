/**
 * Health of the hub: named checks behind /livez, /readyz and /healthz, one line each with `?verbose`, single
 * ones below the path, `?exclude=` as in Kubernetes. A check that throws has failed; its reason goes to the
 * log, not to whoever asks.
 */
export type HealthCheck = () => void | Promise<void>;

export interface HealthAnswer {
  readonly status: 200 | 404 | 500;
  readonly text: string;
  /** Names and reasons of failed checks, for the log. */
  readonly failures: ReadonlyArray<{ readonly check: string; readonly reason: string }>;
}

type Endpoint = 'livez' | 'readyz' | 'healthz';

export class HealthChecks {
  readonly #checks: Array<{ name: string; check: HealthCheck; readinessOnly: boolean }> = [
    { name: 'ping', check: () => undefined, readinessOnly: false },
  ];
  #shuttingDown = false;

  /** Registers a check; `readinessOnly` ones do not make /livez fail. */
  add(name: string, check: HealthCheck, options: { readonly readinessOnly?: boolean } = {}): void {
    this.#checks.push({ name, check, readinessOnly: options.readinessOnly ?? false });
  }

  /** From now on not ready: load balancers look elsewhere while requests under way finish. */
  shutDown(): void {
    this.#shuttingDown = true;
  }

  /** `path` below the endpoint names one check; `exclude` names checks to leave out. */
  async answer(
    endpoint: Endpoint,
    path: string,
    verbose: boolean,
    exclude: readonly string[],
  ): Promise<HealthAnswer> {
    const ready = endpoint !== 'livez';
    let checks = this.#checks.filter((entry) => ready || !entry.readinessOnly);
    if (endpoint === 'readyz') {
      checks = [
        ...checks,
        {
          name: 'shutdown',
          readinessOnly: true,
          check: () => {
            if (this.#shuttingDown) throw new Error('the hub is shutting down');
          },
        },
      ];
    }
    if (path !== '') {
      checks = checks.filter((entry) => entry.name === path);
      if (checks.length === 0) return { status: 404, text: '404 page not found\n', failures: [] };
    }
    const failures: Array<{ check: string; reason: string }> = [];
    const lines: string[] = [];
    for (const { name, check } of checks) {
      if (exclude.includes(name)) {
        lines.push(`[+]${name} excluded: ok`);
        continue;
      }
      try {
        await check();
        lines.push(`[+]${name} ok`);
      } catch (error) {
        failures.push({ check: name, reason: error instanceof Error ? error.message : String(error) });
        lines.push(`[-]${name} failed: reason withheld`);
      }
    }
    const outcome = failures.length === 0 ? 'passed' : 'failed';
    const report = `${lines.join('\n')}\n${endpoint} check ${outcome}\n`;
    if (failures.length > 0) return { status: 500, text: report, failures };
    return { status: 200, text: verbose ? report : 'ok', failures };
  }
}
