// How the page looks in Chromium: at any width, in light and dark, and to assistive technology.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { before, describe, test } from 'node:test';
import { answer, connected, promptBox, send, traceSwitch, useChat } from './support/chat.mjs';
import { FrameGate } from './support/frames.mjs';

/** @import { Page } from 'playwright-core' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { open, openForAll } = useChat();

describe('at any width', () => {
  /** @type {Page} */
  let page;

  before(async () => {
    page = await openForAll({ viewport: { width: 320, height: 720 } });
    await traceSwitch(page).check();
    await send(page, `hello ${'w'.repeat(300)}`);
    await answer(page);
  });

  for (const width of [320, 768, 1920]) {
    test(`at ${width} px nothing overflows and every target is large enough`, async () => {
      await page.setViewportSize({ width, height: 720 });
      await page.waitForFunction((width) => innerWidth === width, width);
      const panel = page.getByRole('complementary');
      assert.equal(await panel.isVisible(), false);
      assert.deepEqual(await overhang(page, ':root'), { right: 0, bottom: 0 });
      assert.equal((await overhang(page, '#scroller')).right, 0);
      await page.locator('#traces-toggle').click();
      assert.equal(
        await page.locator('#scroller').isVisible(),
        width >= 960,
        'the panel stands beside the chat, or in its place',
      );
      assert.deepEqual(await overhang(page, ':root'), { right: 0, bottom: 0 });
      assert.equal((await overhang(page, '#traces-scroller')).right, 0);
      const small = await page.locator('button:visible, summary:visible, a:visible').evaluateAll((targets) =>
        targets
          .filter((target) => target.closest('.sources, .prose p, .prose li') === null)
          .map((target) => target.getBoundingClientRect())
          .filter(({ width, height }) => width < 24 || height < 24),
      );
      assert.deepEqual(small, []);
      await page.locator('#traces-scroller').press('Escape');
      assert.equal(await panel.isVisible(), false);
      assert.equal(await page.locator('#scroller').isVisible(), true);
    });
  }
});

