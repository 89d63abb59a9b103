// The trace viewer in Chromium against the real local AWS: what a person does, and what they see.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { before, describe, test } from 'node:test';
import { answer, connected, send, traceSwitch, useChat } from './support/chat.mjs';
import { FrameGate } from './support/frames.mjs';

/** @import { Page } from 'playwright-core' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { open, openForAll } = useChat();

/** @param {Page} page @param {string} prompt */
async function trace(page, prompt) {
  await traceSwitch(page).check();
  // A tab that was reloaded shows the answers from before.
  const before = await page.locator('article.agent').count();
  await send(page, prompt);
  await answer(page, before + 1);
}

/** @param {Page} page @param {string} name of a kind @param {number} [nth] */
const step = (page, name, nth = 0) =>
  page
    .locator('.step', { has: page.locator(':scope > details .step-title', { hasText: new RegExp(`^${name}$`) }) })
    .nth(nth);
/** @param {Page} page */
const visibleSteps = (page) => page.locator('.step > details:visible');
/** @param {Page} page @param {string} name */
const total = (page, name) =>
  page
    .locator('#traces-totals div', { has: page.getByText(name, { exact: true }) })
    .locator('dd')
    .textContent();
/** @param {Page} page @param {string} name */
const press = (page, name) => page.getByRole('complementary').getByRole('button', { name, exact: true }).click();
/** @param {Page} page @param {string} prompt @param {object} events */
const openFile = (page, prompt, events) =>
  page.locator('#traces-file').setInputFiles({
    name: `${prompt}.json`,
    mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify(events)),
  });

describe('the trace of an answer', () => {
  /** @type {Page} */
  let page;
  before(async () => {
    page = await openForAll({ permissions: ['clipboard-read', 'clipboard-write'] });
    await trace(page, 'hello');
  });

  test('has a row for each step: kind, name, status, duration, and its place in time', async () => {
    assert.deepEqual(await page.locator('.step-title').allTextContents(), [
      'Pre-processing',
      'Model',
      'Rationale',
      'Knowledge base',
      'Model',
      'Rationale',
      'Action group',
      'Model',
      'Final response',
    ]);
    const lookup = step(page, 'Knowledge base');
    assert.match((await lookup.locator('.step-name').textContent()) ?? '', /^“How long/);
    assert.equal(await lookup.locator('.step-status').textContent(), 'Done');
    assert.equal(await lookup.locator('.step-took').textContent(), '240 ms');
    assert.equal(await step(page, 'Rationale').locator('.step-took').textContent(), '', 'a thought has no duration');
    const bars = await page
      .locator('.step-bar')
      .evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect()).map(({ left, right }) => [left, right]));
    // Those with a duration: a thought stands where it came, which on a busy machine is late.
    const measured = [0, 1, 3, 4, 6, 7].map((index) => bars[index]?.[0] ?? 0);
    for (const [index, left] of measured.entries())
      assert.ok(left >= (measured[index - 1] ?? 0) - 3, `step ${index} begins after the one before: ${bars}`);
    const lane = await page.locator('.step-lane').first().boundingBox();
    assert.ok(
      lane !== null && bars.every(([left = 0, right = 0]) => left >= lane.x - 1 && right <= lane.x + lane.width + 1),
      'bars stay in their lane',
    );
  });

  test('has its totals in the head', async () => {
    assert.equal(await total(page, 'Status'), 'Done');
    for (const name of ['Total', 'First token']) assert.match((await total(page, name)) ?? '', /^[\d.]+ m?s$/, name);
    assert.equal(await total(page, 'Model calls'), '4');
    for (const name of ['Tokens in', 'Tokens out']) assert.match((await total(page, name)) ?? '', /^[\d,]+$/, name);
  });

  test('opens a step to what it says, and to its JSON, and closes it with the keyboard', async () => {
    assert.equal(await page.locator('.step-detail').count(), 0, 'made when it is opened');
    const lookup = step(page, 'Knowledge base');
    await lookup.locator('summary').click();
    await lookup.locator('.step-detail').waitFor();
    assert.deepEqual(await lookup.locator('h3').allTextContents(), [
      'Query',
      'Passage 1 · limits.md · score 0.864',
      'Passage 2 · after-the-response.md · score 0.792',
      'Facts',
    ]);
    await press(page, 'Raw JSON');
    const [input, output] = JSON.parse((await lookup.locator('pre').textContent()) ?? '');
    assert.equal(input.trace.trace.orchestrationTrace.invocationInput.invocationType, 'KNOWLEDGE_BASE');
    assert.equal(output.trace.trace.orchestrationTrace.observation.type, 'KNOWLEDGE_BASE');
    await lookup.getByRole('button', { name: 'Copy JSON' }).click();
    await lookup.getByRole('button', { name: 'Copied' }).waitFor();
    assert.deepEqual(JSON.parse(await page.evaluate(() => navigator.clipboard.readText())), [input, output]);
    await press(page, 'Raw JSON');
    await lookup.locator('h3', { hasText: 'Query' }).waitFor();
    await lookup.locator('summary').press('Enter');
    await page.locator('.step-detail').waitFor({ state: 'detached' });
    assert.equal(
      await lookup.locator('summary').evaluate((element) => getComputedStyle(element).outlineStyle),
      'solid',
      'the focus is visible',
    );
  });

  test('is searched and filtered by kind', async () => {
    const search = page.getByRole('searchbox', { name: 'Search the steps' });
    await search.fill('INTEGRATION-timeout');
    await page.getByText('1 step matches', { exact: true }).waitFor();
    assert.deepEqual(await visibleSteps(page).locator('.step-title').allTextContents(), ['Action group']);
    await search.fill('nothing has this');
    await page.getByText('No step matches').waitFor();
    await search.press('Escape');
    assert.equal(await page.getByRole('complementary').isVisible(), true, 'Escape leaves the search first');
    await search.fill('');
    await page.getByRole('combobox', { name: 'Kind of step' }).selectOption({ label: 'Model (3)' });
    await page.getByText('3 steps match', { exact: true }).waitFor();
    assert.equal(await visibleSteps(page).count(), 3);
    await page.getByRole('combobox', { name: 'Kind of step' }).selectOption('');
    assert.equal(await visibleSteps(page).count(), 9);
  });
});

