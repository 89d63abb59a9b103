// The trace panel in Chromium against the real local AWS: whose trace it shows, what its buttons do, what it remembers,
// and what of a trace is seen, saved and opened.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { answer, connected, send, traceSwitch, useChat } from './support/chat.mjs';
import { FrameGate } from './support/frames.mjs';

/** @import { Page } from 'playwright-core' */

const { open } = useChat();

/** @param {Page} page */
const panel = (page) => page.getByRole('complementary');
/** @param {Page} page @param {string} name */
const press = (page, name) => panel(page).getByRole('button', { name, exact: true }).click();
/** @param {Page} page @param {string} name */
const offers = (page, name) => panel(page).getByRole('button', { name, exact: true }).isVisible();
/** @param {Page} page */
const titles = (page) => page.locator('.step-title').allTextContents();
/** @param {Page} page */
const choices = (page) => page.locator('#traces-answer option').allTextContents();
/** @param {Page} page @param {string} name @param {string} text */
const openFile = (page, name, text) =>
  page.locator('#traces-file').setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(text) });
/** @param {Page} page @param {string} name @param {unknown} value */
const openValue = (page, name, value) => openFile(page, name, JSON.stringify(value));
/** @param {string} text */
const thought = (text) => ({ trace: { trace: { orchestrationTrace: { rationale: { text } } } } });

/** Saves the trace that is shown. @param {Page} page */
async function saved(page) {
  const download = page.waitForEvent('download');
  await press(page, 'Download');
  const file = await download;
  return { name: file.suggestedFilename(), text: await readFile(await file.path(), 'utf8') };
}

describe('the panel shows the trace of the last prompt', () => {
  test('also before its first event, without any, and with the switch off', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    await traceSwitch(page).check();
    await send(page, '/guardrail');
    await panel(page).getByText('Nothing yet.').waitFor();
    gate.open();
    await answer(page);
    await page.locator('.step').waitFor();
    assert.deepEqual(await titles(page), ['Guardrail']);

    for (const [index, prompt] of ['/help', '/tokens 3 100', '/error throttling'].entries()) {
      await send(page, prompt);
      await answer(page, index + 2);
      await panel(page).getByText('No trace events came with this answer.').waitFor();
      assert.deepEqual(await titles(page), [], `${prompt} has no step of the answer before`);
      for (const part of ['#traces-head', '#traces-save'])
        assert.equal(await page.locator(part).isVisible(), false, part);
    }
    await traceSwitch(page).uncheck();
    await send(page, 'hello');
    await answer(page, 5);
    await panel(page).getByText('the switch Trace was off').waitFor();

    assert.deepEqual(
      await choices(page),
      ['1. /guardrail', '2. /help', '3. /tokens 3 100', '4. /error throttling', '5. hello'],
      'by the number of the prompt',
    );
    await page.getByRole('combobox', { name: 'Answer' }).selectOption({ index: 0 });
    assert.deepEqual(await titles(page), ['Guardrail']);
    assert.equal(await page.locator('#traces-empty').isVisible(), false);
  });

  test('but leaves an opened file alone while there is none', async () => {
    const page = await open();
    await page.locator('#traces-toggle').click();
    await openValue(page, 'mine.json', [thought('mine')]);
    await page.locator('.step').waitFor();
    await send(page, '/help');
    await answer(page);
    assert.deepEqual(await titles(page), ['Rationale']);
    await traceSwitch(page).check();
    await send(page, '/guardrail');
    await answer(page, 2);
    await page.locator('.step-title', { hasText: 'Guardrail' }).waitFor();
    assert.deepEqual(await choices(page), ['mine.json', '1. /help', '2. /guardrail']);
  });
});

