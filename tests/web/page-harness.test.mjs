// A run of AgentCore's harness in Chromium, scripted frame by frame: its trace while it grows, from files, its reasoning
// and messages in the chat, its tools and those of the user, and answers that a limit cut short.

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { answer, connected, send, traceSwitch, useChat } from './support/chat.mjs';
import {
  messageStart,
  messageStop,
  metadata,
  ran,
  said,
  STREAM,
  thought,
  toolStart,
  WORK,
  WORK_DONE,
} from './support/harness.mjs';
import { answers, FINISHED, relay } from './support/relay.mjs';

/** @import { Page } from 'playwright-core' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { open } = useChat();

/** @param {Page} page */
const form = (page) => page.getByRole('form', { name: 'What the agent asks for' });
/** @param {Page} page */
const reasoning = (page) => page.locator('details.reasoning');
/** The rows of the trace: kind, name and status. @param {Page} page */
const rows = (page) =>
  page
    .locator('.step')
    .evaluateAll((steps) =>
      steps.map((step) =>
        ['title', 'name', 'status']
          .map((part) => step.querySelector(`:scope > details .step-${part}`)?.textContent)
          .join(' | '),
      ),
    );
/** @param {Page} page @param {string} name */
const total = (page, name) =>
  page
    .locator('#traces-totals div', { has: page.getByText(name, { exact: true }) })
    .locator('dd')
    .textContent();
/** @param {Page} page @param {string} words that a row of the trace has */
const seen = (page, words) =>
  page.waitForFunction(
    (words) =>
      [...document.querySelectorAll('.step')].some(
        (step) =>
          `${step.querySelector('.step-name')?.textContent} ${step.querySelector('.step-status')?.textContent}` ===
          words,
      ),
    words,
  );
/** @param {Page} page @param {string} name @param {unknown} value */
const openFile = (page, name, value) =>
  page.locator('#traces-file').setInputFiles({
    name,
    mimeType: 'application/json',
    buffer: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  });

/** The inline call of a client: an id of the relay's own. @param {string} id @param {string} name @param {string} json */
const call = (id, name, json) => ({
  type: 'TOOL_CALL_CHUNK',
  toolCallId: id,
  toolCallName: name,
  parentMessageId: 'm1',
  delta: json,
});
/** @param {string} stopReason */
const finished = (stopReason) => ({ ...FINISHED, metadata: { relay: { stopReason } } });
/** @param {string} stopReason */
const cut = (stopReason) => ({
  type: 'RUN_ERROR',
  message: 'The model has said as much as it may say at once.',
  code: 'limit_reached',
  usage: [{ inputTokens: 10, outputTokens: 8192 }],
  metadata: { relay: { stopReason, retryable: false } },
});

/** A page with the trace on, and what says the frames of a run when the test wants it. @param {object} [options] */
async function driven(options = {}) {
  const begun = new EventEmitter();
  const scripted = relay(() => begun.emit('run'));
  const page = await open({ ...options, prepare: scripted.prepare });
  await traceSwitch(page).check();
  return {
    page,
    /** Sends a prompt, and gives what speaks for the agent. */
    async run(prompt = 'go') {
      const arrival = once(begun, 'run');
      await send(page, prompt);
      await arrival;
      const run = scripted.runs.at(-1);
      assert.ok(run);
      return run.say;
    },
  };
}

/** The same, in its first run. */
async function started() {
  const { page, run } = await driven();
  return { page, say: await run() };
}

/** A page whose runs are answered with these frames. @param {object} options @param {...object[]} said */
async function asked(options, ...said) {
  const scripted = answers(...said);
  const page = await open({ ...options, prepare: scripted.prepare });
  await traceSwitch(page).check();
  await send(page, 'go');
  await answer(page);
  return { page, runs: scripted.runs };
}

const DONE = [
  'Hook | audit, before invocation | Done',
  'Model | Let me look that up. | Done',
  'Reasoning | The customer asks about refunds. I look it up in the handbook. | Done',
  'Tool | docs › Retrieve | Done',
  'Tool | shell | Failed',
  'Hook | policy, before tool call: allowed | Done',
  'Hook | policy, before tool call: denied | Intervened',
  'Model | Refunds are possible within 30 days. | Done',
  'Reasoning | Thirty days it is. | Done',
  'Hook | audit, after invocation | Done',
];

