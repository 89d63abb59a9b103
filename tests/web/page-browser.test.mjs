// The page in Chromium against the real local AWS: what a person does, and what they see.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, afterEach, before, describe, test } from 'node:test';
import { launchBrowser, openPage } from './support/browser.mjs';
import { startLocal } from './support/local.mjs';

/** @import { Browser, Page } from 'playwright-core' */
/** @import { Local } from './support/local.mjs' */
/** @import { Watched } from './support/browser.mjs' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** @type {Browser} */
let browser;
/** @type {Local} */
let local;
/** @type {Watched[]} */
let watched = [];

before(async () => {
  browser = await launchBrowser();
  local = await startLocal();
});
after(async () => {
  await browser?.close();
  await local?.stop();
});
afterEach(async () => {
  const faults = watched.flatMap((one) => one.faults);
  await Promise.all(watched.splice(0).map((one) => one.close()));
  assert.deepEqual(faults, [], 'policy violations, console errors, dialogs and foreign requests');
});

/**
 * Opens the page and waits for the connection.
 *
 * @param {Parameters<typeof openPage>[2]} [options]
 */
async function open(options, address = `${local.page}/`) {
  const one = await openPage(browser, address, options);
  watched.push(one);
  await one.page.getByText('Connected', { exact: true }).waitFor();
  return one.page;
}

/** @param {Page} page */
function promptBox(page) {
  return page.getByRole('textbox', { name: 'Prompt' });
}

/** @param {Page} page @param {string} prompt */
async function send(page, prompt) {
  await promptBox(page).fill(prompt);
  await promptBox(page).press('Enter');
}

/** Waits for the end of the last answer and gives its text. @param {Page} page */
async function answer(page, count = 1) {
  await page.locator('article.agent[aria-busy="false"]').nth(count - 1).waitFor({ timeout: 60_000 });
  return (await page.locator('article.agent .body').last().textContent()) ?? '';
}

/**
 * Writes down every length that an answer has as it grows, and how many trace rows there are then.
 *
 * @param {Page} page
 * @param {number} count which answer
 */
