// Where the time of a trace went, what it cost, and its axis.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '../../web/settings/config.js';
import { costOf, modelName, money, speed } from '../../web/trace/cost.js';
import { ticks, timeSpent as summing } from '../../web/trace/times.js';
import { TraceTree } from '../../web/trace/tree.js';
import { answer, send, traceSwitch, useChat } from './support/chat.mjs';
import { rows, total } from './support/trace.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { Kind, Step } from '../../web/trace/tree.js' */

/** Steps from lists of kind, start, end and those that belong to it. @typedef {[Kind, number, number, Plan[]?]} Plan */

/** @param {Step[]} steps @param {number} total */
function timeSpent(steps, total) {
  const work = summing(steps, total);
  let next = work.next();
  while (next.done !== true) next = work.next();
  return next.value;
}

/** @param {Plan[]} plans */
function treeOf(plans) {
  const tree = new TraceTree(0);
  const reader = { take() {}, sectionsOf: () => [] };
  const add = (/** @type {Plan[]} */ some, /** @type {Step | undefined} */ parent) => {
    for (const [kind, start, end, inside = []] of some) {
      const step = tree.begin(reader, parent, kind, kind, start);
      tree.close(step, 'done', end);
      add(inside, step);
    }
  };
  add(plans, undefined);
  return tree;
}

describe('the time of a trace', () => {
  test('is that of the innermost step, and each moment counts once', () => {
    const tree = treeOf([
      [
        'collaborator',
        0,
        100,
        [
          ['model', 10, 40],
          ['tool', 30, 60],
        ],
      ],
      ['model', 150, 180],
    ]);
    const { kinds, between, gaps, longest } = timeSpent(tree.steps, 200);
    assert.deepEqual(
      kinds.map(({ kind, took, count }) => [kind, took, count]),
      [
        ['model', 50, 2],
        ['collaborator', 50, 1],
        ['tool', 30, 1],
      ],
    );
    assert.equal(between, 70);
    assert.equal(
      kinds.reduce((sum, { took }) => sum + took, between),
      200,
      'the parts are the whole',
    );
    assert.deepEqual(gaps, [
      { from: 100, to: 150 },
      { from: 180, to: 200 },
    ]);
    assert.equal(longest?.kind, 'collaborator');
  });

  test('of 60,000 steps, all at once and in each other, is summed up in short pieces', (t) => {
    const tree = treeOf([]);
    const reader = { take() {}, sectionsOf: () => [] };
    /** @type {Step | undefined} */
    let parent;
    for (let index = 0; index < 60_000; index += 1) {
      const step = tree.begin(reader, parent, 'model', 'x', index);
      tree.close(step, 'done', 200_000 - index);
      parent = index % 2 === 0 ? step : undefined;
    }
    const work = summing(tree.steps, 200_000);
    let longest = 0;
    for (let done = false; !done; ) {
      const begun = process.cpuUsage().user;
      const next = work.next();
      longest = Math.max(longest, (process.cpuUsage().user - begun) / 1000);
      done = next.done === true;
      if (next.done === true) assert.equal(next.value.between, 0);
    }
    t.diagnostic(`${longest.toFixed(1)} ms`);
    assert.ok(longest < 200, `${longest} ms`);
  });

  test('deep in each other is summed up', () => {
    const tree = treeOf([]);
    /** @type {Step | undefined} */
    let parent;
    for (let depth = 0; depth < 10_000; depth += 1) {
      const step = tree.begin({ take() {}, sectionsOf: () => [] }, parent, 'collaborator', 'x', depth);
      tree.close(step, 'done', 20_000 - depth);
      parent = step;
    }
    assert.equal(timeSpent(tree.steps, 20_000).between, 0);
  });

  test('has round marks, few enough', () => {
    for (const [scale, marks] of /** @type {const} */ ([
      [984, 4],
      [1000, 5],
      [2600, 2],
      [28_000, 2],
      [90_000, 3],
      [3_600_000, 4],
    ])) {
      const found = ticks(scale, 5);
      assert.equal(found.length - 1, marks, `${scale}: ${found}`);
    }
    assert.deepEqual(ticks(984, 5), [0, 200, 400, 600, 800]);
    assert.deepEqual(ticks(40_000, 5), [0, 10_000, 20_000, 30_000, 40_000]);
    for (const none of [0, NaN, Infinity, -1, 5e-324]) assert.deepEqual(ticks(none, 5), [0]);
  });
});

