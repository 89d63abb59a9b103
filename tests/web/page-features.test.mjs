// What people do with answers, in Chromium against the real local AWS.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { safeName } from '../../web/chat/files.js';
import { markersOf } from '../../web/relay/citations.js';
import { Conversation } from '../../web/relay/conversation.js';
import { reveal } from '../../web/chat/typewriter.js';
import { savedTurns, saveTurns } from '../../web/conversations/journal.js';
import { turnsOf } from '../../web/conversations/record.js';
import { endTurn, newTurn } from '../../web/relay/turn.js';
import { eventually, until } from './support/browser.mjs';
import { answer, connected, promptBox, send, useChat } from './support/chat.mjs';
import { FrameGate } from './support/frames.mjs';
import { text as chunk, custom, FINISHED, relay } from './support/relay.mjs';

/** @import { Page } from 'playwright-core' */

const { open, output } = useChat();

/** Lets frames through until some text is shown. @param {Page} page @param {FrameGate} gate */
async function someText(page, gate) {
  for (let text = ''; text.length < 40; ) text += (await gate.next()).delta ?? '';
  await page.waitForFunction(
    () => (document.querySelector('article.agent:last-child .prose')?.textContent ?? '').length > 10,
  );
}

/** @param {Page} page @param {import('playwright-core').Locator} button @returns {Promise<{name: string, text: string}>} */
async function saved(page, button) {
  const [download] = await Promise.all([page.waitForEvent('download'), button.click()]);
  return { name: download.suggestedFilename(), text: await readFile(await download.path(), 'utf8') };
}

describe('the pace', () => {
  test('shows a backlog within a moment, and small ones at five milliseconds a character', () => {
    const text = 'x'.repeat(10_000);
    assert.equal(reveal(text, 9_980, 20), 9_984);
    assert.equal(reveal(text, 0, 16), 640);
    let shown = 0;
    for (let pictures = 0; pictures < 200; pictures += 1) shown = reveal(text, shown, 16);
    assert.equal(shown, text.length);
  });

  test('never cuts what people count as one character', () => {
    const text = '👨‍👩‍👧‍👦🇨🇭e\u0301👍🏽'.repeat(20);
    const ends = new Set(
      Array.from(new Intl.Segmenter().segment(text), ({ index, segment }) => index + segment.length),
    );
    for (let shown = 0; shown < text.length; ) {
      shown = reveal(text, shown, 1);
      assert.ok(ends.has(shown), `${shown}`);
    }
  });
});

