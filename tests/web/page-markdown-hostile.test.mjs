// No text keeps the page busy: what Markdown costs is counted in steps, so that it holds on any machine.
// scripts/benchmark-page measures the times.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { BlockReader } from '../../web/markdown/blocks.js';
import { readInlines } from '../../web/markdown/inlines.js';
import { useChat } from './support/chat.mjs';
import { HOSTILE, lettersOf, seenOf } from './support/hostile-markdown.mjs';
import { loadFormulas } from './support/markdown.mjs';

/** @import { Page } from 'playwright-core' */

const LENGTH = 48_000;
/** What a character may cost to be read, in all. */
const STEPS_TO_READ = 8;
/** What a character may cost to be read and shown, at once. */
const STEPS_TO_SHOW = 48;
/** The same while it comes in pieces: a paragraph is read again with each of them. */
const STEPS_TO_GROW = 900;
const PIECE = 256;
/** What a text twice as long may cost: a paragraph more or less falls into it. */
const MOST_GROWTH = 2.3;
/** So many nodes may change for one picture. */
const MOST_NODES = 12_000;

/** Text that is no kind of its own: pieces of Markdown in any order. @param {number} seed @param {number} length */
function medley(seed, length) {
  const pieces = [
    '*',
    '**',
    '_',
    '~~',
    '`',
    '```\n',
    '[',
    ']',
    '](',
    ')',
    '![',
    '<',
    '>',
    '<br>',
    '<sub>',
    '</sub>',
    '[^1]',
    '[^1]: ',
    '> [!NOTE]\n',
    '$',
    '$$',
    '$x_1$',
    '\\(\\frac{a}{',
    '\\',
    '&amp;',
    '\n',
    '\n\n',
    '- ',
    '1. ',
    '> ',
    '#',
    '|',
    '|---|\n',
    '    ',
    '\t',
    ' ',
    'a',
    'b c',
    '[a]: http://e.x\n',
    'http://a.b',
    'x@y.zz',
    '=',
    '---\n',
    '\\(',
    '\\)',
    '\r\n',
    '，',
    'א',
    '👋',
  ];
  let [text, state] = ['', seed];
  while (text.length < length) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const piece = pieces[Math.floor((state / 2_147_483_648) * pieces.length)] ?? '';
    text += state % 7 === 0 ? piece.repeat((state % 40) + 1) : piece;
  }
  return text;
}

/** How many steps it takes to read a text. @param {string} text */
function stepsToRead(text) {
  const reader = new BlockReader();
  let at = 0;
  for (const line of text.split('\n')) {
    reader.read(line, at);
    at += line.length + 1;
  }
  reader.end();
  const context = { steps: 0, formulas: [], find: (/** @type {string} */ label) => reader.definitions.get(label) };
  for (const { kind, text, cells } of reader.leaves) {
    if (kind !== 'code')
      for (const one of cells.length > 0 ? cells.map((cell) => cell.text) : [text]) readInlines(one, context);
  }
  return reader.steps + context.steps;
}

describe('reading takes steps in proportion to the text', () => {
  for (const [name, make] of Object.entries(HOSTILE)) {
    test(name, () => {
      const [one, two] = [make(LENGTH), make(2 * LENGTH)];
      const [first, second] = [stepsToRead(one) / one.length, stepsToRead(two) / two.length];
      assert.ok(first < STEPS_TO_READ && second < STEPS_TO_READ, `${first}, ${second} steps a character`);
    });
  }

  test('pieces of Markdown in any order', () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const text = medley(seed, 4_000);
      const steps = stepsToRead(text) / text.length;
      assert.ok(steps < STEPS_TO_READ * 2, `${steps} steps a character with seed ${seed}`);
    }
  });
});

const { openForAll } = useChat();