test('a trace grows while the agent works: a step runs until its output comes', async () => {
  const gate = new FrameGate();
  const page = await open({ prepare: (page) => gate.guard(page) });
  await traceSwitch(page).check();
  await send(page, 'hello');
  await gate.until('RAW');
  const first = step(page, 'Pre-processing');
  await first.locator('.step-status', { hasText: 'Running' }).waitFor();
  assert.equal(await total(page, 'Status'), 'Running');
  const clock = async () => (await first.locator('.step-took').textContent()) ?? '';
  const early = await clock();
  assert.match(early, /^[\d.]+ m?s$/, 'its clock runs');
  await page.waitForFunction((early) => document.querySelector('.step-took')?.textContent !== early, early);
  await first.evaluate((row) => Object.assign(row, { same: true }));
  await gate.until('RAW');
  await first.locator('.step-status', { hasText: 'Done' }).waitFor();
  assert.equal(await page.locator('.step').count(), 1);
  gate.open();
  await answer(page);
  assert.equal(await first.evaluate((row) => Reflect.get(row, 'same')), true, 'what is done is not made again');
});

test('collaborators hold their steps; all can be collapsed, and that is remembered', async () => {
  const page = await open();
  await trace(page, '/team');
  assert.equal(await page.locator('.step .step .step').count(), 4);
  assert.equal(await visibleSteps(page).count(), 13);
  const lanes = await page
    .locator('.step-lane')
    .evaluateAll((lanes) => lanes.map((lane) => Math.round(lane.getBoundingClientRect().left)));
  assert.equal(new Set(lanes).size, 1, 'all bars stand on one axis');
  await page.getByRole('button', { name: 'Steps of weather-desk' }).click();
  assert.equal(await visibleSteps(page).count(), 9);
  await press(page, 'Collapse all');
  assert.equal(await visibleSteps(page).count(), 4);
  await page.reload();
  await connected(page);
  await trace(page, '/team');
  assert.equal(await visibleSteps(page).count(), 4);
  await page.getByRole('searchbox', { name: 'Search the steps' }).fill('daily_forecast');
  await page.getByText('1 step matches', { exact: true }).waitFor();
  assert.deepEqual(
    await page.locator('.step-title:visible').allTextContents(),
    ['Collaborator', 'Collaborator', 'Action group'],
    'with the collaborators that it belongs to',
  );
});

