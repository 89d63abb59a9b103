// What outlives a reload, a second tab, and a connection that has gone silent.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answer, connected, promptBox, send, useChat } from './support/chat.mjs';
import { answers, custom, FINISHED, relay, text } from './support/relay.mjs';

/** @import { Page } from 'playwright-core' */

const { open, load } = useChat();

/** @param {string} uri @param {string} passage */
const citation = (uri, passage) => ({
  retrievedReferences: [{ content: { text: passage }, location: { s3Location: { uri } } }],
});

/** Prepares a page of a user who wants nothing to be kept: then only the tab remembers, which has little room. @param {ReturnType<typeof relay>} scripted */
const keepingNothing = (scripted) => async (/** @type {Page} */ page) => {
  await page.addInitScript(() => localStorage.setItem('agent-relay.keep-nothing', 'on'));
  await scripted.prepare(page);
};

describe('over a reload', () => {
  test('the draft of a prompt is kept, also one that was not sent', async () => {
    const page = await open();
    await promptBox(page).fill('first line\nhalf a');
    await page.reload();
    await connected(page);
    assert.equal(await promptBox(page).inputValue(), 'first line\nhalf a');
    await promptBox(page).fill('/tokens 3 500');
    await promptBox(page).press('Enter');
    await answer(page);
    await page.reload();
    await connected(page);
    assert.equal(await promptBox(page).inputValue(), '');
  });

  for (const [what, frames, kept] of /** @type {[string, object[], RegExp][]} */ ([
    [
      'one answer above all room',
      [text('word '.repeat(300_000)), FINISHED],
      /^This paragraph is too long for its markup, so it is shown as it was typed\.word word /,
    ],
    [
      'an answer with passages above all room',
      [
        text('Short.'),
        custom('bedrock.citations', { citations: [citation('s3://d/a.md', 'p'.repeat(1_500_000))] }),
        FINISHED,
      ],
      /^Short\./,
    ],
    ['an answer of characters that are long in JSON', [text('\u0001\ud800"\\'.repeat(200_000)), FINISHED], /./],
  ])) {
    test(`${what} is kept in part where nothing is kept but by the tab, with a word about it, and so are those around it`, async () => {
      const page = await open({
        prepare: keepingNothing(answers([text('Before.'), FINISHED], frames, [text('After.'), FINISHED])),
      });
      for (const count of [1, 2, 3]) {
        await send(page, `prompt ${count}`);
        await answer(page, count);
      }
      await page.reload();
      await connected(page);
      assert.equal(await page.locator('article.agent').count(), 3);
      const large = page.locator('article.agent').nth(1);
      assert.match((await large.locator('.body').textContent()) ?? '', kept);
      assert.match(
        (await large.locator('.notes').textContent()) ?? '',
        /Not all of this answer was kept over the reload/,
      );
      assert.equal(await page.locator('article.agent').first().locator('.notes').isVisible(), false);
    });
  }

  test('sources survive where their passages do not', async () => {
    const citations = Array.from({ length: 40 }, (_, index) =>
      citation(`s3://d/${index}.md`, `${index} ${'p'.repeat(30_000)}`),
    );
    const page = await open({
      prepare: answers([text('Short.'), custom('bedrock.citations', { citations }), FINISHED]).prepare,
    });
    await send(page, 'go');
    await answer(page);
    await page.reload();
    await connected(page);
    assert.equal(await page.locator('.sources li').count(), 40);
  });

  test('it is said how many turns are not there any more, and again after the next one', async () => {
    const page = await open({ prepare: keepingNothing(answers([text('word '.repeat(60_000)), FINISHED])) });
    for (const count of [1, 2, 3, 4, 5]) {
      await send(page, `prompt ${count}`);
      await answer(page, count);
    }
    for (let loads = 0; loads < 2; loads += 1) {
      await page.reload();
      await connected(page);
      assert.deepEqual(await page.locator('article.user .text').allTextContents(), [
        'prompt 3',
        'prompt 4',
        'prompt 5',
      ]);
      assert.match(
        (await page.locator('.transcript-note').textContent()) ?? '',
        /^2 earlier turns of this conversation are not shown any more/,
      );
    }
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.reload();
    await connected(page);
    assert.equal(await page.locator('.transcript-note').count(), 0);
  });

  test('an empty file is an empty file, and one that was too large is said not to be kept', async () => {
    const file = (/** @type {string} */ name, /** @type {string} */ bytes) =>
      custom('bedrock.file', { name, type: `application/${'x'.repeat(200)}`, bytes });
    const page = await open({
      viewport: { width: 320, height: 700 },
      prepare: keepingNothing(answers([file('empty.txt', ''), file('large.bin', 'A'.repeat(400_000)), FINISHED])),
    });
    await send(page, 'go');
    await answer(page);
    const about = () =>
      page
        .locator('.file-about')
        .evaluateAll((all) => all.map(({ textContent }) => textContent?.replace(/^\S+ · /, '')));
    assert.deepEqual(await about(), ['0 bytes', '300 KB']);
    assert.equal(
      await page.evaluate(() => document.querySelector('#scroller')?.scrollWidth),
      await page.evaluate(() => document.querySelector('#scroller')?.clientWidth),
    );
    await page.reload();
    await connected(page);
    assert.deepEqual(await about(), ['0 bytes', '300 KB · not kept over the reload']);
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download empty.txt' }).click();
    assert.equal((await download).suggestedFilename(), 'empty.txt');
    assert.equal(await page.getByRole('button', { name: 'Download large.bin' }).isDisabled(), true);
  });
});

