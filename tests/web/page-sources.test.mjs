// The sources of an answer: what they are called, and which of them are one.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { markersOf, sourcesOf } from '../../web/relay/citations.js';

/** @param {string} uri @param {string} [text] @param {number} [page] */
const inS3 = (uri, text = 'passage', page) => ({
  content: { text },
  location: { type: 'S3', s3Location: { uri } },
  ...(page === undefined ? {} : { metadata: { 'x-amz-bedrock-kb-document-page-number': page } }),
});
/** @param {...object} references */
const citation = (...references) => ({
  generatedResponsePart: { textResponsePart: { text: 'words' } },
  retrievedReferences: references,
});
/** @param {object} location */
const labelOf = (location) => sourcesOf([citation({ content: { text: 'x' }, location })])[0]?.label;

describe('the name of a source', () => {
  for (const name of [
    'FAQ #1 Refunds.pdf',
    'What is X?.md',
    '50% off.pdf',
    '100%25.pdf',
    'a%2Fb.txt',
    'a+b&c=d.csv',
    'ü ber\'s "x".md',
    'no-ending',
    '?',
    '#',
  ]) {
    test(`is the whole last part of an S3 key: ${name}`, () => {
      assert.equal(labelOf({ s3Location: { uri: `s3://docs/folder #2/${name}` } }), name);
    });
  }

  test('is the address where a key has none', () => {
    assert.equal(labelOf({ s3Location: { uri: 's3://' } }), 's3://');
    assert.equal(labelOf({ s3Location: { uri: 's3://docs/folder/' } }), 'folder');
  });

  test('is the whole id or query of a source that has no address', () => {
    for (const id of ['urn:doc:17/b', 'doc:a?b#c', 'x/y/z', '50%25'])
      assert.equal(labelOf({ customDocumentLocation: { id } }), id);
    assert.equal(labelOf({ sqlLocation: { query: 'SELECT a/b FROM t' } }), 'SELECT a/b FROM t');
  });

  test('is the last part of a web address, decoded, with what is asked there', () => {
    assert.equal(labelOf({ webLocation: { url: 'https://x.example/a/Gr%C3%BC%C3%9Fe.html#part' } }), 'Grüße.html');
    assert.equal(labelOf({ webLocation: { url: 'https://x.example/view?id=7' } }), 'view?id=7');
    assert.equal(labelOf({ confluenceLocation: { url: 'https://x.example/' } }), 'x.example');
    assert.equal(labelOf({ webLocation: { url: 'https://x.example/50%' } }), '50%');
  });

  test('hides nothing', () => {
    assert.equal(labelOf({ s3Location: { uri: 's3://d/\u202efdp.troper\u202c.exe' } }), '\\u202Efdp.troper\\u202C.exe');
    assert.equal(labelOf({ webLocation: { url: 'https://x.example/a%E2%80%AEfdp.exe' } }), 'a\\u202Efdp.exe');
    assert.equal(labelOf({ customDocumentLocation: { id: 'a\nb\u200b' } }), 'a\\u000Ab\\u200B');
  });
});

describe('two passages', () => {
  const manual = 's3://docs/manual.pdf';
  for (const [name, one, other, labels] of /** @type {[string, object, object, string[]][]} */ ([
    [
      'on two pages',
      inS3(manual, 'page one text', 1),
      inS3(manual, 'page seven text', 7),
      ['manual.pdf, page 1', 'manual.pdf, page 7'],
    ],
    [
      'with one text on two pages',
      inS3(manual, 'header', 1),
      inS3(manual, 'header', 2),
      ['manual.pdf, page 1', 'manual.pdf, page 2'],
    ],
    ['of a document without pages', inS3(manual, 'first'), inS3(manual, 'second'), ['manual.pdf', 'manual.pdf']],
    [
      'of documents with one text',
      inS3(`${manual}#a`, 'same'),
      inS3(`${manual}#b`, 'same'),
      ['manual.pdf#a', 'manual.pdf#b'],
    ],
  ])) {
    test(`${name} are two sources, and the marks lead to each`, () => {
      const citations = [citation(one), citation(other, one)];
      const sources = sourcesOf(citations);
      assert.deepEqual(
        sources.map(({ label }) => label),
        labels,
      );
      assert.deepEqual(
        markersOf({ id: 'm', text: 'words', citations }, citations).map(({ numbers }) => numbers),
        [[1], [2]],
      );
    });
  }

  test('that are the same are one source', () => {
    assert.equal(sourcesOf([citation(inS3(manual, 'x', 1)), citation(inS3(manual, 'x', 1))]).length, 1);
  });
});