async function watchGrowth(page, count = 1) {
  await page.evaluate((index) => {
    /** @type {{length: number, rows: number}[]} */
    const steps = [];
    Object.assign(window, { steps });
    const look = () => {
      const length = document.querySelectorAll('article.agent .body')[index]?.textContent?.length ?? 0;
      const rows = document.querySelectorAll('.step').length;
      const last = steps.at(-1);
      if (last?.length !== length || last?.rows !== rows) steps.push({ length, rows });
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
  }, count - 1);
  return async () => /** @type {{length: number, rows: number}[]} */ (await page.evaluate('window.steps'));
}

describe('an answer', () => {
  test('grows in many steps', async () => {
    const page = await open();
    const growth = await watchGrowth(page);
    await send(page, '/tokens 200 100');
    const text = await answer(page);
    const lengths = (await growth()).map(({ length }) => length);
    assert.ok(new Set(lengths).size > 50, `${new Set(lengths).size} distinct lengths`);
    assert.deepEqual(lengths, lengths.toSorted((a, b) => a - b), 'text is only ever added');
    assert.equal(lengths.at(-1), text.length);
  });

  test('shows its prompt, its times, and what was counted', async () => {
    const page = await open();
    await send(page, 'hello <b>there</b>');
    const text = await answer(page);
    assert.ok(text.length > 100, text);
    assert.equal(await page.locator('article.user .text').textContent(), 'hello <b>there</b>');
    assert.match((await page.locator('.timing').textContent()) ?? '', /^First token after [\d.]+ m?s · complete after [\d.]+ m?s · \d+ chunks in \d+ frames$/);
    assert.equal(await promptBox(page).inputValue(), '');
    assert.equal(await page.locator('#prompt:focus').count(), 1, 'the focus stays in the prompt box');
  });

  test('lists its sources', async () => {
    const page = await open();
    await send(page, 'hello');
    await answer(page);
    const sources = page.locator('.sources li');
    assert.ok((await sources.count()) >= 1);
    assert.notEqual(await sources.first().locator('.source-name').textContent(), '');
    for (const href of await page.locator('.sources a').evaluateAll((links) => links.map((link) => link.getAttribute('href') ?? ''))) {
      assert.match(href, /^https?:/);
    }
  });

  test('keeps every character whole, however it was cut', async () => {
    const page = await open();
    await send(page, '/emoji');
    const text = await answer(page);
    assert.ok(!text.includes('\ufffd'), text);
    assert.match(text, /\p{Extended_Pictographic}/u);
  });

  test('waits visibly, and a second prompt waits for the first', async () => {
    const page = await open();
    await send(page, '/slow 2');
    await page.getByText('Thinking', { exact: true }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Send' }).isDisabled(), true);
    await promptBox(page).fill('next');
    await promptBox(page).press('Enter');
    assert.equal(await page.locator('article.user').count(), 1);
    await answer(page);
    assert.equal(await page.getByText('Thinking', { exact: true }).isVisible(), false);
    assert.equal(await promptBox(page).inputValue(), 'next');
    await promptBox(page).press('Enter');
    await answer(page, 2);
    assert.deepEqual(await page.locator('article.user .text').allTextContents(), ['/slow 2', 'next']);
  });

  test('that fails keeps its text and says why, with a code', async () => {
    const page = await open();
    await send(page, '/error throttlingException 3');
    const alert = page.locator('.failure[role="alert"]');
    await alert.waitFor();
    assert.notEqual(await answer(page), '');
    assert.equal(await alert.locator('code').textContent(), 'throttling');
    assert.match((await alert.textContent()) ?? '', /Sending the prompt again may help/);
    await send(page, 'and on we go');
    assert.notEqual(await answer(page, 2), '');
  });

  test('is told to screen readers once, not with every token', async () => {
    const page = await open();
    await page.evaluate(() => {
      /** @type {string[]} */
      const said = [];
      Object.assign(window, { said });
      const status = document.querySelector('[role=status]');
      if (status) new MutationObserver(() => said.push(status.textContent ?? '')).observe(status, { childList: true, characterData: true, subtree: true });
    });
    await send(page, '/tokens 100 100');
    await answer(page);
    const said = /** @type {string[]} */ (await page.evaluate('window.said'));
    assert.equal(said.length, 2);
    assert.equal(said[0], 'Generating.');
    assert.match(said[1] ?? '', /^Answer complete/);
    assert.equal(await page.locator('[role=log]').getAttribute('aria-live'), 'off');
  });
});

describe('the trace', () => {
  test('arrives before and between the text, and stays out when it is not asked for', async () => {
    const page = await open();
    await send(page, 'hello');
    await answer(page);
    assert.equal(await page.locator('.step').count(), 0);

    await page.getByRole('switch', { name: 'Trace' }).check();
    await page.getByRole('heading', { name: 'Trace' }).waitFor();
    const growth = await watchGrowth(page, 2);
    await send(page, 'hello again');
    await answer(page, 2);
    const steps = await growth();
    const first = steps.findIndex(({ length }) => length > 0);
    assert.ok(steps.slice(0, first).some(({ rows }) => rows > 0), 'rows before the first text');
    const during = steps.slice(first).map(({ rows }) => rows);
    assert.ok(new Set(during).size > 1, `rows between the text: ${during}`);
    assert.equal(await page.locator('#traces-count').textContent(), String(await page.locator('.step').count()));
  });

  test('names each step, and opens to its JSON', async () => {
    const page = await open();
    await page.getByRole('switch', { name: 'Trace' }).check();
    await send(page, 'hello');
    await answer(page);
    for (const title of ['Pre-processing', 'Rationale', 'Model invocation', 'Model response', 'Knowledge base', 'Action group', 'Observation']) {
      assert.ok((await page.locator('.step-title', { hasText: new RegExp(`^${title}$`) }).count()) > 0, title);
    }
    assert.equal(await page.locator('.step pre').count(), 0, 'JSON is made when it is opened');
    const rationale = page.locator('.step.kind-rationale').first();
    await rationale.locator('summary').click();
    const json = JSON.parse((await rationale.locator('pre').textContent()) ?? '');
    assert.equal(typeof json.trace.trace.orchestrationTrace.rationale.text, 'string');
    await rationale.locator('summary').press('Enter');
    await rationale.locator('pre').waitFor({ state: 'detached' });
  });

  test('shows what it does not know', async () => {
    const page = await open();
    await send(page, '/unknown');
    await answer(page);
    await page.getByRole('button', { name: 'Trace' }).click();
    assert.ok((await page.locator('.step.kind-unknown').count()) >= 1);
  });

  test('takes a step of a megabyte, which comes in fragments', async () => {
    const page = await open();
    await page.getByRole('switch', { name: 'Trace' }).check();
    await send(page, '/trace 1024');
    await answer(page);
    assert.equal(await page.locator('.notes:visible').count(), 0, 'no gap, nothing unreadable');
    const big = page.locator('.step').filter({ hasText: /…/ }).first();
    await big.locator('summary').click();
    const length = await page.locator('.step pre').first().evaluate((pre) => pre.textContent?.length ?? 0);
    // Its size is in bytes, and some of its characters have three.
    assert.ok(length > 900 * 1024, `${length} characters`);
  });

  test('is remembered as wanted, and its panel opens and closes', async () => {
    const page = await open();
    const panel = page.getByRole('complementary');
    await page.getByRole('switch', { name: 'Trace' }).check();
    assert.equal(await panel.isVisible(), true);
    await page.reload();
    await page.getByText('Connected', { exact: true }).waitFor();
    assert.equal(await page.getByRole('switch', { name: 'Trace' }).isChecked(), true);
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
    await prompt.fill('one');
    await prompt.press('Shift+Enter');
    await prompt.pressSequentially('two');
    assert.equal(await prompt.inputValue(), 'one\ntwo');
    for (const init of [{ isComposing: true }, { keyCode: 229 }]) {
      await prompt.evaluate((box, more) => box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...more })), init);
    }
    assert.equal(await page.locator('article').count(), 0);
    await prompt.press('Enter');
    await answer(page);
    assert.equal(await page.locator('article.user .text').textContent(), 'one\ntwo');
  });

  test('refuses a prompt that could not arrive, before it is sent, in bytes', async () => {
    const page = await open();
    await send(page, '漢'.repeat(11_000));
    const problem = page.locator('#composer-problem');
    await problem.waitFor();
    assert.match((await problem.textContent()) ?? '', /too long: the message would have 33,\d\d\d bytes, and the gateway takes 32,768/);
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
    const words = await suggestions.first().textContent();
    await suggestions.first().click();
    await answer(page);
    assert.equal(await page.locator('article.user .text').textContent(), words);
    assert.equal(await suggestions.first().isVisible(), false);
  });
});