describe('a second tab', () => {
  test('that is a copy of the first one has a conversation of its own, and says so', async () => {
    const scripted = answers([text('Hello.'), FINISHED]);
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'one');
    await answer(page);
    const opened = page.context().waitForEvent('page');
    // Like "Duplicate" in the menu of a tab, this copies what the tab stored.
    await page.evaluate(() => void window.open(location.href));
    const copy = await opened;
    await copy.getByText('This tab is a copy of another one').waitFor();
    await connected(copy);
    const threads = await Promise.all(
      [page, copy].map((one) => one.evaluate(() => sessionStorage.getItem('agent-relay.thread'))),
    );
    assert.equal(new Set(threads).size, 2);
    assert.equal(await copy.locator('article.user').count(), 1, 'what was said is still there to read');
    // A reload is none.
    await page.reload();
    await connected(page);
    assert.equal(await page.evaluate(() => sessionStorage.getItem('agent-relay.thread')), threads[0]);
    assert.equal(await page.locator('.transcript-note').count(), 0);
    await copy.close();
  });

  test('follows the theme and the trace switch of the first one', async () => {
    const page = await open();
    const other = await page.context().newPage();
    await other.goto(page.url());
    await connected(other);
    await page.getByRole('button', { name: 'Theme: system' }).click();
    await other.getByRole('button', { name: 'Theme: light' }).waitFor();
    assert.equal(await other.evaluate(() => document.documentElement.dataset.theme), 'light');
    await page.getByRole('switch', { name: 'Trace' }).check();
    await other.waitForFunction(() => /** @type {HTMLInputElement} */ (document.querySelector('#trace')).checked);
    await other.close();
  });
});

describe('a connection on which nothing is heard', () => {
  const silence = (/** @type {Page} */ page) =>
    page.getByRole('alert').filter({ hasText: 'Nothing was heard from the relay for 45 s' });

  /** Opens a page with a clock of the test's own. @param {ReturnType<typeof relay>} scripted */
  const openWithClock = async (scripted) => {
    const page = await load({
      async prepare(page) {
        await page.clock.install();
        await scripted.prepare(page);
      },
    });
    await connected(page);
    return page;
  };

  test('is said to be silent after 45 s, and left for another one on demand', async () => {
    const scripted = relay(({ say }) => say(text('Half of')));
    const page = await openWithClock(scripted);
    await send(page, 'go');
    await page.getByText('Half of').waitFor();
    await page.clock.runFor(40_000);
    assert.equal(await silence(page).count(), 0);
    await page.clock.runFor(8_000);
    await silence(page).waitFor();
    await page.getByText('Silent', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Reconnect' }).click();
    await page.clock.runFor(1_000);
    await connected(page);
    assert.equal(scripted.connections.length, 2);
    assert.match((await page.locator('.failure').textContent()) ?? '', /Interrupted.*connection_silent/);
    assert.equal(await page.getByRole('button', { name: 'Retry' }).isVisible(), true);
    assert.equal(await silence(page).count(), 0);
  });

  test('is alive again with the next frame', async () => {
    const scripted = relay(() => {});
    const page = await openWithClock(scripted);
    await send(page, 'go');
    await page.clock.runFor(50_000);
    await silence(page).waitFor();
    scripted.runs[0]?.say({ type: 'RAW', source: 'relay', event: { keepalive: {} } });
    await connected(page);
    assert.equal(await silence(page).count(), 0);
    await page.clock.runFor(40_000);
    assert.equal(await silence(page).count(), 0);
    await page.clock.runFor(10_000);
    await silence(page).waitFor();
  });

  test('is not missed while nothing is asked, nor after the end of an answer', async () => {
    const page = await openWithClock(answers([text('Done.'), FINISHED]));
    await page.clock.runFor(100_000);
    await send(page, 'go');
    await page.clock.runFor(20_000);
    await answer(page);
    await page.clock.runFor(100_000);
    assert.equal(await silence(page).count(), 0);
  });
});

describe("the gateway's error and the answer in one picture", () => {
  for (const [how, split] of /** @type {[string, boolean][]} */ ([
    ['drawn before', true],
    ['never drawn', false],
  ])) {
    test(`leave the answer, complete, with the error as a note: ${how}`, async () => {
      const scripted = relay(() => {});
      const page = await open({ prepare: scripted.prepare });
      await send(page, 'go');
      const [run] = scripted.runs;
      assert.ok(run);
      const { say, sayText } = run;
      sayText(JSON.stringify({ message: 'Endpoint request timed out', connectionId: 'c', requestId: 'r' }));
      if (split) await page.locator('.failure').waitFor();
      // All in one task of the page, so that it draws only after the last of them.
      say(text('**It** came.'), { ...FINISHED, usage: [] });
      await page.getByText('but the answer came all the same').waitFor();
      await page.getByRole('button', { name: 'Copy answer' }).waitFor();
      assert.equal(await page.locator('.failure').count(), 0);
      assert.equal(await answer(page), 'It came.');
      assert.equal(await page.locator('.foot-row').count(), 1);
    });
  }
});
