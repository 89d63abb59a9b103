// The trace of AgentCore's harness, without a browser: frames and events in, a tree of steps out, live and from files.
// Names and shapes are those of the service model of bedrock-agentcore, in which everything is optional.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Conversation } from '../../web/relay/conversation.js';
import { jsonOf, sectionsOf } from '../../web/trace/detail.js';
import { traceFile, traceOf } from '../../web/trace/file.js';
import { matches } from '../../web/trace/search.js';
import { TraceTree } from '../../web/trace/tree.js';
import {
  hook,
  messageStart,
  messageStop,
  metadata,
  ran,
  raw,
  resultsStart,
  resultsStop,
  said,
  STREAM,
  thought,
  toolStart,
  WORK,
  WORK_DONE,
} from './support/harness.mjs';

/** @import { Step } from '../../web/trace/tree.js' */
/** @import { Turn } from '../../web/types.d.ts' */

/**
 * The turn that frames make, ten milliseconds apart.
 *
 * @param {object[]} frames
 * @param {{trace?: boolean}} [options]
 */
function turnOf(frames, { trace = true } = {}) {
  const conversation = new Conversation();
  const turn = conversation.begin({ runId: 'r', prompt: 'p', trace }, 1000);
  for (const [seq, frame] of frames.entries()) {
    const { metadata } = /** @type {any} */ (frame);
    conversation.receive(
      JSON.stringify({ ...frame, metadata: { relay: { ...metadata?.relay, runId: 'r', seq } } }),
      1010 + seq * 10,
    );
  }
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

/** @param {unknown} value @param {string} [name] */
const opened = (value, name = 'x.json') =>
  treeOf(traceOf(typeof value === 'string' ? value : JSON.stringify(value), name));

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
  'hook: audit, before invocation done',
  'model: Let me look that up. done',
  '  reasoning: The customer asks about refunds. I look it up in the handbook. done',
  '  tool: docs › Retrieve done',
  '  tool: shell failed',
  '  hook: policy, before tool call: allowed done',
  '  hook: policy, before tool call: denied intervened',
  'model: Refunds are possible within 30 days. done',
  '  reasoning: Thirty days it is. done',
  'hook: audit, after invocation done',
];

