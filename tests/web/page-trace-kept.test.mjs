// Traces that outlive their connection, their page or their conversation: what came late has no time of its own, and
// what is saved opens as it was shown, whatever its source.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { Conversation } from '../../web/relay/conversation.js';
import { sectionsOf } from '../../web/trace/detail.js';
import { epochOf, traceFile, traceOf } from '../../web/trace/file.js';
import { TraceTree } from '../../web/trace/tree.js';
import { useChat } from './support/chat.mjs';
import { WORK, WORK_DONE } from './support/harness.mjs';
import { provideModules } from './support/modules.mjs';
import { ALL, called, FINISHED, result } from './support/runtime.mjs';
import { rows, traced } from './support/trace.mjs';

/** @import { Trace } from '../../web/trace/file.js' */
/** @import { Step } from '../../web/trace/tree.js' */
/** @import { AgentEvent } from '../../web/types.d.ts' */

/** @param {Trace} trace */
function treeOf(trace) {
  const { events, status, sentAt, endedAt } = trace;
  const tree = new TraceTree(sentAt, epochOf(trace));
  for (const event of events) tree.add(event);
  if (status !== 'sent' && status !== 'running')
    tree.end(status === 'done' || status === 'failed' ? status : 'unfinished', endedAt ?? sentAt + tree.latest);
  return tree;
}

/** All steps with how deep they stand. @param {Step[]} steps @returns {{step: Step, depth: number}[]} */
const flat = (steps, depth = 0) => steps.flatMap((step) => [{ step, depth }, ...flat(step.children, depth + 1)]);

/** Frames that come at their times, in ms. @param {[number, object][]} frames @param {number} [lostAt] when the connection is lost */
function turnOf(frames, lostAt) {
  const conversation = new Conversation();
  const turn = conversation.begin({ runId: 'r', prompt: 'p', trace: true }, 1000);
  for (const [seq, [at, frame]] of frames.entries()) {
    if (lostAt !== undefined && at > lostAt && (frames[seq - 1]?.[0] ?? 0) <= lostAt)
      conversation.disconnect(1006, lostAt);
    const { metadata } = /** @type {any} */ (frame);
    conversation.receive(
      JSON.stringify({
        ...frame,
        metadata: { relay: { ...metadata?.relay, runId: 'r', seq, ...(seq === 0 ? { key: 'k' } : {}) } },
      }),
      at,
    );
  }
  return turn;
}

/** @type {Record<string, {events: AgentEvent[]}>} */
const RECORDED = JSON.parse(await readFile(new URL('fixtures/traces.json', import.meta.url), 'utf8'));

describe('what came at once after a join', () => {
  const calls = (/** @type {string} */ id) => [...called(id, `tool-${id}`, '{}'), result(id, 'ok')];
  const at = (/** @type {number} */ begin, /** @type {number} */ every, /** @type {object[]} */ frames) =>
    frames.map((frame, index) => /** @type {[number, object]} */ ([begin + index * every, frame]));

  test('has no time, as nobody knows it; what came before and after has', () => {
    const [start, ...rest] = calls('b');
    const turn = turnOf(
      [
        ...at(1010, 100, calls('a')),
        ...at(1500, 0, [start ?? {}]),
        ...at(31_000, 1, [...rest, ...calls('c')]),
        ...at(40_000, 100, [...calls('d'), FINISHED]),
      ],
      2000,
    );
    assert.equal(turn.status, 'done');
    const tools = flat(treeOf(turn).steps).filter(({ step }) => step.kind === 'tool');
    assert.deepEqual(
      tools.map(({ step: { name, duration, late } }) => [name, duration, late]),
      [
        ['tool-a', 300, false],
        ['tool-b', undefined, true],
        ['tool-c', undefined, true],
        ['tool-d', 300, false],
      ],
    );
    const opened = flat(treeOf(traceOf(traceFile(turn), 'x.json')).steps).filter(({ step }) => step.kind === 'tool');
    assert.deepEqual(
      opened.map(({ step }) => step.duration),
      [300, undefined, undefined, 300],
      'saved and opened as well',
    );
  });

  test('keeps its times where the agent tells them, and its place', () => {
    const events = RECORDED.answer?.events ?? [];
    const first = Date.parse(/** @type {any} */ (events[0]?.event)?.trace.eventTime);
    const trace = (/** @type {number} */ epoch) =>
      /** @type {Trace} */ ({
        prompt: 'p',
        file: 'x',
        epoch,
        status: 'done',
        failure: undefined,
        sentAt: 0,
        firstTextAt: 1,
        endedAt: 60_000,
        events: events.map((event) => ({ ...event, at: 55_000, late: true })),
      });
    const times = (/** @type {Trace} */ one) =>
      treeOf(one).steps.map(({ start, duration }) => [Math.round(start), duration]);
    const live = treeOf({ ...trace(first), events }).steps;
    const late = times(trace(first - 700));
    assert.deepEqual(
      late.map(([, duration]) => duration),
      live.map(({ duration }) => duration),
    );
    assert.ok((late[0]?.[0] ?? NaN) <= 700, `${late[0]}`);
    assert.ok(
      late.every(([start = 0]) => start < 20_000),
      'where it was, and not where it came',
    );
    for (const [start = 0] of times(trace(first - 1e9)))
      assert.ok(start <= 55_000 + 20_000, 'clocks that are too far apart do not count');
  });
});