test('an answer leads to its trace, also where a drawer shows it', async () => {
  const page = await open();
  await traceSwitch(page).check();
  for (const [index, prompt] of ['/guardrail', '/help', '/trace 1'].entries()) {
    await send(page, prompt);
    await answer(page, index + 1);
  }
  const link = (/** @type {number} */ nth) =>
    page.locator('article.agent').nth(nth).getByRole('button', { name: 'Show trace' });
  assert.deepEqual(
    [await link(0).count(), await link(1).count(), await link(2).count()],
    [1, 0, 1],
    'where there is one',
  );
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 800 });
    for (const [nth, title] of /** @type {[number, string][]} */ ([
      [0, 'Guardrail'],
      [2, 'Rationale'],
    ])) {
      if (await panel(page).isVisible()) await press(page, 'Close the trace panel');
      await link(nth).click();
      await page.locator('.step-title:visible', { hasText: title }).waitFor();
      assert.equal(await page.locator('#traces-answer').inputValue(), nth === 0 ? '1. /guardrail' : '3. /trace 1');
    }
  }
});

test('after a reload the traces are there, and the numbers go on', async () => {
  const page = await open();
  await traceSwitch(page).check();
  await send(page, '/guardrail');
  await answer(page);
  await send(page, '/help');
  await answer(page, 2);
  await page.reload();
  await connected(page);
  await page.locator('.step-title', { hasText: 'Guardrail' }).waitFor();
  assert.deepEqual(await choices(page), ['1. /guardrail']);
  await send(page, '/guardrail');
  await answer(page, 3);
  await page.locator('.step').waitFor();
  assert.deepEqual(await choices(page), ['1. /guardrail', '3. /guardrail']);
  await page.getByRole('button', { name: 'New conversation' }).click();
  await panel(page).getByText('No trace yet.').waitFor();
});

test('a search that is left standing counts the steps of the next trace while it grows', async () => {
  const gate = new FrameGate();
  const page = await open({ prepare: (page) => gate.guard(page) });
  await traceSwitch(page).check();
  await page
    .locator('#traces-search')
    .evaluate((/** @type {HTMLInputElement} */ search) => (search.value = 'local-model'));
  await send(page, 'hello');
  gate.open();
  await answer(page);
  await page.getByText('3 steps match', { exact: true }).waitFor();
  assert.deepEqual(await page.locator('.step-title:visible').allTextContents(), ['Pre-processing', 'Model', 'Model']);
});

describe('“Collapse all” collapses all', () => {
  const shownSteps = (/** @type {Page} */ page) => page.locator('.step > details:visible').count();

  test('the second time as well, and expands collaborators once all is closed', async () => {
    const page = await open();
    await traceSwitch(page).check();
    await send(page, '/team');
    await answer(page);
    await page.locator('.step').nth(12).waitFor();
    for (let round = 0; round < 2; round += 1) {
      for (const nth of [0, 11]) await page.locator('.step > details > summary').nth(nth).click();
      await page.locator('.step-detail').nth(1).waitFor();
      await press(page, 'Collapse all');
      await page.locator('.step-detail').first().waitFor({ state: 'detached' });
      assert.equal(await page.locator('.step > details[open]').count(), 0);
      assert.equal(await shownSteps(page), 4);
    }
    await press(page, 'Expand all');
    assert.equal(await shownSteps(page), 13);
    await press(page, 'Collapse all');
    await page.getByRole('button', { name: 'Steps of trip-planner' }).click();
    assert.equal(await shownSteps(page), 9);
    await press(page, 'Collapse all');
    assert.equal(await shownSteps(page), 4);
    await page.getByRole('searchbox', { name: 'Search the steps' }).fill('daily_forecast');
    await page.getByText('1 step matches').waitFor();
    await page.getByRole('searchbox', { name: 'Search the steps' }).fill('');
    await press(page, 'Collapse all');
    assert.equal(await shownSteps(page), 4);
  });

  test('without collaborators, and of an answer that was looked at before', async () => {
    const page = await open();
    await traceSwitch(page).check();
    await send(page, '/guardrail');
    await answer(page);
    await page.locator('.step summary').first().click();
    await send(page, '/trace 1');
    await answer(page, 2);
    await page.locator('.step summary').first().click();
    for (const index of [1, 0]) {
      await page.getByRole('combobox', { name: 'Answer' }).selectOption({ index });
      await page.locator('.step-detail').first().waitFor();
      await press(page, 'Collapse all');
      await page.locator('.step-detail').first().waitFor({ state: 'detached' });
    }
  });
});

