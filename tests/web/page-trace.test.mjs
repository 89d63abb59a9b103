// The core of the trace viewer: Bedrock's trace events become a tree of steps, what a step opens to, and a
// file; and the list of sources of its citations. The shapes are those of the service model of
// bedrock-agent-runtime; fixtures/traces.json is what the local agent sent (support/record-traces.mjs).

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { sourcesOf } from '../../web/relay/citations.js';
import { counted, duration, oneLine } from '../../web/lib/format.js';
import { sectionsOf } from '../../web/trace/detail.js';
import { traceInfosOf } from '../../web/trace/bedrock-agent-event.js';
import { traceFile, TraceFileError, traceOf } from '../../web/trace/file.js';
import { matches } from '../../web/trace/search.js';
import { TraceTree } from '../../web/trace/tree.js';

/** @import { Step } from '../../web/trace/tree.js' */
/** @import { AgentEvent } from '../../web/types.d.ts' */

/** @type {Record<string, {usage?: {inputTokens: number, outputTokens: number}, events: AgentEvent[]}>} */
const RECORDED = JSON.parse(await readFile(new URL('fixtures/traces.json', import.meta.url), 'utf8'));

/** @param {string} name */
function recorded(name) {
  const trace = RECORDED[name];
  assert.ok(trace, name);
  return { ...trace, tree: treeOf(trace.events) };
}

/** @param {AgentEvent[]} events */
function treeOf(events) {
  const tree = new TraceTree(0);
  for (const event of events) tree.add(event);
  return tree;
}

/** @param {object} trace @param {object} [part] @param {number} [at] @returns {AgentEvent} */
const event = (trace, part = {}, at = 0) => ({
  at,
  source: 'bedrock-agent',
  event: { trace: { sessionId: 's', agentId: 'a', ...part, trace } },
});
/** @param {object} inner @param {object} [part] @param {number} [at] */
const orchestration = (inner, part, at) => event({ orchestrationTrace: inner }, part, at);
/** @param {object} input @param {object} [part] @param {number} [at] */
const invocation = (input, part, at) => orchestration({ invocationInput: input }, part, at);
/** @param {object} seen @param {object} [part] @param {number} [at] */
const observation = (seen, part, at) => orchestration({ observation: seen }, part, at);
/** @param {AgentEvent} one */
const infoOf = ({ source, event }) =>
  /** @type {import('../../web/trace/bedrock-agent-event.js').TraceInfo} */ (traceInfosOf(source, event)[0]);

/** A tree in words: `kind name status (children)`. @param {Step[]} steps @returns {string[]} */
const outline = (steps, indent = '') =>
  steps.flatMap(({ kind, name, status, children }) => [
    `${indent}${kind}: ${name.slice(0, 30).trim()} ${status}`,
    ...outline(children, `${indent}  `),
  ]);

