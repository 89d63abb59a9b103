// What opens as a trace: what the page saved, and what people have from other clients of Bedrock and its console.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { fileName, traceFile, TraceFileError, traceOf } from '../../web/trace/file.js';
import { sectionsOf } from '../../web/trace/detail.js';
import { TraceTree } from '../../web/trace/tree.js';

/** @param {string} text */
function stepsOf(text) {
  const tree = new TraceTree(0);
  for (const event of traceOf(text, 'x.json').events) tree.add(event);
  return tree.steps;
}
/** @param {string} text */
const outline = (text) => stepsOf(text).map(({ kind, name, status }) => `${kind}: ${name} ${status}`);

const rationale = { text: 'I look it up', traceId: 't' };
const failure = { failureReason: 'Max iterations exceeded', traceId: 't' };
/** The same two steps, in all wrappers. */
const unions = [{ orchestrationTrace: { rationale } }, { failureTrace: failure }];
const parts = unions.map((trace) => ({ sessionId: 's', agentId: 'A', trace }));
const events = parts.map((trace) => ({ trace }));
const EXPECTED = ['rationale: I look it up done', 'failure: Failure failed'];

describe('the same steps open', () => {
  const chunk = { chunk: { bytes: 'SGk=' } };
  /** @type {Record<string, unknown>} */
  const shapes = {
    'as events': events,
    'as TraceParts': parts,
    'as what TraceParts hold': unions,
    'as what a trace holds': [{ rationale }, failure],
    mixed: [{ rationale }, parts[1]],
    'in an object': { traces: parts },
    'in lists of lists': [[parts[0]], [parts[1]]],
    "beside text, as boto3's stream has it": {
      ResponseMetadata: { HTTPStatusCode: 200 },
      completion: [chunk, ...events, chunk],
    },
    'as a list called trace': { answer: 'Hi', trace: parts },
    'sorted by kind': { orchestrationTrace: [{ rationale }], failureTrace: [failure] },
    'all in one TracePart': {
      trace: { sessionId: 's', trace: { orchestrationTrace: { rationale }, failureTrace: failure } },
    },
    "as the relay's frames": events.map((event, seq) => ({
      type: 'RAW',
      source: 'bedrock-agent',
      event,
      metadata: { relay: { runId: 'r', seq } },
    })),
    'as the page saves them': {
      agentRelayTrace: 1,
      events: events.map((event) => ({ at: 1, source: 'bedrock-agent', event })),
    },
  };
  for (const [shape, value] of Object.entries(shapes)) {
    test(shape, () => {
      assert.deepEqual(outline(JSON.stringify(value)), EXPECTED);
      assert.deepEqual(outline(JSON.stringify(value, null, 4)), EXPECTED);
    });
    if (!Array.isArray(value)) continue;
    test(`${shape}, as JSON Lines`, () =>
      assert.deepEqual(outline(value.map((one) => JSON.stringify(one)).join('\n')), EXPECTED));
    test(`${shape}, copied one below the other`, () =>
      assert.deepEqual(
        outline(`\ufeff${value.map((one) => JSON.stringify(one, null, 2)).join('\r\n\r\n')}\n`),
        EXPECTED,
      ));
    test(`${shape}, each alone`, () =>
      assert.deepEqual(
        value.flatMap((one) => outline(JSON.stringify(one))),
        EXPECTED,
      ));
  }
});

