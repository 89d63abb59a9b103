// The trace of an agent that speaks AG-UI, without a browser: frames in, a tree of steps out, live and from files.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { activityOf } from '../../web/chat/activity.js';
import { Conversation } from '../../web/relay/conversation.js';
import { jsonOf, sectionsOf } from '../../web/trace/detail.js';
import { traceFile, traceOf } from '../../web/trace/file.js';
import { matches } from '../../web/trace/search.js';
import { TraceTree } from '../../web/trace/tree.js';
import { ALL, called, FINISHED, result, said, step, thought } from './support/runtime.mjs';

/** @import { Step } from '../../web/trace/tree.js' */
/** @import { Turn } from '../../web/types.d.ts' */

/** The turn that frames make, ten milliseconds apart. @param {object[]} frames @param {{trace?: boolean}} [options] */
function turnOf(frames, { trace = true } = {}) {
  const conversation = new Conversation();
  const turn = conversation.begin({ runId: 'r', prompt: 'p', trace }, 1000);
  for (const [seq, frame] of frames.entries())
    conversation.receive(JSON.stringify({ ...frame, metadata: { relay: { runId: 'r', seq } } }), 1010 + seq * 10);
  return turn;
}

/** The tree of a turn, ended like the trace viewer does it. @param {Pick<Turn, 'events' | 'status' | 'sentAt' | 'endedAt'>} turn */
function treeOf({ events, status, sentAt, endedAt }) {
  const tree = new TraceTree(sentAt);
  for (const event of events) tree.add(event);
  if (status !== 'sent' && status !== 'running')
    tree.end(
      status === 'done' || status === 'failed' ? status : 'unfinished',
      endedAt ?? sentAt + tree.latest,
      status === 'failed' ? 'why' : undefined,
    );
  return tree;
}

/** A tree in words. @param {Step[]} steps @returns {string[]} */
const outline = (steps, indent = '') =>
  steps.flatMap(({ kind, name, status, children }) => [
    `${indent}${kind}: ${name} ${status}`,
    ...outline(children, `${indent}  `),
  ]);

/** What a step opens to. @param {Step | undefined} step @returns {Record<string, string>} */
function sections(step) {
  assert.ok(step);
  return Object.fromEntries(
    sectionsOf(step).map((section) => [
      section.title,
      'text' in section ? section.text : section.rows.map((row) => row.join(': ')).join('; '),
    ]),
  );
}

const OUTLINE = [
  'state: Snapshot done',
  'reasoning: They ask for a refund. done',
  'step: researcher done',
  '  message: I look there. done',
  '  tool: get_order done',
  '  tool: get_stock done',
  'state: add /orders, replace /n done',
  'state: 2 messages done',
  'event: PLAN done',
  'event: PLAN done',
  'event: Handoff done',
  'reasoning: Encrypted done',
  'unknown: HOLOGRAM done',
  'unknown: strands: node_stop done',
  'collaborator: writer failed',
  '  message: Written. done',
  'message: Done. done',
];

