// Reading a trace: the hits of a search, filters, keys, prompts by role, and tools with what they gave back.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { answer, send, traceSwitch, useChat } from './support/chat.mjs';
import { opened, rows, traced } from './support/trace.mjs';

/** @import { Page } from 'playwright-core' */

const { open, openForAll } = useChat();

/** @param {Page} page @param {string} title */
const rowOf = (page, title) =>
  page
    .locator('.step', { has: page.locator(':scope > details .step-title').getByText(title, { exact: true }) })
    .first();
/** @param {Page} page */
const shown = (page) => page.locator('.step-title:visible').allTextContents();
/** What the focus is on. @param {Page} page */
const focused = (page) => page.evaluate(() => document.activeElement?.querySelector('.step-title')?.textContent);
/** @param {Page} page @param {unknown} events */
const openFile = (page, events) =>
  page
    .locator('#traces-file')
    .setInputFiles({ name: 'a.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(events)) });

describe('a trace', () => {
  /** @type {Page} */
  let page;
  before(async () => {
    page = await openForAll();
    await traceSwitch(page).check();
    await send(page, '/team');
    await answer(page);
    await rows(page);
  });

  test('is searched from hit to hit, which are marked', async () => {
    const search = page.getByRole('searchbox', { name: 'Search the steps' });
    await search.fill('WEATHER');
    await page.getByText(/^\d+ steps match$/).waitFor();
    await search.press('Enter');
    await page.getByText(/^1 of \d+ steps$/).waitFor();
    assert.equal(await page.locator('.hit').count(), 1);
    await page.waitForFunction(() => (CSS.highlights.get('trace-hit')?.size ?? 0) > 0);
    const marked = await page.evaluate(() => [...(CSS.highlights.get('trace-hit') ?? [])].map(String));
    assert.deepEqual([...new Set(marked.map((words) => words.toLowerCase()))], ['weather']);
    assert.equal(await search.evaluate((field) => field === document.activeElement), true, 'who types goes on');
    await page.getByRole('button', { name: 'Next match' }).click();
    await page.getByText(/^2 of \d+ steps$/).waitFor();
    await search.press('Shift+Enter');
    await search.press('Shift+Enter');
    await page.getByText(/^(\d+) of \1 steps$/).waitFor();
    await search.fill('');
    await page.waitForFunction(() => CSS.highlights.get('trace-hit') === undefined);
    assert.equal(await page.locator('.hit').count(), 0);
    await page.getByRole('button', { name: 'Collapse all' }).click();
    await page.getByRole('button', { name: 'Expand all' }).click();
  });

  test('is filtered by status and duration', async () => {
    const which = page.getByRole('combobox', { name: 'Status or duration of step' });
    await which.selectOption('100 ms or longer');
    await page.getByText(/steps match$/).waitFor();
    assert.equal((await shown(page)).includes('Action group'), false, 'it took 90 ms');
    assert.equal((await shown(page)).includes('Model'), true);
    await which.selectOption('Failed');
    await page.getByText('No step matches').waitFor();
    await which.selectOption('All steps');
    // What comes back into view is there with the next picture.
    await page.locator('.step-title:visible').nth(12).waitFor();
    assert.equal((await shown(page)).length, 13);
  });

  test('is walked with the arrow keys', async () => {
    await rowOf(page, 'Routing').locator('summary').focus();
    await page.keyboard.press('ArrowDown');
    assert.equal(await focused(page), 'Collaborator');
    await page.keyboard.press('ArrowDown');
    assert.equal(await focused(page), 'Model');
    await page.keyboard.press('ArrowRight');
    await page.locator('.step-detail').waitFor();
    await page.keyboard.press('ArrowLeft');
    await page.locator('.step-detail').waitFor({ state: 'detached' });
    await page.keyboard.press('ArrowLeft');
    assert.equal(await focused(page), 'Collaborator', 'what it belongs to');
    await page.keyboard.press('ArrowLeft');
    assert.equal((await shown(page)).length, 4);
    await page.keyboard.press('ArrowRight');
    assert.equal((await shown(page)).length, 13);
    await page.keyboard.press('End');
    assert.equal(await focused(page), 'Final response');
    await page.keyboard.press('Home');
    assert.equal(await focused(page), 'Routing');
  });

  test('has what goes into a tool beside what comes out of it', async () => {
    const step = await opened(page, 'forecast › daily_forecast');
    await step.locator('.step-pair > .side-out pre').waitFor();
    const [into, out] = await Promise.all(
      ['in', 'out'].map((side) => step.locator(`.step-pair > .side-${side}`).boundingBox()),
    );
    assert.ok(into && out && into.x + into.width <= out.x && Math.abs(into.y - out.y) < 2, JSON.stringify([into, out]));
    assert.deepEqual(await step.locator('.step-pair h3').allTextContents(), ['Parameters', 'Result']);
  });
});

test('JSON is a tree that folds, and its text stays what it is', async () => {
  const page = await open();
  await page.locator('#traces-toggle').click();
  const body = { list: [1, { deep: 'a\u202Eb"{' }], name: '<b>', no: null, empty: {} };
  await openFile(page, [
    {
      trace: { trace: { orchestrationTrace: { modelInvocationInput: { text: JSON.stringify(body), traceId: 'a' } } } },
    },
  ]);
  await page.locator('.step summary').first().click();
  const pre = page.locator('.step-detail pre').first();
  await pre.locator('.json-fold').nth(2).waitFor();
  await page.waitForFunction(() => document.querySelector('.step-detail pre')?.textContent?.endsWith('\n}'));
  assert.equal(await pre.textContent(), JSON.stringify(body, null, 2));
  await pre.getByRole('button', { name: 'Members of list' }).click();
  assert.equal(await pre.getByText('deep').isVisible(), false);
  assert.equal(await pre.getByText('<b>').isVisible(), true);
  await pre.getByRole('button', { name: 'Members of list' }).press('Enter');
  assert.equal(await pre.getByText('deep').isVisible(), true);
});

test('the panel is as wide as one likes, also at the next visit', async () => {
  const page = await open();
  await page.locator('#traces-toggle').click();
  const handle = page.getByRole('separator', { name: 'Width of the trace panel' });
  const width = () => page.locator('#traces').evaluate((panel) => panel.getBoundingClientRect().width);
  const first = await width();
  const box = await handle.boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + 4, 300);
  await page.mouse.down();
  await page.mouse.move(box.x - 146, 300);
  await page.mouse.up();
  const wide = await width();
  assert.ok(Math.abs(wide - first - 150) < 8, `${first} ${wide}`);
  await handle.press('ArrowRight');
  assert.ok((await width()) < wide);
  const kept = await width();
  await page.reload();
  await page.locator('#traces').waitFor();
  assert.ok(Math.abs((await width()) - kept) < 2);
  await handle.dblclick();
  assert.equal(await width(), first);
});

test('a finger finds the edge of the panel', async () => {
  const page = await open({ viewport: { width: 1180, height: 820 }, hasTouch: true, isMobile: true });
  await page.locator('#traces-toggle').tap();
  const handle = page.getByRole('separator', { name: 'Width of the trace panel' });
  const width = () => page.locator('#traces').evaluate((panel) => panel.getBoundingClientRect().width);
  const first = await width();
  const box = await handle.boundingBox();
  assert.ok(box && box.width >= 24, `${box?.width}`);
  const touches = await page.context().newCDPSession(page);
  for (const [type, x] of /** @type {const} */ ([
    ['touchStart', box.x + 22],
    ['touchMove', box.x - 58],
    ['touchMove', box.x - 78],
  ]))
    await touches.send('Input.dispatchTouchEvent', { type, touchPoints: [{ x, y: 300 }] });
  await touches.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  assert.ok((await width()) > first + 60, `${first} ${await width()}`);
});

test('the panel of a page that is read from right to left becomes wider to the right', async () => {
  const page = await open({
    prepare: (page) =>
      page.route('**/config.json', async (route) =>
        route.fulfill({ json: { ...(await (await route.fetch()).json()), language: 'ar' } }),
      ),
  });
  await page.locator('#traces-toggle').click();
  const handle = page.getByRole('separator', { name: 'Width of the trace panel' });
  await handle.waitFor();
  const width = () => page.locator('#traces').evaluate((panel) => panel.getBoundingClientRect().width);
  const first = await width();
  await handle.press('ArrowRight');
  assert.ok((await width()) > first, `${first} ${await width()}`);
  await handle.press('ArrowLeft');
  assert.ok(Math.abs((await width()) - first) < 8, `${first} ${await width()}`);
});

test('a step opens beside the tree where there is room', async () => {
  const page = await open({ viewport: { width: 1800, height: 800 } });
  await traceSwitch(page).check();
  await send(page, '/team');
  await answer(page);
  await rows(page);
  await page.evaluate(() => document.getElementById('stage')?.style.setProperty('--traces-width', '60vw'));
  const pane = page.getByRole('region', { name: 'Opened step' });
  await rowOf(page, 'Routing').locator('summary').click();
  await pane.getByRole('heading', { name: 'Facts' }).waitFor();
  await rowOf(page, 'Model').locator('summary').click();
  await page.waitForFunction(() => document.querySelectorAll('.step > details[open]').length === 1);
  assert.equal(await pane.locator('.step-detail').count(), 1);
  const [tree, beside] = [await page.locator('#traces-scroller').boundingBox(), await pane.boundingBox()];
  assert.ok(tree && beside && tree.x + tree.width <= beside.x + 1);
  await page.evaluate(() => document.getElementById('stage')?.style.setProperty('--traces-width', '30vw'));
  await page.locator('.step > details > .step-detail').waitFor();
  assert.equal(await pane.isVisible(), false);
  await rowOf(page, 'Model').locator('summary').click();
  await page.locator('.step-detail').waitFor({ state: 'detached' });
});

test('a prompt stands there by role, of which the last message is open', async () => {
  const page = await open();
  await page.locator('#traces-toggle').click();
  const prompt = JSON.stringify({
    system: 'Be kind.\u202E<b>',
    messages: [
      { role: 'user', content: 'First\nquestion' },
      { role: 'assistant', content: 'Answer' },
      { role: 'user', content: 'Last question' },
    ],
  });
  await openFile(page, [
    {
      trace: {
        trace: { orchestrationTrace: { modelInvocationInput: { text: prompt, foundationModel: 'm', traceId: 'a' } } },
      },
    },
  ]);
  await page.locator('.step summary').first().click();
  await page.getByText('Last question').waitFor();
  assert.equal(await page.locator('.step-detail pre:visible').count(), 1);
  const folds = page.locator('.fold');
  assert.deepEqual(await folds.allTextContents(), ['System prompt', 'Prompt, user', 'Prompt, assistant']);
  assert.equal(await folds.first().getAttribute('data-start'), 'Be kind.\\u202E<b>');
  await folds.nth(1).click();
  await page.locator('.step-detail pre', { hasText: 'First' }).and(page.locator(':visible')).waitFor();
  assert.equal(await folds.nth(1).getAttribute('aria-expanded'), 'true');
});

test('a passage in the trace leads to its citation in the answer, and back', async () => {
  for (const width of [1280, 390]) {
    const page = await open({ viewport: { width, height: 800 } });
    await traced(page, 'hello');
    const cites = page.locator('.sources li');
    assert.ok((await cites.count()) >= 2);
    // From the answer to the passage that it rests on, where the agent found it.
    await cites.nth(1).getByRole('button', { name: 'In the trace' }).click();
    const cited = page.getByRole('button', { name: 'Cited as 2' });
    await cited.waitFor();
    await page.waitForFunction(() => document.activeElement?.textContent === 'Cited as 2');
    assert.equal(await page.locator('.step.kind-knowledge-base > details[open]').count(), 1);
    const title = await cited.evaluate((link) => link.previousElementSibling?.textContent);
    assert.match(title ?? '', /^Passage \d+ · .*score 0\.\d{3}$/, 'with its score');
    assert.match(title ?? '', new RegExp((await cites.nth(1).locator('.source-name').textContent()) ?? '?'));
    // And from there to the answer, which leads back.
    await page.getByRole('button', { name: 'Cited as 1' }).click();
    assert.equal(
      await page.getByRole('complementary', { name: 'Trace' }).isVisible(),
      width === 1280,
      'a drawer makes way',
    );
    assert.equal(
      await cites.nth(0).evaluate((item) => item === document.activeElement && item.classList.contains('shown-source')),
      true,
    );
    await cites.nth(0).getByRole('button', { name: 'Back to the trace' }).click();
    await page.waitForFunction(() => document.activeElement?.textContent === 'Cited as 1');
  }
});
