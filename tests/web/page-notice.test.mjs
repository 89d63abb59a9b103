// An answer that is there while somebody looks elsewhere: the title of the tab says so, and a notification for those
// who asked for it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { eventually, launchTabs, visit } from './support/browser.mjs';
import { answer, connected, send, useChat } from './support/chat.mjs';
import { startLocal } from './support/local.mjs';
import { asking, call, FINISHED, relay, text } from './support/relay.mjs';

/** @import { Page } from 'playwright-core' */

const AXE = await readFile(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const { open } = useChat();

/** Waits in a page that draws no pictures. @param {Page} page @param {string} expression */
const until = (page, expression) => eventually(() => page.evaluate(expression));

describe('in a tab behind another one', () => {
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

  for (const [what, frames, words] of /** @type {[string, object[], string][]} */ ([
    ['that is complete', [text('Done.'), FINISHED], '● Answer ready – Agent Relay'],
    ['that asks for something', [call('act', '{}'), asking()], '● The agent asks – Agent Relay'],
    ['that failed', [{ type: 'RUN_ERROR', message: 'No.', code: 'internal' }], '● Answer incomplete – Agent Relay'],
  ])) {
    test(`an answer ${what} changes the title until the tab is seen`, async () => {
      const scripted = relay(() => {});
      const { page, faults } = await visit(await tabs.context.newPage(), `${local.page}/`, {
        prepare: scripted.prepare,
      });
      await page.bringToFront();
      await connected(page);
      await send(page, 'one');
      await page.getByText('Thinking').waitFor();
      const other = await tabs.context.newPage();
      await other.bringToFront();
      await until(page, 'document.hidden');
      assert.equal(await page.title(), 'Agent Relay');
      scripted.runs[0]?.say(...frames);
      await until(page, "document.title !== 'Agent Relay'");
      assert.equal(await page.title(), words);
      await other.close();
      await page.bringToFront();
      await until(page, "document.title === 'Agent Relay'");
      assert.deepEqual(faults, []);
      await page.close();
    });
  }
});

/**
 * A page with notifications that are written down, whose time can be put forward, and which is hidden when the test
 * says so.
 *
 * @param {{permission?: string, answer?: string, broken?: boolean}} [browser]
 * @param {Parameters<typeof open>[0]} [options]
 */
async function watched({ permission = 'default', answer = 'granted', broken = false } = {}, options = {}) {
  const scripted = relay(({ say }) => say(text('At work.')));
  const page = await open({
    ...options,
    async prepare(page) {
      await scripted.prepare(page);
      await page.addInitScript(
        ({ permission, answer, broken }) => {
          const now = performance.now.bind(performance);
          const seen = { later: 0, hidden: false, asked: 0, shown: /** @type {any[]} */ ([]), focused: 0, closed: 0 };
          performance.now = () => now() + seen.later;
          window.focus = () => (seen.focused += 1);
          Object.defineProperty(document, 'hidden', { get: () => seen.hidden });
          class Fake extends EventTarget {
            static permission = permission;
            static async requestPermission() {
              seen.asked += 1;
              return (Fake.permission = answer);
            }
            /** @param {string} title @param {object} options */
            constructor(title, options) {
              super();
              if (broken) throw new TypeError('Illegal constructor');
              seen.shown.push({ title, ...options, click: () => this.dispatchEvent(new Event('click')) });
            }
            close() {
              seen.closed += 1;
            }
          }
          Object.assign(window, { Notification: Fake, seen });
        },
        { permission, answer, broken },
      );
    },
  });
  await send(page, 'one');
  await page.getByText('At work.').waitFor();
  return {
    page,
    finish: () => scripted.runs.at(-1)?.say(FINISHED),
    later: (/** @type {number} */ ms) => page.evaluate(`seen.later += ${ms}`),
    hide: (/** @type {boolean} */ hidden) =>
      page.evaluate(`seen.hidden = ${hidden}; document.dispatchEvent(new Event('visibilitychange'))`),
    shown: () =>
      /** @type {Promise<{title: string, body: string}[]>} */ (
        page.evaluate('seen.shown.map(({ title, body }) => ({ title, body }))')
      ),
    asked: () => page.evaluate('seen.asked'),
  };
}

const notify = (/** @type {Page} */ page) => page.getByRole('button', { name: 'Notify me' });
const READY = { title: 'Answer ready', body: 'Agent Relay' };

describe('notifications', () => {
  test('are offered when an answer takes long, asked for upon a click only, and shown then and at its end', async () => {
    const { page, finish, later, hide, shown, asked } = await watched();
    await later(15_000);
    assert.equal(await notify(page).isVisible(), false);
    await later(5_000);
    await notify(page).waitFor();
    assert.equal(await asked(), 0, 'never unasked');
    await notify(page).press('Enter');
    await page.getByText('You get a notification when the answer is there.').waitFor();
    assert.equal(await asked(), 1);
    assert.deepEqual(await shown(), [{ title: 'Answers are announced here', body: 'Agent Relay' }]);
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Turn off');
    await hide(true);
    finish();
    await page.waitForFunction('seen.shown.length === 2');
    assert.deepEqual((await shown())[1], READY);
    await page.evaluate('seen.shown[1].click()');
    assert.equal(await page.evaluate('seen.focused'), 1);
    await hide(false);
    assert.equal(await page.title(), 'Agent Relay');
    // The offer goes with the answer that it was for, and takes no focus along.
    await page.getByText('You get a notification').waitFor({ state: 'hidden' });
    await page.waitForFunction(() => document.activeElement?.id === 'prompt');
  });

  test('are wanted from then on, in other tabs too, for answers of more than ten seconds, in a hidden tab', async () => {
    const { page, finish, later, hide, shown } = await watched({ permission: 'granted' });
    await page.evaluate(() => localStorage.setItem('agent-relay.notice', 'on'));
    await later(11_000);
    await hide(true);
    finish();
    await page.waitForFunction('seen.shown.length === 1');
    assert.deepEqual(await shown(), [READY]);
    await hide(false);
    await send(page, 'two');
    await page.locator('.prose').nth(1).waitFor();
    await hide(true);
    finish();
    await page.waitForFunction("document.title.startsWith('●')");
    await hide(false);
    await send(page, 'three');
    await later(30_000);
    finish();
    await answer(page, 3);
    assert.equal((await shown()).length, 1, 'neither after a short one, nor where it is seen');
  });

  test('are turned off again, and not offered where they were put off', async () => {
    const { page, finish, later, hide, shown } = await watched({ permission: 'granted' });
    await page.evaluate(() => localStorage.setItem('agent-relay.notice', 'on'));
    await later(21_000);
    await page.getByRole('button', { name: 'Turn off' }).click();
    await notify(page).waitFor();
    await page.getByRole('button', { name: 'Not now' }).press('Enter');
    assert.equal(await notify(page).isVisible(), false);
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'prompt');
    await hide(true);
    finish();
    await page.waitForFunction("document.title.startsWith('●')");
    assert.deepEqual(await shown(), []);
    await hide(false);
    await send(page, 'two');
    await page.locator('.prose').nth(1).waitFor();
    await later(30_000);
    // Over more than a second, in which it would be offered.
    await page.waitForFunction(() =>
      /3[1-9] s|[4-9]\d s/.test(document.querySelector('.agent:last-child .doing')?.textContent ?? ''),
    );
    assert.equal(await notify(page).isVisible(), false);
  });

  test('that the browser does not allow, or does not have, are said to be so', async () => {
    for (const [browser, words] of /** @type {[object, string][]} */ ([
      [{ answer: 'denied' }, 'The browser does not allow this page notifications; its settings can.'],
      [{ broken: true }, 'This browser shows no notifications of a page.'],
    ])) {
      const { page, later, finish, hide } = await watched(browser);
      await later(21_000);
      await notify(page).click();
      await page.locator('.notice').getByText(words).waitFor();
      assert.equal(await page.getByRole('status').textContent(), words);
      assert.equal(await notify(page).isVisible(), false);
      await page.waitForFunction(() => document.activeElement?.id === 'prompt');
      await hide(true);
      finish();
      await page.waitForFunction("document.title === '● Answer ready – Agent Relay'");
    }
  });

  test('are not offered where the browser was told to allow none', async () => {
    const { page, later } = await watched({ permission: 'denied' });
    await later(30_000);
    await page.waitForFunction(() => /3[1-9] s|[4-9]\d s/.test(document.querySelector('.doing')?.textContent ?? ''));
    assert.equal(await notify(page).isVisible(), false);
  });

  test('axe finds nothing at the offer, also on a phone', async () => {
    for (const width of [1280, 390]) {
      const { page, later } = await watched({}, { viewport: { width, height: 780 } });
      await later(21_000);
      await notify(page).waitFor();
      await page.evaluate(AXE);
      for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(
          await page.evaluate('axe.run(document).then(({ violations }) => violations.map(({ id }) => id))'),
          [],
        );
      }
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
    }
  });
});
