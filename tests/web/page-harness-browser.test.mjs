// The page in Chromium against the real local AWS with a harness: what a person does, and what they see.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { answer, connected, send, traceSwitch, useChat } from './support/chat.mjs';
import { FrameGate } from './support/frames.mjs';
import { opened, rows, sections, seen, total, traced } from './support/trace.mjs';

/** @import { Page } from 'playwright-core' */

const { open, openForAll } = useChat('--source', 'harness', '--concurrency', '8');

/** @param {Page} page */
const form = (page) => page.getByRole('form', { name: 'What the agent asks for' });
/** @param {Page} page */
const reasoning = (page) => page.locator('details.reasoning');
/** @param {Page} page */
const tools = (page) => form(page).locator('legend code').allTextContents();

const TEXTS = [
  'I look into the handbook first.',
  'Now the order itself: I ask the ledger, and compute the sum meanwhile.',
  'The refund of order A-1017 is CHF 15.70, and it is paid within 14 days. (The shell could not tell, so I asked the gateway.)',
];
const THOUGHTS = [
  'They ask for a refund. The handbook has the rules, the ledger has the orders.',
  'The shell has no ledger. The gateway has one.',
];
const WORK = [
  `Model | ${TEXTS[0]} | Done`,
  `Reasoning | ${THOUGHTS[0]} | Done`,
  'Tool | docs › Retrieve | Done',
  `Model | ${TEXTS[1]} | Done`,
  'Tool | shell | Failed',
  'Tool | code_interpreter | Done',
  'Model | Calls orders › get_order | Done',
  `Reasoning | ${THOUGHTS[1]} | Done`,
  'Tool | orders › get_order | Done',
  `Model | ${TEXTS[2]} | Done`,
];