test('times that cannot be are no trouble', () => {
  const plans = /** @type {Plan[]} */ ([
    ['model', 0, 1e308],
    ['tool', -1e308, 1e308],
    ['code', NaN, 5],
  ]);
  assert.equal(timeSpent(treeOf(plans).steps, 1e308).kinds.length > 0, true);
  assert.ok(ticks(1e308, 6).length < 8);
});

describe('the cost of a call', () => {
  const [step] = treeOf([['model', 0, 2000]]).steps;
  assert.ok(step);
  step.tokens = { input: 1_000_000, output: 100_000, cacheRead: 1_000_000 };

  test('is that of the longest beginning of its model', () => {
    const prices = {
      anthropic: { input: 1, output: 10 },
      'anthropic.claude-opus': { input: 5, output: 25, cached: 0.5 },
    };
    step.model = 'arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-4-v1:0';
    assert.equal(costOf(step, prices), 5 + 2.5 + 0.5);
    step.model = 'anthropic.claude-haiku';
    assert.equal(costOf(step, prices), 1 + 1 + 1);
    step.model = 'amazon.nova-lite-v1:0';
    assert.equal(costOf(step, prices), undefined);
    assert.equal(costOf(step, { '': { input: 1, output: 0 } }), 2, 'an empty one is of all');
    assert.equal(modelName('eu.amazon.nova-lite-v1:0'), 'amazon.nova-lite-v1:0');
  });

  test('in words', () => {
    assert.deepEqual([0, 0.00001, 0.00123, 0.5, 12.345].map(money), ['$0', '< $0.0001', '$0.0012', '$0.50', '$12.35']);
    assert.deepEqual(
      [speed(20, 2500), speed(88, 2000), speed(0, 2000), speed(5, 0)],
      ['8.0 tokens/s', '44 tokens/s', '', ''],
    );
  });

  test('comes from config.json, and half a price is none', () => {
    const { prices } = parseConfig(
      JSON.stringify({
        endpoint: 'wss://a/b',
        prices: { a: { input: 1, output: 2 }, b: { input: 1 }, c: null, d: { input: '1', output: 2 } },
      }),
    );
    assert.deepEqual(Object.keys(prices), ['a']);
    assert.deepEqual(parseConfig('{"endpoint":"wss://a/b","prices":[1]}').prices, {});
    for (const wrong of ['-1', '1e400', '-1e400', '1e300', '"NaN"', 'null', '[3]', '{}', 'true']) {
      for (const price of [
        `"input":${wrong},"output":2`,
        `"input":1,"output":${wrong}`,
        ...(wrong === 'null' ? [] : [`"input":1,"output":2,"cached":${wrong}`]),
      ]) {
        assert.deepEqual(
          Object.keys(parseConfig(`{"endpoint":"wss://a/b","prices":{"a":{${price}}}}`).prices),
          [],
          price,
        );
      }
    }
    const odd = parseConfig(
      '{"endpoint":"wss://a/b","prices":{"__proto__":{"input":1,"output":2},"constructor":{"input":1,"output":2}}}',
    ).prices;
    assert.deepEqual(Object.keys(odd).sort(), ['__proto__', 'constructor']);
    assert.equal(costOf(step, odd), undefined);
  });
});

const { open } = useChat();

/** With prices in config.json. @param {Page} page */
const priced = (page) =>
  page.route('**/config.json', async (route) => {
    const settings = await (await route.fetch()).json();
    await route.fulfill({ json: { ...settings, prices: { scripted: { input: 3, output: 15 } } } });
  });

