// What can be done with a prompt and with an answer: copy, edit and send again, ask again, its trace, a vote.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { parseConfig } from '../../web/settings/config.js';
import { launchBrowser, openPage } from './support/browser.mjs';
import { answer, connected, promptBox, send, traceSwitch, useChat } from './support/chat.mjs';
import { answers, asking, call, FINISHED, leave, relay, text } from './support/relay.mjs';
import { MODULES } from './support/server.mjs';
import { serveStatically } from './support/static.mjs';

/** @import { Page, Request } from 'playwright-core' */

const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };
const AXE = await readFile(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const { open } = useChat();

const focused = (/** @type {Page} */ page) =>
  page.evaluate(() => document.activeElement?.id || document.activeElement?.getAttribute('aria-label'));
const act = (/** @type {Page} */ page, /** @type {string} */ name) => page.getByRole('button', { name, exact: true });
const editor = (/** @type {Page} */ page) => page.getByRole('textbox', { name: 'Edited prompt' });
const replaced = (/** @type {Page} */ page) => page.locator('details.replaced');
const violations = (/** @type {Page} */ page) =>
  page.evaluate(
    'axe.run(document).then(({ violations }) => violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html }) => html) })))',
  );

/** Sends prompts, each after the answer to the one before. @param {Page} page @param {...string} prompts */
async function ask(page, ...prompts) {
  const there = await page.locator('article.agent').count();
  for (const [index, words] of prompts.entries()) {
    await promptBox(page).fill(words);
    await promptBox(page).press('Control+Enter');
    await page
      .locator('article.agent[aria-busy="false"]')
      .nth(there + index)
      .waitFor();
  }
}

describe('a prompt', () => {
  test('is copied, which is said beside the button and read out', async () => {
    const page = await open({
      permissions: ['clipboard-read', 'clipboard-write'],
      prepare: answers([text('Yes.'), FINISHED]).prepare,
    });
    await ask(page, 'one\n  two');
    await act(page, 'Copy prompt').click();
    await act(page, 'Copied').waitFor();
    assert.equal(
      await page.locator('[data-said]').evaluate((one) => getComputedStyle(one, '::after').content),
      '"Copied"',
    );
    assert.equal(await page.getByRole('status').textContent(), 'Copied.');
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'one\n  two');
    await act(page, 'Copy prompt').waitFor();
  });

  test('is edited in place by keyboard, and takes the place of all after it, which the agent still knows', async () => {
    const scripted = answers([text('Yes.'), FINISHED]);
    const page = await open({ prepare: scripted.prepare });
    await ask(page, 'one', 'two', 'three');
    await act(page, 'Edit prompt').nth(1).press('Enter');
    assert.equal(await focused(page), 'Edited prompt');
    assert.equal(await editor(page).inputValue(), 'two');
    await page
      .getByText('The agent keeps all that was said so far: the edited prompt goes to it as a new one.')
      .waitFor();
    await page.keyboard.press('End');
    await page.keyboard.type(' more');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('lines');
    await page.keyboard.press('Enter');
    await answer(page, 4);
    assert.equal(await focused(page), 'prompt');
    assert.equal(
      await replaced(page).locator('summary').textContent(),
      '2 turns were replaced by an edited prompt. The agent still knows them.',
    );
    assert.deepEqual(await page.locator('#transcript > .user .text').allTextContents(), ['one', 'two more\nlines']);
    assert.equal(await replaced(page).getByText('three').isVisible(), false);
    await replaced(page).locator('summary').press('Enter');
    assert.deepEqual(await replaced(page).locator('.user .text').allTextContents(), ['two', 'three']);
    assert.deepEqual(
      scripted.runs.map(({ input }) => input.messages.at(-1).content),
      ['one', 'two', 'three', 'two more\nlines'],
    );
    assert.equal(new Set(scripted.runs.map(({ input }) => input.threadId)).size, 1, 'one session');
  });

  test('that was edited stays so over a reload, and when one before it is edited there is one line for all', async () => {
    const page = await open({ prepare: answers([text('Yes.'), FINISHED]).prepare });
    await ask(page, 'one', 'two', 'three');
    for (const [nth, words] of /** @type {[number, string][]} */ ([
      [2, 'three anew'],
      [1, 'two anew'],
    ])) {
      await act(page, 'Edit prompt').nth(nth).click();
      await editor(page).fill(words);
      await act(page, 'Save & send').click();
      await page.locator('#transcript > .user').filter({ hasText: words }).waitFor();
      await page.locator('#transcript > .agent[aria-busy="false"]:last-child').waitFor();
    }
    const check = async () => {
      await page.getByText('3 turns were replaced by an edited prompt').waitFor();
      assert.equal(await replaced(page).count(), 1);
      assert.deepEqual(await page.locator('#transcript > .user .text').allTextContents(), ['one', 'two anew']);
    };
    await check();
    await page.reload();
    await connected(page);
    await check();
    const download = page.waitForEvent('download');
    await page.locator('#export').click();
    const saved = await readFile(await (await download).path(), 'utf8');
    assert.equal(saved.match(/> An edited prompt took the place of this one, or of one before it\./g)?.length, 3);
  });

  test('that is edited is sent to an agent that speaks AG-UI with what stands before it only', async () => {
    const said = (/** @type {string} */ words) => [
      { type: 'TEXT_MESSAGE_START', messageId: words, role: 'assistant' },
      { type: 'TEXT_MESSAGE_CONTENT', messageId: words, delta: words },
      { type: 'TEXT_MESSAGE_END', messageId: words },
      FINISHED,
    ];
    const scripted = answers(said('a'), said('b'), said('c'), said('d'), said('e'));
    const page = await open({ prepare: scripted.prepare });
    await ask(page, 'one', 'two', 'three');
    await act(page, 'Edit prompt').nth(1).click();
    await page.getByText('the agent is sent only what stands before').waitFor();
    await editor(page).fill('two anew');
    await act(page, 'Save & send').click();
    await page.getByText('2 turns were replaced by an edited prompt. The agent is not sent them any more.').waitFor();
    await answer(page, 4);
    await ask(page, 'four');
    const sent = (/** @type {number} */ run) =>
      scripted.runs[run]?.input.messages.map((/** @type {any} */ { content }) => content);
    assert.deepEqual(sent(3), ['one', 'a', 'two anew']);
    assert.deepEqual(sent(4), ['one', 'a', 'two anew', 'd', 'four']);
  });

  test('is left as it was by Escape, which stops no answer then; nor is it sent while one runs', async () => {
    const scripted = relay(({ say }) => say(text('At work.'), ...(scripted.runs.length === 1 ? [FINISHED] : [])));
    const page = await open({ prepare: scripted.prepare });
    await ask(page, 'one');
    await send(page, 'two');
    await page.locator('.prose').nth(1).waitFor();
    await act(page, 'Edit prompt').first().press('Enter');
    await page.keyboard.type(' more');
    await page.keyboard.press('Enter');
    await page
      .locator('.prompt-editor')
      .getByRole('alert')
      .filter({ hasText: 'The agent is still answering' })
      .waitFor();
    await page.keyboard.press('Escape');
    assert.equal(await focused(page), 'Edit prompt');
    assert.equal(await editor(page).count(), 0);
    assert.deepEqual(await page.locator('.user .text').allTextContents(), ['one', 'two']);
    assert.equal(await page.locator('article.agent').last().getAttribute('aria-busy'), 'true');
    await act(page, 'Edit prompt').first().click();
    assert.equal(await editor(page).inputValue(), 'one', 'what was typed is gone as well');
    await act(page, 'Cancel').click();
    assert.equal(await focused(page), 'Edit prompt');
  });

  test('that was not sent because an answer ran says so until the end of that answer', async () => {
    const scripted = relay(({ say }) => say(text('At work.'), ...(scripted.runs.length === 1 ? [FINISHED] : [])));
    const page = await open({ prepare: scripted.prepare });
    await ask(page, 'one');
    await send(page, 'two');
    await page.locator('.prose').nth(1).waitFor();
    await act(page, 'Edit prompt').first().click();
    await editor(page).press('Enter');
    const problem = page.locator('.prompt-editor').getByRole('alert');
    await problem.filter({ hasText: 'The agent is still answering' }).waitFor();
    scripted.runs[1]?.say(text(' Done.'));
    await page.getByText('At work. Done.').waitFor();
    assert.equal(await problem.isVisible(), true);
    scripted.runs[1]?.say(FINISHED);
    await problem.waitFor({ state: 'hidden' });
    assert.equal(await editor(page).inputValue(), 'one');
    await editor(page).fill('');
    await editor(page).press('Enter');
    await problem.waitFor();
  });

  test('that is being edited is there after a reload, and what is empty or too long is not sent', async () => {
    const page = await open({ prepare: answers([text('Yes.'), FINISHED]).prepare });
    await ask(page, 'one', 'two');
    await act(page, 'Edit prompt').first().click();
    await editor(page).fill('one and a half');
    await page.reload();
    await connected(page);
    assert.equal(await editor(page).inputValue(), 'one and a half');
    assert.equal(await focused(page), 'prompt', 'it takes no focus by itself');
    const said = (/** @type {string} */ words) =>
      page.locator('.prompt-editor').getByRole('alert').filter({ hasText: words }).waitFor();
    await editor(page).fill(' ');
    await act(page, 'Save & send').click();
    await said('Type a prompt first.');
    await editor(page).fill('漢'.repeat(11_000));
    await act(page, 'Save & send').click();
    await said('too long');
    await editor(page).fill('short');
    await editor(page).press('Enter');
    await answer(page, 3);
    await page.reload();
    await connected(page);
    assert.equal(await editor(page).count(), 0);
  });

  test('with more than twelve lines is folded, and shown by a button or by whoever searches in it', async () => {
    const page = await open({ prepare: answers([text('Yes.'), FINISHED]).prepare });
    await ask(
      page,
      'short',
      Array.from({ length: 40 }, (_, index) => `line ${index}`).join('\n'),
      'word '.repeat(2000),
      'i'.repeat(600),
    );
    assert.equal(await act(page, 'Show more').count(), 2, 'what is not cut off has no button');
    const box = page.locator('.user .text').nth(1);
    const height = async () => (await box.boundingBox())?.height ?? 0;
    const folded = await height();
    assert.ok(folded < 340, `${folded}`);
    await act(page, 'Show more').first().click();
    assert.equal(await act(page, 'Show less').getAttribute('aria-expanded'), 'true');
    assert.ok((await height()) > 3 * folded);
    await act(page, 'Show less').press('Enter');
    assert.equal(await height(), folded);
    // As the browser's search does.
    await box.evaluate((one) => (one.scrollTop = 300));
    await act(page, 'Show less').waitFor();
    assert.ok((await height()) > 3 * folded);
  });

  test('that a form made of an answer can be copied only', async () => {
    const page = await open({ prepare: answers([call('act', '{}'), asking()], [text('Done.'), FINISHED]).prepare });
    await ask(page, 'go');
    await act(page, 'Confirm').click();
    await answer(page, 2);
    const names = (/** @type {string} */ of) =>
      page
        .locator(of)
        .last()
        .locator('.turn-actions button')
        .evaluateAll((all) => all.map((one) => one.ariaLabel));
    assert.deepEqual(await names('.user'), ['Copy prompt']);
    assert.deepEqual(await names('.agent'), ['Copy answer'], 'nor is it asked again');
  });
});

