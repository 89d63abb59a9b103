// The page in Chromium against the real local AWS: what a person does, and what they see.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { answer, connected, letters, promptBox, send, traceSwitch, useChat } from './support/chat.mjs';
import { FrameGate } from './support/frames.mjs';
import { startLocal } from './support/local.mjs';

/** @import { Page } from 'playwright-core' */

/** Parts of the longest wait between two attempts to connect; real ones are below 1. */
const PARTS = { none: 0, short: 0.01, days: 50_000 };

const { load, open, openForAll } = useChat();

describe('an answer with its trace', () => {
  /** @type {Page} */
  let page;
  /** What the page showed after each frame. @type {Shown[]} */
  let shown;

  before(async () => {
    const gate = new FrameGate();
    page = await openForAll({ reducedMotion: 'reduce', prepare: (page) => gate.guard(page) });
    await traceSwitch(page).check();
    await page.getByRole('heading', { name: 'Trace' }).waitFor();
    await send(page, 'hello <b>there</b>');
    shown = await stepThrough(page, gate);
    await answer(page);
  });

  test('grows with every frame, and text is only ever added', async () => {
    const texts = shown.map(({ text }) => text);
    for (const [index, text] of texts.entries())
      assert.ok(text.startsWith(texts[index - 1] ?? ''), `${texts[index - 1]} → ${text}`);
    assert.ok(new Set(texts).size > 10, `${new Set(texts).size} pictures`);
    assert.match(texts.at(-1) ?? '', /^Howthisanswerreachesyou.*Youwrotehellobthereb/);
  });

  test('has trace events before its text and between, and counts them', async () => {
    const first = shown.findIndex(({ text }) => text !== '');
    assert.ok(
      shown.slice(0, first).some(({ rows }) => rows > 0),
      'rows before the first text',
    );
    const during = shown
      .slice(
        first,
        shown.findLastIndex(({ type }) => type === 'TEXT_MESSAGE_CHUNK'),
      )
      .map(({ rows }) => rows);
    assert.ok(new Set(during).size > 1, `rows between the text: ${during}`);
    assert.equal(await page.locator('#traces-count').textContent(), String(shown.at(-1)?.rows));
  });

  test('shows its prompt, its times, and what was counted', async () => {
    assert.equal(await page.locator('article.user .text').textContent(), 'hello <b>there</b>');
    assert.match(
      (await page.locator('.timing').textContent()) ?? '',
      /^First token after [\d.]+ m?s · complete after [\d.]+ m?s · \d+ chunks in \d+ frames · [\d,]+ tokens in, [\d,]+ out$/,
    );
    assert.equal(await promptBox(page).inputValue(), '');
    assert.equal(await page.locator('#prompt:focus').count(), 1, 'the focus stays in the prompt box');
  });

  test('lists its sources', async () => {
    const sources = page.locator('.sources li');
    assert.ok((await sources.count()) >= 1);
    assert.notEqual(await sources.first().locator('.source-name').textContent(), '');
    for (const href of await page
      .locator('.sources a')
      .evaluateAll((links) => links.map((link) => link.getAttribute('href') ?? ''))) {
      assert.match(href, /^https?:/);
    }
  });
});

describe('an answer', () => {
  test('keeps every character whole, wherever frames cut the text', async () => {
    const page = await open();
    await send(page, '/emoji');
    const text = await answer(page);
    assert.ok(!text.includes('\ufffd'), text);
    assert.match(text, /\p{Extended_Pictographic}/u);
  });

  test('that is awaited says so, and no second prompt is sent before its end', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    await send(page, '/tokens 5 200');
    await page.getByText('Thinking', { exact: true }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Send' }).isVisible(), false);
    await promptBox(page).fill('/tokens 6 200');
    await promptBox(page).press('Enter');
    // It waits for the end.
    await page.getByRole('region', { name: 'Queued prompts' }).getByText('/tokens 6 200').waitFor();
    assert.equal(await page.locator('article.user').count(), 1);
    gate.open();
    assert.equal(await answer(page, 2), '1 2 3 4 5 6');
    assert.equal(await page.locator('article.agent .body').first().textContent(), '1 2 3 4 5');
    assert.equal(
      await page.locator('.thinking').getByText('Thinking', { exact: true }).filter({ visible: true }).count(),
      0,
    );
    assert.deepEqual(await page.locator('article.user .text').allTextContents(), ['/tokens 5 200', '/tokens 6 200']);
  });

  test('that fails keeps its text and says why, with a code', async () => {
    const page = await open();
    await send(page, '/error throttlingException 3');
    const alert = page.locator('.failure[role="alert"]');
    await alert.waitFor();
    assert.notEqual(await answer(page), '');
    assert.equal(await alert.locator('code').textContent(), 'throttling');
    assert.equal((await alert.textContent())?.match(/again/g)?.length, 1, 'one advice');
    assert.equal(await page.getByRole('button', { name: 'Retry' }).isVisible(), true);
    await send(page, '/tokens 5 200');
    assert.notEqual(await answer(page, 2), '');
  });

  test('is announced to screen readers once, not with every token', async () => {
    const page = await open();
    await page.evaluate(() => {
      /** @type {string[]} */
      const said = [];
      Object.assign(window, { said });
      const status = document.querySelector('[role=status]');
      if (status)
        new MutationObserver(() => said.push(status.textContent ?? '')).observe(status, {
          childList: true,
          characterData: true,
          subtree: true,
        });
    });
    await send(page, '/tokens 50 100');
    await answer(page);
    const said = /** @type {string[]} */ (await page.evaluate('window.said'));
    assert.equal(said.length, 2);
    assert.equal(said[0], 'Generating.');
    assert.match(said[1] ?? '', /^Answer complete/);
    assert.equal(await page.locator('[role=log]').getAttribute('aria-live'), 'off');
  });
});