describe('a run', () => {
  test('is a step for each message of the model, with its reasoning, tools and hooks in it', () => {
    const tree = treeOf(turnOf([...WORK, WORK_DONE]));
    assert.deepEqual(outline(tree.steps), OUTLINE);
    assert.deepEqual(
      [tree.modelCalls, tree.tokens, tree.cachedTokens, tree.stopReason],
      [2, { input: 3300, output: 280 }, 250, 'end_turn'],
    );
    assert.deepEqual([tree.failed, tree.intervened, tree.unfinished, tree.running.size], [1, 1, 0, 0]);
    const [, first, second] = tree.steps;
    assert.deepEqual(
      [first?.tokens, second?.tokens],
      [
        { input: 300, output: 80, cacheRead: 250, cacheWrite: 10 },
        { input: 3000, output: 200 },
      ],
    );
    for (const one of [first, second])
      assert.ok(
        one?.firstAt !== undefined && one.firstAt >= one.start && one.firstAt <= (one.end ?? 0),
        'when its first token came',
      );
  });

  test('has the times that were measured, and estimates of the others', () => {
    const {
      steps: [, model],
    } = treeOf(turnOf([...WORK, WORK_DONE]));
    const [reasoning, docs, shell, allowed] = model?.children ?? [];
    // The frames of the run come at 10, 20 and so on.
    const at = (/** @type {number} */ index) => (index + 1) * 10;
    const stop = at(10);
    assert.deepEqual([model?.end, model?.duration, model?.estimated], [stop, 900, false]);
    assert.deepEqual([reasoning?.start, reasoning?.duration, reasoning?.estimated], [30, 30, true]);
    assert.deepEqual([docs?.start, docs?.end], [stop, at(16)], 'from the end of the message to the result');
    assert.deepEqual([shell?.start, shell?.end, shell?.reason], [stop, at(18), 'Denied by policy']);
    assert.deepEqual([allowed?.duration, allowed?.end], [undefined, at(12)]);
  });

  test('of a model that was quicker than its line begins with its first event', () => {
    const {
      steps: [model],
    } = treeOf(turnOf([messageStart, said('m', 'a'), said('m', 'b'), messageStop('end_turn'), metadata(1, 1, 5)]));
    assert.deepEqual([model?.start, model?.end, model?.duration], [10, 40, 5]);
  });

  test('of a model that says to have been slower than it can have been begins with the results that it waited for', () => {
    const one = [
      messageStart,
      toolStart('t', 'shell'),
      messageStop('tool_use'),
      metadata(1, 1, 5),
      resultsStart,
      ...ran('t', 'shell', '{}', 'ok'),
      resultsStop,
    ];
    const {
      steps: [first, second],
    } = treeOf(turnOf([...one, messageStart, said('m', 'a'), messageStop('end_turn'), metadata(1, 1, 900)]));
    assert.equal(first?.children[0]?.end, 70);
    assert.deepEqual(
      [second?.start, second?.end, second?.duration, second?.room, second?.estimated],
      [70, 110, 900, 40, false],
    );
  });

  for (const [text, name] of [
    ['## Things **worth** trying\n\nYou wrote `/work`.', 'Things worth trying You wrote /work.'],
    ['I look into the *handbook* first, 2 * 3 * 4.', 'I look into the handbook first, 2 * 3 * 4.'],
    ['* docs___Retrieve\n* __init__', '* docs___Retrieve * __init__'],
  ]) {
    test(`is called by what it says, without marks: ${JSON.stringify(text)}`, () => {
      const {
        steps: [model],
      } = treeOf(turnOf([messageStart, said('m', /** @type {string} */ (text)), messageStop('end_turn')]));
      assert.equal(model?.name, name);
    });
  }

  test('opens to what was thought, said, asked and answered', () => {
    const {
      steps: [audit, model],
    } = treeOf(turnOf([...WORK, WORK_DONE]));
    const [reasoning, docs, shell, , denied] = model?.children ?? [];
    assert.deepEqual(sections(model), {
      Reasoning: 'The customer asks about refunds. I look it up in the handbook.',
      Text: 'Let me look that up.',
      Facts:
        'Role: assistant; Message: m1; Stop reason: tool_use; Tokens in all: 380; Read from the cache: 250; Written to the cache: 10; Latency in ms: 900; Tokens: 300 in, 80 out',
    });
    assert.deepEqual(sections(reasoning), {
      Reasoning: 'The customer asks about refunds. I look it up in the handbook.',
      Facts: 'Message: r1',
    });
    assert.deepEqual(sections(docs), {
      Input: '{\n  "query": "refunds",\n  "order": 146312323488002033\n}',
      Result: '{\n  "results": [\n    {\n      "text": "Within 30 days."\n    }\n  ]\n}',
      Facts: 'Tool: docs___Retrieve; Type: tool_use; Tool use: t1',
    });
    assert.deepEqual(Object.keys(sections(shell)), ['Input', 'Error', 'Facts']);
    assert.deepEqual(sections(audit), { Facts: 'Hook: audit; When: before_invocation; Event: id-of-audit' });
    assert.deepEqual(sections(denied), {
      Facts: 'Hook: policy; When: before_tool_call; Decision: deny; Reason: No shell on Fridays; Event: id-of-policy',
    });
    assert.equal(denied?.reason, 'No shell on Fridays');
    assert.match(jsonOf(/** @type {Step} */ (docs)), /^\[\n {2}\{\n {4}"contentBlockStart"/);
  });

  test('is found by words in any of its parts', () => {
    const {
      steps: [, model],
    } = treeOf(turnOf([...WORK, WORK_DONE]));
    const [reasoning, docs] = model?.children ?? [];
    for (const [step, words] of /** @type {[Step | undefined, string][]} */ ([
      [model, 'look that up'],
      [reasoning, 'handbook'],
      [docs, '146312323488002033'],
      [docs, 'within 30'],
    ])) {
      assert.equal(matches(/** @type {Step} */ (step), '', words), true, words);
    }
  });

  test('keeps few events: pieces that come one after the other are one', () => {
    const turn = turnOf([...WORK, WORK_DONE]);
    assert.deepEqual(
      turn.events.filter(({ source }) => source === 'TEXT_MESSAGE_CHUNK').map(({ event }) => event),
      [
        { type: 'TEXT_MESSAGE_CHUNK', messageId: 'm1', delta: 'Let me look that up.' },
        { type: 'TEXT_MESSAGE_CHUNK', messageId: 'm2', delta: 'Refunds are possible within 30 days.' },
      ],
    );
    assert.equal(turn.events.length, WORK.length - 3);
  });
});

describe('while it runs', () => {
  /** The tree after so many of the frames. @param {number} count */
  const after = (count) => treeOf(turnOf(WORK.slice(0, count)));

  test('what is at work is seen: reasoning, text, and the tools until their results', () => {
    assert.deepEqual(outline(after(2).steps).slice(1), ['model: Working… running']);
    assert.deepEqual(outline(after(3).steps).slice(1), ['model: Reasoning… running', '  reasoning: Thinking… running']);
    assert.deepEqual(outline(after(7).steps).slice(1), [
      'model: Answering… running',
      '  reasoning: The customer asks about refunds. I look it up in the handbook. done',
    ]);
    assert.deepEqual(
      outline(after(9).steps)
        .slice(1)
        .filter((line) => !line.includes('reasoning')),
      ['model: Calling docs › Retrieve… running', '  tool: docs › Retrieve running'],
    );
    assert.deepEqual(
      outline(after(13).steps).filter((line) => line.includes('tool: ')),
      ['  tool: docs › Retrieve running', '  tool: shell running'],
    );
    assert.deepEqual(
      outline(after(17).steps).filter((line) => line.includes('tool: ')),
      ['  tool: docs › Retrieve done', '  tool: shell running'],
    );
  });

  test('each event says only what it changed, parents first', () => {
    const tree = new TraceTree(1000);
    for (const event of turnOf(WORK).events) {
      const changed = tree.add(event);
      assert.ok(changed.length <= 2, JSON.stringify(event));
      for (const [index, step] of changed.entries())
        if (step.parent !== undefined) assert.ok(changed.indexOf(step.parent) < index && changed.includes(step.parent));
    }
  });

  test('a step counts as unfinished when the connection ends, and as failed when the run does', () => {
    const turn = turnOf(WORK.slice(0, 13));
    assert.deepEqual(
      outline(treeOf({ ...turn, status: 'interrupted', endedAt: 2000 }).steps).filter((line) =>
        line.includes('tool: '),
      ),
      ['  tool: docs › Retrieve unfinished', '  tool: shell unfinished'],
    );
    const failed = treeOf({ ...turn, status: 'failed', endedAt: 2000 });
    assert.deepEqual([failed.failed, failed.steps[1]?.children[1]?.reason], [2, 'why']);
  });
});

describe("the client's own calls", () => {
  const asked = [
    messageStart,
    toolStart('t1', 'search'),
    toolStart('t2', 'search', 1),
    messageStop('tool_use'),
    metadata(10, 5, 100),
  ];
  const call = (/** @type {string} */ id, /** @type {string} */ delta) => ({
    type: 'TOOL_CALL_CHUNK',
    toolCallId: id,
    toolCallName: 'search',
    parentMessageId: 'm',
    delta,
  });
  const done = { type: 'RUN_FINISHED', metadata: { relay: { stopReason: 'tool_use' } } };

  test('have no result at the end of a run, and ids that the harness does not know', () => {
    const turn = turnOf([...asked, call('eyJ1', '{"n":1}'), call('eyJ2', '{"n":2}'), done]);
    const tree = treeOf(turn);
    assert.deepEqual(outline(tree.steps), [
      'model: Calls search done',
      '  return-control: search done',
      '  return-control: search done',
    ]);
    assert.deepEqual(
      tree.steps[0]?.children.map((step) => sections(step)['Input']),
      ['{\n  "n": 1\n}', '{\n  "n": 2\n}'],
    );
    assert.deepEqual([tree.kinds.get('return-control'), tree.kinds.has('tool'), tree.running.size], [2, false, 0]);
    assert.deepEqual(
      turn.calls.map(({ id, name }) => [id, name]),
      [
        ['eyJ1', 'search'],
        ['eyJ2', 'search'],
      ],
    );
  });

  test('are none of those that have a result, whatever becomes of the run', () => {
    for (const end of [done, { type: 'RUN_ERROR', code: 'deadline' }, undefined]) {
      const turn = turnOf([
        ...asked,
        ...ran('t1', 'search', '{}', 'x'),
        ...ran('t2', 'search', '{}', 'y', true),
        ...(end ? [end] : []),
      ]);
      assert.deepEqual(turn.calls, []);
    }
    const [callOnly] = ran('t1', 'search', '{}', 'x');
    for (const end of [{ type: 'RUN_ERROR', code: 'connection_lost' }, undefined])
      assert.deepEqual(
        turnOf([...asked, /** @type {object} */ (callOnly), ...(end ? [end] : [])]).calls,
        [],
        'whose it is was not known yet',
      );
  });

  test('stand beside those of the harness in one run', () => {
    const turn = turnOf([...asked.slice(0, 4), ...ran('t1', 'search', '{}', 'x'), call('eyJ2', '{}'), done]);
    assert.deepEqual(outline(treeOf(turn).steps).slice(1), ['  tool: search done', '  return-control: search done']);
    assert.deepEqual(
      turn.calls.map(({ id }) => id),
      ['eyJ2'],
    );
  });
});

describe('why a model stopped', () => {
  for (const [reason, status, why] of /** @type {[string, string, string | undefined][]} */ ([
    ['end_turn', 'done', undefined],
    ['stop_sequence', 'done', undefined],
    ['max_tokens', 'failed', 'max tokens'],
    ['max_output_tokens_exceeded', 'failed', 'max output tokens exceeded'],
    ['model_context_window_exceeded', 'failed', 'model context window exceeded'],
    ['max_iterations_exceeded', 'failed', 'max iterations exceeded'],
    ['timeout_exceeded', 'failed', 'timeout exceeded'],
    ['malformed_tool_use', 'failed', 'malformed tool use'],
    ['hook_stopped', 'failed', 'hook stopped'],
    ['guardrail_intervened', 'intervened', 'guardrail intervened'],
    ['content_filtered', 'intervened', 'content filtered'],
    ['something_new', 'done', undefined],
  ])) {
    test(reason, () => {
      const tree = treeOf(turnOf([messageStart, said('m', 'x'), messageStop(reason)]));
      assert.deepEqual([tree.steps[0]?.status, tree.steps[0]?.reason, tree.stopReason], [status, why, reason]);
      assert.match(String(sections(tree.steps[0])['Facts']), new RegExp(`Stop reason: ${reason}`));
    });
  }
});

describe('files', () => {
  const expected = [
    'model: Calls docs › Retrieve done',
    '  reasoning: I look it up done',
    '  tool: docs › Retrieve done',
    'model: Refunds are possible. done',
  ];
  const frames = [...WORK, WORK_DONE].map((frame, seq) => ({
    ...frame,
    metadata: { relay: { .../** @type {any} */ (frame).metadata?.relay, runId: 'r', seq } },
  }));

  /** @type {[string, unknown][]} */
  const shapes = [
    ['a list of events', STREAM],
    ["boto3's response", { ResponseMetadata: { HTTPStatusCode: 200 }, stream: STREAM }],
    ["events as Strands' agents hand them on", STREAM.map((event) => ({ event }))],
    ['JSON Lines', STREAM.map((event) => JSON.stringify(event)).join('\n')],
    ['events copied one below the other', STREAM.map((event) => JSON.stringify(event, null, 2)).join('\n\n')],
    [
      'with nulls for what is absent',
      STREAM.map((event) => ({
        messageStart: null,
        contentBlockStart: null,
        contentBlockDelta: null,
        contentBlockStop: null,
        messageStop: null,
        metadata: null,
        hookEvent: null,
        ...event,
      })),
    ],
    [
      'events as the relay wraps them',
      STREAM.map((event) => ({
        type: 'RAW',
        source: 'agentcore-harness',
        event,
        metadata: { relay: { runId: 'r', seq: 1 } },
      })),
    ],
  ];
  for (const [name, value] of shapes) {
    test(`open: ${name}`, () => {
      const tree = opened(value);
      assert.deepEqual(outline(tree.steps), expected);
      assert.deepEqual([tree.tokens, tree.stopReason, tree.unfinished], [{ input: 3300, output: 280 }, 'end_turn', 0]);
      const tool = tree.steps[0]?.children[1];
      assert.deepEqual(
        [sections(tool)['Input'], sections(tool)['Result']],
        ['{\n  "retrievalQuery": {\n    "text": "refunds"\n  }\n}', '{\n  "retrievalResults": [\n    1.10\n  ]\n}'],
      );
      assert.equal(sections(tree.steps[1])['Text'], 'Refunds are possible.');
    });
  }

  test('without times have those that were measured, one after the other', () => {
    const {
      steps: [first, second],
    } = opened(STREAM);
    assert.deepEqual([first?.start, first?.end, first?.duration, second?.start, second?.end], [0, 900, 900, 900, 1600]);
    assert.deepEqual(
      [first?.children[1]?.start, first?.children[1]?.duration],
      [900, undefined],
      'nobody knows how long the tool took',
    );
  });

  test('of all frames open as the run that they were', () => {
    for (const value of [frames, frames.map((frame) => JSON.stringify(frame)).join('\n')]) {
      const tree = opened(value);
      assert.deepEqual(outline(tree.steps), OUTLINE);
      assert.deepEqual([tree.tokens, tree.cachedTokens], [{ input: 3300, output: 280 }, 250]);
      assert.equal(
        sections(tree.steps[1]?.children[1])['Input'],
        '{\n  "query": "refunds",\n  "order": 146312323488002033\n}',
      );
    }
  });

  test('that the page saved give back the same tree, times included, finished or not', () => {
    for (const count of [WORK.length + 1, 5, 13, 16]) {
      const turn = turnOf([...WORK, WORK_DONE].slice(0, count));
      const again = traceOf(traceFile(turn), 'saved.json');
      const [one, two] = [treeOf({ ...turn, status: turn.status === 'done' ? 'done' : 'interrupted' }), treeOf(again)];
      assert.deepEqual(outline(two.steps), outline(one.steps));
      assert.deepEqual(
        two.steps.map(({ start, end }) => [start, end]),
        one.steps.map(({ start, end }) => [start, end]),
      );
      assert.deepEqual(
        again.events.map(({ at, source, event }) => ({ at: at + 1000, source, event })),
        JSON.parse(JSON.stringify(turn.events.map(({ at, source, event }) => ({ at, source, event })))),
      );
    }
  });

  test('of a Bedrock agent have no text in their trace, whatever else was recorded with it', () => {
    const rationale = {
      type: 'RAW',
      source: 'bedrock-agent',
      event: { trace: { trace: { orchestrationTrace: { rationale: { text: 'why' } } } } },
    };
    assert.deepEqual(
      outline(opened([rationale, said('m', 'text'), { type: 'TOOL_CALL_CHUNK', toolCallId: 'c', delta: '{}' }]).steps),
      ['rationale: why done'],
    );
    assert.throws(() => opened([said('m', 'text')]), /has no trace events/);
  });

  test('end in the middle of a message: it is not finished', () => {
    const tree = opened(STREAM.slice(0, 8));
    assert.deepEqual(outline(tree.steps), [
      'model: Calls docs › Retrieve unfinished',
      '  reasoning: I look it up done',
      '  tool: docs › Retrieve unfinished',
    ]);
    assert.equal(tree.unfinished, 2);
    assert.deepEqual(
      outline(opened(STREAM.slice(0, 12)).steps).at(-1),
      '  return-control: docs › Retrieve done',
      'ended with the call: the client has it',
    );
  });
});

describe('oddities', () => {
  /** @param {...object} events */
  const steps = (...events) => outline(opened(events).steps);

  test('indices that come again belong to the tool that began last', () => {
    const start = (/** @type {number} */ contentBlockIndex, /** @type {string} */ name) => ({
      contentBlockStart: { contentBlockIndex, start: { toolUse: { toolUseId: name, name } } },
    });
    const input = (/** @type {number} */ contentBlockIndex, /** @type {string} */ input) => ({
      contentBlockDelta: { contentBlockIndex, delta: { toolUse: { input } } },
    });
    const {
      steps: [model],
    } = opened([
      { messageStart: { role: 'assistant' } },
      start(0, 'A'),
      input(0, '"a"'),
      start(0, 'B'),
      input(0, '"b"'),
      start(1, 'C'),
      input(1, '"c"'),
      { messageStop: { stopReason: 'tool_use' } },
    ]);
    assert.deepEqual(
      model?.children.map((step) => [step.name, sections(step)['Input']]),
      [
        ['A', '"a"'],
        ['B', '"b"'],
        ['C', '"c"'],
      ],
    );
  });

  test('a start without anything in it is none', () => {
    assert.deepEqual(
      steps(
        { messageStart: { role: 'assistant' } },
        { contentBlockStart: { start: {} } },
        { contentBlockStart: {} },
        { contentBlockDelta: { delta: { text: 'x' } } },
        { messageStop: { stopReason: 'end_turn' } },
      ),
      ['model: x done'],
    );
  });

  test('what got lost at the start or the end of a message, or between', () => {
    assert.deepEqual(
      steps({ contentBlockDelta: { delta: { text: 'x' } } }, { messageStop: {} }),
      ['model: x done'],
      'no start',
    );
    assert.deepEqual(steps({ messageStop: { stopReason: 'end_turn' } }), ['model: No text done'], 'only an end');
    assert.deepEqual(
      steps(
        { messageStart: {} },
        { contentBlockDelta: { delta: { text: 'a' } } },
        { messageStart: { role: 'assistant' } },
        { contentBlockDelta: { delta: { text: 'b' } } },
        { messageStop: { stopReason: 'end_turn' } },
      ),
      ['model: a unfinished', 'model: b done'],
      'an end in between',
    );
    assert.deepEqual(
      steps({ metadata: { usage: { inputTokens: 1 } } }, { metadata: { metrics: { latencyMs: 5 } } }),
      ['model: No text done', 'model: No text done'],
      'only the usage',
    );
    assert.deepEqual(
      steps({ contentBlockDelta: { contentBlockIndex: 4, delta: { toolUse: { input: '{}' } } } }),
      ['model: Calls Tool unfinished', '  tool: Tool unfinished'],
      'only the input of a tool',
    );
    assert.deepEqual(
      steps(
        { contentBlockStart: { start: { toolResult: { toolUseId: 'x', status: 'error' } } } },
        { contentBlockDelta: { delta: { toolResult: [{ text: 'no' }] } } },
        { contentBlockStop: {} },
      ),
      ['tool: Tool failed'],
      'only the result',
    );
    assert.deepEqual(
      outline(treeOf(turnOf(ran('t', 'shell', '{}', 'x'))).steps),
      ['tool: shell done'],
      'only the frames of a tool',
    );
    const [, result] = ran('t', 'shell', '{}', 'x', true);
    assert.deepEqual(
      outline(treeOf(turnOf([/** @type {object} */ (result)])).steps),
      ['tool: Tool failed'],
      'only the frame of a result',
    );
  });

  test('texts of two messages stay apart, also without what is between', () => {
    const tree = treeOf({
      ...turnOf([messageStart, said('m1', 'a'), said('m2', 'b'), messageStop('end_turn')]),
      status: 'done',
    });
    assert.deepEqual(outline(tree.steps), ['model: a unfinished', 'model: b done']);
  });

  test('results that are JSON, pieces of no text, and redacted reasoning', () => {
    const tree = opened([
      { messageStart: { role: 'assistant' } },
      { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { redactedContent: 'cmVk' } } } },
      {
        contentBlockStart: {
          contentBlockIndex: 1,
          start: { toolUse: { toolUseId: 't', name: 'n', type: null, serverName: 'mcp' } },
        },
      },
      { contentBlockDelta: { contentBlockIndex: 1, delta: { toolUse: { input: null } } } },
      { contentBlockDelta: { contentBlockIndex: 1, delta: { toolUse: { input: 'no JSON' } } } },
      { messageStop: { stopReason: 'tool_use' } },
      { contentBlockStart: { contentBlockIndex: 0, start: { toolResult: { toolUseId: 't' } } } },
      { contentBlockDelta: { contentBlockIndex: 0, delta: { toolResultMetadata: { metadata: { a: 1 } } } } },
      { contentBlockDelta: { contentBlockIndex: 0, delta: { toolResult: [null, { json: { n: 9007199254740992 } }] } } },
      { messageStop: { stopReason: 'tool_result' } },
      { messageStart: { role: 'assistant' } },
      { messageStop: { stopReason: 'end_turn' } },
    ]);
    assert.deepEqual(outline(tree.steps), [
      'model: Calls n done',
      '  reasoning: Redacted done',
      '  tool: n done',
      'model: No text done',
    ]);
    const tool = tree.steps[0]?.children[1];
    assert.deepEqual([sections(tool)['Input'], sections(tool)['Result']], ['no JSON', '{\n  "n": 9007199254740992\n}']);
    assert.match(String(sections(tool)['Facts']), /Server: mcp/);
  });

  test('a block that begins a call and a result is the call', () => {
    const [call, result] = [
      { toolUseId: 'a', name: 'find', type: 'tool_use' },
      { toolUseId: 'b', name: 'other', type: 'mcp', status: 'error' },
    ];
    const tree = opened([
      { messageStart: { role: 'assistant' } },
      { contentBlockStart: { contentBlockIndex: 0, start: { toolUse: call, toolResult: result } } },
    ]);
    const tool = tree.steps[0]?.children[0];
    assert.equal(tool?.name, 'find');
    assert.equal(sections(tool)['Facts'], 'Tool: find; Type: tool_use; Tool use: a');
  });

  test('numbers of a result keep every digit', () => {
    const tree = opened(
      `${JSON.stringify(STREAM[5])}\n{"contentBlockStart":{"contentBlockIndex":0,"start":{"toolResult":{"toolUseId":"t1"}}}}\n{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"toolResult":[{"json":{"n":146312323488002033}}]}}}\n{"contentBlockStop":{"contentBlockIndex":0}}`,
    );
    assert.equal(sections(tree.steps[0]?.children[0])['Result'], '{\n  "n": 146312323488002033\n}');
  });

  test('exceptions of the stream, and events that nobody knows', () => {
    const tree = opened(
      [
        { messageStart: { role: 'assistant' } },
        { dreamEvent: { sheep: 1 } },
        { contentBlockStart: { start: { hologram: {} } } },
        { contentBlockDelta: { delta: { hologram: 'x' } } },
        { runtimeClientError: { message: 'It broke' } },
        { validationException: {} },
      ].map((event) => ({ source: 'agentcore-harness', event })),
    );
    assert.deepEqual(outline(tree.steps), [
      'model: No text unfinished',
      'unknown: dreamEvent done',
      'failure: Failure failed',
      'failure: Failure failed',
    ]);
    assert.deepEqual([tree.steps[2]?.reason, tree.steps[3]?.reason], ['It broke', 'No reason given']);
    assert.deepEqual(sections(tree.steps[1]), { Event: '{\n  "dreamEvent": {\n    "sheep": 1\n  }\n}' });
    assert.equal(sections(tree.steps[2])['Failure'], 'It broke');
  });

  test('hooks of any kind', () => {
    const tree = opened([
      { hookEvent: {} },
      { hookEvent: { name: 'h', type: 'after_dream', decision: 'maybe' } },
      { hookEvent: { type: 'before_tool_call', decision: 'deny' } },
    ]);
    assert.deepEqual(outline(tree.steps), [
      'hook: Hook done',
      'hook: h, after dream: maybe done',
      'hook: Hook, before tool call: denied intervened',
    ]);
    assert.equal(tree.steps[2]?.reason, 'Denied');
  });

  test('an event in any shape makes no exception, and every step opens', () => {
    const values = [
      undefined,
      null,
      7,
      'x',
      [],
      {},
      [null],
      { messageStart: 7 },
      { messageStop: [] },
      { contentBlockDelta: { delta: [] } },
      { contentBlockDelta: { delta: { toolResult: 'x' } } },
      { contentBlockDelta: { delta: { text: { a: 1 } } } },
      { contentBlockStart: { start: { toolUse: 'x' } } },
      { contentBlockStart: { contentBlockIndex: 'x', start: { toolUse: {} } } },
      { metadata: { usage: 7, metrics: null } },
      { hookEvent: 'x' },
      { contentBlockStop: null },
      { contentBlockStop: {} },
      { messageStop: { stopReason: {} } },
    ];
    const frames = [
      'TEXT_MESSAGE_CHUNK',
      'REASONING_START',
      'REASONING_END',
      'REASONING_MESSAGE_CHUNK',
      'TOOL_CALL_CHUNK',
      'TOOL_CALL_RESULT',
      'TOOL_CALL_START',
      'agentcore-harness',
    ];
    for (const order of [values, values.toReversed()]) {
      const tree = new TraceTree(0);
      for (const source of frames) for (const event of order) tree.add({ at: 1, source, event });
      tree.end('done', 10);
      assert.equal(tree.running.size, 0);
      const open = (/** @type {Step[]} */ all) => {
        for (const step of all) {
          sectionsOf(step);
          jsonOf(step);
          open(step.children);
        }
      };
      open(tree.steps);
    }
  });

  test('of a megabyte in thousands of pieces, each is read once', () => {
    const deltas = Array.from({ length: 20_000 }, () => said('m', 'a few words and more of them, to fill it up. '));
    const turn = turnOf([messageStart, ...deltas, messageStop('end_turn')]);
    assert.equal(turn.events.length, 3);
    let read = 0;
    const tree = opened(
      deltas.map(({ delta }) => ({
        contentBlockDelta: {
          contentBlockIndex: 0,
          delta: {
            get text() {
              read += 1;
              return delta;
            },
          },
        },
      })),
    );
    assert.equal(sections(tree.steps[0])['Text']?.length, turn.messages[0]?.text.length);
    assert.equal(read, deltas.length);
  });
});

