// Two traces side by side: which step is which, and what a person sees of their difference.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { traceFile } from '../../web/trace/file.js';
import { pairsOf } from '../../web/trace/matching.js';
import { TraceTree } from '../../web/trace/tree.js';
import { answer, send, traceSwitch, useChat } from './support/chat.mjs';
import { rows } from './support/trace.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { AgentEvent } from '../../web/types.d.ts' */
/** @import { Pair } from '../../web/trace/matching.js' */
/** @import { Kind, Step } from '../../web/trace/tree.js' */

/** Steps from lists of kind, name, how long they took, and those that belong to them. @typedef {[Kind, string, number, Plan[]?]} Plan */

/** @param {Plan[]} plans */
function stepsOf(plans) {
  const tree = new TraceTree(0);
  let clock = 0;
  const add = (/** @type {Plan[]} */ some, /** @type {Step | undefined} */ parent) => {
    for (const [kind, name, took, inside = []] of some) {
      const step = tree.begin({ take() {}, sectionsOf: () => [] }, parent, kind, name, clock);
      if (inside.length > 0) add(inside, step);
      else clock += took;
      tree.close(step, 'done', step.start + took);
    }
  };
  add(plans, undefined);
  return tree.steps;
}

/** @param {Step[]} these @param {Step[]} others */
function compared(these, others) {
  const work = pairsOf(these, others);
  let next = work.next();
  while (next.done !== true) next = work.next();
  return next.value;
}

/** @param {Pair} pair */
const inWords = ({ one, other, depth, difference }) =>
  `${'  '.repeat(depth)}${one?.name ?? '–'} | ${other?.name ?? '–'} | ${difference}`;

describe('the steps of two traces', () => {
  test('are each other’s by name and order, and by kind in between', () => {
    const slow = stepsOf([
      ['model', 'm', 100],
      ['rationale', 'so I think', 0],
      ['tool', 'search', 900],
      ['model', 'm', 200],
      ['tool', 'fetch', 50],
      ['model', 'm', 300],
      ['answer', 'Hello', 0],
    ]);
    const fast = stepsOf([
      ['model', 'm', 90],
      ['rationale', 'I thought', 0],
      ['tool', 'fetch', 60],
      ['model', 'm', 310],
      ['code', 'print', 5],
      ['answer', 'Hi there', 0],
    ]);
    const { pairs, longest } = compared(slow, fast);
    assert.deepEqual(pairs.map(inWords), [
      'm | m | 10',
      'so I think | I thought | 0',
      'search | – | 900',
      'm | – | 200',
      'fetch | fetch | -10',
      'm | m | -10',
      '– | print | -5',
      'Hello | Hi there | 0',
    ]);
    assert.equal(longest?.one?.name, 'search');
  });

  test('stay with what they belong to, where the difference is found', () => {
    const { pairs, longest } = compared(
      stepsOf([
        [
          'collaborator',
          'desk',
          1000,
          [
            ['model', 'm', 100],
            ['tool', 'slow', 850],
          ],
        ],
      ]),
      stepsOf([
        [
          'collaborator',
          'desk',
          300,
          [
            ['model', 'm', 120],
            ['tool', 'slow', 150],
          ],
        ],
      ]),
    );
    assert.deepEqual(pairs.map(inWords), ['desk | desk | 700', '  m | m | -20', '  slow | slow | 700']);
    assert.equal(longest?.one?.name, 'slow', 'and not the collaborator around it');
    const harness = (/** @type {number} */ took) => {
      const tree = new TraceTree(0);
      const message = tree.begin({ take() {}, sectionsOf: () => [] }, undefined, 'model', 'm', 0);
      tree.close(message, 'done', 100);
      const tool = tree.begin({ take() {}, sectionsOf: () => [] }, message, 'tool', 'shell', 100);
      tree.close(tool, 'done', 100 + took);
      return tree.steps;
    };
    assert.equal(
      compared(harness(900), harness(200)).longest?.one?.name,
      'shell',
      'nor the message that called it before',
    );
  });

  test('of which nobody knows how long they took have no difference', () => {
    const [step] = stepsOf([['tool', 'x', 10]]);
    assert.ok(step);
    step.duration = undefined;
    assert.equal(compared([step], stepsOf([['tool', 'x', 10]])).pairs[0]?.difference, undefined);
  });

  test('by the ten thousand, or deep in each other, are compared in no time', () => {
    const many = stepsOf(
      Array.from({ length: 20_000 }, (_, index) => [index % 3 ? 'model' : 'tool', `${index % 7}`, index % 11]),
    );
    assert.equal(compared(many, many.toReversed()).pairs.length > 20_000, true);
    const tree = new TraceTree(0);
    /** @type {Step | undefined} */
    let parent;
    for (let depth = 0; depth < 10_000; depth += 1)
      tree.close((parent = tree.begin({ take() {}, sectionsOf: () => [] }, parent, 'collaborator', 'x', 0)), 'done', 9);
    assert.equal(compared(tree.steps, tree.steps).pairs.length, 10_000);
  });
});

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const { open } = useChat();
const RECORDED = JSON.parse(await readFile(new URL('fixtures/traces.json', import.meta.url), 'utf8'));

