/** Two ends of a loopback TCP connection, destroyed when the test ends. */
import { connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export function socketPair(t: TestContext): Promise<[server: Socket, client: Socket]> {
  return new Promise((resolve, reject) => {
    const listener = createServer({ allowHalfOpen: true }, (server) => {
      listener.close();
      t.after(() => {
        server.destroy();
        client.destroy();
      });
      resolve([server, client]);
    });
    listener.on('error', reject);
    let client: Socket;
    listener.listen(0, '127.0.0.1', () => {
      client = connect((listener.address() as { port: number }).port, '127.0.0.1');
    });
  });
}