describe('the trace', () => {
  test('grows with the run, and shows what is at work', async () => {
    const { page, say } = await started();
    say(...WORK.slice(0, 3));
    await seen(page, 'Thinking… Running');
    assert.equal(await total(page, 'Status'), 'Running');
    say(...WORK.slice(3, 8));
    await seen(page, 'Answering… Running');
    say(...WORK.slice(8, 11));
    await seen(page, 'docs › Retrieve Running');
    assert.deepEqual(
      (await rows(page)).filter((row) => row.endsWith('Running')),
      ['Tool | docs › Retrieve | Running', 'Tool | shell | Running'],
    );
    const first = page.locator('.step.kind-model').first();
    await first.evaluate((row) => Object.assign(row, { same: true }));
    say(...WORK.slice(11, 17));
    await seen(page, 'docs › Retrieve Done');
    assert.equal(await first.locator(':scope > details .step-took').textContent(), '900 ms');
    say(...WORK.slice(17), WORK_DONE);
    await answer(page);
    await seen(page, 'audit, after invocation Done');
    assert.deepEqual(await rows(page), DONE);
    assert.equal(await first.evaluate((row) => Reflect.get(row, 'same')), true, 'what is there is not made again');
    assert.deepEqual(
      await Promise.all(
        ['Status', 'Model calls', 'Tokens in', 'Tokens out', 'Tokens cached'].map((name) => total(page, name)),
      ),
      ['Done', '2', '3,300', '280', '250'],
    );
    assert.equal(await page.locator('#traces-totals dt', { hasText: 'Stop reason' }).count(), 0);
    const lanes = await page
      .locator('.step-lane')
      .evaluateAll((lanes) => lanes.map((lane) => Math.round(lane.getBoundingClientRect().left)));
    assert.equal(new Set(lanes).size, 1, 'all bars stand on one axis');
  });

  test('is searched, folded, and leads to what failed', async () => {
    const { page } = await asked({}, [...WORK, WORK_DONE]);
    await seen(page, 'audit, after invocation Done');
    await page.getByRole('searchbox', { name: 'Search the steps' }).fill('within 30');
    await page.getByText('2 steps match', { exact: true }).waitFor();
    assert.deepEqual(
      await page.locator('.step-title:visible').allTextContents(),
      ['Model', 'Tool', 'Model'],
      'with the message that a tool belongs to',
    );
    await page.getByRole('searchbox', { name: 'Search the steps' }).fill('');
    await page.getByRole('button', { name: 'Collapse all' }).click();
    assert.deepEqual(await page.locator('.step-title:visible').allTextContents(), ['Hook', 'Model', 'Model', 'Hook']);
    await page.getByRole('button', { name: 'Go to failed step' }).click();
    assert.equal(await page.evaluate(() => document.activeElement?.querySelector('.step-name')?.textContent), 'shell');
    await page.getByRole('button', { name: 'Steps of Refunds are possible within 30 days.' }).click();
    // What comes back into view is there with the next picture.
    await page.locator('.step-title:visible').nth(9).waitFor();
    assert.equal(await page.locator('.step-title:visible').count(), 10);
  });

  test('is saved and opened again, also in the middle of a run', async () => {
    const { page, say } = await started();
    const saved = async () => {
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Download', exact: true }).click();
      return readFile(await (await download).path(), 'utf8');
    };
    say(...WORK.slice(0, 13));
    await seen(page, 'shell Running');
    const half = await saved();
    say(...WORK.slice(13), WORK_DONE);
    await answer(page);
    await seen(page, 'audit, after invocation Done');
    const whole = await saved();
    assert.ok(whole.includes('Let me look that up.') && whole.includes('146312323488002033'));
    const took = await total(page, 'Total');
    await openFile(page, 'whole.json', whole);
    await page
      .getByRole('combobox', { name: 'Answer' })
      .locator('option', { hasText: 'whole.json' })
      .waitFor({ state: 'attached' });
    await seen(page, 'audit, after invocation Done');
    assert.deepEqual([await rows(page), await total(page, 'Total')], [DONE, took]);
    await openFile(page, 'half.json', half);
    await seen(page, 'shell Not finished');
    assert.equal(await total(page, 'Status'), 'Not finished');
  });

  test("opens from the harness's own stream, whole or not", async () => {
    const page = await open();
    await page.locator('#traces-toggle').click();
    await openFile(page, 'stream.jsonl', STREAM.map((event) => JSON.stringify(event)).join('\n'));
    await seen(page, 'Refunds are possible. Done');
    assert.deepEqual(await rows(page), [
      'Model | Calls docs › Retrieve | Done',
      'Reasoning | I look it up | Done',
      'Tool | docs › Retrieve | Done',
      'Model | Refunds are possible. | Done',
    ]);
    assert.deepEqual(await page.locator('.step-took').allTextContents(), ['900 ms', '', '', '700 ms']);
    assert.deepEqual([await total(page, 'Status'), await total(page, 'Total')], ['Done', '1.6 s']);
    await page.locator('.kind-tool summary').click();
    await page.locator('.step-detail pre', { hasText: '1.10' }).waitFor();
    await openFile(page, 'cut.json', [...STREAM.slice(19, 22), { messageStop: { stopReason: 'max_tokens' } }]);
    await seen(page, 'Refunds are possible. Failed');
    assert.deepEqual([await total(page, 'Status'), await total(page, 'Stop reason')], ['Failed', 'max tokens']);
  });

  test('marks what was at work when the run was stopped, which the agent may go on with', async () => {
    const { page, say } = await started();
    say(...WORK.slice(0, 11));
    await seen(page, 'shell Running');
    await page.getByRole('button', { name: 'Stop' }).click();
    await answer(page);
    await seen(page, 'shell Not finished');
    assert.equal(
      await page.locator('.foot .empty').textContent(),
      'Stopped here. The agent itself may go on with its work: only some deployments end it.',
    );
    assert.equal(await form(page).count(), 0);
    assert.equal(
      await page.locator('#traces-totals dt', { hasText: 'Stop reason' }).count(),
      0,
      'that of a message on the way is none of the run',
    );
    await page.reload();
    await connected(page);
    assert.match((await page.locator('.foot .empty').textContent()) ?? '', /^Stopped here/);
  });
});

