/** A process of its own: prints a new key and the request for its certificate as one JSON line, and ends. */
import { makeKeyRequest } from './key-request.js';

process.stdout.write(`${JSON.stringify(await makeKeyRequest(process.argv[2] ?? ''))}\n`);
