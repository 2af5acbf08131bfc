/** A watch read event by event over a connection of its own. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { TestContext } from 'node:test';
import type { ApiHub } from './api-hub.js';
import { eventually } from './eventually.js';

export interface WireEvent {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever the wire carries
  readonly object: any;
}

export class RawWatch {
  readonly events: WireEvent[] = [];
  readonly response: IncomingMessage;
  readonly #request: ClientRequest;
  #rest = '';
  ended = false;

  private constructor(outgoing: ClientRequest, response: IncomingMessage) {
    this.#request = outgoing;
    this.response = response;
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.events.push(JSON.parse(line) as WireEvent);
    });
    response.on('end', () => {
      this.ended = true;
    });
    response.on('error', () => undefined);
  }

  /** Resolves when the headers have come. */
  static open(
    t: TestContext,
    hub: ApiHub,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<RawWatch> {
    return new Promise((resolve, reject) => {
      const agent = hub.agentFor(hub.admin);
      const outgoing = request({ host: '127.0.0.1', port: hub.port, path, headers, agent }, (response) =>
        resolve(new RawWatch(outgoing, response)),
      );
      outgoing.on('error', reject);
      outgoing.end();
      t.after(() => {
        outgoing.destroy();
        agent.destroy();
      });
    });
  }

  /** The types and names of the events so far: 'ADDED a'. */
  get summary(): string[] {
    return this.events.map(({ type, object }) =>
      `${type} ${object.metadata?.name ?? object.reason ?? ''}`.trim(),
    );
  }

  until(count: number): Promise<void> {
    return eventually(`${count} events`, 5_000, () => this.events.length >= count, 5).then(() => undefined);
  }

  close(): void {
    this.#request.destroy();
  }
}