describe('the trace of /work', () => {
  test('grows with the run: what is at work is seen until it is done', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    await traceSwitch(page).check();
    await send(page, '/work');
    await gate.until('REASONING_MESSAGE_CHUNK');
    await seen(page, 'Model | Reasoning… | Running');
    await seen(page, 'Reasoning | Thinking… | Running');
    await reasoning(page).getByText('Reasoning…', { exact: true }).waitFor();
    assert.equal(await total(page, 'Status'), 'Running');
    await gate.until('REASONING_END');
    await seen(page, WORK[1] ?? '');
    await gate.until('TEXT_MESSAGE_CHUNK');
    await seen(page, 'Model | Answering… | Running');
    // The call is announced, the message ends, and its tool is at work until the result is there.
    let frame = await gate.next();
    while (JSON.stringify(frame).includes('"metadata":{"usage"') === false) frame = await gate.next();
    await seen(page, WORK[0] ?? '');
    await seen(page, 'Tool | docs › Retrieve | Running');
    await page.locator('.step-tokens', { hasText: '300 → 80 tokens' }).waitFor();
    await gate.until('TOOL_CALL_RESULT');
    await seen(page, 'Tool | docs › Retrieve | Done');
    await gate.until('TOOL_CALL_RESULT');
    await seen(page, 'Tool | shell | Failed');
    await seen(page, 'Tool | code_interpreter | Running');
    gate.open();
    await answer(page);
    assert.deepEqual(await rows(page), WORK);
    assert.equal(await total(page, 'Status'), 'Done');
  });

  /** @type {Page} */
  let page;
  before(async () => {
    page = await openForAll();
    await traced(page, '/work');
  });

  test('is a tree: messages of the model, and in them their reasoning and tools', async () => {
    assert.deepEqual(await rows(page), WORK);
    const depths = await page
      .locator('.step')
      .evaluateAll((steps) => steps.map((step) => (step.parentElement?.closest('.step') === null ? 0 : 1)));
    assert.deepEqual(depths, [0, 1, 1, 0, 1, 1, 0, 1, 1, 0]);
  });

  test('has what each call of the model used and took, and their sums', async () => {
    assert.deepEqual((await page.locator('.step-tokens').allTextContents()).filter(Boolean), [
      '300 → 80 tokens',
      '700 → 60 tokens',
      '820 → 44 tokens',
      '1,180 → 96 tokens',
    ]);
    const took = await page.locator('.step-took').allTextContents();
    assert.deepEqual(
      [0, 3, 6, 9].map((index) => took[index]),
      ['900 ms', '640 ms', '510 ms', '1.1 s'],
    );
    for (const index of [1, 2, 4, 5, 7, 8]) assert.match(took[index] ?? '', /^≈ [\d.]+ m?s$/);
    for (const [name, sum] of [
      ['Model calls', '4'],
      ['Tokens in', '3,000'],
      ['Tokens out', '280'],
      ['Tokens cached', '1,536'],
    ])
      assert.equal(await total(page, name ?? ''), sum);
    for (const name of ['Total', 'First token']) assert.match((await total(page, name)) ?? '', /^[\d.]+ m?s$/);
    assert.match(
      (await page.locator('.timing').textContent()) ?? '',
      /· 10 chunks in \d+ frames · 3,000 tokens in, 280 out, 1,536 cached$/,
    );
  });

  test('has bars at their places in time: a tool after the message that called it, a message after the results that it read', async () => {
    const bars = await page
      .locator('.step-bar')
      .evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect()).map(({ left, right }) => [left, right]));
    const follows = (/** @type {number} */ later, /** @type {number} */ earlier) =>
      assert.ok(
        (bars[later]?.[0] ?? 0) >= (bars[earlier]?.[1] ?? 0) - 3,
        `${WORK[later]} after ${WORK[earlier]}: ${bars}`,
      );
    for (const [tool, model] of [
      [2, 0],
      [4, 3],
      [5, 3],
      [8, 6],
    ])
      follows(tool ?? 0, model ?? 0);
    for (const [model, tool] of [
      [3, 2],
      [6, 4],
      [6, 5],
      [9, 8],
    ])
      follows(model ?? 0, tool ?? 0);
  });

  test('opens a tool to its input and its result, or its error', async () => {
    const tool = await opened(page, 'docs › Retrieve');
    const [input, result, facts] = await sections(tool);
    assert.match(input ?? '', /^Input: \{\s*"retrievalQuery": \{\s*"text": "refunds"\s*\}\s*\}$/);
    assert.match(result ?? '', /^Result: .*Refunds are paid within 14 days\..*0\.91/s);
    assert.match(facts ?? '', /^Facts: Tooldocs___Retrieve.*Statussuccess$/);
    const failed = await sections(await opened(page, 'shell'));
    assert.match(failed[1] ?? '', /^Error: sh: ledger: command not found$/);
    assert.equal(await page.locator('.step-reason').textContent(), 'sh: ledger: command not found');
  });

  test('opens a message to what was thought and said, and why the model stopped', async () => {
    const first = await sections(await opened(page, TEXTS[0] ?? ''));
    assert.equal(first[0], `Reasoning: ${THOUGHTS[0]}`);
    assert.equal(first[1], 'Text: I look into the *handbook* first.');
    assert.match(
      first[2] ?? '',
      /Stop reasontool_use.*Written to the cache256.*Latency in ms900.*Tokens300 in, 80 out$/,
    );
    assert.match(
      (await sections(await opened(page, TEXTS[2] ?? ''))).at(-1) ?? '',
      /Stop reasonend_turn.*Read from the cache768/,
    );
  });

  test('stands beside the messages in their order, each thought above the words it led to', async () => {
    assert.deepEqual(await page.locator('article.agent .prose').allTextContents(), TEXTS);
    assert.deepEqual(
      await page.locator('article.agent .body > *').evaluateAll((parts) => parts.map(({ className }) => className)),
      ['reasoning', 'prose', 'prose', 'reasoning', 'prose'],
    );
    assert.equal(await form(page).count(), 0, 'no tool of the harness is a question to the user');
    await reasoning(page).first().locator('summary').click();
    await reasoning(page)
      .first()
      .getByText(THOUGHTS[0] ?? '', { exact: true })
      .waitFor();
  });

  test('is saved, and opened again without a network, times included', async () => {
    const download = page.waitForEvent('download');
    await page.getByRole('complementary').getByRole('button', { name: 'Download', exact: true }).click();
    const saved = await readFile(await (await download).path());
    const view = async (/** @type {Page} */ page) => ({
      rows: await rows(page),
      took: await page.locator('.step-took').allTextContents(),
      tokens: await page.locator('.step-tokens').allTextContents(),
      totals: await page.locator('#traces-totals dd').allTextContents(),
      // In parts of a lane, whatever the width of the panel.
      bars: await page
        .locator('.step-bar')
        .evaluateAll((bars) =>
          bars.flatMap((bar) =>
            ['--start', '--took'].map((name) =>
              Math.round(Number(/** @type {HTMLElement} */ (bar).style.getPropertyValue(name))),
            ),
          ),
        ),
    });
    const before = await view(page);
    const offline = await open();
    await offline.getByRole('button', { name: /^Trace/ }).click();
    await offline.locator('.traces-scroller > .axis').waitFor({ state: 'attached' });
    await offline.context().setOffline(true);
    await offline
      .locator('#traces-file')
      .setInputFiles({ name: 'work.json', mimeType: 'application/json', buffer: saved });
    await offline
      .locator('.step')
      .nth(WORK.length - 1)
      .waitFor();
    assert.deepEqual(await view(offline), before);
    const failed = await sections(await opened(offline, 'shell'));
    assert.match(failed.join('\n'), /ledger show A-1017.*command not found/s);
  });
});