describe('a conversation', () => {
  test('goes on after a reload of the tab, and starts over when asked', async () => {
    const page = await open();
    const thread = () => page.evaluate(() => sessionStorage.getItem('agent-relay.thread'));
    await send(page, 'hello');
    await answer(page);
    const before = await thread();
    assert.match(before ?? '', /^[0-9a-f-]{36}$/);
    await page.reload();
    await page.getByText('Connected', { exact: true }).waitFor();
    await send(page, 'hello');
    await answer(page);
    assert.equal(await thread(), before);

    await page.getByRole('button', { name: 'New conversation' }).click();
    assert.notEqual(await thread(), before);
    assert.equal(await page.locator('article').count(), 0);
    assert.equal(await page.getByRole('heading', { name: 'Ask the agent' }).isVisible(), true);
  });

  test('left in the middle of an answer is quiet', async () => {
    const page = await open();
    await send(page, '/tokens 2000 100');
    await page.locator('article.agent .text').waitFor();
    await page.getByRole('button', { name: 'New conversation' }).click();
    assert.equal(await page.locator('article').count(), 0);
    await page.getByText('Connected', { exact: true }).waitFor();
    await send(page, 'hello');
    const text = await answer(page);
    assert.equal(await page.locator('article.agent').count(), 1);
    assert.ok(text.length > 100);
  });
});

