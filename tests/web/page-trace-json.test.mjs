// The JSON of a trace as it came: every digit of its numbers, any depth, and null for absent, wherever the trace viewer
// shows, finds and saves it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jsonOf, sectionsOf } from '../../web/trace/detail.js';
import { traceFile, traceOf } from '../../web/trace/file.js';
import { matches } from '../../web/trace/search.js';
import { partsOf, sequence, valueOf } from '../../web/trace/source.js';
import { TraceTree } from '../../web/trace/tree.js';
import { readJson } from '../../web/lib/json.js';

/** @import { Step } from '../../web/trace/tree.js' */
/** @import { AgentEvent } from '../../web/types.d.ts' */

/** @param {AgentEvent[]} events */
function treeOf(events) {
  const tree = new TraceTree(0);
  for (const event of events) tree.add(event);
  return tree;
}

/** An event as the relay hands it on. @param {string} json @returns {AgentEvent} */
function received(json) {
  const frame = `{"type":"RAW","source":"bedrock-agent","event":${json},"metadata":{"relay":{"runId":"run-1","seq":777}}}`;
  return { at: 1, source: 'bedrock-agent', event: JSON.parse(json), json: frame, path: ['event'] };
}

/** @param {string} orchestration */
const wrapped = (orchestration) => `{"trace":{"sessionId":"s","trace":{"orchestrationTrace":${orchestration}}}}`;
/** @param {AgentEvent[]} events */
const onlyStep = (events) => /** @type {Step} */ (treeOf(events).steps[0]);
/** @param {Step} step */
const shown = (step) =>
  sectionsOf(step)
    .map((section) => ('text' in section ? section.text : section.rows.flat().join(' ')))
    .join('\n');
/** @param {AgentEvent[]} events */
const saved = (events) =>
  traceFile({ prompt: 'p', status: 'done', failure: undefined, sentAt: 0, firstTextAt: undefined, endedAt: 5, events });

const NUMBERS = [
  '146312323488002033',
  '-9007199254740993',
  '1.10',
  '0.1000000000000000055511151231257827',
  '1e400',
  '1E-400',
  '-0',
  '100000000000000000000000',
];

describe('numbers keep every digit', () => {
  for (const number of NUMBERS) {
    /** Places where a number may stand. @type {Record<string, string>} */
    const places = {
      'the JSON text of a result': `{"observation":{"actionGroupInvocationOutput":{"text":${JSON.stringify(`{"n":${number}}`)}}}}`,
      'a request body': `{"invocationInput":{"actionGroupInvocationInput":{"requestBody":{"content":{"n":${number}}}}}}`,
      'a parameter': `{"invocationInput":{"actionGroupInvocationInput":{"parameters":[{"name":"n","value":${number}}]}}}`,
      'what is known as a fact': `{"modelInvocationInput":{"foundationModel":"m","inferenceConfiguration":{"topP":${number}}}}`,
      'the results handed in': `{"observation":{"agentCollaboratorInvocationOutput":{"output":{"returnControlPayload":{"n":[${number}]}}}}}`,
      'the JSON text of a prompt': `{"modelInvocationInput":{"foundationModel":"m","text":${JSON.stringify(`{"messages":[{"role":"user","content":[{"n":${number}}]}]}`)}}}`,
      'the passage of a table': `{"observation":{"knowledgeBaseLookupOutput":{"retrievedReferences":[{"content":{"row":[${number}]}}]}}}`,
      'what nobody knows': `{"dream":{"n":${number}}}`,
    };
    for (const [place, json] of Object.entries(places)) {
      test(`${number} in ${place}`, () => {
        const event = received(wrapped(json));
        const step = onlyStep([event]);
        assert.ok(shown(step).includes(number), `formatted: ${shown(step)}`);
        assert.ok(jsonOf(step).includes(number), 'raw');
        assert.ok(matches(step, 'Kind', number), 'found');
        const file = saved([event]);
        assert.ok(file.includes(number), 'saved');
        const again = onlyStep(traceOf(file, 'x.json').events);
        assert.ok(shown(again).includes(number) && jsonOf(again).includes(number), 'opened');
        assert.ok(saved(traceOf(file, 'x.json').events).includes(number), 'saved again');
      });
    }
  }

  test('of an event as a list of Bedrock has it', () => {
    const text = `[${wrapped('{"rationale":{"text":"t"}}')}, {"trace":{"orchestrationTrace":{"observation":{"actionGroupInvocationOutput":{"metadata":{"n":146312323488002033}}}}}}]`;
    const [, step] = treeOf(traceOf(text, 'x.json').events).steps;
    assert.match(jsonOf(/** @type {Step} */ (step)), /"n": 146312323488002033\b/);
  });

  test('the digits of a frame around the event are not found', () => {
    assert.equal(matches(onlyStep([received(wrapped('{"rationale":{"text":"t"}}'))]), 'Kind', '777'), false);
  });

  test('members keep their order and their names, whatever these are', () => {
    const json = jsonOf(onlyStep([received('{"b":1,"10":2,"2":3,"b":4,"__proto__":{"x":5}}')])).replace(/\s/g, '');
    assert.equal(json, '{"b":1,"10":2,"2":3,"b":4,"__proto__":{"x":5}}');
    const value = valueOf(
      /** @type {NonNullable<ReturnType<typeof readJson>>} */ (readJson('{"__proto__":{"x":5},"a":[1,"two",null,{}]}')),
    );
    assert.deepEqual(value, JSON.parse('{"__proto__":{"x":5},"a":[1,"two",null,{}]}'));
    assert.equal(/** @type {{x?: number}} */ ({}).x, undefined);
  });
});