describe('citations', () => {
  const words = 'Grüße 👋 aus Zürich.';
  const text = `👩‍👩‍👧 Vorab. ${words} Ende.`;
  const start = text.indexOf(words);
  for (const [unit, at] of /** @type {[string, number][]} */ ([
    ['UTF-16 units', start],
    ['characters', [...text.slice(0, start)].length],
    ['bytes', Buffer.byteLength(text.slice(0, start))],
    ['nothing sensible', 7000],
  ])) {
    test(`stand behind the cited words, whether spans count ${unit}`, () => {
      const reference = { location: { webLocation: { url: 'https://a.example/x' } } };
      const citation = {
        generatedResponsePart: { textResponsePart: { text: words, span: { start: at, end: at + 3 } } },
        retrievedReferences: [reference, reference],
      };
      assert.deepEqual(markersOf({ id: 'm', text, citations: [citation] }, [citation]), [
        { at: start + words.length, numbers: [1] },
      ]);
    });
  }

  test('whose words are not in the text stand where their span ends, once there is so much text', () => {
    const citation = {
      generatedResponsePart: { textResponsePart: { text: 'other words', span: { start: 0, end: 9 } } },
    };
    const at = (/** @type {string} */ text, /** @type {boolean} */ whole) =>
      markersOf({ id: 'm', text, citations: [citation] }, [citation], whole)[0]?.at;
    assert.deepEqual([at('Too few', false), at('Too few', true), at('Enough words.', false)], [Infinity, 7, 9]);
  });

  test('that come before their words wait for them', async () => {
    const reference = { location: { webLocation: { url: 'https://a.example/x' } } };
    const cites = (/** @type {string} */ words, /** @type {number} */ start) =>
      custom('bedrock.citations', {
        citations: [
          {
            generatedResponsePart: { textResponsePart: { text: words, span: { start, end: start + words.length } } },
            retrievedReferences: [reference],
          },
        ],
      });
    const scripted = relay(({ say }) => say(chunk('First.\n\nRefunds are')));
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'go');
    const body = page.locator('article.agent .body');
    await body.getByText('Refunds are').waitFor();
    scripted.runs[0]?.say(cites('Refunds are possible.', 8), cites('They take a week.', 45));
    scripted.runs[0]?.say(chunk(' pos'));
    await body.getByText('Refunds are pos').waitFor();
    assert.equal(await page.locator('.mark').count(), 0);
    scripted.runs[0]?.say(chunk('sible. Next sentence.\n\nThey take a'));
    await body.getByText('They take a').waitFor();
    assert.equal(await page.locator('.mark').count(), 1);
    scripted.runs[0]?.say(chunk(' week. End.'), FINISHED);
    await answer(page);
    assert.deepEqual(await body.locator('p').allTextContents(), [
      'First.',
      'Refunds are possible.1 Next sentence.',
      'They take a week.1 End.',
    ]);
  });

  test('whose span is off stand at the nearest place of their words', () => {
    const text = 'It is so. And then: it is so. In the end it is so.';
    const at = (/** @type {number} */ start) => {
      const citation = {
        generatedResponsePart: { textResponsePart: { text: 'it is so.', span: { start, end: start + 9 } } },
      };
      return markersOf({ id: 'm', text, citations: [citation] }, [citation])[0]?.at;
    };
    assert.deepEqual([at(0), at(17), at(24), at(38), at(900)], [29, 29, 29, 50, 50]);
  });

  describe('have the marks that they have after a reload', () => {
    const words = 'The rate is 5%.';
    const cites = (/** @type {string} */ words, /** @type {number} */ start, /** @type {string} */ name, id = 'm') =>
      custom('bedrock.citations', {
        messageId: id,
        citations: [
          {
            generatedResponsePart: { textResponsePart: { text: words, span: { start, end: start + words.length } } },
            retrievedReferences: [{ location: { s3Location: { uri: `s3://d/${name}` } } }],
          },
        ],
      });
    const says = (/** @type {string} */ id, /** @type {string} */ text) => ({ ...chunk(text), messageId: id });
    for (const [name, [frames, texts]] of /** @type {[string, [object[], string[]]][]} */ (
      Object.entries({
        'where the cited words come once more': [
          [
            chunk(`${words}\n\nMore.\n\n`),
            cites(words, 4, 'a'),
            chunk(`Again: ${words}\n\nThe end.`),
            cites('The end.', 46, 'b'),
          ],
          [`${words}1`, 'More.', `Again: ${words}`, 'The end.2'],
        ],
        'where they come again nearer to the place that is told': [
          [
            chunk(`${words}\n\nMore.\n\n`),
            cites(words, 28, 'a'),
            chunk(`Again: ${words}\n\nThe end.`),
            cites('The end.', 46, 'b'),
          ],
          [words, 'More.', `Again: ${words}1`, 'The end.2'],
        ],
        'where an earlier message is cited later': [
          [
            says('m1', 'First.'),
            says('m2', 'Second.\n\n```\ncode\n```\n'),
            cites('Second.', 0, 'a', 'm2'),
            cites('code', 13, 'a', 'm2'),
            cites('First.', 0, 'b', 'm1'),
          ],
          ['First.1', 'Second.2', '2Copycode'],
        ],
      })
    ))
      test(name, async () => {
        const scripted = relay(() => {});
        const page = await open({ prepare: scripted.prepare });
        await send(page, 'go');
        await page.locator('article.agent').waitFor();
        let [cited, length] = [0, 0];
        const body = page.locator('article.agent .body');
        for (const frame of /** @type {any[]} */ (frames)) {
          scripted.runs[0]?.say(frame);
          if (frame.delta === undefined) await page.locator('.mark').nth(cited++).waitFor();
          else {
            length += frame.delta.replace(/[^\w%]/g, '').length;
            await eventually(async () => ((await body.textContent()) ?? '').replace(/[^\w%]/g, '').length >= length);
          }
        }
        scripted.runs[0]?.say(FINISHED);
        await answer(page);
        const shown = () => body.locator('p, .code').allTextContents();
        assert.deepEqual(await shown(), texts);
        await page.reload();
        await connected(page);
        assert.deepEqual(await shown(), texts);
      });
  });

  test('are numbered markers at their words, and lead to their sources', async () => {
    const page = await open();
    await send(page, 'hello');
    await answer(page);
    const markers = page.locator('.mark');
    assert.deepEqual(await markers.allTextContents(), ['1', '2']);
    const before = await markers.evaluateAll((all) => all.map((marker) => marker.previousSibling?.textContent ?? ''));
    assert.match(before[0] ?? '', /29 seconds for an answer and no longer\.$/);
    assert.match(before[1] ?? '', /until the agent has finished\.$/);
    await page.getByRole('button', { name: 'Source 2' }).click();
    assert.match((await page.locator('.sources li:focus').textContent()) ?? '', /after-the-response\.md/);
  });
});

