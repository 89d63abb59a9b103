// Reading and handling a conversation: on paper, on a phone, by keyboard, in one's own colours, and to its end.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answer, connected, promptBox, send, traceSwitch, useChat } from './support/chat.mjs';
import { answers, asking, call, comeBack, custom, FINISHED, leave, relay, text } from './support/relay.mjs';

/** @import { Page } from 'playwright-core' */

const { load, open } = useChat();
const PHONE = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };

/** @param {Page} page */
const focused = (page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.tagName);
/** How far the end is, in pixels. @param {Page} page */
const below = (page) =>
  page
    .locator('#scroller')
    .evaluate(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight);
/** @param {Page} page */
const jump = (page) => page.getByRole('button', { name: 'Jump to latest' });

describe('on paper', () => {
  for (const [name, width, height] of /** @type {[string, number, number][]} */ ([
    ['A4', 794, 1123],
    ['A4 across', 1123, 794],
    ['Letter', 816, 1056],
    ['Letter across', 1056, 816],
    ['A6', 397, 559],
    ['a receipt', 302, 800],
  ])) {
    test(`${name} has the conversation, with the trace open or not`, async () => {
      const page = await open({ viewport: { width: 1280, height: 800 } });
      await traceSwitch(page).check();
      await send(page, 'hello');
      await answer(page);
      assert.equal(await page.locator('#traces').isVisible(), true);
      const pdf = () => page.pdf({ width: `${width}px`, height: `${height}px` }).then((bytes) => bytes.length);
      const withTrace = await pdf();
      await page.emulateMedia({ media: 'print' });
      await page.setViewportSize({ width, height });
      for (const shown of ['article.user .text', '.prose table', '.sources', '.timing'])
        assert.equal(await page.locator(shown).first().isVisible(), true, shown);
      for (const hidden of ['#traces', '#composer', '.bar', '.copy-code', '.turn-actions', '#banner'])
        assert.equal(await page.locator(hidden).first().isVisible(), false, hidden);
      assert.equal(
        await page.locator(':root').evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth),
        0,
        'nothing is cut',
      );
      await page.emulateMedia({ media: null });
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.getByRole('button', { name: 'Close the trace panel' }).click();
      const without = await pdf();
      assert.ok(
        withTrace > 20_000 && Math.abs(withTrace - without) < without * 0.1,
        `${withTrace} and ${without} bytes`,
      );
    });
  }
});

describe('the end of the conversation', () => {
  const LONG = '/tokens 3000 400';

  test('is followed when a picture makes it longer', async () => {
    const page = await open({ viewport: { width: 800, height: 400 } });
    await send(page, '/file');
    await answer(page);
    await page.waitForFunction(() => Number(document.querySelector('.preview')?.clientHeight) > 0);
    await page.waitForFunction(() => {
      const { scrollHeight, scrollTop, clientHeight } = /** @type {HTMLElement} */ (
        document.querySelector('#scroller')
      );
      return scrollHeight > clientHeight && scrollHeight - scrollTop - clientHeight < 2;
    });
    assert.equal(await jump(page).isVisible(), false);
  });

  for (const [how, go] of /** @type {[string, (page: Page) => Promise<void>][]} */ ([
    ['the key End', (page) => page.locator('#scroller').press('End')],
    ['the wheel', (page) => page.mouse.wheel(0, 100_000)],
    [
      'the key Page Down',
      async (page) => {
        for (let pages = 0; pages < 3; pages += 1) await page.locator('#scroller').press('PageDown');
      },
    ],
  ])) {
    test(`is followed again after ${how}, while text comes quickly`, async () => {
      const page = await open({ viewport: { width: 500, height: 400 } });
      await send(page, LONG);
      await page.waitForFunction(() => Number(document.querySelector('#scroller')?.scrollHeight) > 800);
      await page.locator('#scroller').hover();
      await page.mouse.wheel(0, -150);
      await jump(page).waitFor();
      await go(page);
      await jump(page).waitFor({ state: 'hidden' });
      await page.keyboard.press('Escape');
      await answer(page);
      await page.waitForFunction(() => {
        const { scrollHeight, scrollTop, clientHeight } = /** @type {HTMLElement} */ (
          document.querySelector('#scroller')
        );
        return scrollHeight - scrollTop - clientHeight < 2;
      });
    });
  }

  test('is left by a small move up, and by nothing else', async () => {
    const page = await open({ viewport: { width: 500, height: 400 } });
    await send(page, '/tokens 600 3000');
    await answer(page);
    assert.ok((await below(page)) < 2);
    await page.locator('#scroller').hover();
    await page.mouse.wheel(0, -20);
    await jump(page).waitFor();
    await page.setViewportSize({ width: 500, height: 390 });
    assert.equal(await jump(page).isVisible(), true);
    await page.locator('#scroller').evaluate((one) => (one.scrollTop = 0));
    await page.setViewportSize({ width: 1200, height: 2400 });
    await jump(page).waitFor({ state: 'hidden' });
  });
});

