// Files that somebody made up to confuse the trace viewer: each opens or is refused in words, and the page goes on.

import assert from 'node:assert/strict';
import { mkdtemp, open as openFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { useChat } from './support/chat.mjs';
import { rows } from './support/trace.mjs';

/** @import { Page } from 'playwright-core' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const { openForAll, open } = useChat();

const part = (/** @type {object} */ trace, /** @type {object} */ more = {}) => ({ trace: { trace, ...more } });
const step = (/** @type {object} */ orchestrationTrace, /** @type {object} */ more = {}) =>
  part({ orchestrationTrace }, more);
const thought = (/** @type {string} */ text) => step({ rationale: { text, traceId: text } });
/** @param {object} event @param {unknown} at */
const at = (event, at) => ({ at, source: 'bedrock-agent', event });
const deep = (/** @type {number} */ depth) => `${'{"a":['.repeat(depth)}1${']}'.repeat(depth)}`;
const alias = (/** @type {string} */ name) => `arn:aws:bedrock:us-east-1:1:agent-alias/${name}/1`;
const calls = (/** @type {string} */ name, /** @type {string[]} */ chain) =>
  step(
    {
      invocationInput: {
        traceId: 't',
        invocationType: 'AGENT_COLLABORATOR',
        agentCollaboratorInvocationInput: {
          agentCollaboratorName: name,
          agentCollaboratorAliasArn: alias(name),
          input: { text: 'go' },
        },
      },
    },
    { callerChain: chain.map((one) => ({ agentAliasArn: alias(one) })) },
  );
const used = (/** @type {object} */ usage, /** @type {object} */ more = {}) => [
  step({ modelInvocationInput: { traceId: 'm', foundationModel: 'scripted.m', text: '{}' } }),
  step({ modelInvocationOutput: { traceId: 'm', metadata: { usage, ...more } } }),
];
const names = [
  '\u202egnp.exe\u202c',
  '\u2066\u2067\u2068',
  '__proto__',
  'constructor',
  'toString',
  '<img src=x onerror=alert(1)>',
  '\ud800',
  '\u0000\u0007',
  'Z\u0351\u0353a\u0321lgo'.repeat(50),
  '👩‍👩‍👧‍👦'.repeat(300),
  'a'.repeat(100_000),
];