test('what is typed in a form is there after a reload, whether it failed, too', async () => {
  const page = await open({ prepare: answers([call('look', '{}'), FINISHED], [text('Done.'), FINISHED]).prepare });
  await ask(page, 'go');
  await page.getByLabel('Result').fill('half a res');
  await page.getByLabel('It failed').check();
  // Nothing is left to the moment when a page is left.
  await page.evaluate(() =>
    window.addEventListener('pagehide', (event) => event.stopImmediatePropagation(), { capture: true }),
  );
  await page.reload();
  await connected(page);
  assert.equal(await page.getByLabel('Result').inputValue(), 'half a res');
  assert.equal(await page.getByLabel('It failed').isChecked(), true);
});

describe('an answer', () => {
  test('has a row of icons, faint until somebody is near, with names; the time of both is shown then', async () => {
    const page = await open({ prepare: answers([text('Yes.'), FINISHED]).prepare });
    const begin = Date.now();
    await ask(page, 'one', 'two');
    const rows = await page
      .locator('.agent .turn-actions')
      .evaluateAll((all) => all.map((row) => [...row.querySelectorAll('button')].map((one) => one.ariaLabel)));
    assert.deepEqual(rows, [
      ['Copy answer', 'Ask again'],
      ['Copy answer', 'Ask again'],
    ]);
    const opacity = () =>
      act(page, 'Copy answer')
        .first()
        .evaluate((one) =>
          Promise.all(one.getAnimations().map(({ finished }) => finished)).then(() =>
            Number(getComputedStyle(one).opacity),
          ),
        );
    await page.locator('h1').hover();
    assert.ok((await opacity()) < 1);
    assert.equal(await page.locator('.clock').first().isVisible(), false);
    await page.locator('.agent').first().hover();
    assert.equal(await opacity(), 1);
    await page.locator('h1').hover();
    await act(page, 'Copy answer').first().focus();
    assert.equal(await opacity(), 1);
    const times = await page
      .locator('time')
      .evaluateAll((all) =>
        all.map((one) => [
          Date.parse(/** @type {HTMLTimeElement} */ (one).dateTime),
          one.textContent,
          one.getAttribute('title'),
        ]),
      );
    assert.equal(times.length, 4);
    for (const [at, words, title] of times) {
      assert.ok(Number(at) >= begin && Number(at) <= Date.now());
      assert.match(`${words}`, /^\d{1,2}:\d\d/);
      assert.match(`${title}`, /20\d\d/);
    }
    await page.reload();
    await connected(page);
    assert.deepEqual(
      await page
        .locator('time')
        .evaluateAll((all) => all.map((one) => Date.parse(/** @type {HTMLTimeElement} */ (one).dateTime))),
      times.map(([at]) => at),
    );
  });

  test('is asked for again, also while another one runs: then it waits', async () => {
    const scripted = relay(({ say }) => say(text('Yes.'), ...(scripted.runs.length < 3 ? [FINISHED] : [])));
    const page = await open({ prepare: scripted.prepare });
    await ask(page, 'one');
    await act(page, 'Ask again').press('Enter');
    await answer(page, 2);
    assert.equal(await focused(page), 'prompt');
    await act(page, 'Ask again').first().click();
    await page.locator('.agent[aria-busy="true"] .prose').waitFor();
    await act(page, 'Ask again').first().click();
    assert.deepEqual(await page.locator('.queue-text').allTextContents(), ['one']);
    assert.deepEqual(
      scripted.runs.map(({ input }) => input.messages.at(-1).content),
      ['one', 'one', 'one'],
    );
    await act(page, 'Stop').click();
    await answer(page, 3);
    await connected(page);
    await leave(page, scripted.connections.at(-1));
    await act(page, 'Ask again').first().click();
    await page.getByRole('alert').filter({ hasText: 'There is no connection yet' }).waitFor();
  });

  test('leads to its trace if it has one, a mark to its source, and back', async () => {
    const page = await open();
    await ask(page, 'hello');
    assert.equal(await act(page, 'Show trace').count(), 0);
    await traceSwitch(page).check();
    await act(page, 'Close the trace panel').click();
    await ask(page, 'hello');
    await act(page, 'Show trace').press('Enter');
    await page.locator('.step').first().waitFor();
    await act(page, 'Source 1').last().click();
    await act(page, 'Back to the text').press('Enter');
    assert.equal(await focused(page), 'Source 1');
  });
});