describe('on a phone', () => {
  test('Enter starts a new line, and the button sends', async () => {
    const page = await open(PHONE);
    await promptBox(page).fill('one');
    await promptBox(page).press('Enter');
    await promptBox(page).pressSequentially('two');
    assert.equal(await promptBox(page).inputValue(), 'one\ntwo');
    assert.equal(await promptBox(page).getAttribute('enterkeyhint'), 'enter');
    await page.getByRole('button', { name: 'Send' }).tap();
    await answer(page);
    assert.equal(await page.locator('article.user .text').textContent(), 'one\ntwo');
  });

  test('no keyboard comes up unasked: not at first, by a suggestion, Stop, Jump to latest or New conversation', async () => {
    const page = await open(PHONE);
    const unasked = async (/** @type {string} */ when) => assert.notEqual(await focused(page), 'prompt', when);
    await unasked('at first');
    await page.locator('.suggestion').first().tap();
    await answer(page);
    await unasked('a suggestion');
    await promptBox(page).fill('/tokens 3000 100');
    await page.getByRole('button', { name: 'Send' }).tap();
    await page.locator('article.agent .prose').nth(1).waitFor();
    await page.getByRole('button', { name: 'Stop' }).tap();
    await answer(page, 2);
    await unasked('Stop');
    await page.locator('#scroller').evaluate((one) => (one.scrollTop = 0));
    await jump(page).tap();
    await unasked('Jump to latest');
    await page.getByRole('button', { name: 'New conversation' }).tap();
    await unasked('New conversation');
  });

  test('no field is so small that the page zooms in on it, and the keyboard covers nothing', async () => {
    const page = await open(PHONE);
    await traceSwitch(page).check();
    await send(page, '/tool');
    await page.getByRole('button', { name: 'Send', exact: true }).tap();
    await answer(page);
    await page.locator('#traces-toggle').tap();
    const sizes = await page
      .locator('input:not([type="checkbox"], [type="file"]), select, textarea')
      .evaluateAll((fields) => fields.map((field) => parseFloat(getComputedStyle(field).fontSize)));
    assert.ok(sizes.length > 3 && sizes.every((size) => size >= 16), sizes.join(' '));
    assert.match(
      (await page.locator('meta[name="viewport"]').getAttribute('content')) ?? '',
      /interactive-widget=resizes-content/,
    );
  });

  test('at 320 px a file of any type has room for its button', async () => {
    const file = {
      name: 'forecast of everything.xlsx',
      type: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
      bytes: 'YQ==',
    };
    const page = await open({
      viewport: { width: 320, height: 640 },
      prepare: answers([custom('bedrock.file', file), FINISHED]).prepare,
    });
    await send(page, 'go');
    await answer(page);
    const cut = await page.locator('.file-about').evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
    assert.equal(cut, 0);
    const [about, button] = await Promise.all(
      ['.file-about', '.file button'].map((one) => page.locator(one).boundingBox()),
    );
    assert.ok(about && button && about.x + about.width <= button.x, `${about?.x} + ${about?.width}, ${button?.x}`);
  });
});