describe('the chat', () => {
  test('shows the messages of a run in their order, copies and keeps them', async () => {
    const { page } = await asked({ permissions: ['clipboard-read', 'clipboard-write'] }, [...WORK, WORK_DONE]);
    const texts = ['Let me look that up.', 'Refunds are possible within 30 days.'];
    assert.deepEqual(await page.locator('.prose').allTextContents(), texts);
    const [one, two] = await page
      .locator('.prose')
      .evaluateAll((all) => all.map((prose) => prose.getBoundingClientRect()));
    assert.ok(one && two && two.top >= one.bottom + 8);
    await page.getByRole('button', { name: 'Copy answer' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), texts.join('\n\n'));
    await page.reload();
    await connected(page);
    assert.deepEqual(await page.locator('.prose').allTextContents(), texts);
    assert.equal(await reasoning(page).count(), 2, 'what was thought is kept as well');
  });

  test('has the reasoning folded above the words that it led to, growing and timed', async () => {
    const { page, say } = await started();
    const summary = reasoning(page).locator('summary');
    const status = page.getByRole('status');
    await status.evaluate((box) => {
      /** @type {(string | null)[]} */
      const heard = [];
      Object.assign(window, { heard });
      new MutationObserver(() => heard.push(box.textContent)).observe(box, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    });
    say(...WORK.slice(0, 4));
    await page.getByText('Reasoning…', { exact: true }).first().waitFor();
    assert.equal(await summary.textContent(), 'Reasoning…');
    assert.equal(await reasoning(page).locator('.text').isVisible(), false);
    assert.equal(await page.locator('.thinking').isVisible(), true, 'that the agent is at work stays to be seen');
    await summary.focus();
    await page.keyboard.press('Enter');
    await reasoning(page).getByText('The customer asks about refunds.').waitFor();
    say(...WORK.slice(4, 6));
    await reasoning(page).getByText('I look it up in the handbook.').waitFor();
    await page.waitForFunction(() =>
      /^Reasoning · [\d.]+ m?s$/.test(document.querySelector('.reasoning summary')?.textContent ?? ''),
    );
    say(...WORK.slice(6), WORK_DONE);
    await answer(page);
    assert.deepEqual(await page.locator('.body > *').evaluateAll((parts) => parts.map(({ className }) => className)), [
      'reasoning',
      'prose',
      'reasoning',
      'prose',
    ]);
    assert.equal(
      await reasoning(page)
        .first()
        .evaluate((/** @type {HTMLDetailsElement} */ one) => one.open),
      true,
      'what the reader opened stays open',
    );
    assert.equal(
      await reasoning(page).first().locator('.text').textContent(),
      'The customer asks about refunds. I look it up in the handbook.',
    );
    const heard = /** @type {string[]} */ (await page.evaluate('window.heard'));
    assert.deepEqual(
      heard.filter((words) => /customer|handbook|Thirty/.test(words)),
      [],
      'no screen reader is flooded',
    );
    await page.keyboard.press('Enter');
    assert.equal(await reasoning(page).first().locator('.text').isVisible(), false);
  });

  test('begins at the start of a long reasoning that is opened at the end of the conversation', async () => {
    const { page } = await asked({}, [
      messageStart,
      said('m0', 'word '.repeat(600)),
      ...thought('r1', 'thought '.repeat(3000)),
      said('m1', 'Short.'),
      messageStop('end_turn'),
      FINISHED,
    ]);
    const summary = reasoning(page).locator('summary');
    await summary.click();
    await page.waitForFunction(() => (document.querySelector('.reasoning .text')?.textContent?.length ?? 0) > 20_000);
    await page.evaluate(
      () =>
        new Promise((resolve) =>
          requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(resolve))),
        ),
    );
    const { top, height } = await summary.evaluate((one) => ({
      top: one.getBoundingClientRect().top,
      height: innerHeight,
    }));
    assert.ok(top >= 0 && top < height, `${top} of ${height}`);
  });

  test('shows no block for reasoning without a text, and one that was cut off without a time', async () => {
    const { page, say } = await started();
    say(
      messageStart,
      ...thought('r1'),
      { type: 'REASONING_START', messageId: 'r2' },
      { type: 'REASONING_MESSAGE_CHUNK', messageId: 'r2', delta: 'half a th' },
    );
    await page.getByText('Reasoning…', { exact: true }).first().waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await answer(page);
    assert.deepEqual(await reasoning(page).locator('summary').allTextContents(), ['Reasoning']);
  });

  test('says below the answer what it used, and why the model stopped where that is not the usual', async () => {
    const foot = (/** @type {Page} */ page) => page.locator('.timing').last().textContent();
    const { page } = await asked(
      {},
      [...WORK, WORK_DONE],
      [messageStart, said('m', 'No.'), messageStop('guardrail_intervened'), finished('guardrail_intervened')],
    );
    assert.match((await foot(page)) ?? '', / · 40 chunks in 32 frames · 3,300 tokens in, 280 out, 250 cached$/);
    await send(page, 'again');
    await answer(page, 2);
    assert.match((await foot(page)) ?? '', / · stop reason: guardrail intervened$/);
    assert.match((await page.locator('.notes').last().textContent()) ?? '', /A guardrail stepped in/);
    assert.equal(await total(page, 'Stop reason'), 'guardrail intervened');
  });
});