test('a trace of before a reload has its own clock', () => {
  // The page was loaded ten minutes later: its clock begins there.
  const turn = /** @type {Trace} */ ({
    prompt: 'p',
    restored: true,
    status: 'done',
    failure: undefined,
    sentAt: -600_000,
    firstTextAt: -599_000,
    endedAt: -590_000,
    events: [5000, 6000].map((at) => ({
      at: at - 600_000,
      source: 'bedrock-agent',
      event: { trace: { trace: { orchestrationTrace: { rationale: { text: `${at}` } } } } },
    })),
  });
  assert.deepEqual(
    treeOf(turn).steps.map(({ start }) => start),
    [5000, 6000],
  );
  const saved = JSON.parse(traceFile(turn));
  assert.ok(Math.abs(Date.parse(saved.sentAt) - (performance.timeOrigin - 600_000)) <= 1);
  assert.deepEqual([saved.firstTextAt, saved.endedAt, saved.events[0].at], [1000, 10_000, 5000]);
});

describe('a saved trace opens equal', () => {
  const turn = (/** @type {AgentEvent[]} */ events) =>
    /** @type {Trace} */ ({
      prompt: 'p',
      status: 'done',
      failure: undefined,
      sentAt: 0,
      firstTextAt: 120,
      endedAt: 4000,
      events,
    });
  /** @type {Record<string, Trace>} */
  const traces = {
    ...Object.fromEntries(Object.entries(RECORDED).map(([name, { events }]) => [`of an agent: ${name}`, turn(events)])),
    'of a harness': turnOf([...WORK, WORK_DONE].map((frame, index) => [1010 + index * 10, frame])),
    'of a harness that did not end': turnOf(WORK.slice(0, 13).map((frame, index) => [1010 + index * 10, frame])),
    'of a runtime': turnOf([...ALL, FINISHED].map((frame, index) => [1010 + index * 10, frame])),
  };
  /** All that the viewer shows of a step. @param {Trace} trace */
  const shown = (trace) => {
    const tree = treeOf({ ...trace, status: trace.status === 'done' ? 'done' : 'interrupted' });
    const { modelCalls, tokens, cachedTokens, stopReason, failed, intervened, unfinished, kinds } = tree;
    const steps = flat(tree.steps).map(({ step, depth }) => {
      const { kind, name, status, reason, start, end, duration, total, estimated, late, tokens, model, firstAt } = step;
      return {
        depth,
        kind,
        name,
        status,
        reason,
        start,
        end,
        duration,
        total,
        estimated,
        late,
        tokens,
        model,
        firstAt,
        sections: sectionsOf(step),
      };
    });
    return { modelCalls, tokens, cachedTokens, stopReason, failed, intervened, unfinished, kinds, steps };
  };
  for (const [name, trace] of Object.entries(traces)) {
    test(name, () => {
      const before = shown(trace);
      assert.ok(before.steps.length > 0);
      const once = traceOf(traceFile(trace), 'x.json');
      assert.deepEqual(shown(once), before);
      assert.equal(traceFile(once), traceFile(traceOf(traceFile(once), 'x.json')), 'and is saved as it was');
    });
  }
});