test('without a trace, text is no part of it, and what the harness says unasked is listed', () => {
  const turn = turnOf([raw('dreamEvent', {}), said('m', 'x'), messageStop('end_turn')], { trace: false });
  assert.deepEqual(
    turn.events.map(({ source }) => source),
    ['agentcore-harness', 'agentcore-harness'],
  );
  assert.equal(turn.agent, 'agentcore-harness');
});

test('results of a tool that come before the message of results is over do not end its message', () => {
  const tree = treeOf({
    ...turnOf([
      messageStart,
      toolStart('t', 'shell'),
      messageStop('tool_use'),
      resultsStart,
      ...ran('t', 'shell', '{}', 'x'),
      resultsStop,
      hook('after_tool_call', 'h'),
    ]),
    status: 'done',
  });
  assert.deepEqual(outline(tree.steps), [
    'model: Calls shell done',
    '  tool: shell done',
    '  hook: h, after tool call done',
  ]);
});

test('blocks of reasoning are told apart, and known by what comes between', () => {
  const turn = turnOf([
    messageStart,
    ...thought('a', 'one'),
    said('m', 'x'),
    ...thought('b', 'two', ' three'),
    messageStop('end_turn'),
  ]);
  assert.deepEqual(
    turn.reasoning.map(({ text, before, startedAt, endedAt }) => [text, before, (endedAt ?? 0) - startedAt]),
    [
      ['one', 0, 20],
      ['two three', 1, 30],
    ],
  );
});