describe('tools', () => {
  const search = [
    messageStart,
    said('m1', 'I ask you.'),
    toolStart('t1', 'search'),
    messageStop('tool_use'),
    metadata(10, 5, 100),
  ];

  test('of the harness are no question to the user, however the run ends', async () => {
    const { page } = await asked(
      {},
      [messageStart, toolStart('t1', 'shell'), messageStop('tool_use'), ...ran('t1', 'shell', '{}', 'ok'), FINISHED],
      [
        messageStart,
        ...ran('t2', 'shell', '{}', 'no', true),
        { type: 'RUN_ERROR', message: 'No.', code: 'internal', metadata: { relay: { retryable: true } } },
      ],
    );
    assert.equal(await page.locator('.tool-form').count(), 0);
    assert.match((await page.getByRole('status').textContent()) ?? '', /^Answer complete/);
    await send(page, 'again');
    await answer(page, 2);
    assert.equal(await page.locator('.tool-form').count(), 0);
  });

  test('of the user are asked for, three at once and one after the other, and are records of the trace', async () => {
    const ids = ['one', 'two', 'three'];
    const three = [
      messageStart,
      ...ids.map((id, index) => toolStart(`t-${id}`, id, index)),
      messageStop('tool_use'),
      ...ids.map((id) => call(`eyJ-${id}`, id, `{"n":"${id}"}`)),
      finished('tool_use'),
    ];
    const { page, runs } = await asked(
      {},
      three,
      [...search, call('eyJ-four', 'search', '{}'), finished('tool_use')],
      [messageStart, said('m2', 'Done.'), messageStop('end_turn'), finished('end_turn')],
    );
    assert.deepEqual(await form(page).locator('legend code').allTextContents(), ids);
    await seen(page, 'three Done');
    assert.deepEqual(await rows(page), [
      'Model | Calls one, two, three | Done',
      ...ids.map((id) => `Return of control | ${id} | Done`),
    ]);
    for (const id of ids)
      await form(page)
        .locator('fieldset', { hasText: `this: ${id}` })
        .getByLabel('Result')
        .fill(`result ${id}`);
    await form(page).getByRole('button', { name: 'Send result' }).click();
    await answer(page, 2);
    const toolCalls = ids.map((id) => ({
      id: `eyJ-${id}`,
      type: 'function',
      function: { name: id, arguments: `{"n":"${id}"}` },
    }));
    const [assistant, ...results] = runs[1]?.input.messages ?? [];
    assert.deepEqual([assistant.role, assistant.toolCalls], ['assistant', toolCalls]);
    assert.deepEqual(
      results.map((/** @type {any} */ { role, toolCallId, content }) => [role, toolCallId, content]),
      ids.map((id) => ['tool', `eyJ-${id}`, `result ${id}`]),
    );

    await form(page).getByLabel('Result').fill('found');
    await form(page).getByRole('button', { name: 'Send result' }).click();
    assert.equal(await answer(page, 3), 'Done.');
    assert.deepEqual(
      runs[2]?.input.messages.map(
        (/** @type {any} */ { role, toolCallId, toolCalls }) => toolCallId ?? toolCalls?.[0].id ?? role,
      ),
      ['eyJ-four', 'eyJ-four'],
    );
  });

  test('that wait go with something new that is typed, and not with what comes after that', async () => {
    const { page, runs } = await asked(
      {},
      [...search, call('eyJ-a', 'search', '{"q":"x"}'), finished('tool_use')],
      [{ type: 'RUN_ERROR', message: 'Busy.', code: 'throttling', metadata: { relay: { retryable: true } } }],
      [messageStart, said('m2', 'Fine.'), messageStop('end_turn'), FINISHED],
    );
    assert.equal(await form(page).count(), 1);
    await send(page, 'something else');
    await answer(page, 2);
    assert.equal(await form(page).count(), 0);
    assert.match(
      (await page.getByRole('group', { name: 'What the agent asked for' }).textContent()) ?? '',
      /Withdrawn: you went on with another prompt\.$/,
    );
    const pending = {
      role: 'assistant',
      toolCalls: [{ id: 'eyJ-a', type: 'function', function: { name: 'search', arguments: '{"q":"x"}' } }],
    };
    const messages = (/** @type {number} */ run) =>
      runs[run]?.input.messages.map((/** @type {any} */ { id, ...message }) => message);
    assert.deepEqual(messages(1), [pending, { role: 'user', content: 'something else' }]);
    await page.getByRole('button', { name: 'Retry' }).click();
    await answer(page, 3);
    assert.deepEqual(
      messages(2),
      [pending, { role: 'user', content: 'something else' }],
      'nobody has told the agent yet',
    );
    await send(page, 'more');
    await answer(page, 4);
    assert.deepEqual(messages(3), [{ role: 'user', content: 'more' }]);
  });

  test('that wait do so over a reload', async () => {
    const { page, runs } = await asked(
      {},
      [...search, call('eyJ-a', 'search', '{"q":"x"}'), finished('tool_use')],
      [said('m2', 'Fine.'), FINISHED],
    );
    await page.reload();
    await connected(page);
    assert.equal(await form(page).count(), 1);
    await send(page, 'something else');
    await answer(page, 2);
    assert.equal(runs[1]?.input.messages[0].toolCalls[0].id, 'eyJ-a');
  });
});