describe('on a small screen', () => {
  test('the bar has room for any state and any number of trace events', async () => {
    const page = await open({ viewport: { width: 320, height: 720 } });
    await traceSwitch(page).check();
    await send(page, '/trace 1');
    await answer(page);
    const words = page.locator('#connection-text');
    for (const count of ['1', '14', '140', '14000']) {
      await page.locator('#traces-count').evaluate((element, count) => (element.textContent = count), count);
      for (const [state, shown] of [
        ['open', 'Connected'],
        ['waiting', 'Reconnecting'],
        ['failed', 'Not set up'],
      ]) {
        await words.evaluate(
          (element, [state, shown]) => {
            element.textContent = shown ?? '';
            if (element.parentElement) element.parentElement.dataset.state = state ?? '';
          },
          [state, shown],
        );
        assert.equal((await overhang(page, ':root')).right, 0, `${shown}, ${count}`);
        // As it should be, it has no words that are seen, and there is room for the name.
        if (state === 'open')
          assert.ok(((await page.locator('#brand-name').boundingBox())?.width ?? 0) > 20, `the name beside ${count}`);
        else if (count.length < 3)
          assert.equal((await overhang(page, '#connection-text')).right, 0, `${shown} is cut beside ${count}`);
      }
    }
  });

  test('an empty chat is read from its top, a conversation of before the reload from its end', async () => {
    const page = await open({ viewport: { width: 320, height: 500 } });
    const place = () =>
      page.locator('#scroller').evaluate(({ scrollTop, scrollHeight, clientHeight }) => ({
        above: scrollTop,
        below: scrollHeight - clientHeight - scrollTop,
      }));
    const empty = await place();
    assert.equal(empty.above, 0);
    assert.ok(empty.below > 0, 'there is more than fits');
    await send(page, '/tokens 400 2000');
    await answer(page);
    await page.reload();
    await answer(page);
    const { above, below } = await place();
    assert.ok(above > 300 && below < 2, `${above} above, ${below} below`);
  });

  test('an empty chat on a low screen has all of its prompt box, also below a long message', async () => {
    const page = await open({
      viewport: { width: 320, height: 300 },
      expected: /config\.json/,
      prepare: (page) =>
        page.route('**/config.json', async (route) =>
          route.fulfill({
            json: { ...(await (await route.fetch()).json()), starters: 7, logo: 7, colours: 7, footer: 7, greeting: 7 },
          }),
        ),
    });
    const below = () =>
      page.locator('#composer').evaluate((composer) => {
        const { bottom } = composer.getBoundingClientRect();
        return { page: bottom - innerHeight, box: composer.scrollHeight - composer.clientHeight };
      });
    for (const words of ['', 'one two three four five six seven eight nine']) {
      await promptBox(page).fill(words);
      const { page: ofPage, box } = await below();
      assert.ok(ofPage <= 0 && box === 0, `${ofPage} px below the page, ${box} px cut off`);
    }
    assert.ok(((await page.locator('#banner').boundingBox())?.height ?? 0) <= 120);
  });

  test('a prompt box that is higher than a low screen scrolls, and the page around it stands still', async () => {
    // A screen of 1280 × 720 at 200 %.
    const page = await open({ viewport: { width: 640, height: 360 } });
    await send(page, '/tokens 400 10');
    await page.locator('article.agent .body', { hasText: '1' }).waitFor();
    for (const words of ['one', 'two', 'three', 'four']) await send(page, words);
    await page
      .locator('#files')
      .setInputFiles(
        [1, 2, 3, 4].map((one) => ({ name: `${one}.txt`, mimeType: 'text/plain', buffer: Buffer.from('x') })),
      );
    await promptBox(page).fill('line\n'.repeat(20));
    const isSeen = (/** @type {string} */ selector) =>
      page.waitForFunction((selector) => {
        const { left, top } = document.querySelector(selector)?.getBoundingClientRect() ?? { left: -1, top: -1 };
        return document.elementFromPoint(left + 8, top + 8)?.closest(selector);
      }, selector);
    await page.mouse.move(320, 300);
    await page.mouse.wheel(0, -2000);
    await isSeen('.queue li button');
    await page.mouse.wheel(0, 2000);
    await isSeen('#stop');
    assert.deepEqual(await overhang(page, ':root'), { right: 0, bottom: 0 });
  });

  test('a long conversation scrolls in its own place, and the page around it stands still', async () => {
    const page = await open({ viewport: { width: 320, height: 500 } });
    for (const turn of [1, 2]) {
      await send(page, '/tokens 400 2000');
      await answer(page, turn);
    }
    assert.ok((await overhang(page, '#scroller')).bottom > 500);
    assert.deepEqual(await overhang(page, ':root'), { right: 0, bottom: 0 });
  });
});