describe('the trace', () => {
  test('is not shown when it is not asked for', async () => {
    const page = await open();
    await send(page, '/trace 1');
    assert.match(await answer(page), /would have come before/);
    assert.equal(await page.locator('.step').count(), 0);
  });

  test('is remembered as wanted, and its panel opens and closes', async () => {
    const page = await open();
    const panel = page.getByRole('complementary');
    await traceSwitch(page).check();
    assert.equal(await panel.isVisible(), true);
    await page.reload();
    await connected(page);
    assert.equal(await traceSwitch(page).isChecked(), true);
    assert.equal(await panel.isVisible(), true);
    await page.getByRole('button', { name: 'Close the trace panel' }).click();
    assert.equal(await panel.isVisible(), false);
    const toggle = page.locator('#traces-toggle');
    assert.equal(await toggle.evaluate((button) => button === document.activeElement), true);
    await toggle.press('Enter');
    assert.equal(await panel.isVisible(), true);
  });
});

describe('the prompt box', () => {
  test('Shift+Enter starts a new line, and Enter that belongs to an input method does not send', async () => {
    const page = await open();
    const prompt = promptBox(page);
    await prompt.fill('/tokens 5');
    await prompt.press('Shift+Enter');
    await prompt.pressSequentially('200');
    assert.equal(await prompt.inputValue(), '/tokens 5\n200');
    for (const init of [{ isComposing: true }, { keyCode: 229 }]) {
      await prompt.evaluate(
        (box, more) =>
          box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...more })),
        init,
      );
    }
    assert.equal(await page.locator('article').count(), 0);
    await prompt.press('Enter');
    assert.equal(await answer(page), '1 2 3 4 5');
    assert.equal(await page.locator('article.user .text').textContent(), '/tokens 5\n200');
  });

  test('refuses a prompt that could not arrive, before it is sent, in bytes', async () => {
    const page = await open();
    await send(page, '漢'.repeat(11_000));
    const problem = page.locator('#composer-problem');
    await problem.waitFor();
    assert.match(
      (await problem.textContent()) ?? '',
      /too long: the message would have 33,\d\d\d bytes, and the gateway takes 32,768/,
    );
    assert.equal(await page.locator('article').count(), 0);
    assert.equal((await promptBox(page).inputValue()).length, 11_000, 'the prompt is still there to be shortened');
    await promptBox(page).fill('short');
    assert.equal(await problem.isVisible(), false);
    assert.equal(await page.getByText('Connected', { exact: true }).isVisible(), true);
  });

  test('offers prompts in an empty chat', async () => {
    const page = await open();
    const suggestions = page.getByRole('list', { name: 'Suggested prompts' }).getByRole('button');
    assert.ok((await suggestions.count()) >= 2);
    await page.getByRole('button', { name: 'More suggestions' }).click();
    const emoji = suggestions.getByText('/emoji');
    const words = await emoji.textContent();
    await emoji.click();
    await answer(page);
    assert.equal(await page.locator('article.user .text').textContent(), words);
    assert.equal(await suggestions.first().isVisible(), false);
  });
});

