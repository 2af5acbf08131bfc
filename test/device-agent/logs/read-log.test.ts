import assert from 'node:assert/strict';
import { appendFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { parseCriLine } from '#device-agent/logs/cri-line.js';
import { type LogOptions, readLog } from '#device-agent/logs/read-log.js';
import { tailText } from '#device-agent/logs/tail-text.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const stamp = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000000Z`;
const line = (second: number, text: string, tag = 'F', stream = 'stdout') =>
  `${stamp(second)} ${stream} ${tag} ${text}\n`;

async function logFile(t: TestContext, content: string): Promise<string> {
  const path = join(await tempDir(t), '0.log');
  await writeFile(path, content);
  return path;
}

/** All of the text; `meanwhile` is given what has come so far each time that more has. */
async function read(
  path: string,
  options: Partial<LogOptions> = {},
  meanwhile: (received: string) => Promise<void> = async () => {},
): Promise<string> {
  let text = '';
  const signal = new AbortController().signal;
  for await (const chunk of readLog({
    path,
    follow: false,
    timestamps: false,
    clock: new FakeClock(),
    signal,
    ...options,
  })) {
    text += chunk.data.toString();
    await meanwhile(text);
  }
  return text;
}

/** Follows a log that is over, through what happens to it meanwhile. */
function followToEnd(
  path: string,
  meanwhile: (received: string) => Promise<void>,
  options: Partial<LogOptions> = {},
): Promise<string> {
  return read(path, { follow: true, clock: systemClock, next: async () => 'end', ...options }, meanwhile);
}

test('a line is parsed by its fields; what is cut off is not a line', () => {
  const piece = parseCriLine(Buffer.from(`${stamp(1)} stderr P some text`));
  assert.deepEqual(
    { ...piece, content: String(piece?.content) },
    {
      time: stamp(1),
      stream: 'stderr',
      partial: true,
      content: 'some text',
    },
  );
  assert.equal(parseCriLine(Buffer.from(`${stamp(1)} stdout F`))?.content.length, 0);
  for (const bad of ['', 'x', `${stamp(1)} stdout`, `${stamp(1)} other F x`, `${stamp(1)} stdout Q x`])
    assert.equal(parseCriLine(Buffer.from(bad)), undefined, bad);
});

test('pieces are joined to the line that the program wrote', async (t) => {
  const path = await logFile(
    t,
    line(1, 'one ', 'P') + line(1, 'two ', 'P') + line(1, 'three') + line(2, 'next'),
  );
  assert.equal(await read(path), 'one two three\nnext\n');
  assert.equal(await read(path, { timestamps: true }), `${stamp(1)} one two three\n${stamp(2)} next\n`);
});

const MANY = Array.from({ length: 5000 }, (_, index) =>
  line(index % 60, `line ${index} ${'x'.repeat(40)}`),
).join('');
for (const tailLines of [0, 1, 10, 3000, 9000])
  test(`the last ${tailLines} of 5000 lines`, async (t) => {
    const path = await logFile(t, MANY);
    const got = (await read(path, { tailLines })).split('\n').filter((one) => one !== '');
    const count = Math.min(tailLines, 5000);
    assert.equal(got.length, count);
    if (count > 0) assert.match(got[0] ?? '', new RegExp(`^line ${5000 - count} `));
  });

test('the tail counts lines of the program, not pieces', async (t) => {
  const path = await logFile(
    t,
    line(1, 'a') + line(2, 'b1 ', 'P') + line(2, 'b2') + line(3, 'c1 ', 'P') + line(3, 'c2'),
  );
  assert.equal(await read(path, { tailLines: 2 }), 'b1 b2\nc1 c2\n');
  assert.equal(await read(path, { tailLines: 1 }), 'c1 c2\n');
});

test('the tail reaches into rotated files', async (t) => {
  const path = await logFile(t, line(5, 'e') + line(6, 'f'));
  await writeFile(`${path}.1`, line(3, 'c') + line(4, 'd'));
  await writeFile(`${path}.2`, line(1, 'a') + line(2, 'b'));
  assert.equal(await read(path), 'a\nb\nc\nd\ne\nf\n');
  assert.equal(await read(path, { tailLines: 3 }), 'd\ne\nf\n');
  assert.equal(await read(path, { tailLines: 2 }), 'e\nf\n');
});

test('since and the byte limit', async (t) => {
  const path = await logFile(t, line(1, 'old') + line(5, 'new') + line(6, 'newer'));
  assert.equal(await read(path, { since: Date.parse(stamp(5)) }), 'new\nnewer\n');
  assert.equal(await read(path, { limitBytes: 6 }), 'old\nne');
});

test('a log that is not there is empty', async (t) => {
  assert.equal(await read(join(await tempDir(t), 'none.log')), '');
});

test('bytes that are no text come out as they went in', async (t) => {
  const path = await logFile(t, '');
  const raw = Buffer.from([0xff, 0x00, 0xfe, 0x20, 0xc3]);
  await writeFile(path, Buffer.concat([Buffer.from(`${stamp(1)} stdout F `), raw, Buffer.from('\n')]));
  const chunks: Buffer[] = [];
  const options = { path, follow: false, timestamps: false, clock: new FakeClock() };
  for await (const { data } of readLog({ ...options, signal: new AbortController().signal }))
    chunks.push(data);
  assert.deepEqual(Buffer.concat(chunks), Buffer.concat([raw, Buffer.from('\n')]));
});

test('following goes on through rotation and into the next run, and ends when all is over', async (t) => {
  const path = await logFile(t, line(1, 'one'));
  const nextRun = join(path, '../1.log');
  const received: string[] = [];
  let ended = false;
  const arrived = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (received.join('').includes(text)) resolve();
        else if (ended) reject(new Error(`reading ended without ${text}`));
        else setImmediate(look);
      };
      look();
    });
  let phase: 'run 0' | 'run 0 ends' | 'run 1' | 'run 1 ends' = 'run 0';
  const abort = new AbortController();
  const reading = (async () => {
    for await (const { data } of readLog({
      path,
      follow: true,
      timestamps: false,
      clock: systemClock,
      signal: abort.signal,
      // What is written after the last look and before the end is told belongs to the log.
      next: async () => {
        if (phase === 'run 0 ends') {
          await appendFile(path, line(5, 'last words'));
          phase = 'run 1';
          return { path: nextRun };
        }
        if (phase !== 'run 1 ends') return 'wait';
        await appendFile(nextRun, line(7, 'more'));
        await rename(nextRun, `${nextRun}.1`);
        await writeFile(nextRun, line(8, 'end'));
        return 'end';
      },
    }))
      received.push(data.toString());
  })().finally(() => {
    ended = true;
  });
  await arrived('one');
  await appendFile(path, line(2, 'two'));
  await arrived('two');
  await rename(path, `${path}.1`);
  await appendFile(`${path}.1`, line(3, 'late in the old file'));
  await writeFile(path, line(4, 'rotated'));
  await arrived('rotated');
  phase = 'run 0 ends';
  await writeFile(nextRun, line(6, 'second run'));
  await arrived('second run');
  phase = 'run 1 ends';
  await writeFile(join(path, '../wakes the reader'), '');
  await reading;
  assert.equal(
    received.join(''),
    'one\ntwo\nlate in the old file\nrotated\nlast words\nsecond run\nmore\nend\n',
  );
});