describe('an answer that a limit cut short', () => {
  test('keeps its text, offers to continue instead of a retry, and no longer once something else was asked', async () => {
    const { page, runs } = await asked(
      {},
      [messageStart, said('m1', 'Half of it'), messageStop('max_tokens'), cut('max_tokens')],
      [messageStart, said('m2', 'and the rest.'), messageStop('end_turn'), FINISHED],
    );
    assert.equal(await page.locator('.prose').textContent(), 'Half of it');
    const box = page.locator('.failure');
    assert.match((await box.textContent()) ?? '', /^The answer was cut short.*limit_reached$/);
    assert.equal(await page.getByRole('status').textContent(), 'The answer was cut short.');
    assert.equal(await page.getByRole('button', { name: 'Retry' }).count(), 0);
    assert.match(
      (await page.locator('.timing').textContent()) ?? '',
      /10 tokens in, 8,192 out · stop reason: max tokens$/,
    );
    await page.getByRole('button', { name: 'Continue' }).click();
    assert.equal(await answer(page, 2), 'and the rest.');
    assert.equal(runs[1]?.input.messages.at(-1).content, 'Continue.');
    assert.equal(await page.getByRole('button', { name: 'Continue' }).count(), 0);
    await page.reload();
    await connected(page);
    assert.equal(await page.getByRole('button', { name: 'Continue' }).count(), 0);
  });

  test('because the conversation is too long for the model is not continued', async () => {
    const { page } = await asked({}, [said('m1', 'Half'), cut('model_context_window_exceeded')]);
    assert.equal(await page.getByRole('button', { name: 'Continue' }).count(), 0);
  });
});

