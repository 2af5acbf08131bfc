/**
 * `covey agent`: runs a device agent. The agent is a program of its own (device-agent/main.ts) with its own
 * options; this command becomes it, handing over arguments, signals and exit code.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Command } from './command.js';
import { AGENT_ENVIRONMENT, agentMain } from './programs.js';

export const agentCommand: Command = {
  name: 'agent',
  summary: 'Run a device agent on this machine (covey agent --help lists its own options)',
  usage: '[options of the agent]',
  options: {},
  passThrough: true,
  async run(args) {
    const child = spawn(process.execPath, [agentMain(), ...args.positionals], {
      stdio: 'inherit',
      env: { ...AGENT_ENVIRONMENT, ...process.env },
    });
    const forward = (signal: NodeJS.Signals) => child.kill(signal);
    process.on('SIGINT', forward).on('SIGTERM', forward);
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + constants.signals[signal ?? 'SIGKILL'];
  },
};
