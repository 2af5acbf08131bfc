/**
 * A process of its own: prints a new key and the request for its certificate as one JSON line, and ends. With
 * `--key` it reads a key from standard input and prints only the request for that one.
 */
import { text } from 'node:stream/consumers';
import { makeKeyRequest, requestForKey } from './key-request.js';

const [device = '', flag] = process.argv.slice(2);
const made =
  flag === '--key' ? await requestForKey(device, await text(process.stdin)) : await makeKeyRequest(device);
process.stdout.write(`${JSON.stringify(made)}\n`);
