/** `covey hub`: runs the hub in this process, as a service does. */
import { HUB_OPTIONS, hubConfigFrom } from '../config.js';
import { runHub } from '../main.js';
import type { Command } from './command.js';

export const hubCommand: Command = {
  name: 'hub',
  summary: 'Run the hub: API, scheduler, controllers, broker and registry',
  usage: '[--data DIR] [--listen HOST:PORT] [--mqtt-listen HOST:PORT]',
  options: HUB_OPTIONS,
  run: (args) => runHub(hubConfigFrom(args)),
};
