/**
 * Entry of the device agent. Sets V8 up for a small board before anything else is loaded: a device agent
 * waits nearly all the time, so memory counts and peak speed does not. Then runs the process.
 */
import { setFlagsFromString } from 'node:v8';

// Optimising compilers cost some 12 MB of anonymous memory (threads, feedback, machine code) and win nothing here.
setFlagsFromString('--no-opt');
setFlagsFromString('--no-sparkplug');
// Young objects are collected in small steps instead of letting up to 48 MB of them pile up.
setFlagsFromString('--max-semi-space-size=1');
setFlagsFromString('--optimize-for-size');

await import('./lib/jitless.js');
const { runProcess } = await import('./process.js');
process.exitCode = await runProcess();
