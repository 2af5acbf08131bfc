import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FRAME, RESET } from '#hub/server/spdy/frames.js';
import { SpdySession } from '#hub/server/spdy/session.js';
import type { SpdyStream } from '#hub/server/spdy/stream.js';
import { eventually } from '#test/helpers/eventually.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { socketPair } from '#test/helpers/socket-pair.js';
import { SpdyClient } from '#test/helpers/spdy-client.js';

async function start(t: TestContext, maxStreams = 256) {
  const clock = new FakeClock();
  const [server, socket] = await socketPair(t);
  const opened: SpdyStream[] = [];
  const session = new SpdySession(server, {
    clock,
    maxStreams,
    onStream: (stream) => {
      stream.accept();
      opened.push(stream);
    },
  });
  t.after(() => session[Symbol.asyncDispose]());
  const done = session.run(new Uint8Array(0));
  return { clock, session, opened, done, client: new SpdyClient(socket) };
}

const soon = (what: string, probe: () => boolean) => eventually(what, 3_000, probe, 2);

test('a stream is accepted, carries bytes both ways and ends both ways', async (t) => {
  const { client, opened } = await start(t);
  const theirs = client.open({ streamType: 'data' });
  await soon('accepted', () => theirs.replied);
  const ours = opened[0] as SpdyStream;
  assert.equal(ours.headers.get('streamtype'), 'data');
  client.data(theirs, 'ping');
  client.data(theirs, '!', true);
  let got = '';
  for await (const chunk of ours.read()) got += Buffer.from(chunk).toString();
  assert.equal(got, 'ping!');
  await ours.write(Buffer.from('pong'));
  await ours.end();
  await soon('the answer', () => theirs.ended);
  assert.equal(theirs.text, 'pong');
});

test('input that nobody reads stops the connection instead of filling the memory', async (t) => {
  const { client, opened } = await start(t);
  const theirs = client.open({});
  await soon('accepted', () => theirs.replied);
  let sent = 0;
  const megabyte = 'x'.repeat(1024 * 1024);
  while (sent < 64 && client.socket.writableLength < 8 * 1024 * 1024) {
    client.data(theirs, megabyte);
    sent += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(sent < 64, 'the sender is held back');
  let got = 0;
  for await (const chunk of opened[0]?.read() ?? []) {
    got += chunk.length;
    if (got >= sent * megabyte.length) break;
  }
  assert.equal(got, sent * megabyte.length);
});

test('a client that keeps a window gets no more than it grants', async (t) => {
  const { client, opened } = await start(t);
  // One setting: id 7, initial window size, 10 bytes.
  client.send(FRAME.settings, 1, 7, 10);
  const theirs = client.open({});
  await soon('accepted', () => theirs.replied);
  const writing = opened[0]?.write(Buffer.from('0123456789abcdef'));
  await soon('the window is used', () => theirs.text.length === 10);
  client.send(FRAME.windowUpdate, theirs.id, 100);
  await writing;
  await soon('the rest', () => theirs.text === '0123456789abcdef');
});

test('consumed input is granted again', async (t) => {
  const { client, opened } = await start(t);
  const theirs = client.open({});
  client.data(theirs, 'x'.repeat(1000));
  await soon('accepted', () => theirs.replied);
  const reading = (async () => {
    for await (const _ of opened[0]?.read() ?? []);
  })();
  await soon('granted', () => client.windowUpdates === 1000);
  client.data(theirs, '', true);
  await reading;
});

test('resets end a stream and only it', async (t) => {
  const { client, opened } = await start(t);
  const [a, b] = [client.open({}), client.open({})];
  await soon('accepted', () => a.replied && b.replied);
  client.send(FRAME.rstStream, a.id, RESET.cancel);
  await assert.rejects(async () => {
    for await (const _ of opened[0]?.read() ?? []);
  }, /the client reset the stream/);
  await assert.rejects(opened[0]?.write(Buffer.from('x')) ?? Promise.resolve());
  await opened[1]?.write(Buffer.from('x'));
  await soon('the other lives', () => b.text === 'x');
});

test('more streams than allowed are refused', async (t) => {
  const { client } = await start(t, 1);
  const [a, b] = [client.open({}), client.open({})];
  await soon('the second is refused', () => b.reset === RESET.refusedStream);
  assert.equal(a.reset, undefined);
});

test('pings are answered, and a client that answers none is cut off', async (t) => {
  const { client, clock, session, done } = await start(t);
  client.send(FRAME.ping, 7);
  await soon('the answer', () => client.pings.includes(7));
  for (let round = 0; round < 10 && !session.signal.aborted; round += 1) await clock.advance(10_000);
  await done;
  assert.match(String(session.signal.reason), /does not answer/);
});

test('a broken protocol ends the session with GOAWAY', async (t) => {
  const { client, session, done } = await start(t);
  client.open({}, 4);
  await done;
  await soon('GOAWAY', () => client.goAway === 1);
  assert.match(String(session.signal.reason), /stream id 4/);
});

test('a lost connection fails every stream', async (t) => {
  const { client, opened, done } = await start(t);
  const theirs = client.open({});
  await soon('accepted', () => theirs.replied);
  client.socket.destroy();
  await done;
  await assert.rejects(async () => {
    for await (const _ of opened[0]?.read() ?? []);
  });
});

test('closing says goodbye and hangs up on a client that stays', async (t) => {
  const { client, clock, session, done } = await start(t);
  const theirs = client.open({});
  await soon('accepted', () => theirs.replied);
  await session.close();
  await soon('GOAWAY', () => client.goAway === 0);
  await clock.advance(6_000);
  await done;
  assert.equal(session.signal.aborted, true);
});