describe('a conversation', () => {
  test('goes on after a reload of the tab, and starts over when asked', async () => {
    const page = await open();
    const thread = () => page.evaluate(() => sessionStorage.getItem('agent-relay.thread'));
    await send(page, '/slow 0');
    assert.match(await answer(page), /turn 1 of this conversation/);
    const before = await thread();
    assert.match(before ?? '', /^[0-9a-f-]{36}$/);
    await page.reload();
    await connected(page);
    assert.match(await answer(page), /turn 1 of this conversation/, 'the transcript is still there');
    await send(page, '/slow 0');
    assert.match(await answer(page, 2), /turn 2 of this conversation/);
    assert.equal(await thread(), before);

    await page.getByRole('button', { name: 'New conversation' }).click();
    assert.notEqual(await thread(), before);
    assert.equal(await page.locator('article').count(), 0);
    assert.equal(await page.getByRole('heading', { name: 'Ask the agent' }).isVisible(), true);
    await send(page, '/slow 0');
    assert.match(await answer(page), /turn 1 of this conversation/);
  });

  test('left in the middle of an answer shows nothing more of it', async () => {
    const page = await open();
    await send(page, '/tokens 2000 100');
    await page.locator('article.agent .prose').waitFor();
    await page.getByRole('button', { name: 'New conversation' }).click();
    assert.equal(await page.locator('article').count(), 0);
    await connected(page);
    await send(page, '/slow 0');
    assert.match(
      await answer(page),
      /^\D+0 seconds of silence.*turn 1 of this conversation\.$/,
      'nothing of the answer that was left',
    );
    assert.equal(await page.locator('article.agent').count(), 1);
  });
});

describe('scrolling', () => {
  test('follows the end only while the user is there', async () => {
    const gate = new FrameGate();
    const page = await open({ viewport: { width: 800, height: 500 }, prepare: (page) => gate.guard(page) });
    const scroller = page.locator('#scroller');
    const place = () =>
      scroller.evaluate(({ scrollTop, scrollHeight, clientHeight }) => ({
        top: scrollTop,
        left: scrollHeight - scrollTop - clientHeight,
      }));
    await send(page, '/tokens 1500 750');
    await pass(page, gate, 2_200);
    assert.ok(await scroller.evaluate(({ scrollHeight, clientHeight }) => scrollHeight > clientHeight * 2));
    assert.ok((await place()).left < 2, 'at the end while it grows');
    await scroller.hover();
    await page.mouse.wheel(0, -150);
    await page.waitForFunction(() => {
      const element = document.querySelector('#scroller');
      return element !== null && element.scrollHeight - element.scrollTop - element.clientHeight >= 149;
    });
    const { top } = await place();
    await pass(page, gate, 500);
    assert.equal((await place()).top, top, 'left alone after scrolling up');
    gate.open();
    await answer(page);
    assert.equal((await place()).top, top, 'and at the end of the answer too');
    await send(page, '/tokens 5 200');
    await answer(page, 2);
    assert.ok((await place()).left < 2, 'sending goes back to the end');
  });
});

describe('the connection', () => {
  const refused = /WebSocket connection to .* failed/;

  test('that closes keeps the open answer, comes back by itself, and sends no prompt again', async () => {
    let own = await startLocal();
    try {
      const page = await open({ address: `${own.page}/`, expected: refused, prepare: waits('short') });
      await send(page, '/tokens 40000 50');
      await page.locator('article.agent .prose').waitFor();
      await own.stop();
      await page.getByText('Reconnecting', { exact: true }).waitFor();
      await page.getByText('Reconnecting…', { exact: true }).waitFor();
      assert.equal(await page.getByRole('button', { name: 'Send' }).isVisible(), false);

      // The answer was in the program that has ended.
      own = await startLocal('--port', String(own.port));
      await connected(page);
      assert.notEqual(await answer(page), '');
      assert.match(
        (await page.locator('.failure').textContent()) ?? '',
        /Interrupted.*closed before the answer was complete.*no_such_run/,
      );
      assert.equal(await page.locator('article').count(), 2, 'the prompt was not sent again');
      await send(page, '/slow 0');
      assert.match(await answer(page, 2), /turn 1 of this conversation/, 'the agent of the new program answers');
    } finally {
      await own.stop();
    }
  });

  test('that does not come back is explained, with a button to try at once', async () => {
    let own = await startLocal();
    try {
      // The connection is lost, the two attempts after it fail, and the next one is far away.
      const page = await open({ address: `${own.page}/`, expected: refused, prepare: waits('none', 'none', 'days') });
      await own.stop();
      const explanation = page.getByText(/No connection to ws:.*does not answer, or it refuses this page/);
      await explanation.waitFor();
      own = await startLocal('--port', String(own.port));
      await page.getByRole('button', { name: 'Try now' }).click();
      await connected(page);
      assert.equal(await explanation.isVisible(), false);
    } finally {
      await own.stop();
    }
  });

  test('comes back as soon as the network does', async () => {
    let own = await startLocal();
    try {
      const page = await open({ address: `${own.page}/`, expected: refused, prepare: waits('none', 'none', 'days') });
      await own.stop();
      await page.getByText(/No connection to ws:/).waitFor();
      assert.equal(await page.getByRole('status').textContent(), 'The connection closed. Reconnecting.');
      own = await startLocal('--port', String(own.port));
      await page.context().setOffline(true);
      await page.context().setOffline(false);
      await connected(page);
      assert.equal(await page.getByRole('status').textContent(), 'Connected again.');
    } finally {
      await own.stop();
    }
  });

  test('without config.json says what is missing', async () => {
    const page = await load({
      expected: /404/,
      prepare: (page) => page.route('**/config.json', (route) => route.fulfill({ status: 404, body: 'no' })),
    });
    const alert = page.locator('#banner');
    await alert.waitFor();
    assert.match((await alert.textContent()) ?? '', /config\.json is missing \(HTTP 404\)/);
    assert.equal(await page.getByText('Not set up').isVisible(), true);
    assert.equal(await page.getByRole('button', { name: 'Send' }).isDisabled(), true);
  });

  test('to a relay without traces offers none', async () => {
    const page = await open({
      prepare: (page) =>
        page.route('**/config.json', async (route) => {
          const config = await (await route.fetch()).json();
          await route.fulfill({ json: { ...config, allowTrace: false } });
        }),
    });
    assert.equal(await page.getByRole('switch').count(), 0);
    assert.equal(await page.getByText(/Switch on the trace/).isVisible(), false);
    assert.equal(await page.locator('#traces-toggle').isVisible(), false);
  });
});