/** Texts of files, and how many steps each has; none where that is not the point. @type {Record<string, [string, number?]>} */
const FILES = {
  'odd names': [JSON.stringify(names.map(thought)), names.length],
  'odd names of tools, models and collaborators': [
    JSON.stringify(
      names.flatMap((name) => [
        step({ modelInvocationInput: { traceId: name, foundationModel: name, text: name } }),
        step({
          invocationInput: {
            traceId: name,
            invocationType: name,
            actionGroupInvocationInput: { actionGroupName: name, function: name, parameters: [{ name, value: name }] },
          },
        }),
        calls(name, ['A']),
      ]),
    ),
    names.length * 3,
  ],
  'members called __proto__': [
    `[${JSON.stringify(thought('x')).replace('"text":"x"', '"text":"x","__proto__":{"text":"y","toString":1},"constructor":{"prototype":{"polluted":1}}')},{"__proto__":{"trace":{"trace":{"rationale":{"text":"z"}}}}}]`,
  ],
  'a saved trace whose members are inherited': [
    '{"agentRelayTrace":1,"__proto__":{"prompt":"p"},"status":"__proto__","failure":{"code":"toString","message":"constructor"},"events":[{"at":1,"source":"__proto__","event":{"hasOwnProperty":1,"type":"constructor"}}]}',
    1,
  ],
  'an event 10,000 deep': [
    `[{"trace":{"trace":{"orchestrationTrace":{"observation":{"traceId":"d","actionGroupInvocationOutput":{"text":"x","odd":${deep(10_000)}}}}}}}]`,
    1,
  ],
  'a collaborator in a collaborator, 300 deep': [
    JSON.stringify(
      Array.from({ length: 300 }, (_, depth) =>
        calls(
          `c${depth}`,
          Array.from({ length: depth + 1 }, (_, one) => (one === 0 ? 'A' : `c${one - 1}`)),
        ),
      ),
    ),
    300,
  ],
  'collaborators that call each other in a circle': [
    JSON.stringify([
      calls('B', ['A']),
      calls('A', ['A', 'B']),
      calls('B', ['A', 'B', 'A']),
      calls('A', ['A', 'B', 'A', 'B']),
      calls('A', ['A', 'A']),
      calls('B', ['B', 'B', 'B']),
    ]),
  ],
  'the same ids again and again': [
    JSON.stringify(
      Array.from({ length: 30 }, () => [
        ...used({ inputTokens: 1, outputTokens: 1 }),
        step({ observation: { traceId: 'm', actionGroupInvocationOutput: { text: 'x' } } }),
      ]).flat(),
    ),
  ],
  'outputs before their inputs': [JSON.stringify([...used({ inputTokens: 1, outputTokens: 1 })].reverse())],
  'tools of AG-UI in a circle': [
    JSON.stringify([
      { type: 'SUBAGENT_STARTED', subagentRunId: 'a', parentSubagentRunId: 'b' },
      { type: 'TOOL_CALL_START', toolCallId: 'a', toolCallName: 'x', parentMessageId: 'a', subagentRunId: 'a' },
      { type: 'TOOL_CALL_START', toolCallId: 'a', toolCallName: 'x', parentMessageId: 'a', subagentRunId: 'a' },
      { type: 'STEP_STARTED', stepName: 'a' },
      { type: 'STEP_STARTED', stepName: 'a' },
      { type: 'STEP_FINISHED', stepName: 'b' },
      { type: 'TOOL_CALL_RESULT', toolCallId: 'a', messageId: 'a', content: 'x' },
      { type: 'TOOL_CALL_END', toolCallId: 'z' },
      { type: 'RUN_FINISHED', runId: 'r', threadId: 't' },
    ]),
  ],
  'times that cannot be': [
    `{"agentRelayTrace":1,"sentAt":"+275760-09-13","endedAt":-1e308,"firstTextAt":1e308,"events":[${['-1e308', '1e308', '1e400', '-1e400', '-5', '"5"', 'null', '{}', '1e15', '0.1'].map((time, index) => `{"at":${time},"source":"bedrock-agent","event":${JSON.stringify(thought(`t${index}`))}}`).join()}]}`,
    10,
  ],
  'times of the agent that cannot be': [
    JSON.stringify(
      [
        '9999-12-31T23:59:59Z',
        '-271821-04-20T00:00:00Z',
        '1970-01-01T00:00:00Z',
        'NaN',
        '',
        'yesterday',
        1e308,
        -1,
        null,
        '2026-01-01T00:00:00Z',
      ].flatMap((time, index) => [
        at(
          part(
            { orchestrationTrace: { modelInvocationInput: { traceId: `m${index}`, foundationModel: 'm', text: 'x' } } },
            { eventTime: time },
          ),
          index,
        ),
        at(
          part(
            {
              orchestrationTrace: {
                modelInvocationOutput: {
                  traceId: `m${index}`,
                  metadata: {
                    startTime: time,
                    endTime: 0,
                    totalTimeMs: index % 2 ? -5 : 1e308,
                    operationTotalTimeMs: 1e300,
                  },
                },
              },
            },
            { eventTime: 1e308 },
          ),
          index,
        ),
      ]),
    ),
    10,
  ],
  'tokens that cannot be': [
    JSON.stringify(
      [
        { inputTokens: -5, outputTokens: 1e308 },
        { inputTokens: 1.5, outputTokens: '7' },
        { inputTokens: null, outputTokens: {} },
        { inputTokens: 9_007_199_254_740_991, outputTokens: 3 },
      ].flatMap((usage) => used(usage)),
    ),
  ],
  'one step of each kind that is empty': [
    JSON.stringify([
      step({}),
      part({}),
      part({ guardrailTrace: null }),
      part({ failureTrace: {} }),
      part({ routingClassifierTrace: { observation: {} } }),
      step({ observation: null }),
      step({ invocationInput: { collaboratorInvocationInput: 7 } }),
    ]),
  ],
};

/** @param {Page} page @param {string} name @param {string} text */
const choose = (page, name, text) =>
  page.locator('#traces-file').setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(text) });

