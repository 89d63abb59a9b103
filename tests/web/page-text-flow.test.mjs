// How long text is spread over blocks.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockEnd } from '../../web/lib/text-flow.js';

/** The blocks of a text that comes in pieces. @param {string[]} pieces */
function blocks(pieces) {
  const made = [''];
  for (let rest of pieces) {
    while (rest !== '') {
      const last = made.pop() ?? '';
      const { end, full } = blockEnd(last.length, rest);
      assert.ok(end > 0, 'each round takes something');
      made.push(last + rest.slice(0, end));
      if (full) made.push('');
      rest = rest.slice(end);
    }
  }
  return made;
}

/** @param {string} text @param {number} size */
const cut = (text, size) =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, index) => text.slice(index * size, (index + 1) * size));

const TEXTS = {
  lines: 'A line of an answer, with some words.\n'.repeat(1000),
  'one line of words': 'word and '.repeat(10_000),
  'one endless word': 'x'.repeat(100_000),
  'one endless word of pairs': `x${'👋'.repeat(50_000)}`,
  'nothing but line ends': '\n'.repeat(20_000),
  short: 'hello',
};

for (const [name, text] of Object.entries(TEXTS)) {
  test(`${name}: nothing is lost, no block is long, and pairs stay whole`, () => {
    for (const size of [text.length, 7001, 16]) {
      const made = blocks(cut(text, size));
      assert.equal(made.join(''), text);
      for (const block of made) assert.ok(block.length <= 16_001, `${block.length}`);
    }
    for (const block of blocks([text])) assert.ok(block.isWellFormed());
  });
}

test('the way the text was cut does not matter', () => {
  for (const text of [TEXTS.lines, TEXTS['one line of words'], TEXTS['one endless word']]) {
    assert.deepEqual(blocks(cut(text, 16)).filter(Boolean), blocks([text]).filter(Boolean));
  }
});

test('blocks end with their line where lines are of an ordinary length', () => {
  const made = blocks([TEXTS.lines]);
  assert.ok(made.length > 5);
  for (const block of made.slice(0, -1)) assert.ok(block.endsWith('\n'));
});