/**
 * Chooses how long the page waits until it connects again: it takes a random part of a limit that doubles.
 *
 * @param {(keyof typeof PARTS)[]} names of the parts, one after the other; the last one for all further waits
 * @returns {(page: Page) => Promise<unknown>}
 */
function waits(...names) {
  return (page) =>
    page.addInitScript(
      (parts) => {
        let asked = 0;
        Math.random = () => parts[Math.min(asked++, parts.length - 1)] ?? 0;
      },
      names.map((name) => PARTS[name]),
    );
}

/**
 * @typedef {object} Shown
 * @property {string} type of the frame
 * @property {string} text all text of the answer
 * @property {number} rows how many trace events are counted
 */

/**
 * Lets an answer through frame by frame, each one when the page shows the one before.
 *
 * @param {Page} page
 * @param {FrameGate} gate
 */
async function stepThrough(page, gate) {
  /** @type {Shown[]} */
  const shown = [];
  for (let text = '', rows = 0; ; ) {
    const { type, source, delta = '' } = await gate.next();
    if (type === 'TEXT_MESSAGE_CHUNK') text += delta;
    if (type === 'RAW' && source === 'bedrock-agent') rows += 1;
    // The last lines may be held back until it is known what they are.
    const sure = letters(
      text
        .split('\n')
        .slice(0, -3)
        .join('\n')
        .replace(/\]\(\S*\)|^\d+\. /gm, ''),
    );
    await page.waitForFunction(
      ([sure, rows]) => {
        const copy = /** @type {Element | undefined} */ (document.querySelector('.body')?.cloneNode(true));
        for (const button of copy?.querySelectorAll('button') ?? []) button.remove();
        return (
          (copy?.textContent ?? '').replace(/[^\p{L}\p{N}]/gu, '').startsWith(sure) &&
          Number(document.querySelector('#traces-count')?.textContent) === rows
        );
      },
      /** @type {const} */ ([sure, rows]),
    );
    const words = await page.locator('.body').evaluate((body) => {
      const copy = /** @type {Element} */ (body.cloneNode(true));
      for (const button of copy.querySelectorAll('button')) button.remove();
      return copy.textContent ?? '';
    });
    shown.push({ type, text: letters(words), rows });
    if (type === 'RUN_FINISHED' || type === 'RUN_ERROR') return shown;
  }
}

/**
 * Lets at least so much more text of an answer through, and waits until the page shows it.
 *
 * @param {Page} page
 * @param {FrameGate} gate
 * @param {number} least in UTF-16 units
 */
async function pass(page, gate, least) {
  let passed = '';
  // A number alone on its line may become the number of a list.
  while (passed.length < least || /\n\d*\s?$/.test(passed)) {
    const { type, delta = '' } = await gate.next();
    assert.notEqual(type, 'RUN_FINISHED', 'the answer is too short for this test');
    passed += delta;
  }
  const last = passed.trim().split(/\s+/).at(-1) ?? '';
  await page.waitForFunction(
    (last) => document.querySelector('.body')?.textContent?.trimEnd().endsWith(` ${last}`),
    last,
  );
}
