// A trace in OpenTelemetry's JSON, for other tools; and the viewer without a connection.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { traceFile, traceOf } from '../../web/trace/file.js';
import { otelFile } from '../../web/trace/otel.js';
import { TraceTree } from '../../web/trace/tree.js';
import { answer, connected, send, traceSwitch, useChat } from './support/chat.mjs';
import { rows } from './support/trace.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { AgentEvent } from '../../web/types.d.ts' */

/** @type {Record<string, {events: AgentEvent[]}>} */
const RECORDED = JSON.parse(await readFile(new URL('fixtures/traces.json', import.meta.url), 'utf8'));
const EPOCH = Date.UTC(2026, 0, 1);

/** @typedef {{traceId: string, spanId: string, parentSpanId?: string, name: string, kind: number, startTimeUnixNano: string, endTimeUnixNano: string, attributes: {key: string, value: Record<string, unknown>}[], status: {code?: number, message?: string}}} Span */

/** @param {AgentEvent[]} events @param {Partial<import('../../web/trace/file.js').Trace>} [more] @returns {Span[]} */
function spansOf(events, more = {}) {
  const tree = new TraceTree(0);
  for (const event of events) tree.add(event);
  const trace = {
    prompt: 'hello',
    status: /** @type {const} */ ('done'),
    events,
    failure: undefined,
    sentAt: 0,
    firstTextAt: 120,
    endedAt: 2000,
    ...more,
  };
  const file = JSON.parse(
    [...otelFile(trace, tree, { total: 2000, epoch: EPOCH, prices: { scripted: { input: 3, output: 15 } } })].join(''),
  );
  assert.equal(file.resourceSpans.length, 1);
  assert.equal(file.resourceSpans[0].resource.attributes[0].key, 'service.name');
  return file.resourceSpans[0].scopeSpans[0].spans;
}

/** @param {Span | undefined} span */
const attributesOf = (span) =>
  Object.fromEntries(span?.attributes.map(({ key, value }) => [key, Object.values(value)[0]]) ?? []);

describe('OpenTelemetry’s JSON', () => {
  test('has a span for each step, below that of the answer, with the attributes of generative AI', () => {
    const spans = spansOf(RECORDED.answer?.events ?? []);
    const [root, ...steps] = spans;
    assert.equal(root?.parentSpanId, undefined);
    assert.equal(root?.startTimeUnixNano, `${EPOCH}000000`);
    assert.equal(attributesOf(root)['gen_ai.operation.name'], 'invoke_agent');
    assert.equal(steps.length, 9);
    for (const { traceId, spanId, parentSpanId, startTimeUnixNano, endTimeUnixNano } of steps) {
      assert.match(traceId, /^[0-9a-f]{32}$/);
      assert.equal(traceId, root?.traceId);
      assert.match(spanId, /^[0-9a-f]{16}$/);
      assert.equal(parentSpanId, root?.spanId);
      assert.ok(
        BigInt(endTimeUnixNano) >= BigInt(startTimeUnixNano) && BigInt(startTimeUnixNano) >= BigInt(EPOCH) * 1_000_000n,
      );
    }
    assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length);
    const model = attributesOf(steps[1]);
    assert.equal(steps[1]?.name, 'chat scripted.local-model-v1:0');
    assert.equal(BigInt(steps[1]?.endTimeUnixNano ?? 0) - BigInt(steps[1]?.startTimeUnixNano ?? 0), 260_000_000n);
    assert.equal(model['gen_ai.request.model'], 'scripted.local-model-v1:0');
    assert.match(String(model['gen_ai.usage.input_tokens']), /^\d+$/);
    assert.ok(Number(model['gen_ai.usage.cost']) > 0);
    assert.equal(JSON.parse(String(model['gen_ai.input.messages']))[0].role, 'user');
    const tool = attributesOf(steps.find(({ name }) => name.startsWith('execute_tool limits')) ?? steps[6]);
    assert.match(String(tool['gen_ai.tool.call.arguments']), /integration-timeout/);
    assert.match(String(tool['gen_ai.tool.call.result']), /29/);
  });

  test('tells what failed, and keeps the steps of a collaborator below it', () => {
    const team = spansOf(RECORDED.team?.events ?? []);
    const byId = new Map(team.map((span) => [span.spanId, span]));
    const inner = team.filter(
      ({ parentSpanId }) => byId.get(parentSpanId ?? '')?.name.startsWith('invoke_agent ') === true,
    );
    assert.ok(inner.length > 0);
    const failing = spansOf(
      [
        {
          at: 5,
          source: 'bedrock-agent',
          event: { trace: { trace: { failureTrace: { failureReason: 'Broken \ud800', failureCode: 424 } } } },
        },
      ],
      { status: 'failed', failure: { message: 'No', code: 'x', retryable: false, source: 'relay' } },
    );
    assert.deepEqual(
      failing.map(({ status }) => status.code),
      [2, 2],
    );
  });

  test('is cut where a text is huge, and stays JSON', () => {
    const text = '"\u0001'.repeat(400_000);
    const spans = spansOf([
      {
        at: 0,
        source: 'bedrock-agent',
        event: { trace: { trace: { orchestrationTrace: { modelInvocationInput: { text, traceId: 'a' } } } } },
      },
    ]);
    const [message] = JSON.parse(
      String(
        attributesOf(spans[1])['gen_ai.input.messages'] ?? attributesOf(spans[1])['gen_ai.output.messages'] ?? '[]',
      ),
    );
    assert.ok(message.parts[0].content.length < 110_000);
  });

  test('has the time of the prompt, also from a file', () => {
    const events = RECORDED.answer?.events ?? [];
    const saved = traceFile({
      prompt: 'x',
      status: 'done',
      events,
      failure: undefined,
      sentAt: 0,
      firstTextAt: undefined,
      endedAt: 9,
    });
    assert.ok(Math.abs((traceOf(saved, 'a.json').epoch ?? 0) - performance.timeOrigin) < 2);
    assert.equal(traceOf(saved.replace(/"sentAt":"[^"]*"/, '"sentAt":"?"'), 'a.json').epoch, undefined);
  });
});

const { open, load, endpoint } = useChat();

test('is saved from the panel', async () => {
  const page = await open();
  await traceSwitch(page).check();
  await send(page, '/team');
  await answer(page);
  await rows(page);
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'OpenTelemetry' }).click();
  const file = await download;
  assert.match(file.suggestedFilename(), /^trace-.*team\.otlp\.json$/);
  const { spans } = JSON.parse(await readFile(await file.path(), 'utf8')).resourceSpans[0].scopeSpans[0];
  assert.equal(spans.length, 14);
  assert.ok(Math.abs(Number(BigInt(spans[0].startTimeUnixNano) / 1_000_000n) - Date.now()) < 600_000);
});