describe('an answer that is being written', () => {
  for (const [how, act] of /** @type {[string, (page: Page) => Promise<void>][]} */ ([
    ['button', (page) => page.getByRole('button', { name: 'Stop' }).click()],
    ['Escape', (page) => page.keyboard.press('Escape')],
  ])) {
    test(`stops by ${how}, keeps its text, and is asked for again as a new turn`, async () => {
      const gate = new FrameGate();
      const page = await open({ prepare: (page) => gate.guard(page) });
      await send(page, '/tokens 3000 100');
      await someText(page, gate);
      const freed = () => output().match(/the caller left/g)?.length ?? 0;
      const before = freed();
      await act(page);
      assert.match(await answer(page), /^1 2 3/);
      await eventually(() => freed() > before);
      assert.match(
        (await page.locator('.foot .empty').textContent()) ?? '',
        /^Stopped here\. The agent itself may go on/,
        'without a trace it is not known what agent it is',
      );
      assert.match((await page.getByRole('status').textContent()) ?? '', /^Stopped here\. The agent itself may go on/);
      assert.match((await page.locator('.timing').textContent()) ?? '', /stopped after/);
      await connected(page);
      gate.open();
      assert.equal(await page.locator('article').count(), 2);
      await page.getByRole('button', { name: 'Retry' }).click();
      await page.locator('article.agent .prose').nth(1).waitFor();
      assert.equal(await page.locator('article.user').count(), 2);
      await page.keyboard.press('Escape');
      await answer(page, 2);
    });
  }

  test('says what the agent is doing, and for how long', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    await page.getByRole('switch', { name: 'Trace' }).check();
    await send(page, 'hello');
    await gate.until('RAW');
    await page.locator('.doing', { hasText: /Looking at the prompt/ }).waitFor();
    await page.locator('.doing', { hasText: /\d s$/ }).waitFor();
    gate.open();
    await answer(page);
    assert.equal(await page.locator('.thinking').isVisible(), false);
  });

  test('says again that the agent thinks when its text pauses', async () => {
    const page = await open();
    await send(page, '/pause 3 5');
    await page.locator('article.agent .prose').waitFor();
    const thinking = page.getByText('Thinking', { exact: true });
    await thinking.waitFor({ state: 'hidden' });
    await thinking.waitFor();
    assert.equal(await page.locator('article.agent').getAttribute('aria-busy'), 'true');
    await answer(page);
    assert.equal(await thinking.isVisible(), false);
  });

  test('is left by a scroll up, and found again by a jump', async () => {
    const page = await open({ viewport: { width: 600, height: 400 } });
    await send(page, '/tokens 900 3000');
    await answer(page);
    const jump = page.getByRole('button', { name: 'Jump to latest' });
    assert.equal(await jump.isVisible(), false);
    await page.locator('#scroller').hover();
    await page.mouse.wheel(0, -150);
    await jump.click();
    await jump.waitFor({ state: 'hidden' });
    assert.ok(
      await page.locator('#scroller').evaluate((one) => one.scrollHeight - one.scrollTop - one.clientHeight < 2),
    );
  });
});