/** What rotation does when conmon has written `text` to the log. */
async function writeAndRotate(path: string, text: string): Promise<void> {
  await appendFile(path, text);
  for (let part = 8; part > 1; part--)
    await rename(`${path}.${part - 1}`, `${path}.${part}`).catch(() => undefined);
  await rename(path, `${path}.1`);
  await writeFile(path, '');
}

test('rotation at any moment, once or more often, neither loses nor repeats a line', async (t) => {
  const all = Array.from({ length: 6 }, (_, second) => line(second, `line ${second}`));
  const whole = all.map((_, second) => `line ${second}\n`).join('');
  for (const follow of [true, false])
    for (let moment = 0; moment < 4; moment++)
      for (const rotations of [1, 2, 3]) {
        const path = await logFile(t, '');
        for (const text of all.slice(0, 3)) await writeAndRotate(path, text);
        await appendFile(path, all.slice(3, 6 - rotations + 1).join(''));
        const late = [...all.slice(6 - rotations + 1), ''];
        let seen = 0;
        const rotate = async () => {
          if (seen++ === moment) for (const text of late) await writeAndRotate(path, text);
        };
        const received = await followToEnd(path, rotate, { follow });
        const told = `follow ${follow}, ${rotations} rotations after line ${moment}`;
        if (follow) assert.equal(received, whole, told);
        // Who does not follow has what there was at the start, and perhaps more of the file that was newest then.
        else
          assert.ok(
            whole.startsWith(received) && received.split('\n').length > 7 - rotations,
            `${told}: ${received}`,
          );
      }
});

test('a file that rotation has dropped is read to its end, and the oldest that is kept comes next', async (t) => {
  const path = await logFile(t, line(1, 'dropped') + line(2, 'open'));
  const received = await followToEnd(path, async (text) => {
    if (text !== 'dropped\n') return;
    await rm(path);
    await writeFile(`${path}.2`, line(4, 'kept'));
    await writeFile(path, line(5, 'new'));
  });
  assert.equal(received, 'dropped\nopen\nkept\nnew\n');
});

test('when the newest file is started anew nothing older is given again', async (t) => {
  const path = await logFile(t, line(3, 'current'));
  await writeFile(`${path}.1`, line(2, 'old'));
  await writeFile(`${path}.2`, line(1, 'older'));
  for (const [tailLines, whole] of [
    [undefined, 'older\nold\ncurrent\nanew\n'],
    [1, 'current\nanew\n'],
  ] as const) {
    await writeFile(path, line(3, 'current'));
    const startAnew = async (text: string) => {
      if (!text.endsWith('current\n')) return;
      await writeFile(`${path}.tmp`, line(4, 'anew'));
      await rename(`${path}.tmp`, path);
    };
    const received = await followToEnd(path, startAnew, tailLines === undefined ? {} : { tailLines });
    assert.equal(received, whole);
  }
});

test('who does not follow has what there was and ends, also when all of it is rotated away', async (t) => {
  const path = await logFile(t, line(3, 'b'));
  await writeFile(`${path}.1`, line(1, 'a1') + line(2, 'a2'));
  const received = await read(path, {}, async () => {
    await rename(path, `${path}.1`);
    await writeFile(path, line(9, 'later'));
  });
  assert.equal(received, 'a1\na2\nb\n');
});

test('following ends at once when it is aborted', async (t) => {
  const path = await logFile(t, line(1, 'one'));
  const abort = new AbortController();
  let text = '';
  for await (const { data } of readLog({
    path,
    follow: true,
    timestamps: false,
    clock: systemClock,
    signal: abort.signal,
  })) {
    text += data.toString();
    abort.abort();
  }
  assert.equal(text, 'one\n');
});

test('the end of a log stands in for a termination message, within its bounds', async (t) => {
  const path = await logFile(t, MANY);
  const text = await tailText(path, 3, 1000);
  assert.equal(text.split('\n').length, 4);
  assert.match(text, /^line 4997 /);
  assert.equal((await tailText(path, 80, 100)).length, 100);
  assert.equal(await tailText(`${path}.none`, 3, 100), '');
});
