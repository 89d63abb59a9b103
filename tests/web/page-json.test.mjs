// JSON as it was written: what `JSON.parse` and `JSON.stringify` round, reorder, drop or do not survive.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatJson, formatTree, readJson } from '../../web/lib/json.js';
import { treeAt, treeOf } from '../../web/trace/source.js';

/** @param {string} text */
const flat = (text) => formatJson(text).replace(/\n */g, '');

describe('JSON is read as it was written', () => {
  for (const text of [
    '9007199254740993',
    '2512292042121000001',
    '-12345678901234567890123',
    '1.10',
    '1e400',
    '-0',
    '1E+2',
    '0.1000000000000000055',
  ]) {
    test(`${text} keeps every digit`, () => {
      assert.deepEqual(readJson(text), { kind: 'literal', text });
      assert.equal(flat(`{"n":[${text}]}`), `{"n": [${text}]}`);
    });
  }

  test('members keep their order, and two with one name are both there', () => {
    assert.equal(flat('{"10":1,"2":2,"__proto__":3,"2":{},"":[]}'), '{"10": 1,"2": 2,"__proto__": 3,"2": {},"": []}');
    assert.deepEqual(treeAt(readJson('{"a":{"b":1,"b":2}}'), 'a', 'b'), { kind: 'literal', text: '2' });
    assert.equal(treeAt(readJson('{"a":1}'), 'a', 'b'), undefined);
    assert.equal(treeAt(undefined, 'a'), undefined);
  });

  test('strings with escapes, quotes, half characters and none', () => {
    for (const value of ['', '"', '\\', '\\"', 'a\\\\"b', '\u0000\n\u2028', '\ud83d', '漢👋', '\\u0041']) {
      assert.deepEqual(readJson(` ${JSON.stringify(value)} `), { kind: 'string', text: value });
    }
    assert.deepEqual(readJson('"\\ud83d\\u0041"'), { kind: 'string', text: '\ud83dA' });
  });

  test('what JSON.parse refuses is no JSON, and what it takes is', () => {
    const texts = [
      '',
      ' ',
      '{',
      '[',
      '"',
      '"\\"',
      '"\\x"',
      '"a\nb"',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '[1,]',
      '[,1]',
      '[1 2]',
      '01',
      '1.',
      '.5',
      '+1',
      '-',
      '1e',
      'nul',
      'truex',
      'NaN',
      '{a:1}',
      "'a'",
      '[1]]',
      '{}{}',
      '[}',
      '{]',
      '{"a":1]',
      '\u00a01',
      ' [ ] ',
      '{ }',
      '\t[1 ,\r\n2]',
      '{"a" : [ { } , null ] }',
      'false',
      '"\u2028"',
      '"\u007f"',
      '-0.0e-0',
    ];
    for (const text of texts) {
      let parsed = true;
      try {
        JSON.parse(text);
      } catch {
        parsed = false;
      }
      assert.equal(readJson(text) !== undefined, parsed, JSON.stringify(text));
    }
  });
});

describe('JSON of any size and depth', () => {
  const DEPTH = 200_000;
  for (const [name, text] of /** @type {[string, string][]} */ ([
    ['lists', '['.repeat(DEPTH) + ']'.repeat(DEPTH)],
    ['objects', '{"a":'.repeat(DEPTH) + '1' + '}'.repeat(DEPTH)],
    ['both', '[{"a":'.repeat(DEPTH) + 'null' + '}]'.repeat(DEPTH)],
  ])) {
    test(`${name} nested ${DEPTH} times are written as text of a length in proportion`, () => {
      const whole = formatJson(text);
      assert.ok(whole.length < text.length * 50, `${whole.length}`);
      assert.equal(whole.replace(/\s/g, ''), text);
      assert.equal(formatTree(treeOf(JSON.parse(text))), whole);
    });
  }

  test('what is never closed is no JSON, and stays as it is', () => {
    assert.equal(readJson('['.repeat(DEPTH)), undefined);
    assert.equal(formatJson('['.repeat(DEPTH)), '['.repeat(DEPTH));
  });

  test('a limit cuts wherever it is: in deep lists, long strings, long names, many members, and text', () => {
    const long = 'x'.repeat(1_000_000);
    for (const text of [
      '['.repeat(DEPTH) + ']'.repeat(DEPTH),
      JSON.stringify(long),
      JSON.stringify({ [long]: 1 }),
      JSON.stringify(Array.from({ length: DEPTH }, () => 1)),
      long,
    ]) {
      const cut = formatJson(text, 500);
      assert.equal(cut.length, 501);
      assert.ok(cut.endsWith('…') && formatJson(text).startsWith(cut.slice(0, 500)));
    }
    assert.equal(formatJson('[1]', 500), '[\n  1\n]');
    assert.equal(formatJson('x👋', 2), 'x\ufffd…');
  });

  test('long strings and numbers are read', () => {
    assert.equal(flat(`["${'\\\\'.repeat(500_000)}",${'9'.repeat(500_000)}]`).length, 1_000_000 + 500_000 + 5);
  });
});

test('values are written as their own JSON', () => {
  for (const value of [null, true, 1.5, 'a"b', [], {}, [[], {}, ''], { a: { b: [1, { c: 'd' }] }, 2: 'two' }]) {
    assert.equal(formatTree(treeOf(value)), JSON.stringify(value, null, 2));
    assert.equal(formatJson(JSON.stringify(value)), JSON.stringify(value, null, 2));
  }
  assert.equal(formatTree(treeOf([undefined, Infinity])), '[\n  null,\n  null\n]');
});
