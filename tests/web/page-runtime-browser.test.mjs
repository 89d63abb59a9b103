// The page in Chromium against the real local AWS with an agent on a runtime: what a person does, and what they see.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { answer, connected, send, traceSwitch, useChat } from './support/chat.mjs';
import { FrameGate } from './support/frames.mjs';
import { answers, relay } from './support/relay.mjs';
import { called, FINISHED, interrupted, said } from './support/runtime.mjs';
import { opened, rows, sections, seen, total, traced } from './support/trace.mjs';

/** @import { Page } from 'playwright-core' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { open } = useChat('--source', 'runtime', '--concurrency', '8');

/** @param {Page} page */
const form = (page) => page.getByRole('form', { name: 'What the agent asks for' });
/** @param {Page} page */
const reasoning = (page) => page.locator('details.reasoning');
/** @param {Page} page */
const proses = (page) => page.locator('article.agent').last().locator('.prose').allTextContents();

describe('an answer', () => {
  test('is typed while it comes, and keeps its messages apart', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    await send(page, 'hello');
    await gate.until('TEXT_MESSAGE_CONTENT');
    await page.locator('.prose', { hasText: 'You' }).waitFor();
    assert.equal(await page.locator('article.agent').getAttribute('aria-busy'), 'true');
    await gate.until('TOOL_CALL_RESULT');
    await gate.until('TEXT_MESSAGE_CONTENT');
    await page.locator('.prose').nth(1).waitFor();
    gate.open();
    await answer(page);
    const [first, second, ...others] = await proses(page);
    assert.match(first ?? '', /^You wrote “hello”\. This is turn 1 of this conversation\. I look it up\.\s*$/);
    assert.match(second ?? '', /^What a run is made of.*TEXT_MESSAGE_START, TEXT_MESSAGE_CONTENT, TEXT_MESSAGE_END/s);
    assert.deepEqual(others, []);
    assert.equal(await form(page).count(), 0, 'no tool of the agent is a question to the user');
    await send(page, '/slow 0');
    assert.match(await answer(page, 2), /\bturn 2\b/);
  });

  test('has its thoughts folded above the words, with the trace or without', async () => {
    const page = await open();
    await send(page, '/think');
    assert.match(await answer(page), /I have thought twice before I said this\./);
    assert.equal(await reasoning(page).count(), 2);
    assert.match((await reasoning(page).first().locator('summary').textContent()) ?? '', /^Reasoning · [\d.]+ m?s$/);
    await reasoning(page).first().locator('summary').click();
    await reasoning(page).first().getByText('They ask for a thought. I have one, and then another one.').waitFor();
    assert.equal(await page.locator('.step').count(), 0, 'the trace was not asked for');
    assert.equal(await page.getByRole('button', { name: 'Show trace' }).count(), 0);
  });

  test('of an agent that goes wrong keeps what was said, and its words', async () => {
    const page = await open();
    await send(page, '/odd gaveup');
    assert.match(await answer(page), /^Before I gave up\./);
    assert.match(
      (await page.locator('.failure').textContent()) ?? '',
      /The agent gave up: no model answered\..*dependency_failed$/,
    );
    await send(page, '/odd unended');
    assert.match(await answer(page, 2), /Nothing says that this is all\.$/);
    assert.equal(await page.locator('.failure code').last().textContent(), 'connection_lost');
    await send(page, '/odd json');
    await answer(page, 3);
    assert.match((await page.locator('.failure').last().textContent()) ?? '', /did not answer with AG-UI's events/);
  });

  test('that is stopped is said to go on, maybe', async () => {
    const page = await open();
    await send(page, '/tokens 300 20');
    await page.locator('.prose', { hasText: '3' }).waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await answer(page);
    assert.match(
      (await page.locator('.foot .empty').textContent()) ?? '',
      /^Stopped here\. The agent itself may go on/,
    );
  });

  test('of an agent that knows nothing but what it is sent builds on what was said', async () => {
    const scripted = relay(({ input, say }) =>
      say(...said(`m-${input.runId}`, `I know ${input.messages.length}.`), FINISHED),
    );
    const page = await open({ prepare: scripted.prepare });
    for (const [index, prompt] of ['one', 'two'].entries()) {
      await send(page, prompt);
      await answer(page, index + 1);
    }
    await page.reload();
    await connected(page);
    await send(page, 'three');
    assert.equal(await answer(page, 3), 'I know 5.');
    assert.deepEqual(
      scripted.runs
        .at(-1)
        ?.input.messages.map((/** @type {{role: string, content: string}} */ { role, content }) => [role, content]),
      [
        ['user', 'one'],
        ['assistant', 'I know 1.'],
        ['user', 'two'],
        ['assistant', 'I know 3.'],
        ['user', 'three'],
      ],
    );
  });
});