test('each answer has its own trace', async () => {
  const page = await open();
  await trace(page, '/trace 1');
  assert.equal(await page.getByRole('combobox', { name: 'Answer' }).isVisible(), false);
  await send(page, '/guardrail');
  await answer(page, 2);
  assert.deepEqual(await page.locator('.step-title').allTextContents(), ['Guardrail']);
  await page.getByRole('combobox', { name: 'Answer' }).selectOption({ label: '1. /trace 1' });
  assert.deepEqual(await page.locator('.step-title').allTextContents(), ['Rationale']);
  await page.getByRole('button', { name: 'New conversation' }).click();
  assert.equal(await page.locator('.step').count(), 0);
});

test('a failed step says why on its row, and a button goes to it', async () => {
  const page = await open();
  await trace(page, '/guardrail');
  await press(page, 'Go to intervention');
  const guardrail = step(page, 'Guardrail');
  assert.equal(await guardrail.locator('.step-status').textContent(), 'Intervened');
  assert.match((await guardrail.locator('.step-reason').textContent()) ?? '', /Secrets of the handbook/);
  assert.equal(await guardrail.locator('summary').evaluate((summary) => summary === document.activeElement), true);

  const failing = Array.from({ length: 300 }, (_, i) => ({
    trace: {
      trace:
        i === 200
          ? { failureTrace: { failureReason: 'Lambda timed out', failureCode: 424 } }
          : { orchestrationTrace: { rationale: { text: `Thought ${i}` } } },
    },
  }));
  await openFile(page, 'failing', failing);
  await page.locator('.step').nth(299).waitFor();
  await press(page, 'Go to failed step');
  const failure = step(page, 'Failure');
  await failure.locator('.step-detail').waitFor();
  assert.equal(await failure.locator('.step-reason').textContent(), 'Lambda timed out (424)');
  assert.equal(
    await failure.evaluate(
      (row) => row.getBoundingClientRect().top < innerHeight && row.getBoundingClientRect().top > 0,
    ),
    true,
  );
});

// Where runs are kept, the answer would go on.
const unkept = useChat('--resume-hours', '0');

test('a step that was at work when the connection broke is marked so', async () => {
  // The connection ends after the first trace event, which is the input of a step.
  const cut = (/** @type {Page} */ page) =>
    page.routeWebSocket(/./, (client) => {
      client.connectToServer().onMessage((message) => {
        client.send(message);
        if (JSON.parse(message.toString()).type === 'RAW') void client.close({ code: 1011 });
      });
    });
  const page = await unkept.open({ prepare: cut });
  await trace(page, '/team');
  await step(page, 'Routing').locator('.step-status', { hasText: 'Not finished' }).waitFor();
  assert.equal(await total(page, 'Status'), 'connection_closed_1011');
});

test('a trace is saved as a file, and shown again from it', async () => {
  const page = await open();
  await trace(page, '/team');
  const titles = await page.locator('.step-title').allTextContents();
  const tookTotal = await total(page, 'Total');
  const download = page.waitForEvent('download');
  await press(page, 'Download');
  const file = await download;
  assert.match(file.suggestedFilename(), /^trace.*\.json$/);
  const saved = JSON.parse(await readFile(await file.path(), 'utf8'));
  assert.equal(saved.events.length, 22);

  // A new tab, without a network by the time that the file is opened: the viewer is there since the panel is open.
  const offline = await open();
  await offline.getByRole('button', { name: /^Trace/ }).click();
  await offline.locator('.traces-scroller > .axis').waitFor({ state: 'attached' });
  await offline.context().setOffline(true);
  await openFile(offline, 'broken', { nothing: true });
  await offline.getByText('broken.json has no trace events', { exact: false }).waitFor();
  await openFile(offline, 'saved', saved);
  await offline.locator('.step').nth(12).waitFor();
  assert.deepEqual(await offline.locator('.step-title').allTextContents(), titles);
  assert.equal(await total(offline, 'Total'), tookTotal);
  assert.equal(await offline.locator('#traces-problem').isVisible(), false);
});