describe('the row on a phone', () => {
  test('is always there, large enough, and overflows nothing', async () => {
    const page = await open({ ...PHONE, prepare: answers([text('Yes.'), FINISHED]).prepare });
    await ask(page, 'one', 'two');
    const sides = await page.locator('.turn-actions button').evaluateAll((all) =>
      all.map((one) => ({
        side: Math.min(one.clientWidth, one.clientHeight),
        opacity: getComputedStyle(one).opacity,
      })),
    );
    assert.equal(sides.length, 8);
    for (const { side, opacity } of sides) assert.ok(side >= 24 && opacity === '1', `${side} ${opacity}`);
    assert.equal(await page.locator('.clock').first().isVisible(), true);
    await act(page, 'Edit prompt').first().tap();
    assert.equal(await focused(page), 'Edited prompt');
    await editor(page).press('Enter');
    await page.keyboard.type('line');
    assert.equal(await editor(page).inputValue(), 'one\nline');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
    await act(page, 'Save & send').tap();
    await answer(page, 3);
    assert.equal(await focused(page), 'scroller', 'no keyboard comes up over the answer');
  });
});

describe('votes', () => {
  /** A page with votes, whose server answers as told. @param {Parameters<typeof open>[0]} [options] @param {(request: Request) => Promise<number | 'gone'> | number | 'gone'} [status] */
  async function withVotes(options = {}, status = () => 204) {
    /** @type {any[]} */
    const bodies = [];
    const scripted = answers([text('Yes.'), FINISHED]);
    const page = await open({
      expected: /Failed to load resource/,
      ...options,
      async prepare(page) {
        await scripted.prepare(page);
        await page.route('**/config.json', async (route) =>
          route.fulfill({ json: { ...(await (await route.fetch()).json()), votes: 'votes?of=page' } }),
        );
        await page.route('**/votes?of=page', async (route) => {
          const request = route.request();
          bodies.push({ ...request.postDataJSON(), cookie: (await request.allHeaders()).cookie });
          const answered = await status(request);
          await (answered === 'gone' ? route.abort() : route.fulfill({ status: answered }));
        });
      },
    });
    await ask(page, 'one');
    const ids = { threadId: scripted.runs[0]?.input.threadId, runId: scripted.runs[0]?.input.runId };
    return { page, bodies, ids };
  }
  const pressed = (/** @type {Page} */ page) =>
    Promise.all(['Good answer', 'Bad answer'].map((name) => act(page, name).getAttribute('aria-pressed')));
  const said = (/** @type {Page} */ page, /** @type {string} */ words) =>
    page.getByRole('status').filter({ hasText: words }).waitFor();

  test('are not asked for where nobody takes them', async () => {
    const page = await open({ prepare: answers([text('Yes.'), FINISHED]).prepare });
    await ask(page, 'one');
    assert.equal(await act(page, 'Good answer').count(), 0);
  });

  test('are sent without cookies, stay over a reload, and are taken back, by keyboard', async () => {
    const { page, bodies, ids } = await withVotes();
    await page.evaluate(() => (document.cookie = 'secret=1'));
    await act(page, 'Good answer').press('Enter');
    await said(page, 'Your vote was sent.');
    assert.deepEqual(bodies, [{ ...ids, vote: 'up', cookie: undefined }]);
    assert.equal(await focused(page), 'Good answer');
    await page.reload();
    await connected(page);
    assert.deepEqual(await pressed(page), ['true', 'false']);
    await act(page, 'Good answer').press('Space');
    await said(page, 'Your vote was taken back.');
    assert.deepEqual(await pressed(page), ['false', 'false']);
    assert.deepEqual(bodies[1], { ...ids, vote: null, cookie: undefined });
  });

  test('that arrive when another conversation was opened are kept, and no more than that', async () => {
    /** @type {(value?: unknown) => void} */
    let pass = () => {};
    const held = new Promise((resolve) => (pass = resolve));
    const { page, bodies, ids } = await withVotes({}, async () => {
      await held;
      return 204;
    });
    const first = page.waitForRequest('**/votes?of=page');
    await act(page, 'Good answer').click();
    await first;
    await act(page, 'New conversation').click();
    await page.locator('article').first().waitFor({ state: 'detached' });
    pass();
    await said(page, 'Your vote was sent.');
    assert.deepEqual(bodies, [{ ...ids, vote: 'up', cookie: undefined }]);
    await act(page, 'Conversations').click();
    await page.locator('.conversation-open', { hasText: 'one' }).click();
    await act(page, 'Good answer').waitFor();
    assert.deepEqual(await pressed(page), ['true', 'false']);
    assert.deepEqual(await page.locator('article.user .text').allTextContents(), ['one']);
  });

  test('that say it is bad offer a comment of one line, which may be left out', async () => {
    const { page, bodies, ids } = await withVotes();
    await act(page, 'Bad answer').press('Enter');
    await said(page, 'Your vote was sent.');
    const comment = page.getByLabel('What was wrong with it?');
    await comment.press('Escape');
    assert.equal(await comment.count(), 0);
    assert.equal(await focused(page), 'Bad answer');
    await page.keyboard.press('Enter');
    await said(page, 'Your vote was taken back.');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.type('Too "short" \u202e<b>');
    await page.keyboard.press('Enter');
    await said(page, 'Your comment was sent.');
    await page.getByText('Thank you.').waitFor();
    assert.equal(await focused(page), 'Bad answer');
    assert.deepEqual(bodies.at(-1), { ...ids, vote: 'down', comment: 'Too "short" \u202e<b>', cookie: undefined });
    assert.deepEqual(await pressed(page), ['false', 'true']);
  });

  test('keep a comment that is being typed over a reload and in another conversation, until it has arrived', async () => {
    let answered = /** @type {number | 'gone'} */ (204);
    const { page, bodies } = await withVotes({}, () => answered);
    const comment = page.getByLabel('What was wrong with it?');
    await act(page, 'Bad answer').click();
    await said(page, 'Your vote was sent.');
    await comment.fill('half a com');
    await page.reload();
    await connected(page);
    assert.equal(await comment.inputValue(), 'half a com');
    await act(page, 'New conversation').click();
    await comment.waitFor({ state: 'detached' });
    await act(page, 'Conversations').click();
    await page.locator('.conversation-open', { hasText: 'one' }).click();
    assert.equal(await comment.inputValue(), 'half a com');
    answered = 'gone';
    await comment.press('Enter');
    await page.getByText('Your comment did not arrive').waitFor();
    await page.reload();
    await connected(page);
    answered = 204;
    await comment.press('Enter');
    await said(page, 'Your comment was sent.');
    assert.equal(bodies.at(-1).comment, 'half a com');
    await page.reload();
    await connected(page);
    assert.equal(await comment.count(), 0);
    // One that is not wanted any more is none.
    await act(page, 'Bad answer').click();
    await act(page, 'Bad answer').click();
    await comment.fill('no');
    await page.getByRole('button', { name: 'No comment' }).click();
    await page.reload();
    await connected(page);
    assert.equal(await comment.count(), 0);
  });

  test('with a comment of 100 KB send its first thousand letters, none of them a half one', async () => {
    const { page, bodies } = await withVotes();
    await act(page, 'Bad answer').click();
    const comment = page.getByLabel('What was wrong with it?');
    await comment.evaluate(
      (box, words) => {
        /** @type {HTMLInputElement} */ (box).value = words;
      },
      `x${'😀'.repeat(25_000)}`,
    );
    await comment.press('Enter');
    await said(page, 'Your comment was sent.');
    const sent = bodies.at(-1).comment;
    assert.ok(sent.length === 1000 && sent.isWellFormed() && sent.startsWith('x😀😀'), `${sent.length}`);
  });

  test('that do not arrive are not shown as given, say why, and can be tried again', async () => {
    /** @type {(number | 'gone')[]} */
    const statuses = [500, 'gone', 302, 204];
    const { page, bodies } = await withVotes({}, () => statuses.shift() ?? 204);
    const alert = (/** @type {string} */ words) =>
      page.locator('.vote-box').getByRole('alert').filter({ hasText: words }).waitFor();
    await act(page, 'Good answer').click();
    await alert('Your vote did not arrive: the server answered with HTTP 500.');
    assert.deepEqual(await pressed(page), ['false', 'false']);
    for (const words of ['the server cannot be reached, or does not let this page in.', 'the server']) {
      await act(page, 'Try again').press('Enter');
      assert.equal(await focused(page), 'Good answer');
      await alert(words);
    }
    await act(page, 'Try again').click();
    await said(page, 'Your vote was sent.');
    assert.deepEqual(await pressed(page), ['true', 'false']);
    assert.equal(await page.locator('.vote-box').isVisible(), false);
    assert.equal(bodies.length, 4);
  });

  test('pressed one after the other arrive in that order, the last one last', async () => {
    /** @type {() => void} */
    let pass = () => {};
    const held = new Promise((resolve) => (pass = () => resolve(undefined)));
    const { page, bodies } = await withVotes({}, async () => {
      await held;
      return 204;
    });
    const first = page.waitForRequest('**/votes?of=page');
    await act(page, 'Good answer').click();
    await first;
    await act(page, 'Bad answer').click();
    await act(page, 'Bad answer').click();
    await act(page, 'Bad answer').click();
    assert.deepEqual(await pressed(page), ['false', 'true']);
    pass();
    await said(page, 'Your vote was sent.');
    assert.deepEqual(
      bodies.map(({ vote }) => vote),
      ['up', 'down'],
    );
    assert.deepEqual(await pressed(page), ['false', 'true']);
  });

  test('go to nothing but https: or the own server, in words', () => {
    const config = (/** @type {unknown} */ value) =>
      parseConfig(JSON.stringify({ endpoint: 'wss://a/b', votes: value }));
    for (const hostile of [
      'javascript:alert(1)',
      'data:,x',
      'http://evil.example/',
      'https://user:secret@a.example/',
      'blob:https://a.example/1',
      'https://',
      'wss://a.example/',
      ['x://'],
      'https:// x',
    ]) {
      assert.equal(config(hostile).votes, undefined);
      assert.match(
        config(hostile).notes.join(),
        /^"votes" in config\.json is left out: it is .*, and must be an https address, such as "https:\/\//s,
        String(hostile),
      );
    }
    assert.equal(config('https://votes.example/v?x=1').votes, 'https://votes.example/v?x=1');
    assert.deepEqual([config('').votes, config('').notes], [undefined, []]);
    assert.equal(config(null).votes, undefined);
  });
});