describe('hooks', () => {
  test('that allow a tool stand before and after what they were asked about', async () => {
    const page = await open();
    await traced(page, '/hook');
    assert.deepEqual(await rows(page), [
      'Hook | audit, before invocation: allowed | Done',
      'Model | Calls payments › refund | Done',
      'Tool | payments › refund | Done',
      'Hook | spending_limit, before tool call: allowed | Done',
      'Hook | spending_limit, after tool call | Done',
      'Model | The hook allowed it, and the refund is done. | Done',
      'Hook | audit, after invocation | Done',
    ]);
    assert.match(
      (await sections(await opened(page, 'spending_limit, before tool call: allowed'))).join(),
      /Reason12\.50 is below the limit of 100\./,
    );
  });

  test('that deny a tool say why, and the tool failed', async () => {
    const page = await open();
    await traced(page, '/hook deny');
    const [, tool, hook] = await rows(page);
    assert.deepEqual(
      [tool, hook],
      ['Tool | payments › refund | Failed', 'Hook | spending_limit, before tool call: denied | Intervened'],
    );
    assert.ok((await page.locator('.step-reason').allTextContents()).includes('1250.00 is above the limit of 100.'));
    assert.match(await answer(page), /A hook denied the refund/);
  });

  test('are all that is heard of a run that failed', async () => {
    const page = await open();
    await traced(page, '/hook failed');
    assert.equal(await page.locator('.failure code').textContent(), 'connection_lost');
    const all = await rows(page);
    assert.ok(all.includes('Hook | audit, after invocation | Done'), all.join('\n'));
    assert.ok(
      all.some((row) => /^Model \| I begin, but \| (?:Failed|Not finished)$/.test(row)),
      all.join('\n'),
    );
  });
});

describe('reasoning', () => {
  test('is folded in the chat while it streams, and timed', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    await traceSwitch(page).check();
    await send(page, '/think');
    await gate.until('REASONING_MESSAGE_CHUNK');
    await reasoning(page).getByText('Reasoning…', { exact: true }).waitFor();
    assert.equal(await reasoning(page).locator('.text').isVisible(), false);
    await reasoning(page).locator('summary').click();
    await reasoning(page).getByText('The user wants').waitFor();
    gate.open();
    assert.match(await answer(page), /I have thought about it before I began to speak\. This is turn 1/);
    assert.match((await reasoning(page).last().locator('summary').textContent()) ?? '', /^Reasoning · [\d.]+ m?s$/);
    await reasoning(page)
      .first()
      .getByText(/so that it is short\.\s*$/)
      .waitFor();
    await reasoning(page).last().locator('summary').click();
    await reasoning(page).last().getByText('It is enough to say that this text came after my thoughts.').waitFor();
    assert.equal(await reasoning(page).count(), 2, 'a block of its own each');
  });

  test('and tools are not there without the trace', async () => {
    const page = await open();
    for (const [index, prompt] of ['/think', '/work'].entries()) {
      await send(page, prompt);
      assert.notEqual(await answer(page, index + 1), '');
    }
    assert.deepEqual(
      [await reasoning(page).count(), await page.locator('.step').count(), await form(page).count()],
      [0, 0, 0],
    );
    assert.deepEqual(await page.locator('article.agent').last().locator('.prose').allTextContents(), TEXTS);
  });
});

describe('an answer that a limit cut short', () => {
  test('keeps its text, names the limit, and is continued', async () => {
    const page = await open();
    await traced(page, '/limit max_tokens');
    assert.match(
      (await page.locator('.prose').textContent()) ?? '',
      /^This answer ends with max_tokens, and it would have gone on to say that$/,
    );
    assert.match((await page.locator('.failure').textContent()) ?? '', /^The answer was cut.*limit_reached$/);
    assert.equal(await page.getByRole('button', { name: 'Retry' }).count(), 0);
    assert.match(
      (await page.locator('.timing').textContent()) ?? '',
      /40 tokens in, 12 out · stop reason: max tokens$/,
    );
    assert.equal(await total(page, 'Stop reason'), 'max tokens');
    const [row] = await rows(page);
    assert.match(
      row ?? '',
      /^Model \| This answer ends with max_tokens, and it would have gone on to say that \| Failed$/,
    );
    await page.getByRole('button', { name: 'Continue' }).click();
    assert.match(await answer(page, 2), /You wrote “Continue\.”.*turn 2/s);
  });
});