describe('the focus', () => {
  test('is not lost by Confirm or Deny, by the end of an answer on Stop, nor by Stop, by keyboard or mouse', async () => {
    const scripted = relay(({ say, input }) => {
      const last = input.messages.at(-1)?.content;
      if (last === 'ask') say(call('act', '{}'), asking());
      else if (last !== 'wait') say(text('Done.'), FINISHED);
    });
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'ask');
    await answer(page);
    await page.getByRole('button', { name: 'Confirm' }).press('Enter');
    await answer(page, 2);
    assert.equal(await focused(page), 'prompt');

    await send(page, 'wait');
    await page.getByRole('button', { name: 'Stop' }).focus();
    scripted.runs.at(-1)?.say(text('Done.'), FINISHED);
    await answer(page, 3);
    assert.equal(await focused(page), 'prompt');

    await send(page, 'ask');
    await answer(page, 4);
    await page.getByRole('button', { name: 'Deny' }).click();
    await answer(page, 5);
    assert.equal(await focused(page), 'prompt');

    await send(page, 'wait');
    await page.getByRole('button', { name: 'Stop' }).click();
    await answer(page, 6);
    assert.equal(await focused(page), 'prompt');
  });

  test('is not taken from where it is', async () => {
    const scripted = relay(() => {});
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'go');
    await page.getByRole('button', { name: 'Theme: system' }).focus();
    scripted.runs.at(-1)?.say(text('Done.'), FINISHED);
    await answer(page);
    assert.equal(await focused(page), 'theme');
    // Nor given to anything when a click left it nowhere.
    await send(page, 'go');
    await page.locator('.turn.agent').first().click();
    scripted.runs.at(-1)?.say(text('Done.'), FINISHED);
    await answer(page, 2);
    assert.notEqual(await focused(page), 'prompt');
  });

  test('goes from a mark to its source, which is marked, and back', async () => {
    const page = await open();
    await send(page, 'hello');
    await answer(page);
    for (const number of [1, 2]) {
      await page.getByRole('button', { name: `Source ${number}` }).click();
      assert.deepEqual(
        await page
          .locator('.sources li')
          .evaluateAll((all) => all.map((one) => getComputedStyle(one).outlineStyle === 'solid')),
        [number === 1, number === 2],
      );
      assert.equal(await page.getByRole('button', { name: 'Back to the text' }).count(), 1);
    }
    // A second click on the mark does not add a second way back.
    await page.getByRole('button', { name: 'Source 2' }).click();
    await page.getByRole('button', { name: 'Back to the text' }).click();
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Source 2');
    assert.equal(await page.locator('.shown-source, .back').count(), 0);
  });
});

describe('copy buttons', () => {
  test('say so, to everybody, and go back to their own words, however often they are clicked', async () => {
    const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
    await send(page, 'hello');
    await answer(page);
    for (const [name, words] of /** @type {[string, string][]} */ ([
      ['Copy answer', ''],
      ['Copy the code', 'Copy'],
    ])) {
      const own = page.getByRole('button', { name }).first();
      const handle = await own.elementHandle();
      for (let clicks = 0; clicks < 3; clicks += 1) {
        await handle?.click();
        await page.waitForFunction(
          (one) => [one?.textContent, one instanceof HTMLElement && one.dataset.said].includes('Copied'),
          handle,
        );
      }
      assert.equal(await page.getByRole('button', { name: 'Copied' }).count(), 1, 'its name says so too');
      assert.equal(await page.locator('#status').textContent(), 'Copied.');
      await own.waitFor();
      assert.equal(await handle?.textContent(), words);
    }
  });
});

describe('files that are dropped or pasted', () => {
  /** @param {Page} page @param {string} where @param {'drop' | 'dragover' | 'paste'} type @param {Record<string, string>} [texts] @param {boolean} [file] */
  const give = (page, where, type, texts = {}, file = true) =>
    page.locator(where).evaluate(
      (target, { type, texts, file }) => {
        const data = new DataTransfer();
        if (file) data.items.add(new File(['x'], 'a.png', { type: 'image/png' }));
        for (const [kind, text] of Object.entries(texts)) data.setData(kind, text);
        const init = { bubbles: true, cancelable: true };
        const event =
          type === 'paste'
            ? new ClipboardEvent(type, { ...init, clipboardData: data })
            : new DragEvent(type, { ...init, dataTransfer: data });
        target.dispatchEvent(event);
        return event.defaultPrevented;
      },
      { type, texts, file },
    );

  test('cannot be sent where the agent takes none, which is said, and never take the place of the page', async () => {
    const page = await load();
    await page.route('**/config.json', async (route) => {
      const { files, ...config } = await (await route.fetch()).json();
      assert.equal(files.maxFiles, 5);
      await route.fulfill({ json: config });
    });
    await page.reload();
    await connected(page);
    assert.equal(await page.getByRole('button', { name: /^Attach/ }).count(), 0);
    const said = page.getByRole('alert').filter({ hasText: 'Files cannot be sent to this agent' });
    for (const where of ['#scroller', '#prompt', '.bar', '#traces-toggle']) {
      for (const type of /** @type {const} */ (['dragover', 'drop']))
        assert.equal(await give(page, where, type), true, `${type} on ${where}`);
      await said.waitFor();
      await promptBox(page).fill('x');
      await said.waitFor({ state: 'hidden' });
    }
    assert.equal(await give(page, '#prompt', 'paste'), true);
    await said.waitFor();
  });

  test('text is dropped into the prompt as ever, and pasted with a picture of it; a link leads nowhere', async () => {
    const page = await open();
    assert.equal(await give(page, '#prompt', 'drop', { 'text/plain': 'words' }, false), false);
    assert.equal(await give(page, '#prompt', 'paste', { 'text/plain': 'words' }), false);
    assert.equal(await give(page, '#scroller', 'drop', { 'text/uri-list': 'https://evil.example/' }, false), true);
    assert.equal(await page.locator('#composer-problem').isVisible(), false);
  });
});