/** With prices in config.json. @param {Page} page */
const priced = (page) =>
  page.route('**/config.json', async (route) => {
    const settings = await (await route.fetch()).json();
    await route.fulfill({ json: { ...settings, prices: { scripted: { input: 3, output: 15 } } } });
  });

/** Yesterday's run of the same team, whose forecast took 900 ms less. */
function yesterday() {
  const events = /** @type {AgentEvent[]} */ (RECORDED.team.events);
  const text = JSON.stringify(events).replace(/"totalTimeMs":90\b/g, '"totalTimeMs":1');
  return traceFile({
    prompt: 'Yesterday',
    status: 'done',
    events: JSON.parse(text),
    failure: undefined,
    sentAt: 0,
    firstTextAt: 100,
    endedAt: 1200,
  });
}

/** @param {Page} page */
const beside = (page) => page.getByRole('combobox', { name: 'Compare with' });
/** @param {Page} page */
const drawn = (page) => page.locator('.pairs[aria-busy="false"]').waitFor();
/** @param {Page} page */
const pairs = (page) =>
  page
    .locator('.pairs .pair')
    .evaluateAll((all) =>
      all.map((pair) =>
        [...pair.children]
          .map((half) => half.querySelector('.step-title')?.textContent ?? half.textContent)
          .join(' | '),
      ),
    );