describe('a run', () => {
  test('is a step for each thing that the agent tells of, in the steps and agents that it names', () => {
    const tree = treeOf(turnOf([...ALL, FINISHED]));
    assert.deepEqual(outline(tree.steps), OUTLINE);
    assert.deepEqual([tree.failed, tree.unfinished, tree.running.size, tree.modelCalls], [1, 0, 0, 0]);
    assert.equal(tree.steps.find(({ kind }) => kind === 'collaborator')?.reason, 'No ink.');
  });

  test('has times: a tool lasts from its call to its result, a step from its beginning to its end', () => {
    const { steps } = treeOf(
      turnOf([...step('s', ...said('m', 'a'), ...called('c', 't', '{}'), result('c', 'x')), FINISHED]),
    );
    const [outer] = steps;
    const [message, tool] = outer?.children ?? [];
    assert.deepEqual([outer?.start, outer?.end, outer?.estimated], [10, 90, true]);
    assert.deepEqual([message?.start, message?.duration, tool?.start, tool?.end], [20, 20, 50, 80]);
  });

  test('shows what is under way', () => {
    const frames = [...ALL].slice(0, 11);
    assert.deepEqual(
      outline(treeOf({ ...turnOf(frames), status: 'running' }).steps).filter((line) => line.endsWith('running')),
      ['step: researcher running', '  message: Answering… running'],
    );
    assert.equal(treeOf({ ...turnOf(ALL.slice(0, 4)), status: 'running' }).steps.at(-1)?.name, 'Thinking…');
  });

  test('hands calls without a result to the client, once it is over', () => {
    const { steps } = treeOf(
      turnOf([...called('c', 'look', '{"a":1}'), ...called('d', 'mine'), result('d', 'x'), FINISHED]),
    );
    assert.deepEqual(outline(steps), ['return-control: look done', 'tool: mine done']);
    assert.deepEqual([steps[0]?.duration, sections(steps[0]).Input], [undefined, '{\n  "a": 1\n}']);
  });

  test('that failed or was left has no end for what was under way', () => {
    const frames = [...said('m', 'a').slice(0, 2), ...called('c', 'look').slice(0, 1)];
    assert.deepEqual(outline(treeOf(turnOf([...frames, { type: 'RUN_ERROR', message: 'no', code: 'x' }])).steps), [
      'message: a failed',
      'tool: look failed',
    ]);
    assert.deepEqual(outline(treeOf({ ...turnOf(frames), status: 'stopped' }).steps), [
      'message: a unfinished',
      'tool: look unfinished',
    ]);
  });

  test('keeps apart what has one id, one after the other', () => {
    const { steps } = treeOf(
      turnOf([...step('s'), ...step('s'), ...thought('r', 'a'), ...thought('r', 'b'), ...said('r', 'c'), FINISHED]),
    );
    assert.deepEqual(outline(steps), [
      'step: s done',
      'step: s done',
      'reasoning: a done',
      'reasoning: b done',
      'message: c done',
    ]);
  });

  test('takes pieces of one text that come one after the other as one event, however many', () => {
    const turn = turnOf([...said('m', ...Array.from('abcdefgh')), FINISHED]);
    assert.equal(turn.events.length, 3);
    assert.deepEqual(sections(treeOf(turn).steps[0]), { Text: 'abcdefgh', Facts: 'Message: m' });
  });

  test('has what the agent hands on of any source, or of none, and a step of it where it came', () => {
    const raw = (/** @type {string | undefined} */ source) => ({
      type: 'RAW',
      source,
      event: { init: true, type: 'on_start' },
    });
    const { steps } = treeOf(turnOf([...step('s', raw('strands'), raw(undefined), raw('ADK')), FINISHED]));
    const [only] = steps;
    assert.deepEqual(outline(steps), [
      'step: s done',
      '  unknown: strands: init, type done',
      '  unknown: RAW: init, type done',
      '  unknown: ADK: init, type done',
    ]);
    assert.ok([only, ...(only?.children ?? [])].every((one) => one?.reader === only?.reader));
    assert.deepEqual(sections(only?.children[0]), {
      Value: '{\n  "init": true,\n  "type": "on_start"\n}',
      Facts: 'Event: on_start',
    });
  });

  test('is not recorded where the trace was not asked for', () => {
    const turn = turnOf([...ALL, FINISHED], { trace: false });
    assert.deepEqual(turn.events, []);
    assert.deepEqual(
      turn.messages.map(({ text }) => text),
      ['I look **there**.', 'Written.', 'Done.'],
    );
    assert.equal(turn.reasoning[0]?.text, 'They ask for a refund.');
  });

  for (const event of [
    undefined,
    null,
    7,
    'x',
    [],
    [1],
    {},
    { type: 7 },
    { type: '' },
    { type: 'TOOL_CALL_START' },
    { type: 'TOOL_CALL_RESULT', content: 7 },
    { type: 'STEP_FINISHED' },
    { type: 'STATE_DELTA', delta: 'x' },
    { type: 'STATE_DELTA', delta: [null, 7] },
    { type: 'MESSAGES_SNAPSHOT', messages: [null, 7, {}] },
    { type: 'CUSTOM' },
    { type: 'REASONING_END' },
    { type: 'SUBAGENT_ERROR' },
  ]) {
    test(`takes what makes no sense: ${JSON.stringify(event)}`, () => {
      const tree = treeOf({
        events: [{ at: 0, source: 'agentcore-runtime', event }],
        status: 'done',
        sentAt: 0,
        endedAt: 9,
      });
      assert.equal(tree.size, 1);
      assert.notEqual(tree.steps[0]?.name, undefined);
      assert.ok(sectionsOf(/** @type {Step} */ (tree.steps[0])).length > 0);
      if (typeof event === 'object' && event !== null && 'type' in event)
        turnOf([/** @type {object} */ (event), FINISHED]);
    });
  }
});

