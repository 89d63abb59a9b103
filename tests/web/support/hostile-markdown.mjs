// Markdown that is meant to keep a page busy, or that does so by accident: each is a small text over and over.

import { MAX_DEPTH } from '../../../web/markdown/blocks.js';
import { characterOf } from '../../../web/markdown/entities.js';

const FENCE = '```';

/**
 * So much of a text, at least.
 *
 * @typedef {(length: number) => string} Generator
 */

/** @param {(number: number) => string} piece @returns {Generator} */
const over = (piece) => (length) => {
  let text = '';
  for (let number = 0; text.length < length; number += 1) text += piece(number);
  return text;
};
/** @param {string} piece @returns {Generator} */
const repeated = (piece) => (length) => piece.repeat(Math.ceil(length / piece.length));
/** Paragraphs just below the limit above which markup is not read. @param {string} piece @param {string} [head] @returns {Generator} */
const paragraphs = (piece, head = '') => over(() => `${head}${piece.repeat(Math.floor(15_900 / piece.length))}\n\n`);

/** A text that costs a reader of Markdown much more than its length. @type {Record<string, Generator>} */
export const HOSTILE = {
  'emphasis that does not pair': paragraphs('**a* '),
  'the same in a table': over((number) =>
    number === 0 ? '| a | b |\n|---|---|\n' : `| ${'**a* '.repeat(40)} | ${'**a* '.repeat(40)} |\n`,
  ),
  'the same in items': over(() => `- ${'**a* '.repeat(1_500)}\n`),
  'definitions of links': over((number) => `[l${number}]: http://e.x/${number}\n`),
  'definitions and references': (length) =>
    `${over((number) => `[l${number}]: http://e.x/${number}\n`)(length / 2)}\n${over((number) => `[l${number}] ${number % 40 === 39 ? '\n\n' : ''}`)(length / 2)}`,
  'references and definitions': (length) =>
    `${over((number) => `[l${number}] ${number % 40 === 39 ? '\n\n' : ''}`)(length / 2)}\n\n${over((number) => `[l${number}]: http://e.x/${number}\n`)(length / 2)}`,
  'lines under lines': repeated('a\n-\n'),
  'a long table': over((number) =>
    number === 0 ? `|${' h |'.repeat(10)}\n|${'---|'.repeat(10)}\n` : `|${' c *a* `b` |'.repeat(10)}\n`,
  ),
  'a wide table': (length) => `|${'h|'.repeat(length / 8)}\n|${'-|'.repeat(length / 8)}\n|${'c|'.repeat(length / 8)}\n`,

  // Kinds that nobody handed in.
  'a table of empty cells': (length) => `|${'h|'.repeat(60)}\n|${'-|'.repeat(60)}\n${'|\n'.repeat(length / 2)}`,
  'brackets that never close': paragraphs('[a]('),
  'brackets in brackets': paragraphs(`${'['.repeat(50)}a${']'.repeat(50)} `),
  'images in links in images': paragraphs('![[!['),
  'links that end others': paragraphs('![[a](b) '),
  'runs of backticks, each longer': over((number) =>
    number % 170 === 169 ? '\n\n' : `${'`'.repeat((number % 170) + 1)}a`,
  ),
  'emphasis that nests': paragraphs('*a **b '),
  'emphasis of three kinds': paragraphs('*a _b ~~c '),
  'emphasis at its densest': paragraphs('*a*'),
  'code at its densest': paragraphs('`a`'),
  'quotes and lists, deep and shallow': over((number) => `${'> - '.repeat(number % 30)}a\n`),
  'items in items': over((number) => `${'  '.repeat(number % 60)}- a\n`),
  'bullets on one line': over(() => `${'- '.repeat(4_000)}a\n\n`),
  'a quote of many blocks': repeated('> # a\n> *b*\n>\n> - c\n'),
  'an item of many blocks': (length) => `- a\n${'\n  b *c*\n\n  - d\n'.repeat(length / 16)}`,
  'headings without end': repeated(`# ${'*a* '.repeat(4)}\n`),
  'tags without end': paragraphs('<a b="'),
  'comments without end': paragraphs('<!--'),
  'addresses in a row': paragraphs('http://a.b/((((x)&.,'),
  'mail in a row': paragraphs('a.b+c@'),
  'mathematics without end': paragraphs('\\(a\\['),
  'characters by name': paragraphs('&amp;&eacute;&nosuch'),
  backslashes: paragraphs('\\*\\\\'),
  'spaces and tabs': over(() => `${' \t'.repeat(3_000)}a${' '.repeat(3_000)}\n`),
  'a fence in each line': repeated(`${FENCE}a\n~~~\n`),
  'blocks of code': repeated(`${FENCE}\na\n${FENCE}\n`),
  'keys without end': paragraphs('<kbd>a</sub>'),
  'keys at their densest': paragraphs('<kbd>a</kbd>'),
  'alerts in alerts': over((number) => `${'> '.repeat((number % 15) + 1)}[!NOTE]\n`),
  'an alert in each line': repeated('> [!TIP]\n> b\n\n'),
  'marks of footnotes': paragraphs('[^a]'),
  'footnotes, and a mark for each': (length) =>
    `${over((number) => `a[^${number}] ${number % 40 === 39 ? '\n\n' : ''}`)(length / 2)}\n\n${over((number) => `[^${number}]: b\n`)(length / 2)}`,
  'footnotes in a row': repeated('[^a]: b\n'),
  'footnotes of one mark each': (length) => `${over((number) => `a[^n${number}]\n\n[^n${number}]: b\n\n`)(length)}`,
  'marks without footnotes': over((number) => `[^n${number}] ${number % 400 === 399 ? '\n\n' : ''}`),
  'footnotes in footnotes': over((number) => `[^n${number}]: b[^n${number + 1}]\n`),
  'alerts a thousand deep': over(() => `${'>'.repeat(1_000)} [!NOTE]\n${'> '.repeat(1_000)}b\n\n`),
  'what stands high, without end': paragraphs('<sup>'),
  'what stands high in what stands low': paragraphs('<sup><sub>a</sub></sup>'),
  'half a key': paragraphs('<kbd'),
  formulas: over((number) => `$a_{${number}}$ ${number % 40 === 39 ? '\n\n' : ''}`),
  'formulas at their densest': paragraphs('$a_1$ '),
  'formulas in a table': over((number) =>
    number === 0 ? '| a | b |\n|---|---|\n' : `| $x_{${number}}$ | \\(y_{${number}}\\) |\n`,
  ),
  'a formula in each item': over((number) => `- $$n_{${number}}$$\n`),
  'formulas that cannot be read': paragraphs('\\(\\nosuch{\\) '),
  'formulas of open braces': over((number) => `\\[${'{'.repeat(900)}${number}\\]\n\n`),
  'formulas of names in names': over((number) => `$$\\def\\a#1{#1#1#1#1#1#1#1#1}\\a{\\a{\\a{\\a{${number}}}}}$$\n\n`),
  'formulas of many cells': over((number) => `$$\\begin{matrix}${'&'.repeat(900)}${number}\\end{matrix}$$\n\n`),
  dollars: paragraphs('$a_ $$b '),
  'dollars in a row': paragraphs('$$$'),
  'dollars that end nothing': paragraphs('$$a $b_ $'),
  'mathematics on lines': repeated('$$\na\n$$\n'),
  'one line': repeated('word *and* '),
  'one word': repeated('x'),
  'blank lines': repeated('\n'),
  rules: repeated('***\n'),
  'carriage returns': repeated('a\r\r\n'),
  'right to left, and back': repeated('- א\n  - a\n'),
};