describe('votes of a page on another server', () => {
  /** @type {Awaited<ReturnType<typeof launchBrowser>>} */
  let browser;
  /** @type {Awaited<ReturnType<typeof serveStatically>>} */
  let server;
  before(async () => {
    browser = await launchBrowser();
    server = await serveStatically(MODULES);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test('are sent to whom the settings name, past the policy of the page', async () => {
    await server.configure(JSON.stringify({ endpoint: 'wss://relay.example/x', votes: 'https://votes.example/v' }));
    /** @type {any[]} */
    const bodies = [];
    const { page, faults, close } = await openPage(browser, server.page, {
      socket: 'wss://relay.example/x',
      async prepare(page) {
        await answers([text('Yes.'), FINISHED]).prepare(page);
        await page.route('https://votes.example/**', (route) => {
          bodies.push(route.request().postDataJSON());
          return route.fulfill({
            status: 200,
            headers: { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'content-type' },
          });
        });
      },
    });
    await connected(page);
    await ask(page, 'one');
    await act(page, 'Good answer').click();
    await page.getByRole('status').filter({ hasText: 'Your vote was sent.' }).waitFor();
    assert.deepEqual(
      bodies.map(({ vote }) => vote),
      ['up'],
    );
    assert.deepEqual(faults, ['request to somebody else: https://votes.example/v']);
    await close();
  });

  test('whose address is none are not asked for, which is said, and the chat goes on', async () => {
    await server.configure(JSON.stringify({ endpoint: 'wss://relay.example/x', votes: 'javascript:alert(1)' }));
    const { page, faults, close } = await openPage(browser, server.page, {
      socket: 'wss://relay.example/x',
      prepare: answers([text('Yes.'), FINISHED]).prepare,
    });
    await page.getByRole('alert').filter({ hasText: '"votes" in config.json is left out' }).waitFor();
    await connected(page);
    await ask(page, 'one');
    assert.equal(await act(page, 'Good answer').count(), 0);
    assert.match(faults.join('\n'), /^console warning: "votes" in config\.json is left out: [^\n]*$/);
    await close();
  });
});

test('axe finds nothing at any of it: editing, replaced turns open, folded, a comment, in light and dark, on a phone', async () => {
  for (const options of [{}, PHONE]) {
    const page = await open({
      ...options,
      expected: /Failed to load resource/,
      async prepare(page) {
        await answers([text('Yes.'), FINISHED]).prepare(page);
        await page.route('**/config.json', async (route) =>
          route.fulfill({ json: { ...(await (await route.fetch()).json()), votes: '/votes' } }),
        );
        await page.route('**/votes', (route) => route.fulfill({ status: 500 }));
      },
    });
    await ask(page, 'one', 'two', 'line\n'.repeat(30));
    await act(page, 'Edit prompt').nth(1).click();
    await act(page, 'Save & send').click();
    await answer(page, 4);
    await replaced(page).locator('summary').click();
    await act(page, 'Edit prompt').first().click();
    await act(page, 'Bad answer').last().click();
    await act(page, 'Try again').waitFor();
    await page.evaluate(AXE);
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await violations(page), [], colorScheme);
    }
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
  }
});