describe('JSON nested to any depth is shown, found and saved', () => {
  const DEPTH = 100_000;
  const deep = '['.repeat(DEPTH) + '"needle"' + ']'.repeat(DEPTH);
  const objects = '{"a":'.repeat(DEPTH) + '"needle"' + '}'.repeat(DEPTH);
  /** @type {Record<string, string>} */
  const places = {
    'an unknown event': `{"dream":${deep}}`,
    'an unknown event of objects': `{"dream":${objects}}`,
    'a request body': wrapped(
      `{"invocationInput":{"actionGroupInvocationInput":{"requestBody":{"content":${objects}}}}}`,
    ),
    'what is known as a fact': wrapped(
      `{"modelInvocationInput":{"foundationModel":"m","inferenceConfiguration":${deep}}}`,
    ),
    'the content of a prompt': wrapped(
      `{"modelInvocationInput":{"foundationModel":"m","text":${JSON.stringify(`{"messages":[{"role":"user","content":${deep}}]}`)}}}`,
    ),
    'a prompt that a user typed': wrapped(
      `{"modelInvocationInput":{"foundationModel":"m","text":${JSON.stringify(`{"messages":[{"role":"user","content":"${'['.repeat(DEPTH)} needle"}]}`)}}}`,
    ),
    'the text of a result': wrapped(
      `{"observation":{"actionGroupInvocationOutput":{"text":${JSON.stringify(objects)}}}}`,
    ),
    'a place that is known': wrapped(`{"rationale":{"text":"needle","callerChain":${deep}},"callerChain":${deep}}`),
  };
  for (const [place, json] of Object.entries(places)) {
    test(place, () => {
      const event = received(json);
      const step = onlyStep([event]);
      assert.match(shown(step), /needle/);
      assert.match(jsonOf(step), /needle/);
      assert.ok(jsonOf(step).length < json.length * 60, 'of a length in proportion');
      assert.equal(matches(step, 'Kind', 'needle'), true);
      assert.equal(matches(step, 'Kind', 'hay'), false);
      const file = saved([event]);
      assert.ok(file.includes(json), 'as it came');
      assert.match(shown(onlyStep(traceOf(file, 'x.json').events)), /needle/);
    });
  }

  test('also of an event whose text is not known', () => {
    const event = { at: 0, source: 'bedrock-agent', event: JSON.parse(`{"dream":${deep}}`) };
    assert.match(jsonOf(onlyStep([event])), /needle/);
    assert.match(saved([event]), /needle/);
  });

  test('a file that is nothing but brackets has no events', () => {
    assert.throws(() => traceOf(deep, 'x.json'), /has no trace events/);
  });
});