/** Settings of another page. @param {Record<string, unknown>} settings */
const withSettings = (settings) => (/** @type {Page} */ page) =>
  page.route('**/config.json', async (route) => {
    await route.fulfill({ json: { ...(await (await route.fetch()).json()), ...settings } });
  });

describe('a saved trace opens', () => {
  const saved = traceFile({
    prompt: 'x',
    status: 'done',
    events: RECORDED.answer?.events ?? [],
    failure: undefined,
    sentAt: 0,
    firstTextAt: undefined,
    endedAt: 2000,
  });
  const file = { name: 'saved.json', mimeType: 'application/json', buffer: Buffer.from(saved) };
  /** @param {Page} page */
  const opens = async (page) => {
    await page.getByRole('complementary', { name: 'Trace' }).waitFor();
    await page.locator('#traces-file').setInputFiles(file);
    await page.locator('.step').nth(8).waitFor();
    assert.equal((await rows(page)).length, 9);
  };
  const refuse = (/** @type {Page} */ page) => page.routeWebSocket(/./, (socket) => void socket.close());

  for (const [where, prepare] of /** @type {const} */ ([
    ['where traces are off', withSettings({ allowTrace: false })],
    ['without a connection', refuse],
  ])) {
    test(where, async () => {
      const page = await load({ prepare, expected: /WebSocket/ });
      await page.evaluate(() => (location.hash = '#traces'));
      await opens(page);
    });
  }

  test('before the settings are there, and stays', async () => {
    /** @type {import('playwright-core').Route[]} */
    const held = [];
    const page = await load({ prepare: (page) => page.route('**/config.json', (route) => void held.push(route)) });
    await page.evaluate(() => (location.hash = '#traces'));
    await opens(page);
    await Promise.all(held.map((route) => route.continue()));
    await connected(page);
    assert.equal((await rows(page)).length, 9);
  });

  test('where the endpoint is dead, at the address of the viewer', async () => {
    const address = `${endpoint().replace(/^ws(.*)local$/, 'http$1')}#traces`;
    const page = await load({ prepare: refuse, expected: /WebSocket/, address });
    await page.getByText('No connection to ws://').waitFor();
    await opens(page);
  });

  const settings =
    (/** @type {string} */ body, /** @type {number} */ status = 200) =>
    (/** @type {Page} */ page) =>
      page.route('**/config.json', (route) => route.fulfill({ status, body }));
  for (const [what, prepare, words] of /** @type {const} */ ([
    ['is no JSON', settings('{'), 'config.json is not JSON'],
    ['names no endpoint', settings('{}'), 'config.json names no "endpoint"'],
    ['is not there', settings('', 404), 'config.json is missing (HTTP 404)'],
    [
      'does not come',
      (/** @type {Page} */ page) => page.route('**/config.json', (route) => route.abort()),
      'The page cannot reach /config.json',
    ],
  ])) {
    test(`where config.json ${what}: the page says so, and opens it all the same`, async () => {
      const page = await load({ prepare, expected: /Failed to load resource/ });
      const banner = page.getByRole('alert').filter({ hasText: words });
      await banner.waitFor();
      await banner.getByRole('button', { name: 'Open a saved trace' }).click();
      await opens(page);
      assert.equal(await banner.isVisible(), true);
    });
  }
});