describe('the panel is as it was left', () => {
  test('closed, however it was closed, until it is asked for', async () => {
    const page = await open();
    await traceSwitch(page).check();
    assert.equal(await panel(page).isVisible(), true);
    for (const close of [
      () => press(page, 'Close the trace panel'),
      () => page.locator('#traces-toggle').click(),
      async () => {
        await page.getByRole('button', { name: 'Open', exact: true }).focus();
        await page.keyboard.press('Escape');
      },
    ]) {
      await close();
      await page.reload();
      await connected(page);
      assert.equal(await traceSwitch(page).isChecked(), true);
      assert.equal(await panel(page).isVisible(), false);
      await page.locator('#traces-toggle').click();
    }
    await page.locator('#traces-toggle').click();
    await traceSwitch(page).uncheck();
    await traceSwitch(page).check();
    assert.equal(await panel(page).isVisible(), true, 'the switch asks for it');
  });

  test('open, also with the switch off; but no drawer hides the chat', async () => {
    const page = await open();
    await page.locator('#traces-toggle').click();
    await page.reload();
    await connected(page);
    assert.equal(await panel(page).isVisible(), true);
    await page.setViewportSize({ width: 390, height: 780 });
    await page.reload();
    await connected(page);
    assert.equal(await panel(page).isVisible(), false);
    await page.locator('#traces-toggle').click();
    await press(page, 'Close the trace panel');
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.reload();
    await connected(page);
    assert.equal(await panel(page).isVisible(), true, 'a drawer is closed to see the chat');
  });
});

test('no total breaks within a word, and nothing is cut off, at any width', async () => {
  const page = await open({ reducedMotion: 'reduce' });
  await page.locator('#traces-toggle').click();
  const failure = (/** @type {string} */ code) => ({
    agentRelayTrace: 1,
    status: 'failed',
    failure: { code, message: 'no' },
    endedAt: 125_000,
    firstTextAt: 59_940,
    events: [{ event: thought('x') }],
  });
  const guardrail = { trace: { trace: { guardrailTrace: { action: 'INTERVENED' } } } };
  /** @type {[string, unknown][]} */
  const files = [
    ['intervened', [guardrail]],
    ['unfinished', { ...failure(''), failure: undefined, status: 'running' }],
    ['long', failure('connection_closed_1011')],
    ['longer', failure('guardrail_configuration_not_found')],
  ];
  for (const [name, value] of files) {
    const title = `${name} of a file with a name as long as that of a trace which the page has saved.json`;
    await openValue(page, title, value);
    await page.waitForFunction(
      (title) => document.querySelector('#traces-answer')?.querySelector('option:checked')?.textContent === title,
      title,
    );
    for (const width of [1920, 1280, 1100, 960, 700, 390, 320]) {
      await page.setViewportSize({ width, height: 800 });
      const found = await page.locator('#traces-totals').evaluate((totals) => ({
        broken: Array.from(totals.querySelectorAll('dd'), (dd) => {
          const text = dd.firstChild;
          return Array.from((text?.textContent ?? '').matchAll(/\S+/g), ({ 0: word, index }) => {
            const range = document.createRange();
            if (text === null) return '';
            range.setStart(text, index);
            range.setEnd(text, index + word.length);
            return range.getClientRects().length > 1 ? word : '';
          });
        })
          .flat()
          .filter(Boolean),
        over: Math.max(
          totals.scrollWidth - totals.clientWidth,
          ...Array.from(document.querySelectorAll('#traces, .traces-bar *, .traces-tools *'), (part) =>
            Math.round(part.getBoundingClientRect().right - innerWidth),
          ),
        ),
      }));
      assert.deepEqual(found, { broken: [], over: 0 }, `${name} at ${width}`);
    }
  }
});