describe('a file with', () => {
  /** @type {Page} */
  let page;
  test('nothing odd is there to begin with', async () => {
    page = await openForAll({
      reducedMotion: 'reduce',
      viewport: { width: 1600, height: 900 },
      prepare: (page) =>
        page.route('**/config.json', async (route) => {
          await route.fulfill({
            json: { ...(await (await route.fetch()).json()), prices: { '': { input: 3, output: 15 } } },
          });
        }),
    });
    await page.evaluate(AXE);
    await page.evaluate(() => (location.hash = '#traces'));
    await choose(
      page,
      'base.json',
      JSON.stringify([thought('base'), ...used({ inputTokens: 5, outputTokens: 5 }, { totalTimeMs: 100 })]),
    );
    await page.locator('.step').nth(1).waitFor();
  });

  for (const [what, [text, count]] of Object.entries(FILES)) {
    test(what, async () => {
      await choose(page, `${what}.json`, text);
      await page.waitForFunction(
        (name) => /** @type {HTMLSelectElement} */ (document.querySelector('#traces-answer')).value === name,
        `${what}.json`,
      );
      const shown = await rows(page);
      if (count !== undefined) assert.equal(shown.length, count);
      assert.ok(shown.length > 0);
      assert.equal(await page.locator('#traces-problem').isVisible(), false);
      const words = () =>
        page
          .locator('#traces')
          .evaluate((panel) =>
            [
              ...panel.querySelectorAll(
                '#traces-totals, .spent, .step-took, .step-tokens, .step-figures, .axis, .compare-figures, .pair-difference',
              ),
            ]
              .map(({ textContent }) => textContent)
              .join(' '),
          );
      assert.doesNotMatch(await words(), /NaN|Infinity|undefined|\[object|e\+|−0|-\d/, 'figures that can be');
      assert.equal(await page.evaluate(() => 'polluted' in {}), false);

      // Each step opens, and nothing is as wide as it likes.
      for (const nth of new Set([0, shown.length - 1]))
        await page
          .locator('.step > details > summary')
          .nth(nth)
          .evaluate((summary) => summary.parentElement?.toggleAttribute('open', true));
      await page.locator('.step-detail').first().waitFor({ state: 'attached' });
      assert.equal(
        await page.locator('#traces-scroller').evaluate((scroller) => scroller.scrollWidth - scroller.clientWidth <= 1),
        true,
      );
      // No direction of one name turns another text around.
      assert.doesNotMatch(
        shown.join(),
        /[\u202a-\u202e\u2066-\u2069]/u,
        'direction marks are made visible or taken away',
      );

      // Sorted, saved for other tools and compared like any other.
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'OpenTelemetry' }).click();
      const spans = JSON.parse(await readFile(await (await download).path(), 'utf8')).resourceSpans[0].scopeSpans[0]
        .spans;
      assert.equal(spans.length, shown.length + 1);
      await page.getByRole('combobox', { name: 'Compare with' }).selectOption({ label: 'base.json' });
      await page.locator('.pairs[aria-busy="false"] .pair').first().waitFor();
      assert.doesNotMatch(await words(), /NaN|Infinity|undefined|\[object|e\+|-\d/);
      await page.getByRole('combobox', { name: 'Compare with' }).selectOption({ index: 0 });
      await page.getByRole('button', { name: 'Close file' }).click();
      await page.waitForFunction(
        (name) => /** @type {HTMLSelectElement} */ (document.querySelector('#traces-answer')).value !== name,
        `${what}.json`,
      );
    });
  }
});

test('a file of 100 MB is refused in words, and a folder of nothing too', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trace-'));
  try {
    const path = join(folder, 'huge.json');
    const file = await openFile(path, 'w');
    await file.truncate(100 * 1024 * 1024);
    await file.close();
    const page = await open();
    await page.evaluate(() => (location.hash = '#traces'));
    await page.locator('#traces-file').setInputFiles(path);
    await page.getByRole('alert').filter({ hasText: 'huge.json is larger than 64 MiB.' }).waitFor();
    for (const [name, text, words] of /** @type {const} */ ([
      ['empty.json', '', 'empty.json has no trace events'],
      ['text.json', 'Hello', 'text.json is not JSON'],
      ['v2.json', '{"agentRelayTrace":2}', 'v2.json has version 2 of the format'],
    ])) {
      await choose(page, name, text);
      await page.getByRole('alert').filter({ hasText: words }).waitFor();
    }
    await choose(page, 'good.json', JSON.stringify([thought('good')]));
    await page.locator('.step').waitFor();
    assert.equal(await page.locator('#traces-problem').isVisible(), false, 'the next one opens');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('axe finds nothing with a step open beside the tree, in light, dark and forced colours', async () => {
  for (const options of /** @type {object[]} */ ([
    { colorScheme: 'light' },
    { colorScheme: 'dark' },
    { forcedColors: 'active' },
  ])) {
    const page = await open({ reducedMotion: 'reduce', viewport: { width: 1700, height: 900 }, ...options });
    await page.evaluate(AXE);
    await page.evaluate(() => {
      localStorage.setItem('agent-relay.trace-width', '70vw');
      location.hash = '#traces';
    });
    await page.reload();
    await page.evaluate(AXE);
    await choose(
      page,
      'x.json',
      JSON.stringify([thought('one'), ...used({ inputTokens: 5, outputTokens: 5 }, { totalTimeMs: 100 })]),
    );
    await rows(page);
    await page.locator('.step > details > summary').nth(1).click();
    await page.locator('.traces-pane .step-detail').waitFor();
    const found = await page.evaluate(async () => {
      // @ts-expect-error: axe is a global of its script.
      const { violations } = await window.axe.run('#traces');
      return violations.map(
        (/** @type {any} */ { id, nodes }) => `${id}: ${nodes.map((/** @type {any} */ node) => node.html).join(' ')}`,
      );
    });
    assert.deepEqual(found, [], JSON.stringify(options));
  }
});