describe('an opened step', () => {
  const tree = treeOf(turnOf([...ALL, FINISHED]));
  const all = tree.steps.flatMap((one) => [one, ...one.children]);
  const named = (/** @type {string} */ name) => sections(all.find((one) => one.name === name));

  test('has texts, what a tool took and gave, and values, with every digit', () => {
    assert.equal(named('I look there.').Text, 'I look **there**.');
    assert.equal(named('They ask for a refund.').Reasoning, 'They ask for a refund.');
    assert.equal(named('get_stock').Input, '{\n  "n": 146312323488002033,\n  "p": 1.10\n}');
    assert.equal(named('get_order').Result, '{\n  "total": 12.50\n}');
    assert.equal(named('Snapshot').Value, '{\n  "n": 1\n}');
    assert.match(named('add /orders, replace /n').Value ?? '', /"path": "\/orders"/);
    assert.match(named('2 messages').Value ?? '', /"role": "user"/);
    assert.equal(named('Handoff').Value, '{\n  "to": [\n    "writer"\n  ]\n}');
    assert.match(named('HOLOGRAM').Value ?? '', /"depth": 1/);
  });

  test('has facts: what it is called, and by which ids', () => {
    assert.equal(named('get_order').Facts, 'Tool: get_order; Call: c1; Message: m1');
    assert.equal(named('researcher').Facts, 'Step: researcher');
    assert.equal(named('writer').Facts, 'Name: writer; Agent: s1');
    assert.match(named('Snapshot').Facts ?? '', /Event: STATE_SNAPSHOT/);
  });

  test('has its JSON, and is found by what is in it', () => {
    const tool = all.find(({ name }) => name === 'get_stock');
    assert.ok(tool);
    assert.match(jsonOf(tool), /"TOOL_CALL_RESULT"/);
    assert.ok(
      matches(tool, 'Tool', '146312323488002033') &&
        matches(tool, 'Tool', 'TOOL') &&
        !matches(tool, 'Tool', 'hologram'),
    );
  });
});

describe('a file', () => {
  test('that was saved shows the same again, with its times', () => {
    const turn = turnOf([...ALL, FINISHED]);
    const [live, again] = [treeOf(turn), treeOf(traceOf(traceFile(turn), 'x.json'))];
    assert.deepEqual(outline(again.steps), OUTLINE);
    const times = (/** @type {TraceTree} */ tree) =>
      tree.steps.flatMap((one) => [one, ...one.children]).map(({ start, end, duration }) => [start, end, duration]);
    assert.deepEqual(times(again), times(live));
  });

  test("of an agent's own events, as JSON Lines, has no times and everything else", () => {
    const lines = [
      { type: 'RUN_STARTED', threadId: 't', runId: 'r' },
      ...thought('r1', 'Hm.'),
      ...said('m1', 'Hello.'),
      ...called('c', 'look', '{}'),
      result('c', 'x'),
      FINISHED,
    ];
    const tree = treeOf(traceOf(lines.map((line) => JSON.stringify(line)).join('\n'), 'x.jsonl'));
    assert.deepEqual(outline(tree.steps), ['reasoning: Hm. done', 'message: Hello. done', 'tool: look done']);
  });
});

test('what the agent is doing is said in words', () => {
  const words = (/** @type {object} */ event) => activityOf({ at: 0, source: 'agentcore-runtime', event });
  assert.equal(words({ type: 'TOOL_CALL_START', toolCallId: 'c', toolCallName: 'get_order' }), 'Calling get_order');
  assert.equal(words({ type: 'TOOL_CALL_RESULT' }), 'Reading the result');
  assert.equal(words({ type: 'REASONING_MESSAGE_CONTENT' }), 'Thinking');
  assert.equal(words({ type: 'STEP_STARTED', stepName: 'writer' }), 'At writer');
  assert.equal(words({ type: 'STATE_DELTA' }), '');
});