describe('null is absent', () => {
  /** @param {unknown} trace */
  const stepsOf = (trace) => treeOf([received(JSON.stringify({ trace: { sessionId: 's', trace } }))]).steps;
  const rationale = { text: 'I look it up', traceId: 't' };

  for (const other of [
    'failureTrace',
    'preProcessingTrace',
    'guardrailTrace',
    'customOrchestrationTrace',
    'dreamTrace',
  ]) {
    test(`a ${other} beside another trace`, () => {
      const steps = stepsOf({ [other]: null, orchestrationTrace: { rationale } });
      assert.deepEqual(
        steps.map(({ kind, name, status }) => [kind, name, status]),
        [['rationale', 'I look it up', 'done']],
      );
    });
  }

  for (const other of ['modelInvocationInput', 'modelInvocationOutput', 'invocationInput', 'observation']) {
    test(`a ${other} beside a rationale, and the other way round`, () => {
      assert.deepEqual(
        stepsOf({ orchestrationTrace: { [other]: null, rationale } }).map(({ kind }) => kind),
        ['rationale'],
      );
      const [step, more] = stepsOf({ orchestrationTrace: { rationale: null, [other]: {} } });
      assert.notEqual(step?.kind, 'rationale');
      assert.equal(more, undefined);
    });
  }

  test('an input or an output of another kind', () => {
    const kinds = [
      'knowledgeBaseLookup',
      'actionGroupInvocation',
      'codeInterpreterInvocation',
      'agentCollaboratorInvocation',
    ];
    for (const kind of kinds) {
      const inputs = Object.fromEntries(kinds.map((one) => [`${one}Input`, one === kind ? {} : null]));
      const outputs = Object.fromEntries(kinds.map((one) => [`${one}Output`, one === kind ? {} : null]));
      const steps = stepsOf({
        orchestrationTrace: [
          { invocationInput: inputs },
          { observation: { finalResponse: null, repromptResponse: null, ...outputs } },
        ],
      });
      assert.equal(steps.length, 1, kind);
      assert.ok(steps[0]?.status === 'done' && steps[0]?.kind !== 'unknown', kind);
    }
  });

  test('any member of an opened step', () => {
    const nothing = Object.fromEntries(
      [
        'failureReason',
        'reasoningContent',
        'foundationModel',
        'promptCreationMode',
        'text',
        'parameters',
        'requestBody',
        'code',
        'input',
        'output',
        'executionError',
        'executionOutput',
        'parsedResponse',
        'rawResponse',
        'retrievedReferences',
        'metadata',
        'knowledgeBaseId',
        'inferenceConfiguration',
        'files',
        'traceId',
        'actionGroupName',
        'verb',
        'executionTimeout',
      ].map((name) => [name, null]),
    );
    for (const name of ['modelInvocationInput', 'modelInvocationOutput', 'rationale']) {
      const [step] = treeOf([
        received(
          JSON.stringify({
            trace: {
              agentId: null,
              callerChain: null,
              collaboratorName: null,
              eventTime: null,
              trace: { orchestrationTrace: { [name]: nothing } },
            },
          }),
        ),
      ]).steps;
      assert.deepEqual(step && sectionsOf(step), [], name);
    }
    const [step] = stepsOf({
      orchestrationTrace: {
        modelInvocationOutput: {
          reasoningContent: { redactedContent: null },
          metadata: { usage: null, totalTimeMs: null },
        },
      },
    });
    assert.deepEqual([step && sectionsOf(step), step?.tokens], [[], undefined]);
  });

  test('a member of a list', () => {
    const [action] = stepsOf({
      orchestrationTrace: {
        invocationInput: [
          null,
          { actionGroupInvocationInput: { actionGroupName: 'a', parameters: [null, { name: 'n', value: null }] } },
        ],
      },
    });
    assert.deepEqual(action && sectionsOf(action), [{ title: 'Parameters', rows: [['n', '?']], side: 'in' }]);
    const [lookup] = stepsOf({
      orchestrationTrace: {
        observation: { knowledgeBaseLookupOutput: { retrievedReferences: [null, { content: { text: 'p' } }] } },
      },
    });
    assert.deepEqual(lookup && sectionsOf(lookup).map(({ title }) => title), ['Passage 1 · Source without an address']);
    const [guardrail] = stepsOf({
      guardrailTrace: {
        action: 'INTERVENED',
        inputAssessments: [null, { topicPolicy: null, wordPolicy: { customWords: [null] } }],
      },
    });
    assert.equal(guardrail?.reason, '');
  });

  test('in a file', () => {
    const text =
      '[{"trace":{"sessionId":"s","trace":{"failureTrace":null,"orchestrationTrace":{"rationale":{"text":"I look it up","traceId":"t"}}}}}, null, {"trace":null}, {"event":null,"trace":null,"orchestrationTrace":{"rationale":{"text":"again"}}}]';
    assert.deepEqual(
      treeOf(traceOf(text, 'x.json').events).steps.map(({ name }) => name),
      ['I look it up', 'again'],
    );
    assert.deepEqual(
      Object.entries(
        traceOf(
          '{"agentRelayTrace":1,"prompt":null,"status":null,"failure":null,"firstTextAt":null,"events":[{"at":null,"source":null,"event":{"x":1}}]}',
          'x.json',
        ),
      ).filter(([name]) => name !== 'events'),
      [
        ['prompt', 'x.json'],
        ['file', 'x.json'],
        ['status', 'done'],
        ['failure', undefined],
        ['sentAt', 0],
        ['epoch', undefined],
        ['firstTextAt', undefined],
        ['endedAt', undefined],
      ],
    );
  });
});