test('today’s run stands beside yesterday’s, on one axis, with what differs', async () => {
  const page = await open({ prepare: priced });
  await traceSwitch(page).check();
  await send(page, '/team');
  await answer(page);
  const own = await rows(page);

  const chooser = page.waitForEvent('filechooser');
  await beside(page).selectOption({ label: 'A saved trace…' });
  await (await chooser).setFiles({
    name: 'yesterday.json',
    mimeType: 'application/json',
    buffer: Buffer.from(yesterday()),
  });
  await drawn(page);
  const figures = page.getByRole('table');
  assert.match(
    (await figures.locator('thead').textContent()) ?? '',
    /^This: 1\. \/teamOther: yesterday\.jsonDifference$/,
  );
  const line = async (/** @type {string} */ name) =>
    (
      await figures
        .getByRole('row', { name: new RegExp(`^${name}`) })
        .locator('td')
        .allTextContents()
    ).map((text) => text.replace(/\s+/g, ' '));
  const [took, otherTook, difference] = await line('Total');
  assert.equal(otherTook, '1.2 s');
  assert.match(`${took} ${difference}`, /^[\d.]+ m?s (?:[+−±] ?[\d.]+ m?s(?:[+−]\d+ %)?)$/);
  assert.deepEqual(await line('Tokens out'), ['96', '96', '± 0']);
  assert.deepEqual((await line('Cost')).at(-1), '± $0');
  assert.deepEqual(await line('Action group'), ['90 ms', '1 ms', '+89 ms× 90']);
  const all = await pairs(page);
  assert.equal(all.length, own.length, 'each step has found its own');
  assert.ok(
    all.every((pair) => pair.split(' | ')[0] === pair.split(' | ')[1]),
    all.join('\n'),
  );
  const longest = page.locator('.pair.longest');
  assert.equal(await longest.count(), 1);
  assert.match(
    (await longest.textContent()) ?? '',
    /Action group.*90 ms.*Action group.*1 ms\+89 ms× 90Longest difference$/,
  );

  // Both trees have one scale: a second is as long here as there.
  const scale = await page
    .locator('.axis:visible')
    .evaluateAll((axes) =>
      axes.map((axis) => [...axis.querySelectorAll('.axis-tick')].map(({ textContent }) => textContent).join()),
    );
  assert.equal(scale.length, 2);
  assert.equal(scale[0], scale[1]);

  // The keyboard goes from step to step, and from one trace to the other.
  await page.getByRole('button', { name: 'Go to longest difference' }).click();
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? '');
  assert.match(await focused(), /^This: Action group/);
  await page.keyboard.press('ArrowRight');
  assert.match(await focused(), /^Other: Action group.*1 ms$/);
  await page.keyboard.press('ArrowUp');
  assert.match(await focused(), /^Other: Model/);
  await page.keyboard.press('Enter');
  await page.locator('.step.kind-model > details[open]').waitFor();
  assert.equal(await page.locator('.compare').isVisible(), false, 'a step leads to its trace');
  assert.equal(await page.locator('#traces-answer').inputValue(), 'yesterday.json');

  // And the other way round.
  await beside(page).selectOption({ label: '1. /team' });
  await drawn(page);
  assert.deepEqual((await line('Action group')).at(-1), '−89 ms−99 %');
  await beside(page).selectOption({ index: 0 });
  assert.equal(await page.locator('.compare').isVisible(), false);
  assert.equal(await page.locator('.step').first().isVisible(), true);
});

test('axe finds nothing in two traces, side by side and one below the other, and nothing is cut off', async () => {
  for (const options of /** @type {object[]} */ ([
    { colorScheme: 'light' },
    { colorScheme: 'dark' },
    { viewport: { width: 390, height: 780 } },
    { forcedColors: 'active' },
  ])) {
    const page = await open({ reducedMotion: 'reduce', ...options });
    await page.evaluate(AXE);
    await page.evaluate(() => (location.hash = '#traces'));
    for (const name of ['today.json', 'yesterday.json']) {
      await page
        .locator('#traces-file')
        .setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(yesterday()) });
      await page.waitForFunction((name) => document.querySelector('select')?.value === name, name);
    }
    await rows(page);
    await beside(page).selectOption({ label: 'today.json' });
    await drawn(page);
    const found = await page.evaluate(async () => {
      // @ts-expect-error: axe is a global of its script.
      const { violations } = await window.axe.run('#traces');
      return violations.map(
        (/** @type {any} */ { id, nodes }) => `${id}: ${nodes.map((/** @type {any} */ node) => node.html).join(' ')}`,
      );
    });
    assert.deepEqual(found, [], JSON.stringify(options));
    assert.equal(
      await page.locator('#traces-scroller').evaluate((scroller) => scroller.scrollWidth - scroller.clientWidth),
      0,
    );
    const [first, second] = await page
      .locator('.pairs .pair')
      .first()
      .locator('.half')
      .evaluateAll((halves) => halves.map((half) => half.getBoundingClientRect().top));
    assert.equal(first === second, !('viewport' in options), 'beside each other where there is room');
  }
});