describe('how it looks', () => {
  /** By how much an element is wider than its place. @param {Page} page @param {string} selector */
  const overhang = (page, selector) =>
    page.locator(selector).evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);

  test('axe finds nothing: running, done, cut short and asking, in light and dark, on a phone', async () => {
    const { page, run } = await driven({ reducedMotion: 'reduce' });
    await page.evaluate(AXE);
    const check = async (/** @type {string} */ when) => {
      for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
        await page.emulateMedia({ colorScheme });
        const found = await page.evaluate(async () => {
          // @ts-expect-error: axe is a global of its script.
          const { violations } = await window.axe.run();
          return violations.map(
            (/** @type {any} */ { id, nodes }) =>
              `${id}: ${nodes.map((/** @type {any} */ node) => node.html).join(' ')}`,
          );
        });
        assert.deepEqual(found, [], `${when}, ${colorScheme}`);
      }
    };
    const say = await run();
    say(...WORK.slice(0, 9));
    await seen(page, 'docs › Retrieve Running');
    await reasoning(page).locator('summary').click();
    await check('running, the reasoning open');
    say(...WORK.slice(9), WORK_DONE);
    await answer(page);
    for (const nth of [1, 3, 4, 6]) await page.locator('.step > details > summary').nth(nth).click();
    await page.locator('.step-detail').nth(3).waitFor();
    await check('done, four steps open');
    (await run())(messageStart, said('m1', 'Half of it'), messageStop('max_tokens'), cut('max_tokens'));
    await answer(page, 2);
    await check('cut short');
    (await run())(
      messageStart,
      toolStart('t', 'search'),
      messageStop('tool_use'),
      call('eyJ', 'search', '{"q":"x"}'),
      finished('tool_use'),
    );
    await answer(page, 3);
    await check('asking');
    await page.setViewportSize({ width: 320, height: 700 });
    await page.waitForFunction(() => innerWidth === 320);
    await page.getByRole('combobox', { name: 'Answer' }).selectOption({ index: 0 });
    assert.equal(await overhang(page, '#traces-scroller'), 0);
    await check('on a phone, the trace');
    await page.getByRole('button', { name: 'Close the trace panel' }).click();
    assert.deepEqual([await overhang(page, '#scroller'), await overhang(page, ':root')], [0, 0]);
    await check('on a phone');
    const small = await page
      .locator('button:visible, summary:visible')
      .evaluateAll((targets) =>
        targets
          .map((target) => ({ words: target.textContent, size: target.getBoundingClientRect() }))
          .filter(({ size }) => size.width < 24 || size.height < 24),
      );
    assert.deepEqual(small, []);
  });

  test('with forced colours bars and dots of its kinds are seen', async () => {
    const { page } = await asked({ forcedColors: 'active' }, [...WORK, WORK_DONE]);
    await seen(page, 'audit, after invocation Done');
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme, forcedColors: 'active' });
      const colours = await page
        .locator('.step')
        .evaluateAll((steps) =>
          steps.map((step) =>
            ['.step-bar', '.step-lane']
              .map((part) => getComputedStyle(/** @type {Element} */ (step.querySelector(part))).backgroundColor)
              .concat(
                getComputedStyle(/** @type {Element} */ (step.querySelector('summary')), '::before').backgroundColor,
              ),
          ),
        );
      for (const [bar, lane, dot] of colours) assert.ok(bar !== lane && dot !== lane, `${bar} ${lane} ${dot}`);
    }
  });
});