describe('a step of the console', () => {
  // All members of one step in one object, in the order of their names; what may be several is a list there.
  const step = {
    agentId: 'A',
    callerChain: [{ agentAliasArn: 'arn:a/A/1' }],
    invocationInput: [
      {
        invocationType: 'ACTION_GROUP',
        traceId: 't',
        actionGroupInvocationInput: {
          actionGroupName: 'orders',
          function: 'find',
          parameters: [{ name: 'id', type: 'string', value: '7' }],
        },
      },
    ],
    modelInvocationInput: { traceId: 't', type: 'ORCHESTRATION', foundationModel: 'claude', text: 'Find it' },
    modelInvocationOutput: {
      traceId: 't',
      metadata: {
        startTime: '2026-01-01T00:00:00Z',
        endTime: '2026-01-01T00:00:02Z',
        totalTimeMs: 2000,
        usage: { inputTokens: 10, outputTokens: 20 },
      },
      rawResponse: { content: 'ok' },
    },
    observation: [
      { type: 'ACTION_GROUP', traceId: 't', actionGroupInvocationOutput: { text: 'found' } },
      { type: 'FINISH', traceId: 't', finalResponse: { text: 'Here it is' } },
    ],
    rationale: { traceId: 't', text: 'I look it up' },
  };

  test('opens as its steps, in the order in which they were taken', () => {
    assert.deepEqual(outline(JSON.stringify(step)), [
      'model: claude done',
      'rationale: I look it up done',
      'action-group: orders › find done',
      'answer: Here it is done',
    ]);
    const [model, thought, action] = stepsOf(JSON.stringify(step));
    assert.deepEqual(
      [model?.start, model?.end, model?.tokens, thought?.start],
      [0, 2000, { input: 10, output: 20 }, 2000],
    );
    assert.deepEqual(action && sectionsOf(action).map(({ title }) => title), ['Parameters', 'Result', 'Facts']);
    assert.deepEqual(model?.events.length, 1, 'each event once');
  });

  test('without lists, as the documentation prints it', () => {
    assert.deepEqual(
      outline(JSON.stringify({ ...step, invocationInput: step.invocationInput[0], observation: step.observation[0] })),
      ['model: claude done', 'rationale: I look it up done', 'action-group: orders › find done'],
    );
  });

  test('of another phase is known by the type of its model invocation', () => {
    for (const [type, kind] of [
      ['PRE_PROCESSING', 'pre-processing'],
      ['POST_PROCESSING', 'post-processing'],
      ['ROUTING_CLASSIFIER', 'routing'],
      ['ORCHESTRATION', 'model'],
      ['NEW', 'model'],
    ]) {
      assert.deepEqual(
        outline(JSON.stringify([{ modelInvocationInput: { type, foundationModel: 'm' }, modelInvocationOutput: {} }])),
        [`${kind}: m done`],
      );
    }
  });

  test('of a guardrail', () => {
    assert.deepEqual(
      outline(
        JSON.stringify({
          action: 'INTERVENED',
          inputAssessments: [{ topicPolicy: { topics: [{ name: 'secrets', action: 'BLOCKED' }] } }],
          traceId: 't',
        }),
      ),
      ['guardrail: Input intervened'],
    );
  });

  test('whose invocation or observation was copied alone', () => {
    for (const [name, kind] of [
      ['knowledgeBaseLookupInput', 'knowledge-base'],
      ['codeInterpreterInvocationOutput', 'code'],
      ['agentCollaboratorInvocationInput', 'collaborator'],
      ['finalResponse', 'answer'],
      ['repromptResponse', 'reprompt'],
    ]) {
      assert.equal(stepsOf(JSON.stringify({ [String(name)]: {}, traceId: 't' }))[0]?.kind, kind);
    }
  });
});

describe('what is none', () => {
  test('is refused with a reason, and with the line where it ends to be JSON', () => {
    for (const [text, reason] of /** @type {[string, RegExp][]} */ ([
      ['', /has no trace events/],
      ['<html>', /is not JSON\./],
      ['{"trace":', /is not JSON\./],
      ['7', /has no trace events/],
      ['"trace"', /has no trace events/],
      ['{"events":[]}', /has no trace events/],
      ['{"a":{"b":{"c":{"d":{"e":{"trace":{"trace":{}}}}}}}}', /has no trace events/],
      [`${JSON.stringify(events[0])}\n\n2026-01-01 done`, /is not JSON in line 3\./],
      [`${JSON.stringify(events[0], null, 2)}\n{"trace": {`, /is not JSON in line 1\d\./],
    ])) {
      assert.throws(
        () => traceOf(text, 'f.json'),
        (error) => error instanceof TraceFileError && reason.test(error.message) && error.message.startsWith('f.json'),
        text,
      );
    }
  });
});

describe('a saved trace', () => {
  test('is called after its prompt and its time', () => {
    const time = new Date(2026, 10, 3, 4, 5, 6);
    for (const [prompt, name] of /** @type {[string, string][]} */ ([
      [
        'How long may an integration take, and what happens afterwards?',
        'trace-2026-11-03-040506-How-long-may-an-integration-take-and.json',
      ],
      ['/team', 'trace-2026-11-03-040506-team.json'],
      ['', 'trace-2026-11-03-040506.json'],
      ['../../\u202Efdp.exe\u0000<b>', 'trace-2026-11-03-040506-fdp-exe-b.json'],
      ['Zürich 漢字 हिन्दी 👋', 'trace-2026-11-03-040506-Zürich-漢字-हिन्दी.json'],
      ['𝒜'.repeat(100), `trace-2026-11-03-040506-${'𝒜'.repeat(40)}.json`],
    ])) {
      assert.equal(fileName(prompt, time), name);
    }
  });

  test('keeps its prompt, and is listed as the file that it is', () => {
    const saved = traceFile({
      prompt: 'hello',
      status: 'failed',
      failure: { message: 'no', code: 'c', retryable: true, source: 'relay' },
      sentAt: 10,
      firstTextAt: 20,
      endedAt: 30,
      events: [{ at: 15, source: 'bedrock-agent', event: events[0] }],
    });
    const {
      prompt,
      file,
      status,
      failure: why,
      events: [event],
    } = traceOf(saved, 'trace-2026-hello.json');
    assert.deepEqual(
      [prompt, file, status, why?.code, event?.at],
      ['hello', 'trace-2026-hello.json', 'failed', 'c', 5],
    );
  });

  test('of the version before opens as it did', async () => {
    const recorded = JSON.parse(await readFile(new URL('fixtures/traces.json', import.meta.url), 'utf8'));
    const before = JSON.stringify(
      { agentRelayTrace: 1, prompt: 'p', status: 'done', endedAt: 1, events: recorded.answer.events },
      null,
      1,
    );
    assert.deepEqual(
      stepsOf(before).map(({ kind }) => kind),
      [
        'pre-processing',
        'model',
        'rationale',
        'knowledge-base',
        'model',
        'rationale',
        'action-group',
        'model',
        'answer',
      ],
    );
  });
});