test('times that Bedrock did not measure are marked as estimated', async () => {
  const page = await open();
  await trace(page, '/trace 1');
  const time = (/** @type {number} */ at) => new Date(Date.UTC(2026, 0, 1) + at).toISOString();
  const event = (/** @type {number} */ at, /** @type {object} */ step) => ({
    trace: { eventTime: time(at), trace: { orchestrationTrace: step } },
  });
  await openFile(page, 'unmeasured', [
    event(0, {
      invocationInput: {
        traceId: 'a',
        invocationType: 'ACTION_GROUP',
        actionGroupInvocationInput: { actionGroupName: 'orders', function: 'find' },
      },
    }),
    event(750, { observation: { traceId: 'a', type: 'ACTION_GROUP', actionGroupInvocationOutput: { text: '{}' } } }),
  ]);
  const took = step(page, 'Action group').locator('.step-took');
  await took.waitFor();
  assert.equal(await took.textContent(), '≈ 750 ms');
  assert.match((await took.getAttribute('title')) ?? '', /^Estimated/);
});

test('an event of a type that nobody knows is shown as JSON', async () => {
  const page = await open();
  await trace(page, '/unknown');
  const unknown = step(page, 'Unknown');
  await unknown.locator('summary').click();
  assert.equal(
    JSON.parse((await unknown.locator('pre').first().textContent()) ?? '').hologram.hologram.mood,
    'curious',
  );
});

describe('the page stays responsive', () => {
  /** Tasks of the main thread above 50 ms, in ms. @param {Page} page @param {() => Promise<void>} work */
  const longTasks = async (page, work) => {
    await page.evaluate(() => {
      /** @type {number[]} */
      const tasks = [];
      const observer = new PerformanceObserver((list) =>
        tasks.push(...list.getEntries().map(({ duration }) => duration)),
      );
      observer.observe({ type: 'longtask' });
      Object.assign(window, {
        tasks,
        flush: () => tasks.push(...observer.takeRecords().map(({ duration }) => duration)),
      });
    });
    await work();
    // The picture that shows the work belongs to it.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    await page.evaluate('window.flush()');
    return /** @type {number[]} */ (await page.evaluate('window.tasks'));
  };

  test('with 2,000 steps: opened, searched, switched', async (t) => {
    const page = await open();
    await trace(page, '/trace 1');
    const events = Array.from({ length: 1000 }, (_, i) => [
      {
        trace: {
          trace: {
            orchestrationTrace: { rationale: { text: `Thought ${i}, which goes on a little`, traceId: `${i}` } },
          },
        },
      },
      {
        trace: {
          trace: {
            orchestrationTrace: {
              observation: {
                traceId: `${i}`,
                actionGroupInvocationOutput: { text: '{}', metadata: { totalTimeMs: i } },
              },
            },
          },
        },
      },
    ]).flat();
    const opened = await longTasks(page, async () => {
      await openFile(page, 'long', events);
      await page.locator('.step').nth(1999).waitFor({ state: 'attached' });
    });
    const searched = await longTasks(page, async () => {
      await page.getByRole('searchbox', { name: 'Search the steps' }).fill('Thought 77');
      await page.getByText('11 steps match', { exact: true }).waitFor();
      await page.getByRole('searchbox', { name: 'Search the steps' }).fill('');
    });
    const switched = await longTasks(page, async () => {
      await page.getByRole('combobox', { name: 'Answer' }).selectOption({ index: 0 });
      await page.getByRole('combobox', { name: 'Answer' }).selectOption({ index: 1 });
    });
    const collapsed = await longTasks(page, () => press(page, 'Collapse all'));
    t.diagnostic(
      `tasks above 50 ms: opened ${opened.map(Math.round)}; searched ${searched.map(Math.round)}; switched ${switched.map(Math.round)}; collapsed ${collapsed.map(Math.round)}`,
    );
    // A frozen page is a matter of seconds; the machine that runs this may be slow.
    assert.ok([...opened, ...searched, ...switched, ...collapsed].every((task) => task < 1000));
  });

  test('with a step of a megabyte, which comes in fragments', async (t) => {
    const page = await open();
    await trace(page, '/trace 1024');
    assert.equal(await page.locator('.notes:visible').count(), 0, 'no gap, nothing unreadable');
    const tasks = await longTasks(page, async () => {
      await page.locator('.step summary').first().click();
      // Its size is in bytes, and some of its characters have three.
      await page.waitForFunction(() => (document.querySelector('.step pre')?.textContent?.length ?? 0) > 900 * 1024);
    });
    t.diagnostic(`tasks above 50 ms: ${tasks.map(Math.round)}`);
    // One block of a megabyte takes a browser a minute to lay out.
    const longest = await page
      .locator('.step pre')
      .first()
      .evaluate((pre) => Math.max(...Array.from(pre.children, (block) => block.textContent?.length ?? 0)));
    assert.ok(longest > 0 && longest <= 16_000, `a block of ${longest} characters`);
    assert.ok(tasks.every((task) => task < 1000));
  });
});

