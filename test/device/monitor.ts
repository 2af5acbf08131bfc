/** QEMU's monitor (QMP): what a person does to a board with both hands while it runs. */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

export interface MonitorCommand {
  readonly execute: string;
  readonly arguments: Readonly<Record<string, string>>;
  /** Event after which the command is over; its answer only says that it has begun. */
  readonly until?: string;
}

interface Message {
  readonly QMP?: object;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
}

/** Carries one command out over the monitor's socket. Rejects with QEMU's own words when it refuses. */
export async function monitor(socket: string, { until, ...command }: MonitorCommand): Promise<void> {
  const connection = connect(socket);
  try {
    const lines = createInterface({ input: connection });
    const failed = new Promise<never>((_, reject) => connection.once('error', reject));
    await Promise.race([converse(lines, connection, command, until), failed]);
  } finally {
    connection.destroy();
  }
}

async function converse(
  lines: AsyncIterable<string>,
  connection: { write(text: string): unknown },
  command: object,
  until: string | undefined,
): Promise<void> {
  const queue = [{ execute: 'qmp_capabilities' }, command];
  let answers = 0;
  let seen = until === undefined;
  for await (const line of lines) {
    const { QMP, error, event, return: answer } = JSON.parse(line) as Message;
    if (error !== undefined) throw new Error(`QEMU: ${error.desc}: ${JSON.stringify(command)}`);
    if (answer !== undefined) answers += 1;
    if (event !== undefined && event === until) seen = true;
    const next = QMP !== undefined || answer !== undefined ? queue.shift() : undefined;
    if (next !== undefined) connection.write(`${JSON.stringify(next)}\n`);
    if (answers === 2 && seen) return;
  }
  throw new Error(`QEMU: the monitor was closed: ${JSON.stringify(command)}`);
}
