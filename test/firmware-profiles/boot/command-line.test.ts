/** The kernel's command line: words wanted stand once, others stay, and twice is the same as once. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { withoutKeys, withWords, wordsOf } from '#firmware-profiles/boot/command-line.js';

const CASES = [
  { name: 'appends', text: 'a b\n', words: ['c=1'], expected: 'a b c=1\n' },
  { name: 'keeps what is there', text: 'a c=1 b', words: ['c=1'], expected: 'a c=1 b\n' },
  { name: 'makes two one', text: 'c=1 a c=1', words: ['c=1'], expected: 'c=1 a\n' },
  {
    name: 'keeps other values of a key',
    text: 'console=a console=b',
    words: ['x'],
    expected: 'console=a console=b x\n',
  },
  {
    name: 'takes the opposite out',
    text: 'cgroup_disable=memory root=x',
    words: ['cgroup_enable=memory'],
    expected: 'root=x cgroup_enable=memory\n',
  },
  {
    name: 'keeps a quoted value whole',
    text: 'dyndbg="file a +p" q',
    words: ['w'],
    expected: 'dyndbg="file a +p" q w\n',
  },
  { name: 'reads the first line that has words', text: '\n\n a\nb\n', words: [], expected: 'a\n' },
  { name: 'reads Windows line ends', text: 'a b\r\n', words: ['c'], expected: 'a b c\n' },
];

describe('command line', () => {
  for (const { name, text, words, expected } of CASES) {
    test(name, () => assert.equal(withWords(text, words), expected));
  }

  test('words go by their key', () => {
    assert.equal(
      withoutKeys('a systemd.run=/x quiet systemd.unit=y', ['systemd.run', 'systemd.unit']),
      'a quiet\n',
    );
  });

  test('a quote without its partner does not take in what is added', () => {
    assert.equal(withWords('a="b c" d="e f', ['quiet']), 'a="b c" d= e f quiet\n');
  });

  const word = fc.constantFrom(
    'root=/dev/x',
    'quiet',
    'cgroup_enable=memory',
    'cgroup_disable=memory',
    'a="b c"',
    'z',
  );
  const line = fc.array(word).map((words) => words.join('  '));

  test('property: once is the same as twice; every wanted word stands once; nothing else is lost', () => {
    fc.assert(
      fc.property(line, fc.uniqueArray(word), (text, wanted) => {
        fc.pre(!(wanted.includes('cgroup_enable=memory') && wanted.includes('cgroup_disable=memory')));
        const once = withWords(text, wanted);
        assert.equal(withWords(once, wanted), once);
        const words = wordsOf(once);
        for (const one of wanted) assert.equal(words.filter((other) => other === one).length, 1);
        const lost = wordsOf(text).filter((one) => !words.includes(one));
        assert.ok(
          lost.every((one) => one === 'cgroup_disable=memory' && wanted.includes('cgroup_enable=memory')),
        );
      }),
    );
  });
});