test('a guardrail that intervened is no failure: the way to each is its own', async () => {
  const page = await open();
  await traceSwitch(page).check();
  await send(page, '/guardrail');
  await answer(page);
  await page.locator('.step').waitFor();
  assert.deepEqual([await offers(page, 'Go to failed step'), await offers(page, 'Go to intervention')], [false, true]);
  await press(page, 'Go to intervention');
  const focused = () => page.evaluate(() => document.activeElement?.closest('.step')?.getAttribute('data-status'));
  assert.equal(await focused(), 'intervened');

  const failed = { trace: { trace: { failureTrace: { failureReason: 'no' } } } };
  const intervened = { trace: { trace: { guardrailTrace: { action: 'INTERVENED' } } } };
  await openValue(page, 'failed.json', [thought('a'), failed]);
  await page.locator('.step').nth(1).waitFor();
  assert.deepEqual([await offers(page, 'Go to failed step'), await offers(page, 'Go to intervention')], [true, false]);
  assert.equal(
    await page.locator('#traces-totals dd').first().textContent(),
    'Failed',
    'other clients say so in their events only',
  );
  await openValue(page, 'both.json', [failed, intervened, failed, intervened]);
  await page.locator('.step').nth(3).waitFor();
  const places = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('.step')].findIndex((step) => step.contains(document.activeElement)),
    );
  for (const [name, expected] of /** @type {[string, number[]][]} */ ([
    ['Go to failed step', [0, 2, 0]],
    ['Go to intervention', [1, 3, 1]],
  ])) {
    for (const place of expected) {
      await press(page, name);
      assert.equal(await places(), place, name);
    }
  }
});

test('the longest bar is the slowest step, and no total', async () => {
  const page = await open();
  await traceSwitch(page).check();
  for (const [index, prompt] of ['hello', '/team', '/file'].entries()) {
    await send(page, prompt);
    await answer(page, index + 1);
    await page.locator('.step-title', { hasText: 'Final response' }).last().waitFor();
    await page.waitForFunction(() => document.querySelector('#traces-totals dd')?.textContent === 'Done');
    const bars = await page.locator('.step').evaluateAll((steps) =>
      steps.map((step) => {
        const bar = /** @type {HTMLElement} */ (step.querySelector(':scope > details > summary .step-bar'));
        const title = step.querySelector('.step-title')?.textContent ?? '';
        const took = step.querySelector('.step-took')?.textContent ?? '';
        return {
          title,
          took,
          width: bar.getBoundingClientRect().width,
          solid: getComputedStyle(bar).backgroundColor !== 'rgba(0, 0, 0, 0)',
        };
      }),
    );
    const solid = bars.filter((bar) => bar.solid).sort((one, other) => other.width - one.width);
    assert.ok(!['Final response', 'Collaborator'].includes(solid[0]?.title ?? ''), JSON.stringify(bars));
    const finals = bars.filter(({ title }) => title === 'Final response');
    assert.ok(
      finals.length > 0 && finals.every(({ width, took }) => width <= 4 && /^(total .*)?$/.test(took)),
      JSON.stringify(finals),
    );
    assert.match(finals.at(-1)?.took ?? '', /^total [\d.]+ m?s$/);
  }
});

test('with forced colours bars, lanes, dots and pressed buttons are seen', async () => {
  const page = await open({ forcedColors: 'active' });
  await traceSwitch(page).check();
  await send(page, '/team');
  await answer(page);
  await page.locator('.step').nth(12).waitFor();
  /** @param {string} selector @param {string} [pseudo] */
  const background = (selector, pseudo) =>
    page
      .locator(selector)
      .first()
      .evaluate((element, of) => getComputedStyle(element, of).backgroundColor, pseudo);
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    await page.emulateMedia({ colorScheme, forcedColors: 'active' });
    const canvas = await background('#traces');
    const [lane, bar, dot] = [
      await background('.step-lane'),
      await background('.kind-model .step-bar'),
      await background('.kind-model > details > summary', '::before'),
    ];
    assert.ok(bar !== lane && bar !== canvas, `${canvas} ${lane} ${bar}`);
    const edge = await page
      .locator('.step-lane')
      .first()
      .evaluate((lane) => [getComputedStyle(lane).outlineStyle, getComputedStyle(lane).outlineColor]);
    assert.ok(edge[0] === 'solid' && edge[1] !== canvas, `${canvas} ${edge}`);
    assert.notEqual(dot, canvas);
    assert.notEqual(
      await page
        .locator('.kind-collaborator .step-bar')
        .first()
        .evaluate((bar) => getComputedStyle(bar).borderTopColor),
      lane,
    );
    assert.notEqual(await background('#traces-toggle'), await background('#theme'));
    const off = await background('#traces-raw');
    await press(page, 'Raw JSON');
    const on = await page
      .locator('#traces-raw')
      .evaluate((button) => [getComputedStyle(button).backgroundColor, getComputedStyle(button).color]);
    assert.ok(on[0] !== off && on[0] !== on[1], `${off} ${on}`);
    await press(page, 'Raw JSON');
  }
});