describe('where the parts of a text end', () => {
  test('strings with brackets, commas and quotes', () => {
    const parts = { a: '],}"\\', 'b"\\': ['[{', 1.1, true, null], '': {}, c: -1 };
    for (const space of [undefined, 2]) {
      const text = JSON.stringify(parts, null, space);
      assert.deepEqual(
        partsOf(text).map(({ name, text }) => [name, JSON.parse(text)]),
        Object.entries(parts),
      );
      assert.deepEqual(
        partsOf(JSON.stringify(Object.values(parts), null, space)).map(({ text }) => JSON.parse(text)),
        Object.values(parts),
      );
    }
    assert.deepEqual([partsOf('7'), partsOf('"[1]"'), partsOf(' [ ] '), partsOf('{}')], [[], [], [], []]);
  });

  test('of text that is none of it, without an exception or an endless loop', () => {
    for (const text of ['', '[', ']', '{"', '}{', '"\\', '{a}', ']]]', ',,', '\u0000', '{"a":', '[1}{2]']) {
      assert.ok(partsOf(text).length < 5);
      assert.ok([...sequence(text)].length < 5);
    }
  });

  test('of twice as much text, with twice as many looks at it', () => {
    const looks = (/** @type {number} */ count) => {
      let looked = 0;
      const text = JSON.stringify(Array.from({ length: count }, (_, i) => ({ trace: { i, text: '"x" '.repeat(25) } })));
      const watched = new Proxy(new String(text), {
        get(whole, name) {
          looked += 1;
          const found = Reflect.get(whole, name);
          return typeof found === 'function' ? found.bind(whole) : found;
        },
      });
      assert.equal(partsOf(/** @type {any} */ (watched)).length, count);
      return looked;
    };
    const [once, twice] = [looks(1_000), looks(2_000)];
    assert.ok(once > 1_000 && twice < once * 2.1, `${once}, then ${twice}`);
  });
});
