// The page in a tab that nobody looks at, because another one is in front.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, launchTabs, visit } from './support/browser.mjs';
import { answer, connected, send } from './support/chat.mjs';
import { FrameGate } from './support/frames.mjs';
import { startLocal } from './support/local.mjs';

/** @import { Page } from 'playwright-core' */

/** @type {Awaited<ReturnType<typeof launchTabs>>} */
let tabs;
/** @type {Awaited<ReturnType<typeof startLocal>>} */
let local;
before(async () => {
  tabs = await launchTabs();
  local = await startLocal();
});
after(async () => {
  await tabs?.stop();
  await local?.stop();
});

/** Waits in a page that draws no pictures. @param {Page} page @param {string} expression */
const until = (page, expression) => eventually(() => page.evaluate(expression));

/** How long the answer was, each time that the page had changed. @param {Page} page @returns {Promise<number[]>} */
const lengths = (page) => page.evaluate('[...window.lengths]');

test('a hidden tab that lost its connection reconnects when it is shown', async () => {
  let own = await startLocal();
  try {
    const { page, faults } = await visit(await tabs.context.newPage(), `${own.page}/`);
    await page.bringToFront();
    await connected(page);
    const other = await tabs.context.newPage();
    await other.bringToFront();
    await until(page, 'document.hidden');
    await own.stop();
    await page.getByText('Paused', { exact: true }).waitFor();
    own = await startLocal('--port', String(own.port));
    await other.close();
    await page.bringToFront();
    await connected(page);
    assert.deepEqual(faults, []);
    await page.close();
  } finally {
    await own.stop();
  }
});

test('a hidden tab does not have an answer go on, and does when it is shown', async () => {
  const { page, faults } = await visit(await tabs.context.newPage(), `${local.page}/`);
  await page.bringToFront();
  await connected(page);
  await send(page, '/tokens 200 50');
  await page.locator('article.agent .prose').waitFor();
  const other = await tabs.context.newPage();
  await other.bringToFront();
  await until(page, 'document.hidden');
  const [, id = ''] = [...local.output().matchAll(/gateway +connected +(\S+)/g)].at(-1) ?? [];
  const connections = () => local.output().match(/gateway +connected/g)?.length;
  const before = connections();
  await fetch(`${local.page}/local/@connections/${encodeURIComponent(id)}`, { method: 'DELETE' });
  await page.getByText('Paused', { exact: true }).waitFor();
  await eventually(() => local.output().includes('run ended'));
  assert.equal(connections(), before);
  assert.equal(await page.locator('article.agent').getAttribute('aria-busy'), 'true');
  await other.close();
  await page.bringToFront();
  assert.match(await answer(page), /^1 2 3[^]* 200\s*$/);
  assert.deepEqual(faults, []);
  await page.close();
});

test('a whole answer in one frame is typed where it is seen, and shown at once in a hidden tab', async () => {
  const gate = new FrameGate();
  const { page, faults } = await visit(await tabs.context.newPage(), `${local.page}/`, {
    prepare: (page) => gate.guard(page),
  });
  await page.bringToFront();
  await connected(page);
  await page.evaluate(() => {
    const lengths = new Set();
    Object.assign(window, { lengths });
    new MutationObserver(() => {
      const length = document.querySelector('article.agent:last-child .prose')?.textContent?.length ?? 0;
      if (length > 0) lengths.add(length);
    }).observe(document.body, { childList: true, characterData: true, subtree: true });
  });

  await send(page, '/single');
  await gate.until('TEXT_MESSAGE_CHUNK');
  // The end is still to come, so only the pace decides how much is shown.
  await until(page, 'window.lengths.size > 1');
  const [begun = Infinity] = await lengths(page);
  await gate.until('RUN_FINISHED');
  const { length } = await answer(page);
  assert.ok(begun < length / 2, `${begun} of ${length} characters at first`);

  await send(page, '/single');
  await gate.until('RUN_STARTED');
  const other = await tabs.context.newPage();
  await other.bringToFront();
  await until(page, 'document.hidden');
  await page.evaluate('window.lengths.clear()');
  await gate.until('TEXT_MESSAGE_CHUNK');
  await until(page, 'window.lengths.size > 0');
  const [first = 0] = await lengths(page);
  assert.equal(await page.locator('article.agent').last().getAttribute('aria-busy'), 'true');
  await gate.until('RUN_FINISHED');
  await until(page, "document.querySelectorAll('article.agent[aria-busy=false]').length === 2");
  await other.close();
  await page.bringToFront();
  const whole = (await answer(page, 2)).length;
  // Only what is ambiguous at the very end may have been held back.
  assert.ok(first > whole * 0.8, `${first} of ${whole} characters at once`);
  assert.deepEqual(faults, []);
  await page.close();
});