test('in an empty chat, greeting and prompt box stand in the middle; the box is one row high and grows with its text', async () => {
  const page = await open({ viewport: { width: 1200, height: 800 } });
  const place = async (/** @type {string} */ selector) =>
    (await page.locator(selector).boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
  const [greeting, field, send_] = [await place('#greeting'), await place('.field'), await place('#send')];
  const middle = (greeting.y + field.y + field.height) / 2;
  assert.ok(Math.abs(middle - 400) < 80, `the middle is at ${middle}`);
  assert.ok(Math.abs(greeting.x + greeting.width / 2 - 600) < 2 && Math.abs(field.x + field.width / 2 - 600) < 2);
  assert.ok(field.height < 60 && send_.width === send_.height, JSON.stringify([field, send_]));
  assert.equal(await page.locator('.suggestion').count(), 4);

  await page.locator('#prompt').fill('line\n'.repeat(100));
  const grown = await place('.field');
  assert.ok(
    grown.height > 200 && grown.height <= 0.4 * 800 + 20 && grown.y + grown.height < 800,
    JSON.stringify(grown),
  );
  assert.deepEqual(await overhang(page, ':root'), { right: 0, bottom: 0 });
  await page.locator('#prompt').fill('hello');
  assert.deepEqual(await place('.field'), field);
  await page.locator('#send').click();
  await answer(page);
  const below = await place('.field');
  assert.ok(below.y > 700 && below.height === field.height, 'then it stands at the bottom');
});

test('for a finger, everything that is pressed is large enough', async () => {
  const page = await open({ viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
  await traceSwitch(page).check();
  for (const [turn, prompt] of ['hello', '/team', '/file'].entries()) {
    await page.locator('#prompt').fill(prompt);
    await page.locator('#send').tap();
    await answer(page, turn + 1);
  }
  const small = async () =>
    (
      await page
        .locator('button:visible, summary:visible, select:visible, input:visible, label:has(input):visible')
        .evaluateAll((targets) =>
          targets
            .filter(
              (one) => !one.closest('.visually-hidden') && !(one instanceof HTMLInputElement && one.closest('label')),
            )
            .map((one) => [
              one.id || one.className || one.tagName,
              Math.round(one.getBoundingClientRect().width),
              Math.round(one.getBoundingClientRect().height),
            ]),
        )
    ).filter(([, width, height]) => Number(width) < 28 || Number(height) < 28);
  assert.deepEqual(await small(), []);
  await page.locator('#more').tap();
  await page.getByRole('button', { name: 'Save the conversation as Markdown' }).waitFor();
  assert.deepEqual(await small(), []);
  await page.keyboard.press('Escape');
  await page.locator('#traces-toggle').tap();
  await page.locator('#traces-answer').selectOption({ index: 1 });
  await page.locator('.step').first().waitFor();
  assert.deepEqual(await small(), []);
  assert.equal(await page.locator('#scroller :visible').count(), 0, 'nothing of the chat shows through the trace');
});

for (const [how, options, enlarge] of /** @type {[string, object, (page: Page) => Promise<unknown>][]} */ ([
  ['at 200 % zoom', { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 }, async () => {}],
  [
    'with text twice as large',
    { viewport: { width: 1280, height: 800 } },
    (page) => page.evaluate(() => (document.documentElement.style.fontSize = '200%')),
  ],
])) {
  test(`${how} everything is there and nothing overflows`, async () => {
    const page = await open(options);
    await enlarge(page);
    await traceSwitch(page).check();
    await send(page, 'hello');
    await answer(page);
    if (await page.locator('#traces').isHidden()) await page.locator('#traces-toggle').click();
    assert.deepEqual(await overhang(page, ':root'), { right: 0, bottom: 0 });
    await page.locator('.step summary').nth(3).click();
    await page.locator('.step-detail').waitFor();
    assert.equal((await overhang(page, '#traces-scroller')).right, 0);
    assert.ok((await page.locator('#traces-scroller').evaluate((one) => one.clientHeight)) > 100, 'room for the steps');
    await page.getByRole('button', { name: 'Close the trace panel' }).click();
    assert.deepEqual(await overhang(page, ':root'), { right: 0, bottom: 0 });
    assert.equal((await overhang(page, '#scroller')).right, 0);
    assert.ok((await page.locator('#scroller').evaluate((one) => one.clientHeight)) > 100, 'room for the answer');
    for (const name of ['Send', 'New conversation', 'Save the conversation as Markdown'])
      assert.equal(await page.getByRole('button', { name }).isVisible(), true, name);
  });
}

test('everything is reached by keyboard, in the order of the page, with a visible focus', async () => {
  const page = await open();
  await traceSwitch(page).check();
  await send(page, 'hello');
  await answer(page);
  // From the top of the page on.
  await page.getByRole('heading', { name: 'Agent Relay' }).click();
  /** @type {string[]} */
  const reached = [];
  const unseen = [];
  for (;;) {
    await page.keyboard.press('Tab');
    await page.waitForFunction(() => document.activeElement !== Reflect.get(window, 'before'));
    const { name, seen } = await page.evaluate(() => {
      const focused = /** @type {HTMLElement} */ (document.activeElement);
      Reflect.set(window, 'before', focused);
      const { outlineStyle, outlineWidth } = getComputedStyle(focused);
      const field = focused.closest('.field');
      return {
        name:
          focused === document.body
            ? ''
            : focused.id || (focused.getAttribute('aria-label') ?? focused.textContent?.trim().slice(0, 30) ?? ''),
        seen:
          (outlineStyle !== 'none' && outlineWidth !== '0px') ||
          (focused.matches('textarea') && field !== null && getComputedStyle(field).boxShadow !== 'none'),
      };
    });
    if (name === '' || reached.length > 60) break;
    reached.push(name);
    if (!seen) unseen.push(name);
  }
  assert.deepEqual(unseen, []);
  const expected = [
    'new-conversation',
    'trace',
    'traces-toggle',
    'export',
    'theme',
    'scroller',
    'Source 1',
    'Copy answer',
    'prompt',
    'send',
    'traces-open',
    'traces-save',
    'traces-close',
    'traces-search',
    'traces-kind',
    'traces-collapse',
    'traces-raw',
    'traces-scroller',
  ];
  assert.deepEqual(
    reached.filter((name) => expected.includes(name)),
    expected,
  );
});

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
  await connected(page);
  assert.ok((await lightness()) < 60);
  await page.getByRole('button', { name: 'Theme: dark' }).click();
  assert.ok((await lightness()) > 200);
});

test('axe finds nothing serious: empty, streaming, complete, failed, asking, with files, narrow, each in light and dark', async () => {
  const gate = new FrameGate();
  const page = await open({ reducedMotion: 'reduce', prepare: (page) => gate.guard(page) });
  const check = async (/** @type {string} */ when) => {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await seriousViolations(page), [], `${when}, ${colorScheme}`);
    }
  };
  await page.evaluate(AXE);
  await check('empty');
  await traceSwitch(page).check();
  await send(page, 'hello');
  await gate.until('TEXT_MESSAGE_CHUNK');
  await page.locator('article.agent .prose').waitFor();
  await check('streaming');
  gate.open();
  await answer(page);
  await page.locator('.step summary').first().click();
  await page.locator('.step-detail').waitFor();
  await check('complete, a step open');
  await send(page, '/error throttlingException 3');
  await answer(page, 2);
  await check('failed');
  await send(page, '/tool 3');
  await answer(page, 3);
  await check('asked for a result');
  await send(page, '/file');
  await answer(page, 4);
  await check('with files');
  await page.setViewportSize({ width: 360, height: 700 });
  await page.waitForFunction(() => innerWidth === 360);
  await check('narrow, the trace in the place of the chat');
  await page.locator('#traces-toggle').click();
  await check('narrow');
});

/**
 * By how much the content of an element is larger than the element.
 *
 * @param {Page} page
 * @param {string} selector
 */
function overhang(page, selector) {
  return page.locator(selector).evaluate(({ scrollWidth, clientWidth, scrollHeight, clientHeight }) => ({
    right: scrollWidth - clientWidth,
    bottom: scrollHeight - clientHeight,
  }));
}

/**
 * What axe finds, which must have been loaded into the page.
 *
 * @param {Page} page
 * @returns {Promise<string[]>}
 */
function seriousViolations(page) {
  return page.evaluate(async () => {
    // @ts-expect-error: axe is a global of its script.
    const { violations } = await window.axe.run();
    return violations
      .filter((/** @type {any} */ { impact }) => impact === 'serious' || impact === 'critical')
      .map(
        (/** @type {any} */ { id, nodes }) => `${id}: ${nodes.map((/** @type {any} */ node) => node.html).join(' ')}`,
      );
  });
}
