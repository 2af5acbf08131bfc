#!/usr/bin/env node
/**
 * The `covey` command: finds the subcommand, runs it and sets the exit code (0 done, 1 failure with one
 * line on stderr, 2 wrong usage). Everything else is in the subcommand's own file.
 */
import { UsageError } from '../lib/arguments.js';
import { agentCommand } from './agent.js';
import { backupCommand } from './backup.js';
import { type Command, CommandError, helpOf, type Output, parseCommand } from './command.js';
import { devicesCommand } from './devices.js';
import { flashCommand } from './flash.js';
import { hubCommand } from './hub-command.js';
import { kubeconfigCommand } from './kubeconfig.js';
import { profilesCommand } from './profiles.js';
import { releaseCommand } from './release/release.js';
import { restoreCommand } from './restore.js';
import { tokenCommand } from './token.js';
import { upCommand } from './up/up.js';
import { versionCommand } from './version.js';

const COMMANDS: readonly Command[] = [
  upCommand,
  hubCommand,
  agentCommand,
  tokenCommand,
  kubeconfigCommand,
  devicesCommand,
  flashCommand,
  profilesCommand,
  releaseCommand,
  backupCommand,
  restoreCommand,
  versionCommand,
];

const output: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

function overview(): string {
  const rows = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`);
  return `covey COMMAND [options]\n\n${rows.join('\n')}\n\ncovey COMMAND --help tells more.\n`;
}

async function main(argv: readonly string[]): Promise<number> {
  const [name = '', ...rest] = argv;
  if (name === '--help' || name === '-h' || name === 'help') {
    output.out(overview());
    return 0;
  }
  const command = COMMANDS.find((candidate) => candidate.name === (name === '--version' ? 'version' : name));
  if (command === undefined) {
    output.err(`${name === '' ? '' : `covey: no command "${name}"\n\n`}${overview()}`);
    return 2;
  }
  try {
    const args = parseCommand(command, rest, process.env);
    if (args.flag('help')) {
      output.out(helpOf(command));
      return 0;
    }
    return await command.run(args, output);
  } catch (error) {
    if (error instanceof UsageError) {
      output.err(`covey ${command.name}: ${error.message}\n`);
      return 2;
    }
    const known = error instanceof CommandError || (error as NodeJS.ErrnoException).code !== undefined;
    output.err(`covey ${command.name}: ${known ? (error as Error).message : (error as Error).stack}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