describe('in Chromium', () => {
  /** @type {Page} */
  let page;
  before(async () => {
    page = await openForAll();
    await loadFormulas(page);
    await page.evaluate(async () => {
      const { MarkdownStream, SLICE } = await import(new URL('modules/markdown/stream.js', document.baseURI).href);
      /** With formulas as they were typed: when each is drawn depends on how much there is to do. @param {HTMLElement} root */
      const typed = (root) => {
        const copy = /** @type {HTMLElement} */ (root.cloneNode(true));
        for (const node of copy.querySelectorAll('.formula'))
          if (node instanceof HTMLElement) node.replaceChildren(node.dataset.formula ?? '');
        return copy;
      };
      /** What is shown of the answer's own. @param {HTMLElement} root */
      const textOf = (root) => {
        const copy = typed(root);
        for (const node of copy.querySelectorAll('.code-bar, .typed-why, .host')) node.remove();
        return copy.textContent ?? '';
      };
      Object.assign(window, {
        /** @param {string} text @param {number} piece */
        shown(text, piece) {
          const root = document.createElement('div');
          const stream = new MarkdownStream(root);
          const observer = new MutationObserver(() => {});
          observer.observe(root, { subtree: true, childList: true, characterData: true });
          let [slices, most, nodes] = [0, 0, 0];
          const slice = (/** @type {() => boolean} */ act) => {
            for (let done = false; !done; slices += 1) {
              const before = stream.steps;
              done = act();
              most = Math.max(most, stream.steps - before);
              nodes = Math.max(
                nodes,
                observer
                  .takeRecords()
                  .reduce((sum, { addedNodes, removedNodes }) => sum + addedNodes.length + removedNodes.length, 0),
              );
            }
          };
          for (let end = piece; end < text.length; end += piece)
            slice(() => stream.grow(text.slice(0, end), [], SLICE));
          slice(() => stream.finish(text, [], SLICE));
          const widest = Math.max(
            ...[root, ...root.querySelectorAll('*')].map(({ childElementCount }) => childElementCount),
          );
          let deepest = 0;
          for (const leaf of root.querySelectorAll(':not(:has(*))')) {
            let depth = 0;
            for (let node = /** @type {Element | null} */ (leaf); node !== null; node = node.parentElement) depth += 1;
            deepest = Math.max(deepest, depth);
          }
          return {
            steps: stream.steps,
            slices,
            most,
            nodes,
            slice: SLICE,
            text: textOf(root),
            html: typed(root).innerHTML,
            widest,
            deepest,
          };
        },
      });
    });
  });

  /** @typedef {{steps: number, slices: number, most: number, nodes: number, slice: number, text: string, html: string, widest: number, deepest: number}} Shown */
  /** @param {string} text @param {number} piece @returns {Promise<Shown>} */
  const shown = (text, piece = Infinity) =>
    page.evaluate(
      ([text, piece]) => /** @type {any} */ (window).shown(text, piece),
      /** @type {const} */ ([text, piece]),
    );

  for (const [name, make] of Object.entries(HOSTILE)) {
    test(`${name}: shown in slices, whole and as it comes, and nothing of it is lost`, async (t) => {
      const [one, two] = [make(LENGTH), make(2 * LENGTH)];
      const whole = await shown(one);
      const longer = await shown(two);
      const typed = await shown(one, PIECE);
      t.diagnostic(
        JSON.stringify({
          whole: whole.steps / one.length,
          growth: longer.steps / whole.steps,
          typed: typed.steps / one.length,
          slices: whole.slices,
          most: [whole.most, typed.most],
          nodes: [whole.nodes, typed.nodes],
          widest: longer.widest,
          deepest: longer.deepest,
        }),
      );
      assert.ok(whole.steps / one.length < STEPS_TO_SHOW, `${whole.steps / one.length} steps a character`);
      assert.ok(typed.steps / one.length < STEPS_TO_GROW, `${typed.steps / one.length} steps a character, typed`);
      assert.ok(
        longer.steps / whole.steps < MOST_GROWTH,
        `${longer.steps / whole.steps} times the steps for twice the text`,
      );
      for (const one of [whole, longer, typed]) {
        // A slice ends with the first paragraph above its limit.
        assert.ok(one.most < 6 * one.slice, `${one.most} steps for one picture`);
        assert.ok(one.nodes < MOST_NODES, `${one.nodes} nodes changed for one picture`);
        assert.ok(one.deepest < 80, `${one.deepest} elements deep`);
      }
      assert.equal(typed.html, whole.html);
      assert.equal(lettersOf(whole.text), seenOf(name, one));
    });
  }

  test('pieces of Markdown in any order look the same whole and typed', async () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const text = medley(seed, 600);
      const [whole, typed] = [await shown(text), await shown(text, 1 + (seed % 5))];
      assert.equal(typed.html, whole.html, `seed ${seed}`);
    }
  });
});