describe('a trace as a file', () => {
  test('is called after its prompt and its time, and a file that was opened as it was', async () => {
    const page = await open();
    await traceSwitch(page).check();
    await send(page, '/guardrail');
    await answer(page);
    await page.locator('.step').waitFor();
    const { name, text } = await saved(page);
    assert.match(name, new RegExp(`^trace-${new Date().getFullYear()}-\\d\\d-\\d\\d-\\d{6}-guardrail\\.json$`));
    await openFile(page, 'of yesterday.json', text);
    await page
      .getByRole('combobox', { name: 'Answer' })
      .locator('option', { hasText: 'of yesterday.json' })
      .waitFor({ state: 'attached' });
    assert.deepEqual(await choices(page), ['1. /guardrail', 'of yesterday.json']);
    assert.deepEqual(await titles(page), ['Guardrail']);
    assert.equal((await saved(page)).name, 'of yesterday.json');
  });

  test('is closed again', async () => {
    const page = await open();
    await page.locator('#traces-toggle').click();
    for (const name of ['one', 'two', 'three']) {
      await openValue(page, `${name}.json`, [thought(name)]);
      await page.locator('.step-name', { hasText: name }).waitFor();
    }
    await page.getByRole('combobox', { name: 'Answer' }).selectOption({ label: 'two.json' });
    await press(page, 'Close file');
    assert.deepEqual(await choices(page), ['one.json', 'three.json']);
    assert.equal(await page.locator('.step-name').textContent(), 'three');
    await press(page, 'Close file');
    assert.equal(await page.locator('.step-name').textContent(), 'one');
    assert.equal(await page.getByRole('combobox', { name: 'Answer' }).isVisible(), false);
    await press(page, 'Close file');
    await panel(page).getByText('No trace yet.').waitFor();
    assert.deepEqual(
      [await titles(page), await offers(page, 'Close file'), await offers(page, 'Download')],
      [[], false, false],
    );
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'traces-open');
    await traceSwitch(page).check();
    await send(page, '/guardrail');
    await answer(page);
    await page.locator('.step').waitFor();
    assert.equal(await offers(page, 'Close file'), false, 'the trace of an answer is no file');
  });

  for (const [form, name, text] of [
    [
      'a single TracePart',
      'part.json',
      JSON.stringify({ sessionId: 's', trace: { orchestrationTrace: { rationale: { text: 'I look it up' } } } }),
    ],
    ['bare members', 'bare.json', '[{"orchestrationTrace":{"rationale":{"text":"I look it up","traceId":"t"}}}]'],
    ['JSON Lines', 'lines.jsonl', `${JSON.stringify(thought('I look it up'))}\n`],
    ['a step of the console', 'step.txt', '{"rationale":{"text":"I look it up","traceId":"t"},"observation":null}'],
  ]) {
    test(`opens from ${form}`, async () => {
      const page = await open();
      await page.locator('#traces-toggle').click();
      await openFile(page, name ?? '', text ?? '');
      await page.locator('.step-name', { hasText: 'I look it up' }).waitFor();
      assert.deepEqual(await titles(page), ['Rationale']);
    });
  }
});

/** Puts this JSON in the place of the event of `/trace 1`. @param {string} json */
const swap = (json) => (/** @type {Page} */ page) =>
  page.routeWebSocket(/./, (client) => {
    client.connectToServer().onMessage((message) => {
      const frame = JSON.parse(message.toString());
      client.send(
        frame.type === 'RAW'
          ? JSON.stringify({ ...frame, event: 0 }).replace('"event":0', () => `"event":${json}`)
          : message,
      );
    });
  });