/** What is to be seen of a text where that is not all of its letters. @type {Record<string, (text: string) => string>} */
const SEEN = {
  'definitions and references': (text) =>
    text.replace(/^\[l(\d+)\]:.*\n/gm, (line, number) => (text.includes(`[l${number}] `) ? '' : line)),
  'references and definitions': (text) =>
    text.replace(/^\[l(\d+)\]:.*\n/gm, (line, number) => (text.includes(`[l${number}] `) ? '' : line)),
  'characters by name': (text) => text.replace(/&(\w+);/g, (typed, name) => characterOf(name) ?? typed),
  'keys at their densest': (text) => text.replace(/<\/?kbd>/g, ''),
  'what stands high in what stands low': (text) => text.replace(/<\/?sub>/g, ''),
  // Each stands in the one before.
  'alerts in alerts': (text) =>
    text.replace(new RegExp(`^([^]*?NOTE){${MAX_DEPTH}}`), (first) => first.replaceAll('NOTE', 'Note')),
  'an alert in each line': (text) => text.replaceAll('TIP', 'Tip'),
  // The language stands in the bar above.
  'a fence in each line': (text) => text.replace('a', ''),
};

/** @param {string} text */
export const lettersOf = (text) => text.replace(/[^\p{L}\p{N}]/gu, '');

/** The letters and digits that must be seen of a text. @param {string} name of its kind @param {string} text */
export const seenOf = (name, text) => lettersOf((SEEN[name] ?? String)(text));