test('a trace that is sorted stands in lists that are as full as before', async () => {
  const page = await open();
  await page.goto(`${page.url()}#traces`);
  const events = Array.from({ length: 40 }, (_, index) => ({
    at: index,
    source: 'bedrock-agent',
    event: { trace: { trace: { orchestrationTrace: { rationale: { text: `thought ${index}` } } } } },
  }));
  const buffer = Buffer.from(JSON.stringify({ status: 'done', events }));
  await page.setInputFiles('#traces-file', { name: 'forty.json', mimeType: 'application/json', buffer });
  await page.locator('#traces-list[aria-busy="false"], #traces-list > [aria-busy="false"]').first().waitFor();
  const lists = () =>
    page.locator('.step-name').evaluateAll((all) => {
      const counts = new Map();
      for (const one of all) counts.set(one.closest('ol'), (counts.get(one.closest('ol')) ?? 0) + 1);
      return [...counts.values()];
    });
  await rows(page);
  assert.deepEqual(await lists(), [16, 16, 8]);
  for (const pressed of ['true', 'false', 'true']) {
    await page.getByRole('button', { name: 'Longest first' }).click();
    await page.locator(`button[aria-pressed="${pressed}"]`, { hasText: 'Longest first' }).waitFor();
    await page.locator('#traces-list > [aria-busy="false"]').waitFor();
    assert.deepEqual(await lists(), [16, 16, 8], `sorted ${pressed}`);
  }
});

test('one sees where the time went, the longest step, and the cost', async () => {
  const page = await open({ prepare: priced });
  await traceSwitch(page).check();
  await send(page, '/team');
  await answer(page);
  assert.match((await total(page, 'Cost')) ?? '', /^\$0\.00\d\d$/);
  const axis = await page.locator('.axis-tick').allTextContents();
  assert.equal(axis[0], '0');
  assert.ok(axis.length > 2, axis.join());
  await page.locator('.axis-gap').first().waitFor();

  await page.getByText(/^Where the time went: Model \d+ %$/).click();
  assert.deepEqual((await page.locator('.spent-kinds dt').allTextContents()).sort(), [
    'Action group',
    'Between steps',
    'Model',
    'Routing',
  ]);
  assert.match((await page.locator('.spent-kinds').textContent()) ?? '', /4 steps, \d+ tokens\/s/);

  const longest = page.locator('.step.longest');
  assert.equal(await longest.count(), 1);
  assert.match((await longest.locator(':scope > details .step-took').textContent()) ?? '', /^180 ms$/);
  await page.getByRole('button', { name: 'Go to longest step' }).click();
  assert.match(
    (await longest.locator('.step-figures').textContent()) ?? '',
    /^From [\d.]+ m?s to [\d.]+ m?s · \d+ tokens\/s · \$0\.00\d\d$/,
  );

  const before = await rows(page);
  await page.getByRole('button', { name: 'Longest first' }).click();
  await page.waitForFunction(() => document.querySelector('.step-title')?.textContent === 'Collaborator');
  await rows(page);
  const inside = await page.locator('.step .step .step > details .step-took').allTextContents();
  assert.deepEqual(inside.slice(0, 3), ['120 ms', '110 ms', '90 ms'], 'those of a collaborator stay with it');
  await page.getByRole('button', { name: 'Longest first' }).click();
  await page.waitForFunction(() => document.querySelector('.step-title')?.textContent === 'Routing');
  assert.deepEqual(await rows(page), before);

  await page.locator('.step-lane').first().hover({ force: true });
  assert.match((await page.locator('.axis-pointer').textContent()) ?? '', /^[\d.]+ m?s$/, 'the time below the pointer');
  assert.match(
    (await page.locator('.step summary').first().getAttribute('title')) ?? '',
    /^From [\d.]+ m?s to [\d.]+ m?s$/,
  );
});