describe('scrolling', () => {
  test('follows the end only while the reader is there', async () => {
    const page = await open({ viewport: { width: 800, height: 500 } });
    const scroller = page.locator('#scroller');
    const place = () => scroller.evaluate(({ scrollTop, scrollHeight, clientHeight }) => ({ top: scrollTop, left: scrollHeight - scrollTop - clientHeight }));
    await send(page, '/tokens 1500 300');
    await page.waitForFunction(() => {
      const element = document.querySelector('#scroller');
      return element !== null && element.scrollHeight > element.clientHeight * 2;
    });
    assert.ok((await place()).left < 60, 'at the end while it grows');
    await scroller.hover();
    await page.mouse.wheel(0, -150);
    await page.waitForFunction(() => {
      const element = document.querySelector('#scroller');
      return element !== null && element.scrollHeight - element.scrollTop - element.clientHeight > 100;
    });
    const { top } = await place();
    const length = (await page.locator('.body').textContent())?.length ?? 0;
    await page.waitForFunction((least) => (document.querySelector('.body')?.textContent?.length ?? 0) > least + 500, length);
    assert.equal((await place()).top, top, 'left alone after scrolling up');
    await answer(page);
    await send(page, 'hello');
    await answer(page, 2);
    assert.ok((await place()).left < 2, 'sending goes back to the end');
  });
});