const useKept = useChat();

for (const [source, prompt] of /** @type {const} */ ([
  ['agent', '/team'],
  ['harness', 'hello'],
  ['runtime', 'hello'],
])) {
  const { open } = useChat('--source', source);
  test(`what a person sees of a trace is the same in its file: ${source}`, async () => {
    const page = await open();
    await traced(page, prompt);
    const seen = async () => {
      const words = await rows(page);
      return {
        words,
        times: await page
          .locator('.step')
          .evaluateAll((steps) =>
            steps.map((step) => [
              step.querySelector('summary')?.title,
              step.querySelector('.step-took')?.textContent,
              step.querySelector('.step-tokens')?.textContent,
            ]),
          ),
        totals: await page.locator('#traces-totals').innerText(),
        spent: await page.locator('.spent-kinds').textContent(),
      };
    };
    const before = await seen();
    assert.ok(before.words.length > 2);
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download', exact: true }).click();
    await page.locator('#traces-file').setInputFiles(await (await download).path());
    await page.getByRole('button', { name: 'Close file' }).waitFor();
    assert.deepEqual(await seen(), before);
  });
}

test('a trace that the browser kept is read when it is looked at, and again where it comes anew', async () => {
  const page = await useKept.open();
  await provideModules(page);
  const titles = await page.evaluate(async () => {
    const { TracesOnDemand } = /** @type {typeof import('../../web/trace/on-demand.js')} */ (
      await import(new URL('modules/trace/on-demand.js', document.baseURI).href)
    );
    const thought = (/** @type {string} */ text) => ({
      at: -500,
      source: 'bedrock-agent',
      event: { trace: { trace: { orchestrationTrace: { rationale: { text } } } } },
    });
    const turn = (/** @type {string} */ prompt) =>
      /** @type {any} */ ({
        prompt,
        trace: true,
        restored: true,
        keptEvents: 2,
        restarts: 0,
        status: 'done',
        events: [],
        messages: [],
        failure: undefined,
        sentAt: -1000,
        firstTextAt: undefined,
        endedAt: -100,
      });
    const [first, second] = [turn('first'), turn('second')];
    /** @type {string[]} */
    const read = [];
    const traces = new TracesOnDemand(
      () => ({}),
      () => {},
      async (wanted) => {
        read.push(wanted.prompt);
        Object.assign(wanted, { events: [thought(`one of ${wanted.prompt}`), thought('two')], keptEvents: undefined });
      },
    );
    document.querySelector('#traces')?.removeAttribute('hidden');
    traces.update(first);
    traces.update(second);
    traces.show(second);
    const names = async (/** @type {string} */ wanted) => {
      for (;;) {
        const found = [...document.querySelectorAll('.step-name')].map(({ textContent }) => textContent);
        if (found.includes(wanted)) return found.join();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const count = document.querySelector('#traces-count')?.textContent;
    await traces.load();
    const kept = await names('two');
    Object.assign(second, { restored: false, restarts: 1, events: [thought('anew')] });
    traces.update(second);
    const anew = await names('anew');
    const totals = document.querySelector('#traces-totals')?.textContent;
    const readOnly = read.join();
    traces.show(first);
    await names('one of first');
    const beside = [...document.querySelectorAll('.beside option')].map(({ textContent }) => textContent);
    return [count, kept, anew, totals, readOnly, beside.join()];
  });
  assert.deepEqual(titles.slice(0, 3), ['4', 'one of second,two', 'anew']);
  assert.match(titles[3] ?? '', /Total900 ms/, 'on its own clock');
  assert.equal(titles[4], 'second', 'and no other is read');
  assert.match(titles[5] ?? '', /^Compare with…,2\. second,/, 'it has its name where it can be compared with');
});