describe('the trace', () => {
  test('grows with the run: what is at work is seen until it is done', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    await traceSwitch(page).check();
    await send(page, '/strands');
    await gate.until('TEXT_MESSAGE_START');
    await seen(page, 'Message | Answering… | Running');
    await gate.until('TOOL_CALL_START');
    await seen(page, 'Message | I look at both. | Done');
    await seen(page, 'Tool | get_order | Running');
    assert.equal(await total(page, 'Status'), 'Running');
    await gate.until('TOOL_CALL_RESULT');
    await seen(page, 'Tool | get_order | Done');
    gate.open();
    await answer(page);
    assert.deepEqual(await rows(page), [
      'State | Snapshot | Done',
      'State | 1 message | Done',
      'Message | I look at both. | Done',
      'Tool | get_order | Done',
      'Tool | get_stock | Done',
      'State | 2 messages | Done',
      'State | 4 messages | Done',
      'State | add /orders | Done',
      'State | replace /orders/0/total | Done',
      'Message | The order is over 12.50, and seven cups 🍵 are left. This is turn 1. | Done',
      'State | 5 messages | Done',
      'State | Snapshot | Done',
    ]);
    assert.deepEqual(await sections(await opened(page, 'get_stock')), [
      'Input: {\n  "article": "cup",\n  "price": 12.50\n}',
      'Result: 7',
      `Facts: ${await facts(page, 'get_stock')}`,
    ]);
    assert.equal(await total(page, 'Status'), 'Done');
    assert.equal(
      await page.locator('#traces-totals dt', { hasText: 'Model calls' }).count(),
      0,
      'nobody tells of them',
    );
  });

  /** @param {Page} page @param {string} name */
  const facts = (page, name) =>
    page.locator('.step', { hasText: name }).locator('.step-detail dl').last().textContent();

  test('of foreign events alone counts no calls of a model, and is not there where it was not asked for', async () => {
    const frames = [
      { type: 'RAW', source: 'strands', event: { init_event_loop: true } },
      ...said('m', 'Well.'),
      FINISHED,
    ];
    const page = await open({ prepare: answers(frames, frames).prepare });
    await send(page, 'go');
    await answer(page);
    assert.equal(await page.getByRole('button', { name: 'Show trace' }).count(), 0);
    await traceSwitch(page).check();
    await send(page, 'go');
    await answer(page, 2);
    // The viewer is loaded with the first trace.
    await page.locator('.step', { hasText: 'Done' }).first().waitFor();
    assert.equal((await rows(page))[0], 'Unknown | strands: init_event_loop | Done');
    assert.equal(await page.getByRole('button', { name: 'Show trace' }).count(), 1);
    assert.equal(await total(page, 'Status'), 'Done');
    assert.equal(await page.locator('#traces-totals dt', { hasText: /Model calls|Tokens/ }).count(), 0);
  });

  test('has the steps of several agents, and what they hand over', async () => {
    const page = await open();
    await traced(page, '/steps');
    assert.deepEqual(await rows(page), [
      'Step | researcher | Done',
      'Message | The researcher has found something. | Done',
      'Event | MultiAgentHandoff | Done',
      'Step | writer | Done',
      'Event | PredictState | Done',
      'Event | PLAN | Done',
      'Event | PLAN | Done',
      'Message | And the writer has written it down. | Done',
      'Unknown | strands: multiagent_node_stop | Done',
    ]);
    const depths = await page
      .locator('.step')
      .evaluateAll((steps) => steps.map((step) => (step.parentElement?.closest('.step') === null ? 0 : 1)));
    assert.deepEqual(depths, [0, 1, 0, 0, 1, 1, 1, 1, 1]);
    assert.match((await sections(await opened(page, 'MultiAgentHandoff'))).join(), /"confidence": 0\.9500/);
  });

  test('is saved, and opened again without a network', async () => {
    const page = await open();
    await traced(page, '/strands');
    const before = await rows(page);
    const download = page.waitForEvent('download');
    await page.getByRole('complementary').getByRole('button', { name: 'Download', exact: true }).click();
    const saved = await readFile(await (await download).path());
    const offline = await open();
    await offline.getByRole('button', { name: /^Trace/ }).click();
    await offline.locator('.traces-scroller > .axis').waitFor({ state: 'attached' });
    await offline.context().setOffline(true);
    await offline
      .locator('#traces-file')
      .setInputFiles({ name: 'strands.json', mimeType: 'application/json', buffer: saved });
    await offline
      .locator('.step')
      .nth(before.length - 1)
      .waitFor();
    assert.deepEqual(await rows(offline), before);
  });

  test('understands every oddity of agents', async () => {
    const page = await open();
    for (const [index, [prompt, row, text]] of /** @type {[string, RegExp, RegExp][]} */ ([
      ['/odd unknown', /^Unknown \| HOLOGRAM_STARTED \| Done$/, /^Around this text/],
      ['/odd nulls', /^Tool \| look \| Done$/, /^No null is lost or kept\.$/],
      ['/odd crlf', /^Tool \| get_stock \| Done$/, /seven cups/],
      ['/odd comments', /^Message \| Comments are no events\. \| Done$/, /^Comments are no events\.$/],
      ['/odd quoted', /^Tool \| get_stock \| Done$/, /seven cups/],
      ['/odd chunks', /^Reasoning \| And nothing ends\. \| Done$/, /^In chunks nothing begins\..*And nothing ends\.$/s],
      ['/odd words', /^Unknown \| init_event_loop \| Done$/, /^Words without an event\.$/],
      ['/trace 100', /^Tool \| read \| Done$/, /^Before this sentence/],
      ['/snapshot 100', /^State \| \d+ messages \| Done$/, /^Around this sentence/],
    ]).entries()) {
      const said = await traced(page, prompt, index + 1);
      assert.match(said, text, prompt);
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
});

describe('what the agent asks for', () => {
  test('are the results of three calls, of which one may have failed', async () => {
    const page = await open();
    await traced(page, '/tool 3');
    const names = ['get_weather', 'refund_order', 'find_free_slot'];
    assert.deepEqual(await form(page).locator('legend code').allTextContents(), names);
    assert.match((await form(page).textContent()) ?? '', /cityZürichdays3.*amount12\.50reason“broken” ☕/s);
    assert.deepEqual(
      await rows(page),
      names.map((name) => `Return of control | ${name} | Done`),
    );
    for (const [index, name] of names.entries()) {
      const field = form(page).locator('fieldset', { hasText: `this: ${name}` });
      await field.getByLabel('Result').fill(`result ${index + 1}`);
      if (index === 1) await field.getByLabel('It failed').check();
    }
    await form(page).getByRole('button', { name: 'Send result' }).click();
    assert.match(
      await answer(page, 2),
      /get_weather returned result 1\..*refund_order failed with result 2\..*find_free_slot returned result 3\..*still turn 1/s,
    );
    await send(page, '/slow 0');
    assert.match(await answer(page, 3), /\bturn 2\b/);
  });

  test('is withdrawn by something new that is typed', async () => {
    const page = await open();
    await send(page, '/tool');
    await answer(page);
    await form(page).waitFor();
    await send(page, '/slow 0');
    assert.match(await answer(page, 2), /\bturn 2\b/);
    assert.equal(await form(page).count(), 0);
    assert.match(
      (await page.locator('.tool-form').textContent()) ?? '',
      /Withdrawn: you went on with another prompt\.$/,
    );
  });

  for (const [decision, payload] of [
    ['Confirm', '{"approved":true}'],
    ['Deny', '{"approved":false}'],
  ]) {
    test(`is a word before it acts: ${decision}, over a reload`, async () => {
      const page = await open();
      await send(page, '/interrupt');
      assert.match(await answer(page), /This needs your word\./);
      await page.reload();
      await connected(page);
      assert.match(
        (await form(page).textContent()) ?? '',
        /^The agent asks to do this: refund_orderRefund 12\.50 for A-1017\?orderIdA-1017amount12\.50/,
      );
      await form(page).getByRole('button', { name: decision }).click();
      const text = await answer(page, 2);
      assert.ok(text.includes(`is resolved with ${payload}`), text);
      assert.equal(await form(page).count(), 0);
      assert.equal(
        await page.locator('.tool-form').textContent(),
        `The agent asked to do this: refund_orderRefund 12.50 for A-1017?orderIdA-1017amount12.50You ${decision === 'Deny' ? 'denied' : 'confirmed'} it.`,
      );
    });
  }

  test('is an answer in words, of the form that it wants, or none', async () => {
    const question = (/** @type {object} */ responseSchema) => [
      ...said('m', 'Well.'),
      interrupted({ id: 'i', reason: 'input', message: 'Which size?', responseSchema }),
    ];
    for (const [schema, label, typed, payload] of /** @type {[object, string, string, unknown][]} */ ([
      [{ type: 'object', properties: { size: { type: 'string' } } }, 'Answer', '42', { size: '42' }],
      [{ type: 'object', properties: { size: { type: 'number' } } }, 'Answer', '42', { size: 42 }],
      [
        { type: 'object', properties: { size: {}, colour: {} } },
        'Answer, as JSON with size, colour',
        '{"size":1,"colour":"red"}',
        { size: 1, colour: 'red' },
      ],
      [{ type: 'array' }, 'Answer', '[1]', [1]],
      [{}, 'Answer', 'as you like', 'as you like'],
    ])) {
      const scripted = answers(question(schema), [...said('n', 'Done.'), FINISHED]);
      const page = await open({ prepare: scripted.prepare });
      await send(page, 'go');
      await answer(page);
      assert.match((await form(page).textContent()) ?? '', /^The agent asks: inputWhich size\?/);
      await form(page).getByLabel(label, { exact: true }).fill(typed);
      await form(page).getByRole('button', { name: 'Send answer' }).click();
      await answer(page, 2);
      assert.deepEqual(scripted.runs[1]?.input.resume, [{ interruptId: 'i', status: 'resolved', payload }]);
      assert.deepEqual(
        scripted.runs[1]?.input.messages.map((/** @type {{role: string}} */ { role }) => role),
        ['user', 'assistant'],
      );
    }
    const scripted = answers(question({}), [...said('n', 'Done.'), FINISHED]);
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'go');
    await answer(page);
    await form(page).getByRole('button', { name: 'Decline' }).click();
    await answer(page, 2);
    assert.deepEqual(scripted.runs[1]?.input.resume, [{ interruptId: 'i', status: 'cancelled' }]);
    assert.equal(await page.locator('.tool-form').textContent(), 'The agent asked: inputWhich size?You declined.');
    assert.equal(await page.locator('article.user .text').last().textContent(), 'Declined: input');
  });

  test('is not answered with what its form does not take, and is a choice where there is one', async () => {
    const schemas = { n: { type: 'integer' }, size: { enum: ['S', 'M\u202e'] } };
    const questions = Object.entries(schemas).map(([name, schema]) => ({
      id: name,
      reason: name,
      message: `${name}?`,
      responseSchema: { type: 'object', properties: { [name]: schema } },
    }));
    const scripted = answers(
      [interrupted(...questions, { id: 'o', message: 'o?', responseSchema: { properties: { a: {}, b: {} } } })],
      [...said('n', 'Done.'), FINISHED],
    );
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'go');
    const [whole, object] = [
      form(page).getByLabel('Answer', { exact: true }).first(),
      form(page).getByLabel('Answer, as JSON with a, b'),
    ];
    for (const [number, json, words] of /** @type {[string, string, string][]} */ ([
      ['', '{}', 'a whole number'],
      ['1.5', '{}', 'a whole number'],
      ['"1"', '{}', 'a whole number'],
      ['7', '{"a"', 'an object, as JSON'],
      ['7', '[1]', 'an object, as JSON'],
      ['7', 'null', 'an object, as JSON'],
    ])) {
      await whole.fill(number);
      await object.fill(json);
      await form(page).getByRole('button', { name: 'Send answer' }).click();
      assert.equal(await form(page).getByRole('alert').textContent(), `The answer must be ${words}.`);
    }
    assert.deepEqual(await form(page).locator('option').allTextContents(), ['S', 'M\\u202E']);
    await form(page).getByRole('combobox').selectOption({ index: 1 });
    await object.fill('{"a":1}');
    await form(page).getByRole('button', { name: 'Send answer' }).click();
    await answer(page, 2);
    assert.deepEqual(
      scripted.runs[1]?.input.resume.map((/** @type {{payload: unknown}} */ { payload }) => payload),
      [{ n: 7 }, { size: 'M\u202e' }, { a: 1 }],
    );
  });

  test('stays with its answer: in place, over a reload, and in the Markdown', async () => {
    const responseSchema = { type: 'object', properties: { city: { type: 'string' } } };
    const scripted = answers(
      [interrupted({ id: 'i', reason: 'input_required', message: 'Which city\u202e?\nOne of ours.', responseSchema })],
      [...said('n', 'Done.'), FINISHED],
    );
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'go');
    await form(page).getByLabel('Answer', { exact: true }).fill('Paris');
    await form(page).getByRole('button', { name: 'Send answer' }).click();
    await answer(page, 2);
    const kept = 'The agent asked: input_requiredWhich city\\u202E?\nOne of ours.You answered:Paris';
    assert.equal(await page.locator('.tool-form').textContent(), kept);
    assert.equal(await page.locator('article.user .text').last().textContent(), 'Answered: Paris');
    await page.reload();
    await connected(page);
    assert.equal(await page.locator('.tool-form').textContent(), kept);
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save the conversation as Markdown' }).click();
    const markdown = await readFile(await (await download).path(), 'utf8');
    assert.ok(
      markdown.includes(
        'The agent asked: input_required\n\nWhich city\\u202E?\nOne of ours.\n\nYou answered:\n\n```\nParis\n```\n\n## You\n\nAnswered: Paris\n',
      ),
      markdown,
    );
  });
});

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  test(`nothing of it is hard to read or to reach: ${colorScheme}`, async () => {
    const page = await open({
      colorScheme,
      prepare: answers([
        ...said('m', 'Well.'),
        ...called('c', 'refund', '{"n":1}'),
        interrupted({ id: 'i', toolCallId: 'c', message: 'Sure?' }, { id: 'j', message: 'Which size?' }),
      ]).prepare,
    });
    await traceSwitch(page).check();
    await send(page, 'go');
    await answer(page);
    await rows(page);
    await page.evaluate(AXE);
    const found = await page.evaluate('axe.run()');
    assert.deepEqual(
      /** @type {any} */ (found).violations.map(
        (/** @type {{id: string, nodes: {html: string}[]}} */ { id, nodes }) => [id, nodes.map(({ html }) => html)],
      ),
      [],
    );
  });
}