test('on a small screen the trace is a drawer, which Escape closes', async () => {
  const page = await open({ viewport: { width: 390, height: 780 } });
  await trace(page, '/team');
  await page.locator('#traces-toggle').click();
  assert.equal(
    await page
      .getByRole('button', { name: 'Close the trace panel' })
      .evaluate((button) => button === document.activeElement),
    true,
  );
  assert.equal(await page.locator('#scroller').isVisible(), false);
  assert.equal(
    await page.locator('#traces-scroller').evaluate((scroller) => scroller.scrollWidth - scroller.clientWidth),
    0,
  );
  await page.keyboard.press('Escape');
  assert.equal(await page.getByRole('complementary').isVisible(), false);
  assert.equal(await page.locator('#traces-toggle').evaluate((button) => button === document.activeElement), true);
});

test('axe finds nothing in the trace: running, open, raw, failed, filtered, narrow, in light and dark', async () => {
  const gate = new FrameGate();
  const page = await open({ reducedMotion: 'reduce', prepare: (page) => gate.guard(page) });
  await page.evaluate(AXE);
  const check = async (/** @type {string} */ when) => {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme });
      const found = await page.evaluate(async () => {
        // @ts-expect-error: axe is a global of its script.
        const { violations } = await window.axe.run('#traces');
        return violations.map(
          (/** @type {any} */ { id, nodes }) => `${id}: ${nodes.map((/** @type {any} */ node) => node.html).join(' ')}`,
        );
      });
      assert.deepEqual(found, [], `${when}, ${colorScheme}`);
    }
  };
  await traceSwitch(page).check();
  await check('empty');
  await send(page, '/team');
  for (let events = 0; events < 5; events += 1) await gate.until('RAW');
  await page.locator('.step[data-status="running"]').first().waitFor();
  await check('running');
  gate.open();
  await answer(page);
  for (const nth of [0, 1, 4]) await page.locator('.step summary').nth(nth).click();
  await check('three steps open');
  await press(page, 'Raw JSON');
  await page.getByRole('searchbox', { name: 'Search the steps' }).fill('zürich');
  await page.getByText(/match/).waitFor();
  await check('raw and filtered');
  await page.getByRole('searchbox', { name: 'Search the steps' }).fill('');
  await send(page, '/guardrail');
  await answer(page, 2);
  await press(page, 'Go to intervention');
  await check('intervened');
  await openFile(page, 'failing', [{ trace: { trace: { failureTrace: { failureReason: 'no', failureCode: 1 } } } }]);
  await page.locator('.step[data-status="failed"]').waitFor();
  await check('failed');
  await page.setViewportSize({ width: 320, height: 700 });
  await page.waitForFunction(() => innerWidth === 320);
  await check('narrow');
});