describe('a recorded trace', () => {
  test('of an answer: an input and its output are one step, timed by Bedrock', () => {
    const { tree, usage } = recorded('answer');
    assert.deepEqual(
      tree.steps.map(({ kind }) => kind),
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
    assert.equal(tree.modelCalls, 4);
    assert.deepEqual(tree.tokens, { input: usage?.inputTokens, output: usage?.outputTokens });
    const [pre, model, rationale, lookup] = tree.steps;
    assert.deepEqual([pre?.duration, model?.duration, lookup?.duration], [180, 260, 240]);
    assert.equal(lookup?.events.length, 2);
    assert.deepEqual([pre?.estimated, rationale?.estimated, rationale?.duration], [false, true, undefined]);
    assert.ok(pre && model && Math.abs((model.start ?? 0) - (pre.end ?? 0)) < 1, 'one begins where the other ends');
    assert.ok(tree.steps.every(({ status }) => status === 'done'));
  });

  test('of a team: collaborators hold their own steps, at any depth', () => {
    const { tree, usage } = recorded('team');
    assert.deepEqual(outline(tree.steps), [
      'routing: scripted.local-model-v1:0 done',
      'collaborator: trip-planner done',
      '  model: scripted.local-model-v1:0 done',
      '  rationale: A day outside depends on the w done',
      '  collaborator: weather-desk done',
      '    model: scripted.local-model-v1:0 done',
      '    action-group: forecast › daily_forecast done',
      '    model: scripted.local-model-v1:0 done',
      '    answer: Wednesday will be dry, with 14 done',
      '  model: scripted.local-model-v1:0 done',
      '  answer: A boat on the lake in the morn done',
      'model: scripted.local-model-v1:0 done',
      'answer: My **trip planner** asked its done',
    ]);
    assert.deepEqual(tree.tokens, { input: usage?.inputTokens, output: usage?.outputTokens });
    assert.equal(tree.size, 13);
  });

  test('of a guardrail, a return of control, code, and an unknown event', () => {
    const guardrail = recorded('guardrail').tree;
    assert.deepEqual(outline(guardrail.steps), ['guardrail: Input intervened']);
    assert.equal(guardrail.steps[0]?.reason, 'topic Secrets of the handbook, content PROMPT_ATTACK · HIGH');
    assert.deepEqual([guardrail.intervened, guardrail.failed], [1, 0]);
    assert.equal(outline(recorded('tool').tree.steps).at(-1), 'return-control: weather › get_weather done');
    assert.deepEqual(
      recorded('file').tree.steps.map(({ kind }) => kind),
      ['model', 'code', 'answer'],
    );
    assert.deepEqual(outline(recorded('unknown').tree.steps), ['unknown: hologram done']);
  });

  test('says only what changed with each event', () => {
    const tree = new TraceTree(0);
    for (const one of recorded('team').events) {
      const changed = tree.add(one);
      assert.equal(changed.length, 1);
      assert.equal(changed[0]?.events.at(-1), one);
    }
  });
});

describe('an event', () => {
  /** @type {[string, AgentEvent, [string, string]][]} */
  const table = [
    [
      'pre-processing',
      event({ preProcessingTrace: { modelInvocationInput: { text: 'abc', type: 'PRE_PROCESSING' } } }),
      ['pre-processing', 'Model'],
    ],
    [
      'post-processing',
      event({ postProcessingTrace: { modelInvocationOutput: { parsedResponse: { text: 'polished' } } } }),
      ['post-processing', 'Response'],
    ],
    [
      'rationale',
      orchestration({ rationale: { text: 'I look\n it up.', traceId: 't' } }),
      ['rationale', 'I look it up.'],
    ],
    [
      'model',
      orchestration({
        modelInvocationInput: { foundationModel: 'arn:aws:bedrock:eu-central-1::foundation-model/anthropic.claude' },
      }),
      ['model', 'anthropic.claude'],
    ],
    [
      'knowledge base',
      invocation({ knowledgeBaseLookupInput: { text: 'opening hours' } }),
      ['knowledge-base', '“opening hours”'],
    ],
    [
      'action group, function',
      invocation({ actionGroupInvocationInput: { actionGroupName: 'Rooms', function: 'book' } }),
      ['action-group', 'Rooms › book'],
    ],
    [
      'action group, API',
      invocation({ actionGroupInvocationInput: { actionGroupName: 'Rooms', verb: 'post', apiPath: '/rooms/{id}' } }),
      ['action-group', 'Rooms › POST /rooms/{id}'],
    ],
    [
      'return of control',
      invocation({ actionGroupInvocationInput: { function: 'book', executionType: 'RETURN_CONTROL' } }),
      ['return-control', 'book'],
    ],
    ['code', invocation({ codeInterpreterInvocationInput: { code: 'print(1)' } }), ['code', 'print(1)']],
    [
      'collaborator',
      invocation({ agentCollaboratorInvocationInput: { agentCollaboratorName: 'Travel' } }),
      ['collaborator', 'Travel'],
    ],
    ['final response', observation({ type: 'FINISH', finalResponse: { text: 'Done.' } }), ['answer', 'Done.']],
    [
      'reprompt',
      observation({ type: 'REPROMPT', repromptResponse: { source: 'PARSER', text: 'again' } }),
      ['reprompt', 'again'],
    ],
    ['routing', event({ routingClassifierTrace: { modelInvocationOutput: {} } }), ['routing', 'Response']],
    [
      'routing to a collaborator',
      event({
        routingClassifierTrace: {
          invocationInput: { agentCollaboratorInvocationInput: { agentCollaboratorName: 'Travel' } },
        },
      }),
      ['collaborator', 'Travel'],
    ],
    ['custom orchestration', event({ customOrchestrationTrace: { event: { text: 'step 1' } } }), ['custom', 'step 1']],
    ['guardrail at rest', event({ guardrailTrace: { action: 'NONE' } }), ['guardrail', 'Nothing to object to']],
    ['unknown trace', event({ dreamTrace: { sheep: 1, electric: true } }), ['unknown', 'dreamTrace: sheep, electric']],
    ['unknown step of a known trace', orchestration({ daydream: {} }), ['unknown', 'orchestrationTrace: daydream']],
    ['unknown event', { at: 0, source: 'bedrock-agent', event: { novelty: {} } }, ['unknown', 'novelty']],
    [
      'unknown frame',
      { at: 0, source: 'NEW_CHUNK', event: { type: 'NEW_CHUNK', delta: '' } },
      ['unknown', 'NEW_CHUNK: type, delta'],
    ],
  ];
  for (const [name, one, [kind, title]] of table) {
    test(name, () => {
      const found = infoOf(one);
      assert.deepEqual([found.kind, found.name, found.status], [kind, title, undefined]);
    });
  }

  test('tells what failed, and why', () => {
    /** @type {[AgentEvent, string, string, string][]} */
    const failures = [
      [
        event({ failureTrace: { failureReason: 'Model timed out', failureCode: 424 } }),
        'failure',
        'failed',
        'Model timed out (424)',
      ],
      [event({ failureTrace: {} }), 'failure', 'failed', 'No reason given'],
      [
        event({
          guardrailTrace: {
            action: 'INTERVENED',
            outputAssessments: [
              { sensitiveInformationPolicy: { piiEntities: [{ type: 'EMAIL', match: 'a@b', action: 'ANONYMIZED' }] } },
            ],
          },
        }),
        'guardrail',
        'intervened',
        'sensitive EMAIL · a@b',
      ],
      [
        event({
          preProcessingTrace: { modelInvocationOutput: { parsedResponse: { isValid: false, rationale: 'harmful' } } },
        }),
        'pre-processing',
        'intervened',
        'harmful',
      ],
      [
        observation({ codeInterpreterInvocationOutput: { executionError: 'NameError' } }),
        'code',
        'failed',
        'NameError',
      ],
      [
        observation({ codeInterpreterInvocationOutput: { executionOutput: 'half', executionTimeout: true } }),
        'code',
        'failed',
        'The code took too long',
      ],
    ];
    for (const [one, kind, status, reason] of failures) {
      const found = infoOf(one);
      assert.deepEqual([found.kind, found.status, found.reason], [kind, status, reason]);
    }
  });

  test('is a step in any shape, without an exception', () => {
    for (const shape of [
      undefined,
      null,
      7,
      'x',
      [],
      {},
      { trace: null },
      { trace: 7 },
      { trace: {} },
      { trace: { trace: null } },
      { trace: { trace: { orchestrationTrace: null } } },
      { trace: { trace: { guardrailTrace: 7 } } },
      { trace: { callerChain: [null, {}, 7], collaboratorName: 'X', trace: {} } },
      { trace: { trace: { orchestrationTrace: { observation: 7, invocationInput: null } } } },
    ]) {
      const tree = treeOf([{ at: 5, source: 'bedrock-agent', event: shape }]);
      assert.ok(tree.size >= 1, JSON.stringify(shape));
      for (const step of tree.steps) assert.ok(Array.isArray(sectionsOf(step)));
    }
  });

  test('has a name of one short line, however long the text', () => {
    const { name } = infoOf(event({ customOrchestrationTrace: { event: { text: 'x\n'.repeat(1_000_000) } } }));
    assert.ok(name.length <= 161 && name.endsWith('…') && !name.includes('\n'));
  });
});

describe('the tree', () => {
  const action = (/** @type {string} */ name, /** @type {string | undefined} */ traceId) => ({
    traceId,
    actionGroupInvocationInput: { actionGroupName: name },
  });
  const result = (
    /** @type {string} */ text,
    /** @type {string | undefined} */ traceId,
    /** @type {object} */ metadata = {},
  ) => ({ traceId, actionGroupInvocationOutput: { text, metadata } });

  test('pairs by trace id, and in order where an iteration makes several calls', () => {
    const tree = treeOf([
      invocation(action('a', '1')),
      invocation(action('b', '2')),
      invocation(action('c', '2')),
      observation(result('B', '2')),
      observation(result('A', '1')),
      observation(result('C', '2')),
    ]);
    const results = tree.steps.map(
      ({ name, events }) => `${name}${JSON.stringify(events[1]?.event).match(/"text":"(.)"/)?.[1]}`,
    );
    assert.deepEqual(results, ['aA', 'bB', 'cC']);
  });

  test('keeps an output without an input, and an input whose output is to come', () => {
    const tree = treeOf([observation(result('A', '1')), invocation(action('b', '2'), {}, 50)]);
    assert.deepEqual(outline(tree.steps), ['action-group: Result done', 'action-group: b running']);
    assert.equal(tree.running.size, 1);
    const [left] = tree.end('unfinished', 80);
    assert.deepEqual([left?.name, left?.status, left?.duration, tree.running.size], ['b', 'unfinished', 30, 0]);
  });

  test('estimates times from the sending of events, else from their arrival', () => {
    const sent = treeOf([
      invocation(action('a', '1'), { eventTime: '2026-11-23T10:00:00.100Z' }, 100),
      observation(result('A', '1'), { eventTime: '2026-11-23T10:00:00.350Z' }, 900),
    ]).steps[0];
    assert.deepEqual([sent?.start, sent?.end, sent?.duration, sent?.estimated], [100, 350, 250, true]);
    const arrived = treeOf([invocation(action('a', '1'), {}, 100), observation(result('A', '1'), {}, 900)]).steps[0];
    assert.deepEqual([arrived?.start, arrived?.end, arrived?.duration, arrived?.estimated], [100, 900, 800, true]);
    const measured = treeOf([
      invocation(action('a', '1'), {}, 100),
      observation(result('A', '1', { totalTimeMs: 700 }), {}, 900),
    ]).steps[0];
    assert.deepEqual([measured?.start, measured?.end, measured?.duration, measured?.estimated], [200, 900, 700, false]);
  });

  test("takes Bedrock's total of a final response for no step of its own", () => {
    const metadata = (/** @type {number} */ from, /** @type {number} */ to) => ({
      startTime: new Date(Date.UTC(2026, 0, 1) + from).toISOString(),
      endTime: new Date(Date.UTC(2026, 0, 1) + to).toISOString(),
      totalTimeMs: to - from,
    });
    const model = { modelInvocationOutput: { metadata: metadata(100, 1700) } };
    const final = { finalResponse: { text: 'Done', metadata: { ...metadata(0, 2800), operationTotalTimeMs: 2800 } } };
    for (const part of [{}, { collaboratorName: 'Travel' }]) {
      for (const outer of ['orchestrationTrace', 'routingClassifierTrace']) {
        const tree = treeOf([event({ [outer]: model }, part), event({ [outer]: { observation: final } }, part)]);
        const [first, last] = 'collaboratorName' in part ? (tree.steps[0]?.children ?? []) : tree.steps;
        assert.equal(first?.duration, 1600);
        assert.deepEqual(
          [last?.kind, last?.duration, last?.total, last && last.end === last.start],
          ['answer', undefined, 2800, true],
        );
      }
    }
    const [silent] = treeOf([observation({ finalResponse: { text: 'Done' } })]).steps;
    assert.deepEqual([silent?.duration, silent?.total], [undefined, undefined]);
  });

  test('marks the step that a failure belongs to, with its reason and code', () => {
    const tree = treeOf([
      invocation(action('a', '1')),
      event({ failureTrace: { traceId: '1', failureReason: 'Lambda timed out', failureCode: 424 } }, {}, 20),
    ]);
    assert.deepEqual(outline(tree.steps), ['action-group: a failed', 'failure: Failure failed']);
    assert.deepEqual(
      tree.steps.map(({ reason }) => reason),
      ['Lambda timed out (424)', 'Lambda timed out (424)'],
    );
    assert.equal(tree.failed, 2);
  });

  test('gives a collaborator whose invocation was not traced a step, and finds the one that is called again', () => {
    const part = {
      collaboratorName: 'Travel',
      callerChain: [{ agentAliasArn: 'arn:a/S/1' }, { agentAliasArn: 'arn:a/T/1' }],
    };
    const call = invocation({
      agentCollaboratorInvocationInput: { agentCollaboratorName: 'Travel', agentCollaboratorAliasArn: 'arn:a/T/1' },
    });
    const answer = observation({
      agentCollaboratorInvocationOutput: {
        agentCollaboratorName: 'Travel',
        metadata: { usage: { inputTokens: 9, outputTokens: 9 } },
      },
    });
    const thought = orchestration({ rationale: { text: 'x' } }, part);
    const tree = treeOf([thought, answer, call, thought, thought, answer]);
    assert.deepEqual(
      tree.steps.map(({ name, status, children }) => [name, status, children.length]),
      [
        ['Travel', 'done', 1],
        ['Travel', 'done', 2],
      ],
    );
    assert.deepEqual(
      tree.tokens,
      { input: 0, output: 0 },
      'the tokens of a collaborator are those of its own model calls',
    );
    assert.equal(
      treeOf([orchestration({ rationale: { text: 'x' } }, { collaboratorName: 'Travel' })]).steps[0]?.children.length,
      1,
      'by its name alone',
    );
  });

  test('takes twice as long for twice as many events', () => {
    // Processor time, and the least of some, since the machine may be busy.
    const cost = (/** @type {number} */ pairs) => {
      const events = Array.from({ length: pairs }, (_, i) => [
        invocation(action('a', `${i}`), {}, i),
        observation(result('A', `${i}`), {}, i),
      ]).flat();
      return Math.min(
        ...Array.from({ length: 3 }, () => {
          const before = process.cpuUsage();
          assert.equal(treeOf(events).size, pairs);
          const { user, system } = process.cpuUsage(before);
          return user + system;
        }),
      );
    };
    cost(1000);
    const [some, many] = [cost(2500), cost(10_000)];
    assert.ok(many < 10 * some, `four times as many took ${(many / some).toFixed(1)} times as long`);
  });
});

describe('an opened step', () => {
  /** @param {AgentEvent} one */
  const opened = (one) =>
    sectionsOf(/** @type {Step} */ (treeOf([one]).steps[0])).map((section) => [
      section.title,
      'text' in section ? section.text : section.rows.map((row) => row.join(': ')).join('; '),
    ]);

  test('has what was asked and what came of it', () => {
    const [, model, rationale, lookup, , , action] = recorded('answer').tree.steps;
    const titles = (/** @type {Step | undefined} */ step) => (step ? sectionsOf(step).map(({ title }) => title) : []);
    assert.deepEqual(titles(model), ['System prompt', 'Prompt, user', 'Response', 'Facts']);
    assert.deepEqual(titles(rationale), ['Text', 'Facts']);
    assert.deepEqual(titles(lookup), ['Query', 'Passage 1 · limits.md', 'Passage 2 · after-the-response.md', 'Facts']);
    assert.deepEqual(titles(action), ['Parameters', 'Result', 'Facts']);
    assert.deepEqual(titles(recorded('guardrail').tree.steps[0]), ['Assessments', 'Facts']);
    assert.deepEqual(titles(recorded('file').tree.steps[1]), ['Code', 'Output', 'Facts']);
  });

  test('shows reasoning, scores, bodies and failures', () => {
    assert.deepEqual(
      opened(
        orchestration({
          modelInvocationOutput: {
            reasoningContent: { reasoningText: { text: 'hm' } },
            rawResponse: { content: '{"a":1}' },
          },
        }),
      ),
      [
        ['Reasoning', 'hm'],
        ['Response', '{\n  "a": 1\n}'],
        ['Facts', 'Agent: a'],
      ],
    );
    assert.deepEqual(
      opened(
        observation({
          knowledgeBaseLookupOutput: { retrievedReferences: [{ content: { text: 'p' }, metadata: { score: 0.8312 } }] },
        }),
      )[0],
      ['Passage 1 · Source without an address · score 0.831', 'p'],
    );
    assert.deepEqual(
      opened(
        invocation({ actionGroupInvocationInput: { requestBody: { content: { 'application/json': [] } } } }),
      )[0]?.[0],
      'Request body',
    );
    assert.deepEqual(opened(event({ failureTrace: { failureReason: 'no', failureCode: 500 } })), [
      ['Failure', 'no'],
      ['Facts', 'Failure code: 500; Agent: a'],
    ]);
  });

  test('shows the whole JSON of what is not known', () => {
    assert.deepEqual(JSON.parse(opened(event({ dreamTrace: { sheep: 1 } }))[0]?.[1] ?? ''), {
      trace: { sessionId: 's', agentId: 'a', trace: { dreamTrace: { sheep: 1 } } },
    });
  });
});

test('a step is found by its kind, name, and any word of its events', () => {
  const step = /** @type {Step} */ (
    treeOf([orchestration({ rationale: { text: `${'x '.repeat(200)}Needle "quoted"`, n: 4711 } })]).steps[0]
  );
  for (const words of ['', '  ', 'needle "QUOTED"', '4711', 'rationale', 'sessionid'])
    assert.equal(matches(step, 'Rationale', words), true, words);
  for (const words of ['hay', 'Needle  "']) assert.equal(matches(step, 'Rationale', words), false, words);
});

describe('a trace file', () => {
  test('gives back the same tree', () => {
    const { events, tree } = recorded('team');
    const turn = /** @type {const} */ ({
      prompt: 'p',
      status: 'done',
      failure: undefined,
      sentAt: 1000,
      firstTextAt: 1500,
      endedAt: 2500,
    });
    const again = traceOf(
      traceFile({ ...turn, events: events.map((one) => ({ ...one, at: one.at + 1000 })) }),
      'x.json',
    );
    assert.deepEqual(
      [again.prompt, again.status, again.sentAt, again.firstTextAt, again.endedAt],
      ['p', 'done', 0, 500, 1500],
    );
    assert.deepEqual(
      again.events.map(({ at, source, event }) => ({ at, source, event })),
      events,
    );
    assert.deepEqual(outline(treeOf(again.events).steps), outline(tree.steps));
  });

  test('of an agent that was still at work has no end', () => {
    const [first] = recorded('team').events;
    const turn = /** @type {const} */ ({
      prompt: 'p',
      status: 'running',
      failure: undefined,
      sentAt: 0,
      firstTextAt: undefined,
      endedAt: undefined,
    });
    assert.equal(traceOf(traceFile({ ...turn, events: first ? [first] : [] }), 'x.json').status, 'interrupted');
  });

  test('may be a list as other clients save it', () => {
    const part = { sessionId: 's', trace: { orchestrationTrace: { rationale: { text: 'why' } } } };
    for (const saved of [[part], [{ trace: part }], { events: [{ trace: part }] }]) {
      const { events, prompt } = traceOf(JSON.stringify(saved), 'boto.json');
      assert.deepEqual(outline(treeOf(events).steps), ['rationale: why done']);
      assert.equal(prompt, 'boto.json');
    }
  });

  test('that is none is refused with a reason', () => {
    for (const [text, reason] of /** @type {[string, RegExp][]} */ ([
      ['<html>', /is not JSON/],
      ['{}', /has no trace events/],
      ['[1, null]', /has no trace events/],
      ['{"agentRelayTrace": 2}', /version 2/],
    ])) {
      assert.throws(
        () => traceOf(text, 'f.json'),
        (error) => error instanceof TraceFileError && reason.test(error.message) && error.message.startsWith('f.json'),
      );
    }
  });
});

describe('sources', () => {
  /** @param {object} location @param {string} text */
  const reference = (location, text = 'passage') => ({ content: { text }, location });
  /** @param {...object} references */
  const citation = (...references) => ({ generatedResponsePart: {}, retrievedReferences: references });

  test('each once, in the order of their first mention, named after the file', () => {
    const handbook = reference({ type: 'S3', s3Location: { uri: 's3://bucket/docs/hand%20book.pdf' } });
    const page = reference({ type: 'WEB', webLocation: { url: 'https://example.com/a/limits.html' } });
    const sources = sourcesOf([citation(handbook, page), citation(handbook), citation()]);
    assert.deepEqual(sources, [
      {
        label: 'hand%20book.pdf',
        where: 's3://bucket/docs/hand%20book.pdf',
        href: undefined,
        excerpt: 'passage',
        score: undefined,
      },
      {
        label: 'limits.html',
        where: 'https://example.com/a/limits.html',
        href: 'https://example.com/a/limits.html',
        excerpt: 'passage',
        score: undefined,
      },
    ]);
  });

  test('every kind of location has its address', () => {
    for (const [location, where] of /** @type {[object, string][]} */ ([
      [{ confluenceLocation: { url: 'https://c/1' } }, 'https://c/1'],
      [{ salesforceLocation: { url: 'https://s/1' } }, 'https://s/1'],
      [{ sharePointLocation: { url: 'https://p/1' } }, 'https://p/1'],
      [{ kendraDocumentLocation: { uri: 'kendra-1' } }, 'kendra-1'],
      [{ customDocumentLocation: { id: 'doc-1' } }, 'doc-1'],
      [{ sqlLocation: { query: 'select 1' } }, 'select 1'],
      [{ type: 'NEW' }, ''],
    ])) {
      assert.equal(sourcesOf([citation(reference(location))])[0]?.where, where);
    }
  });

  test('only http and https become links', () => {
    for (const url of [
      'javascript:alert(1)',
      'data:text/html,x',
      ' javascript:alert(1)',
      'ftp://x/y',
      's3://b/k',
      '//x/y',
      'x',
    ]) {
      assert.equal(sourcesOf([citation(reference({ webLocation: { url } }))])[0]?.href, undefined, url);
    }
  });

  test('of any shape are read without an exception', () => {
    assert.deepEqual(sourcesOf([null, 7, {}, { retrievedReferences: 'x' }]), []);
    assert.equal(sourcesOf([citation({})])[0]?.label, 'Source without an address');
    assert.equal(
      sourcesOf([citation(reference({ webLocation: { url: 'https://x/%E0%A4%A' } }))])[0]?.label,
      '%E0%A4%A',
    );
  });
});

describe('numbers and lines', () => {
  test('durations', () => {
    const spans = /** @type {[number, string][]} */ ([
      [0, '0 ms'],
      [999.4, '999 ms'],
      [999.6, '1.0 s'],
      [59_940, '59.9 s'],
      [59_960, '1 min 0 s'],
      [125_000, '2 min 5 s'],
    ]);
    for (const [ms, words] of spans) assert.equal(duration(ms), words);
  });

  test('counts', () => {
    assert.equal(counted(1, 'chunk'), '1 chunk');
    assert.equal(counted(1204, 'chunk'), '1,204 chunks');
  });

  test('one line never ends in a lone surrogate', () => {
    assert.equal(oneLine('ab👋cd', 3), 'ab…');
    assert.equal(oneLine('  a\n\n b ', 10), 'a b');
    assert.equal(oneLine('exact', 5), 'exact');
  });
});