test('numbers keep every digit: shown, raw, copied, found, saved and opened', async () => {
  const json =
    '{"trace":{"trace":{"orchestrationTrace":{"observation":{"traceId":"t","type":"ACTION_GROUP","actionGroupInvocationOutput":{"text":"{\\"order_number\\":146312323488002033,\\"price\\":1.10,\\"all\\":1e400}","metadata":{"n":9007199254740993,"part":0.1000000000000000055}}}}}}}';
  const page = await open({ prepare: swap(json), permissions: ['clipboard-read', 'clipboard-write'] });
  await traceSwitch(page).check();
  await send(page, '/trace 1');
  await answer(page);
  const check = async () => {
    await page.locator('.step summary').first().click();
    const detail = page.locator('.step-detail');
    for (const number of ['146312323488002033', '1.10', '1e400'])
      await detail.locator('pre', { hasText: new RegExp(`: ${number.replace('.', '\\.')}\\b`) }).waitFor();
    await press(page, 'Raw JSON');
    for (const number of ['9007199254740993', '0.1000000000000000055'])
      await detail.locator('pre', { hasText: new RegExp(`: ${number.replace('.', '\\.')}\\b`) }).waitFor();
    await press(page, 'Raw JSON');
    await page.getByRole('searchbox', { name: 'Search the steps' }).fill('9007199254740993');
    await page.getByText('1 step matches', { exact: true }).waitFor();
    await page.getByRole('searchbox', { name: 'Search the steps' }).fill('');
  };
  await check();
  await page.getByRole('button', { name: 'Copy JSON' }).click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  await page.getByRole('status').filter({ hasText: 'Copied.' }).waitFor();
  await page.getByRole('button', { name: 'Copied' }).click();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /"n": 9007199254740993,/);
  await page.getByRole('button', { name: 'Copy JSON' }).waitFor();
  const { text } = await saved(page);
  assert.ok(text.includes(json), 'as it came');
  await openFile(page, 'again.json', text);
  await page.getByRole('button', { name: 'Close file' }).waitFor();
  await check();
  assert.ok((await saved(page)).text.includes(json));
});

test('an event nested 20,000 times is shown, found and saved', async () => {
  const deep = '['.repeat(20_000) + '"needle"' + ']'.repeat(20_000);
  const prompt = JSON.stringify({ messages: [{ role: 'user', content: '['.repeat(20_000) }] });
  const events = [
    {
      trace: {
        trace: { orchestrationTrace: { modelInvocationInput: { traceId: 'm', foundationModel: 'm', text: prompt } } },
      },
    },
    {
      trace: {
        trace: { orchestrationTrace: { modelInvocationOutput: { traceId: 'm', rawResponse: { content: deep } } } },
      },
    },
  ].map((event) => JSON.stringify(event));
  const page = await open({ prepare: swap(`{"trace":{"trace":{"dream":${deep}}}}`) });
  await traceSwitch(page).check();
  await send(page, '/trace 1');
  await answer(page);
  await page.locator('.step').waitFor();
  const check = async () => {
    await page.locator('.step summary').first().click();
    await page.locator('.step-detail pre', { hasText: 'needle' }).first().waitFor();
    await press(page, 'Raw JSON');
    await page.locator('.step-detail pre', { hasText: 'needle' }).first().waitFor();
    await press(page, 'Raw JSON');
    await page.getByRole('searchbox', { name: 'Search the steps' }).fill('needle');
    await page.getByText('1 step matches', { exact: true }).waitFor();
    await page.getByRole('searchbox', { name: 'Search the steps' }).fill('');
    return saved(page);
  };
  const { text } = await check();
  assert.ok(text.includes(deep));
  await openFile(page, 'deep.json', `${text}\n${events.join('\n')}`);
  await page.locator('.step').nth(1).waitFor();
  await press(page, 'Close file');
  await openFile(page, 'prompt.jsonl', events.join('\n'));
  await page.getByRole('button', { name: 'Close file' }).waitFor();
  await check();
  assert.ok(
    ((await page.locator('.step-detail pre').first().textContent()) ?? '').length >= 20_000,
    'the prompt is there',
  );
});