describe('the connection', () => {
  const refused = /WebSocket connection to .* failed/;

  test('that closes marks the open answer, comes back by itself, and sends nothing again', async () => {
    let own = await startLocal();
    try {
      const page = await open({ expected: refused }, `${own.page}/`);
      await send(page, '/tokens 2000 50');
      await page.locator('article.agent .text').waitFor();
      await own.stop();
      await page.getByText('Reconnecting', { exact: true }).waitFor();
      assert.match((await page.locator('.failure').textContent()) ?? '', /Interrupted.*closed before the answer was complete/);
      assert.notEqual(await answer(page), '');
      assert.equal(await page.getByRole('button', { name: 'Send' }).isDisabled(), true);

      own = await startLocal('--port', String(own.port));
      await page.getByText('Connected', { exact: true }).waitFor();
      assert.equal(await page.locator('article').count(), 2, 'the prompt was not sent again');
      await send(page, 'hello');
      assert.ok((await answer(page, 2)).length > 100);
    } finally {
      await own.stop();
    }
  });

  test('that stays away is explained, with a way to try at once', async () => {
    let own = await startLocal();
    try {
      // The waits are a random part of their limit: first none of it, then days.
      const prepare = (/** @type {Page} */ page) =>
        page.addInitScript(() => {
          Object.assign(window, { dice: 0 });
          // @ts-expect-error: set above.
          Math.random = () => window.dice;
        });
      const page = await open({ expected: refused, prepare }, `${own.page}/`);
      await own.stop();
      const explanation = page.getByText(/No connection to ws:.*does not answer, or it refuses this page/);
      await explanation.waitFor();
      await page.evaluate(() => Object.assign(window, { dice: 50_000 }));
      own = await startLocal('--port', String(own.port));
      await page.getByRole('button', { name: 'Try now' }).click();
      await page.getByText('Connected', { exact: true }).waitFor();
      assert.equal(await explanation.isVisible(), false);
    } finally {
      await own.stop();
    }
  });

  test('without config.json says what is missing', async () => {
    const one = await openPage(browser, `${local.page}/`, {
      expected: /404/,
      prepare: (page) => page.route('**/config.json', (route) => route.fulfill({ status: 404, body: 'no' })),
    });
    watched.push(one);
    const alert = one.page.locator('#banner');
    await alert.waitFor();
    assert.match((await alert.textContent()) ?? '', /config\.json is missing \(HTTP 404\)/);
    assert.equal(await one.page.getByText('Not set up').isVisible(), true);
    assert.equal(await one.page.getByRole('button', { name: 'Send' }).isDisabled(), true);
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

describe('looks', () => {
  for (const width of [320, 768, 1920]) {
    test(`at ${width} px nothing sticks out and every target is large enough`, async () => {
      const page = await open({ viewport: { width, height: 720 } });
      await page.getByRole('switch', { name: 'Trace' }).check();
      await send(page, `hello ${'w'.repeat(300)}`);
      await answer(page);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.equal(wide, width);
      const inside = await page.locator('#scroller').evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
      assert.equal(inside, 0);
      const panel = page.getByRole('complementary');
      if (!(await panel.isVisible())) await page.locator('#traces-toggle').click();
      assert.equal(await page.locator('#scroller').isVisible(), width >= 960, 'the panel stands beside the chat, or in its place');
      assert.equal(await page.locator('#traces-scroller').evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth), 0);
      const small = await page.locator('button:visible, summary:visible, a:visible').evaluateAll((targets) =>
        targets.filter((target) => target.closest('.sources') === null).map((target) => target.getBoundingClientRect()).filter(({ width, height }) => width < 24 || height < 24),
      );
      assert.deepEqual(small, []);
      await page.locator('#traces-scroller').press('Escape');
      assert.equal(await panel.isVisible(), false);
      assert.equal(await page.locator('#scroller').isVisible(), true);
    });
  }

  test('dark and light come from the system, and from a switch that is remembered', async () => {
    const page = await open({ colorScheme: 'dark' });
    const lightness = () => page.evaluate(() => Number(/\d+/.exec(getComputedStyle(document.body).backgroundColor)?.[0]));
    assert.ok((await lightness()) < 60);
    await page.emulateMedia({ colorScheme: 'light' });
    assert.ok((await lightness()) > 200);
    await page.getByRole('button', { name: 'Theme: system' }).click();
    await page.getByRole('button', { name: 'Theme: light' }).click();
    await page.getByRole('button', { name: 'Theme: dark' }).waitFor();
    assert.ok((await lightness()) < 60);
    await page.reload();
    await page.getByText('Connected', { exact: true }).waitFor();
    assert.ok((await lightness()) < 60);
    await page.getByRole('button', { name: 'Theme: dark' }).click();
    assert.ok((await lightness()) > 200);
  });

  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    test(`axe finds nothing serious: ${colorScheme}, empty, streaming, complete, failed, narrow`, async () => {
      const page = await open({ colorScheme, reducedMotion: 'reduce' });
      const check = async (/** @type {string} */ when) => {
        await page.evaluate(AXE);
        const serious = await page.evaluate(async () => {
          // @ts-expect-error: axe is a global of the script above.
          const { violations } = await window.axe.run();
          return violations
            .filter((/** @type {any} */ { impact }) => impact === 'serious' || impact === 'critical')
            .map((/** @type {any} */ { id, nodes }) => `${id}: ${nodes.map((/** @type {any} */ node) => node.html).join(' ')}`);
        });
        assert.deepEqual(serious, [], when);
      };
      await check('empty');
      await page.getByRole('switch', { name: 'Trace' }).check();
      await send(page, 'hello');
      await page.locator('article.agent .text').waitFor();
      await check('streaming');
      await answer(page);
      await page.locator('.step summary').first().click();
      await check('complete, a step open');
      await send(page, '/error throttlingException 3');
      await answer(page, 2);
      await check('failed');
      await page.setViewportSize({ width: 360, height: 700 });
      await check('narrow, the trace in the place of the chat');
      await page.locator('#traces-toggle').click();
      await check('narrow');
    });
  }
});