test('a long conversation is kept over a reload as far as there is room, the newest first', () => {
  const turns = Array.from({ length: 30 }, (_, index) => {
    const turn = newTurn({ runId: `run-${index}`, prompt: `prompt ${index}`, trace: false }, 0);
    turn.messages.push({ id: 'm', text: 'x'.repeat(60_000), citations: [] });
    turn.files.push(
      { name: 'small.csv', type: 'text/csv', bytes: 'YQ==' },
      { name: 'large.bin', type: '', bytes: 'A'.repeat(200_000) },
    );
    endTurn(turn, 'done', 1);
    return turn;
  });
  const conversation = new Conversation();
  conversation.thread.turns = turns;
  saveTurns(conversation);
  const { values, forgotten } = savedTurns();
  const again = turnsOf(values);
  assert.ok(again.length > 10 && again.length < 20, `${again.length} turns`);
  assert.equal(again.at(-1)?.prompt, 'prompt 29');
  assert.equal(again.at(-1)?.messages[0]?.text.length, 60_000);
  assert.deepEqual(
    again.at(-1)?.files.map(({ name, bytes }) => [name, bytes]),
    [
      ['small.csv', 'YQ=='],
      ['large.bin', ''],
    ],
  );
  assert.equal(forgotten, 30 - again.length);
  saveTurns(new Conversation());
});

describe('files, tool calls, guardrails and errors', () => {
  test('files have name, type and size, a picture, and are only ever saved', async () => {
    const page = await open();
    await send(page, '/file');
    await answer(page);
    const files = page.locator('.file');
    assert.equal(await files.count(), 2);
    const csv = files.filter({ hasText: 'forecast.csv' });
    assert.match((await csv.textContent()) ?? '', /CSV table · (?:\d+ bytes|[\d.]+ KB)/);
    const { name, text } = await saved(page, csv.getByRole('button', { name: 'Download forecast.csv' }));
    assert.equal(name, 'forecast.csv');
    assert.match(text, /,/);
    await page.waitForFunction(
      () =>
        (document.querySelector('.preview') instanceof HTMLImageElement
          ? /** @type {HTMLImageElement} */ (document.querySelector('.preview')).naturalWidth
          : 0) > 0,
    );
  });

  test('names of files have no folders and nothing invisible', () => {
    for (const [given, safe] of [
      ['../../etc/passwd', 'passwd'],
      ['C:\\x\\a.exe', 'a.exe'],
      ['\u202egpj.exe', 'gpj.exe'],
      ['..', 'file'],
      ['', 'file'],
      ['a\nb<c>', 'ab_c_'],
      ['.bashrc', 'bashrc'],
    ]) {
      assert.equal(safeName(given ?? ''), safe);
    }
  });

  test('a tool call is a form, and its result goes on with the conversation', async () => {
    const page = await open();
    await send(page, '/tool');
    await answer(page);
    const form = page.getByRole('form', { name: 'What the agent asks for' });
    assert.match((await form.textContent()) ?? '', /get_weather.*cityZürichdays3/);
    await form.getByLabel('Result').fill('21 °C');
    await form.getByRole('button', { name: 'Send result' }).click();
    assert.match(await answer(page, 2), /21 °C/);
    assert.match((await page.locator('article.user .text').last().textContent()) ?? '', /Result of get_weather: 21 °C/);
    assert.equal(await form.count(), 0, 'what is answered is not asked again');
    await page.reload();
    await answer(page, 2);
    assert.equal(await form.count(), 0, 'nor after a reload');
  });

  for (const [decision, said] of /** @type {[string, RegExp][]} */ ([
    ['Confirm', /You confirmed/],
    ['Deny', /You declined/],
  ])) {
    test(`a confirmation is answered by ${decision}`, async () => {
      const page = await open();
      await send(page, '/confirm');
      await answer(page);
      await page.getByRole('button', { name: decision, exact: true }).click();
      assert.match(await answer(page, 2), said);
    });
  }

  test('a confirmation that wants a result asks for both', async () => {
    const page = await open();
    await send(page, '/confirm result');
    await answer(page);
    const form = page.getByRole('form', { name: 'What the agent asks for' });
    assert.match((await form.textContent()) ?? '', /If you confirm it, the agent asks you to do this: cancel_booking/);
    await form.getByLabel('Result').fill('B-42 is gone');
    await form.getByRole('button', { name: 'Confirm' }).click();
    assert.match(await answer(page, 2), /was confirmed and returned.*B-42 is gone/);
    assert.equal(
      await page.locator('article.user .text').last().textContent(),
      'Confirmed: cancel_booking\nResult of cancel_booking: B-42 is gone',
    );

    await send(page, '/confirm result');
    await answer(page, 3);
    await form.getByRole('button', { name: 'Deny' }).click();
    assert.match(await answer(page, 4), /You declined/);

    await send(page, '/confirm');
    await answer(page, 5);
    assert.equal(await form.getByLabel('Result').count(), 0, 'a mere confirmation has no result');
  });

  test('what is typed in place of an answer is heard by the agent', async () => {
    const page = await open();
    for (const [index, prompt] of ['/tool 3', '/confirm', '/confirm result'].entries()) {
      await send(page, prompt);
      await answer(page, 2 * index + 1);
      await page.getByRole('form', { name: 'What the agent asks for' }).waitFor();
      await send(page, '/tokens 3 100');
      assert.match(await answer(page, 2 * index + 2), /^1\s+2\s+3\s*$/);
    }
  });

  test('a guardrail is marked', async () => {
    const page = await open();
    await page.getByRole('switch', { name: 'Trace' }).check();
    await send(page, '/guardrail');
    await answer(page);
    assert.match((await page.locator('.notes').textContent()) ?? '', /guardrail stepped in/);
  });

  test('a retryable error offers to retry, and another does not', async () => {
    const page = await open();
    await send(page, '/error throttling 2');
    await answer(page);
    assert.equal(await page.getByRole('button', { name: 'Retry' }).count(), 1);
    await send(page, '/error validation 2');
    await answer(page, 2);
    assert.equal(await page.getByRole('button', { name: 'Retry' }).count(), 1);
  });
});