describe('calls of the user', () => {
  test('are asked for one after the other', async () => {
    const page = await open();
    await traced(page, '/tool 3');
    for (const [index, name] of ['get_weather', 'refund_order', 'find_free_slot'].entries()) {
      await answer(page, index + 1);
      assert.deepEqual(await tools(page), [name]);
      await form(page)
        .getByLabel('Result')
        .fill(`result ${index + 1}`);
      await form(page).getByRole('button', { name: 'Send result' }).click();
    }
    const text = await answer(page, 4);
    assert.match(
      text,
      /get_weather returned result 1\..*refund_order returned result 2\..*find_free_slot returned result 3\..*still turn 1/s,
    );
    assert.equal(await form(page).count(), 0);
    assert.match(
      (await page.locator('article.user .text').last().textContent()) ?? '',
      /Result of find_free_slot: result 3/,
    );
  });

  test('are asked for together, and one of them may have failed', async () => {
    const page = await open();
    await traced(page, '/tool 3 together');
    const names = ['get_weather', 'refund_order', 'find_free_slot'];
    assert.deepEqual(await tools(page), names);
    assert.match((await form(page).textContent()) ?? '', /cityZürichdays3/);
    assert.deepEqual(await rows(page), [
      `Model | Calls ${names.join(', ')} | Done`,
      ...names.map((name) => `Return of control | ${name} | Done`),
    ]);
    for (const [index, name] of names.entries()) {
      const field = form(page).locator('fieldset', { hasText: `this: ${name}` });
      await field.getByLabel('Result').fill(`result ${index + 1}`);
      if (index === 1) await field.getByLabel('It failed').check();
    }
    await form(page).getByRole('button', { name: 'Send result' }).click();
    assert.match(
      await answer(page, 2),
      /get_weather returned result 1\..*refund_order failed with result 2\..*find_free_slot returned result 3\./s,
    );
  });

  test('are answered over a reload', async () => {
    const page = await open();
    await send(page, '/tool late');
    await answer(page);
    assert.deepEqual(await page.locator('.prose').allTextContents(), [
      'I look where you are.',
      'You are in Zürich, so I ask for the weather there.',
    ]);
    await page.reload();
    await connected(page);
    await form(page).getByLabel('Result').fill('21 °C');
    await form(page).getByRole('button', { name: 'Send result' }).click();
    assert.match(await answer(page, 2), /get_weather returned 21 °C\./);
  });

  test('are none that a hook denied', async () => {
    const page = await open();
    await traced(page, '/tool denied');
    assert.match(await answer(page), /I may not ask you now/);
    assert.equal(await form(page).count(), 0);
    const all = await rows(page);
    assert.ok(
      all.includes('Tool | get_weather | Failed') &&
        all.includes('Hook | working_hours, before tool call: denied | Intervened'),
      all.join('\n'),
    );
  });

  test('are withdrawn by something new that is typed: it is heard, and nothing is said about what was withdrawn', async () => {
    const page = await open();
    await traceSwitch(page).check();
    let count = 0;
    for (const prompt of ['/tool', '/tool 3 together', '/tool text', '/tool late']) {
      await send(page, prompt);
      await answer(page, ++count);
      await form(page).waitFor();
      await send(page, '/slow 0');
      const text = await answer(page, ++count);
      assert.match(text, /^After 0 seconds of silence .* This is turn \d+ of this conversation\.$/, prompt);
      assert.equal(await form(page).count(), 0);
      assert.deepEqual(await rows(page), [`Model | ${text} | Done`], 'nor is it in the trace');
    }
    await send(page, '/slow 0');
    assert.match(await answer(page, ++count), new RegExp(`turn ${count}\\b`));
    assert.equal(
      (await page.getByRole('log').textContent())?.includes('Thank you, that is what I was waiting for'),
      false,
    );
  });
});

test('the page understands every oddity of the stream', async () => {
  const page = await open();
  for (const [index, [prompt, row]] of /** @type {[string, RegExp][]} */ ([
    ['/odd start', /^Model \| This block started as nothing\. \| Done$/],
    ['/odd indices', /^Tool \| docs › Retrieve \| Done$/],
    ['/odd untyped', /^Tool \| code_interpreter \| Done$/],
    ['/odd members', /^Tool \| web_search \| Done$/],
    ['/unknown', /^Unknown \| hologram \| Done$/],
    ['/guardrail', /^Model \| Sorry, the model cannot answer this question\. \| Intervened$/],
    ['/trace 100', /^Tool \| archive › read \| Done$/],
    ['/single', /^Tool \| handbook › Retrieve \| Done$/],
  ]).entries()) {
    await traced(page, prompt, index + 1);
    const all = await rows(page);
    assert.ok(
      all.some((one) => row.test(one)),
      `${prompt}: ${all.join('\n')}`,
    );
    assert.ok(
      all.every((one) => !/Running|Not finished/.test(one)),
      `${prompt}: ${all.join('\n')}`,
    );
    assert.equal(await form(page).count(), 0, prompt);
  }
});