test('with colours of the reader, the switch, the connection and pressed buttons show their state', async () => {
  const page = await open({ forcedColors: 'active' });
  const look = (/** @type {string} */ selector, pseudo = '') =>
    page.locator(selector).evaluate((one, pseudo) => {
      const { backgroundColor, borderColor, borderStyle, borderRadius } = getComputedStyle(one, pseudo || null);
      return [backgroundColor, borderColor, borderStyle, borderRadius].join(' ');
    }, pseudo);
  const off = await look('#trace');
  await traceSwitch(page).check();
  assert.notEqual(await look('#trace'), off);
  assert.notEqual(await look('#trace', '::after'), await look('#trace'), 'its thumb');
  const states = [];
  for (const state of ['open', 'waiting', 'failed']) {
    await page.locator('#connection').evaluate((one, state) => (one.dataset.state = state), state);
    states.push(await look('.dot'));
  }
  assert.equal(new Set(states).size, 3);
  assert.equal(await page.locator('#traces-toggle').getAttribute('aria-expanded'), 'true');
  const pressed = await look('#traces-toggle');
  await page.locator('#traces-toggle').click();
  await page.locator('h1').hover();
  assert.notEqual(await look('#traces-toggle'), pressed);
});

test('a long timing stands beside the icons, and Send and Stop have one width', async () => {
  const usage = [{ inputTokens: 1_234_567, outputTokens: 123_456 }];
  const scripted = relay(() => {});
  const page = await open({ viewport: { width: 600, height: 700 }, prepare: scripted.prepare });
  await send(page, 'go');
  await page.locator('#stop').waitFor();
  const place = await page.locator('#stop').boundingBox();
  scripted.runs[0]?.say(text('Done.'), { ...FINISHED, usage });
  await answer(page);
  assert.deepEqual(await page.locator('#send').boundingBox(), place);
  await page
    .locator('.timing')
    .evaluate((one) => (one.textContent = `${one.textContent} · 12,345 chunks in 1,234 frames`.repeat(2)));
  const [timing, actions] = await Promise.all(
    ['.timing', '.agent .turn-actions'].map((one) => page.locator(one).boundingBox()),
  );
  assert.ok(timing && actions && actions.y < timing.y + timing.height && actions.x + actions.width <= timing.x);
});

test('before the page is connected, Enter says why nothing is sent, and the words go once it is', async () => {
  const scripted = relay(() => {});
  const page = await open({ prepare: scripted.prepare });
  await leave(page, scripted.connections[0]);
  await promptBox(page).fill('hello');
  await promptBox(page).press('Enter');
  const said = page.getByRole('alert').filter({ hasText: 'There is no connection yet' });
  await said.waitFor();
  await comeBack(page);
  await said.waitFor({ state: 'hidden' });
  assert.equal(await promptBox(page).inputValue(), 'hello');
});

test('Retry and a suggestion say why they cannot be sent', async () => {
  const scripted = relay(() => {});
  const page = await open({ prepare: scripted.prepare });
  await leave(page, scripted.connections[0]);
  await page.locator('.suggestion').first().click();
  const said = page.getByRole('alert').filter({ hasText: 'There is no connection yet' });
  await said.waitFor();
  assert.notEqual(await promptBox(page).inputValue(), '', 'it can be sent later');
  await comeBack(page);
  await send(page, 'go');
  await page.getByRole('button', { name: 'Stop' }).click();
  await answer(page);
  await connected(page);
  await leave(page, scripted.connections.at(-1));
  await page.getByRole('button', { name: 'Retry' }).click();
  await said.waitFor();
});