test('an answer, a block of code and the conversation can be copied and exported', async () => {
  const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
  await send(page, 'hello');
  await answer(page);
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await page.getByRole('button', { name: 'Copy the code' }).first().click();
  await page.getByText('Copied', { exact: true }).waitFor();
  assert.equal(await clipboard(), '{"prompt": "/tokens 200 50", "trace": true}');
  await page.getByRole('button', { name: 'Copy answer' }).click();
  await page.getByRole('button', { name: 'Copied' }).last().waitFor();
  await until(page, async () => (await navigator.clipboard.readText()).startsWith('## '));
  assert.match(await clipboard(), /```json\n.*\n```/);
  const { name, text } = await saved(page, page.getByRole('button', { name: 'Save the conversation as Markdown' }));
  assert.match(name, /^hello-\d{4}-\d\d-\d\d-\d{4}\.md$/);
  assert.match(
    text,
    /^# Conversation with the agent\n\n## You\n\nhello\n\n## Agent\n\n## How[^]*Sources:\n\n1\. limits\.md/,
  );
});

test('print has the text and no controls', async () => {
  const page = await open();
  await send(page, 'hello');
  await answer(page);
  await page.emulateMedia({ media: 'print' });
  assert.equal(await promptBox(page).isVisible(), false);
  assert.equal(await page.getByRole('button', { name: 'Copy answer' }).isVisible(), false);
  assert.equal(await page.locator('.prose table').isVisible(), true);
  assert.equal(await page.locator('article.user').isVisible(), true);
  assert.equal(await page.getByRole('complementary').isVisible(), false);
  // Paper does not scroll: the whole conversation is laid out.
  const { scrollHeight, clientHeight } = await page
    .locator('#scroller')
    .evaluate(({ scrollHeight, clientHeight }) => ({ scrollHeight, clientHeight }));
  assert.equal(scrollHeight, clientHeight);
});
