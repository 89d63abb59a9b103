// Traces of each source as the page exports them, for other tools to read: one JSON object of OTLP files by their
// names. Usage: node export-traces.mjs

import { readFile } from 'node:fs/promises';
import { Conversation } from '../../../web/relay/conversation.js';
import { epochOf, traceFile, traceOf } from '../../../web/trace/file.js';
import { otelFile } from '../../../web/trace/otel.js';
import { TraceTree } from '../../../web/trace/tree.js';
import { STREAM, WORK, WORK_DONE } from './harness.mjs';
import { ALL, FINISHED } from './runtime.mjs';

/** @import { Trace } from '../../../web/trace/file.js' */

const PRICES = { scripted: { input: 3, output: 15 }, '': { input: 1, output: 1 } };

/** The turn that frames make, ten milliseconds apart. @param {object[]} frames */
function turnOf(frames) {
  const conversation = new Conversation();
  const turn = conversation.begin({ runId: 'r', prompt: 'What about refunds? \u{1f44b}', trace: true }, 1000);
  for (const [seq, frame] of frames.entries()) {
    const { metadata } = /** @type {any} */ (frame);
    conversation.receive(
      JSON.stringify({ ...frame, metadata: { relay: { ...metadata?.relay, runId: 'r', seq } } }),
      1010 + seq * 10,
    );
  }
  return turn;
}

/** @param {Trace} trace */
function exported(trace) {
  const tree = new TraceTree(trace.sentAt);
  for (const event of trace.events) tree.add(event);
  const end = trace.endedAt ?? trace.sentAt + tree.latest;
  tree.end(
    trace.status === 'done' || trace.status === 'failed' ? trace.status : 'unfinished',
    end,
    trace.failure?.message,
  );
  return [
    ...otelFile(trace, tree, {
      total: end - trace.sentAt,
      epoch: epochOf(trace) ?? Date.UTC(2026, 0, 1),
      prices: PRICES,
    }),
  ].join('');
}

const recorded = JSON.parse(await readFile(new URL('../fixtures/traces.json', import.meta.url), 'utf8'));
/** @param {Partial<Trace> & Pick<Trace, 'events'>} trace */
const turn = (trace) =>
  /** @type {Trace} */ ({
    prompt: 'hello',
    status: 'done',
    failure: undefined,
    sentAt: 0,
    firstTextAt: 120,
    endedAt: 2000,
    ...trace,
  });

const runtimeError = {
  type: 'RUN_ERROR',
  message: 'The agent’s container ended',
  code: 'agent_failed',
  metadata: { relay: { retryable: false, source: 'relay' } },
};
const odd = [-1e300, -5, NaN, Infinity, 1e300].map((at, index) => ({
  at,
  source: 'bedrock-agent',
  event: { trace: { trace: { orchestrationTrace: { rationale: { text: `\u202e__proto__ ${index} \ud800` } } } } },
}));
const failing = [
  {
    at: 5,
    source: 'bedrock-agent',
    event: { trace: { trace: { failureTrace: { failureReason: 'Lambda timed out', failureCode: 424 } } } },
  },
];
const harness = turnOf([...WORK, WORK_DONE]);
/** @type {Record<string, Trace>} */
const traces = {
  ...Object.fromEntries(Object.entries(recorded).map(([name, { events }]) => [`classic ${name}`, turn({ events })])),
  'classic failed': turn({
    events: failing,
    status: 'failed',
    failure: { message: 'Lambda timed out', code: 'dependency_failed', retryable: false, source: 'relay' },
  }),
  harness,
  'harness saved and opened': traceOf(traceFile(harness), 'harness.json'),
  'harness of a file': traceOf(JSON.stringify(STREAM), 'stream.json'),
  runtime: turnOf([...ALL, FINISHED]),
  'runtime failed': turnOf([...ALL.slice(0, 6), runtimeError]),
  odd: turn({ events: odd }),
};
console.log(JSON.stringify(Object.fromEntries(Object.entries(traces).map(([name, trace]) => [name, exported(trace)]))));
