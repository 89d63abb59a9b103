// Conformance of the frames with AG-UI for a harness: what the relay sends for every scenario of the
// scripted harness is valid for both protocol versions in use, and replays through both clients.
//
// What is to be said is not written down here: it is what the harness' own event stream says, decoded
// and put together by another implementation than the relay's.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkFrames, messagesOf, named, ofType, replay } from './agui-checks.mjs';
import { record, runAgentInput, startLocal, textOf } from './agui-support.mjs';

const TIMELINES = fileURLToPath(new URL('../../local-aws/scenarios/harness', import.meta.url));
const ARN = 'arn:aws:bedrock-agentcore:us-east-1:000000000000:harness/local_harness-LOCALHARN1';

/** The code of each exception, and whether it can come inside a stream. */
const EXCEPTIONS = {
  accessDeniedException: ['access_denied'],
  authorizationDenied: ['access_denied'],
  internalServerException: ['internal_server', true],
  resourceNotFoundException: ['resource_not_found'],
  retryableConflictException: ['conflict'],
  runtimeClientError: ['dependency_failed', true],
  serviceQuotaExceededException: ['service_quota_exceeded'],
  throttlingException: ['throttling'],
  unauthorizedException: ['access_denied'],
  validationException: ['validation', true],
};

const LIMITS = [
  'max_tokens',
  'max_output_tokens_exceeded',
  'model_context_window_exceeded',
  'max_iterations_exceeded',
  'timeout_exceeded',
];
const FAILURES = ['malformed_model_output', 'malformed_tool_use', 'interrupted', 'partial_turn', 'hook_stopped'];
const OTHERS = ['guardrail_intervened', 'content_filtered', 'stop_sequence', 'brand_new_reason'];

const TOOLS = ['get_weather', 'refund_order', 'find_free_slot', 'read_stock', 'book_slot'];

/**
 * The prompts of every scenario, and what is special about each: the `code` that its run ends with, the
 * names of its `calls` of the client, run by run, whether their results are `acknowledged` in the end, and
 * whether the prompt is `refused` before it is answered.
 */
const SCENARIOS = {
  '/tokens': { '/tokens 50 200': {}, '/tokens 30 0 40': {} },
  '/slow': { '/slow 1': {} },
  '/pause': { '/pause 3 1': {} },
  '/emoji': { '/emoji': {} },
  '/single': { '/single': {} },
  '/think': { '/think': {} },
  '/work': { '/work': {} },
  '/trace': { '/trace 1': {}, '/trace 100': {} },
  '/hook': {
    '/hook': {},
    '/hook allow': {},
    '/hook deny': {},
    '/hook failed': { code: 'connection_lost' },
  },
  '/tool': {
    '/tool': { calls: [['get_weather']] },
    '/tool 3': { calls: TOOLS.slice(0, 3).map((name) => [name]) },
    '/tool 3 together': { calls: [TOOLS.slice(0, 3)] },
    '/tool 5 together': { calls: [TOOLS] },
    '/tool empty': { calls: [['find_free_slot']] },
    '/tool text': { calls: [['write_note']] },
    '/tool untyped': { calls: [['get_weather']] },
    '/tool late': { calls: [['get_weather']] },
    '/tool denied': {},
  },
  '/limit': {
    ...Object.fromEntries(LIMITS.map((reason) => [`/limit ${reason}`, { code: 'limit_reached' }])),
    ...Object.fromEntries(FAILURES.map((reason) => [`/limit ${reason}`, { code: 'dependency_failed' }])),
    ...Object.fromEntries(OTHERS.map((reason) => [`/limit ${reason}`, {}])),
  },
  '/guardrail': { '/guardrail': {} },
  '/error': Object.fromEntries(
    Object.entries(EXCEPTIONS).flatMap(([name, [code, inStream]]) => [
      [`/error ${name}`, { code }],
      ...(inStream ? [0, 3].map((pieces) => [`/error ${name} ${pieces}`, { code }]) : []),
    ]),
  ),
  '/refuse': {
    '/refuse throttlingException 2': { refused: true },
    '/refuse retryableConflictException': { refused: true },
    '/refuse runtimeClientError': { refused: true, code: 'dependency_failed' },
  },
  '/cut': { '/cut 0': { code: 'connection_lost' }, '/cut 3': { code: 'connection_lost' } },
  '/corrupt': { '/corrupt 3': { code: 'connection_lost' } },
  '/unknown': { '/unknown': {} },
  '/odd': {
    '/odd start': {},
    '/odd indices': {},
    '/odd untyped': {},
    '/odd members': {},
    '/odd unstopped': { code: 'connection_lost' },
    '/odd empty': { code: 'connection_lost' },
  },
  '/play': {
    '/play work.jsonl --speed 0': {},
    '/play tool.jsonl --speed 10': { calls: TOOLS.map((name) => [name]), acknowledged: false },
  },
  '/help': { '/help': {}, '/nonsense': {} },
};

/** The events that structure a run, and the deltas that its own frames carry. */
const OF_A_TRACE = ['messageStart', 'contentBlockStart', 'messageStop', 'metadata', 'hookEvent'];
const DELTAS = ['text', 'reasoningContent', 'toolUse', 'toolResult'];

// The scripted harness takes its time as a real one does, so that the runs are done side by side.
const AT_ONCE = 12;

describe('frames of a harness are AG-UI events', { concurrency: AT_ONCE, timeout: 180_000 }, () => {
  let local;
  before(async () => {
    // A run may still be ending at the function while the client's next message is there.
    local = await startLocal('--source', 'harness', '--timelines', TIMELINES, '--concurrency', String(2 * AT_ONCE));
  });
  after(() => local?.stop());

  it('of every scenario that there is, and of every kind of it', async () => {
    const { text } = await conforms('/help');
    const rows = [...text.matchAll(/^\| `(\/\w+)[^`]*` \| (.*) \|$/gm)];
    assert.deepEqual(
      rows.map(([, name]) => name),
      Object.keys(SCENARIOS),
    );
    for (const [, name, what] of rows) {
      const prompts = Object.keys(SCENARIOS[name]).join('\n');
      const kinds = [...what.matchAll(/`(?:[^`]* )?([a-z]+)`/g)].map(([, kind]) => kind);
      assert.deepEqual(
        kinds.filter((kind) => !prompts.includes(kind)),
        [],
        `kinds of ${name}`,
      );
    }
    for (const [prompt, expected] of [
      ['/error teapot', Object.keys(EXCEPTIONS)],
      ['/error throttling 3', Object.keys(EXCEPTIONS).filter((name) => EXCEPTIONS[name][1])],
    ]) {
      const [reason] = (await conforms(prompt)).text.split('\n');
      const names = [...reason.matchAll(/`(\w+)`/g)].map(([, name]) => name).filter((name) => name !== 'teapot');
      assert.deepEqual(
        names.filter((name) => name in EXCEPTIONS),
        expected,
        reason,
      );
      assert.deepEqual(
        names.filter((name) => /Exception$|Error$|Denied$/.test(name)),
        expected,
        reason,
      );
    }
  });

  const all = [['hello', {}], ...Object.values(SCENARIOS).flatMap(Object.entries)];
  for (const trace of [false, true]) {
    for (const [prompt, special] of all) {
      it(`${prompt}, ${trace ? 'with' : 'without'} its trace`, async () => {
        const run = await conforms(prompt, { ...special, trace });
        assert.equal(run.turns, (special.calls?.length ?? 0) + 1, 'one run for each hand-over, and one more');
      });
    }
  }

  it('/work has two texts before tools and one after them, which are messages of their own', async () => {
    const { events } = await conforms('/work', { trace: true });
    const kinds = events
      .map(({ type }) => type)
      .filter((type, index, all) => type !== 'RAW' && !(all[index - 1] === type && type.endsWith('CHUNK')));
    const tool = ['TOOL_CALL_CHUNK', 'TOOL_CALL_RESULT'];
    const thought = ['REASONING_START', 'REASONING_MESSAGE_CHUNK', 'REASONING_END'];
    const said = ['TEXT_MESSAGE_CHUNK'];
    assert.deepEqual(kinds, [
      'RUN_STARTED',
      ...thought,
      ...said,
      ...tool,
      ...said,
      ...tool,
      ...tool,
      ...thought,
      ...tool,
      ...said,
      'RUN_FINISHED',
    ]);
    assert.equal(idsOf(ofType(events, 'TEXT_MESSAGE_CHUNK')).length, 3);
    const failed = ofType(events, 'TOOL_CALL_RESULT').map(({ metadata }) => metadata.relay.failed);
    assert.deepEqual(failed, [undefined, true, undefined, undefined]);
  });

  it('/trace 100, whose result comes in fragments', async () => {
    const { frames, events } = await conforms('/trace 100', { trace: true });
    const fragments = named(
      frames.map((frame) => JSON.parse(frame)),
      'relay.fragment',
    );
    assert.ok(fragments.length >= 4, `${fragments.length} fragments`);
    const [{ content }] = ofType(events, 'TOOL_CALL_RESULT');
    assert.ok(Buffer.byteLength(content) > 100 * 1024 - 4, `the result has ${content.length} characters`);
  });

  it('/emoji, in whole characters', async () => {
    const { text } = await conforms('/emoji');
    assert.match(text, /\p{Extended_Pictographic}/u);
    assert.doesNotMatch(text, /\u{fffd}/u);
  });

  it('/error runtimeClientError 3, whose words nobody is shown', async () => {
    for (const prompt of ['/error runtimeClientError', '/error runtimeClientError 3']) {
      const { frames } = await conforms(prompt, { code: 'dependency_failed', trace: true });
      assert.doesNotMatch(frames.join(''), /foundation-model|execution role of the harness/);
    }
  });

  for (const [what, message] of Object.entries({
    'attributes of a session': runAgentInput('hello', { forwardedProps: { sessionAttributes: { plan: 'gold' } } }),
    'attributes of a prompt': runAgentInput('hello', {
      forwardedProps: { promptSessionAttributes: { page: 'Orders' } },
    }),
    'the end of a session': runAgentInput('hello', { forwardedProps: { endSession: true } }),
    'tools, in the short form': { prompt: 'hello', tools: [] },
  })) {
    it(`an invalid request: ${what}`, async () => {
      const events = checkFrames(await record(local, message), { code: 'invalid_request' });
      assert.equal(events.length, 1);
      assert.ok(events[0].message.length > 20, events[0].message);
      for (const { complaints, ends } of await replay(events, runAgentInput('hello'))) {
        assert.deepEqual([complaints, ends], [[], events]);
      }
    });
  }

  it("what a client sends for other agents changes nothing: tools, model, system prompt, skills, and the short form's e-mail address", async () => {
    const ignored = {
      tools: [{ name: 'rm', description: 'Removes everything', parameters: {} }],
      model: { bedrockModelConfig: {} },
      systemPrompt: [{ text: 'Obey.' }],
      skills: [],
      state: { tools: 1 },
    };
    const input = runAgentInput('/slow 0', { ...ignored, forwardedProps: { ...ignored } });
    assert.match(textOf(checkFrames(await record(local, input), { runId: input.runId })), /\bturn 1\b/);
    const run = await record(local, { prompt: '/slow 0', email: 'ada@example.com' });
    assert.match(textOf(checkFrames(run, {})), /\bturn 1\b/);
  });

  /**
   * Runs the prompt, answers all that it asks its client for, run by run, and checks all that holds for
   * every run. Returns the first run, its text, and how many runs there were.
   */
  async function conforms(prompt, { trace = false, code, calls = [], acknowledged = true, refused = false } = {}) {
    const input = runAgentInput(prompt, { forwardedProps: { trace } });
    const [run, said] = await Promise.all([record(local, input), saidByHarness(local, prompt)]);
    const events = checkFrames(run, { runId: input.runId, code });
    const [first] = events;
    assert.deepEqual([first.type, first.threadId, first.runId], ['RUN_STARTED', input.threadId, input.runId]);
    const told = toldBy(said);
    if (!refused) checkSaid(events, told, trace);
    const messages = await checkReplay(events, { input, code });

    // The rest of the turn: each run's calls are answered with its successor.
    let open = unanswered(events);
    let [answered, turns] = [messages, 1];
    for (const names of calls) {
      assert.deepEqual(
        open.map(({ toolCallName }) => toolCallName),
        names,
      );
      assert.ok(
        open.every(({ toolCallId }) => !said.some(({ body }) => Buffer.from(body).includes(toolCallId))),
        "no id of the harness' own",
      );
      const results = open.map(({ toolCallId, toolCallName }) => ({
        id: crypto.randomUUID(),
        role: 'tool',
        toolCallId,
        content: `result of ${toolCallName}`,
      }));
      const next = runAgentInput('', {
        threadId: input.threadId,
        messages: [...answered, ...results],
        forwardedProps: { trace },
      });
      const following = checkFrames(await record(local, next), { runId: next.runId });
      checkShape(following, trace);
      answered = await checkReplay(following, { input: next });
      open = unanswered(following);
      turns += 1;
      if (open.length > 0 || !acknowledged) continue;
      const heard = [...textOf(following).matchAll(/^- `(\w+)` returned `(.*)`\.$/gm)];
      assert.deepEqual(
        heard.map(([, name, result]) => [name, result]),
        calls.flat().map((name) => [name, `result of ${name}`]),
      );
    }
    assert.deepEqual(open, [], 'nothing else is asked of the client');
    return { ...run, events, text: textOf(events), turns };
  }
});

/** What holds for every run of a harness, whatever was said in it. */
function checkShape(events, trace) {
  for (const [index, { type, toolCallId, messageId }] of events.entries()) {
    if (type === 'TOOL_CALL_RESULT') {
      const before = events[index - 1];
      assert.deepEqual([before.type, before.toolCallId], ['TOOL_CALL_CHUNK', toolCallId], 'a result follows its call');
    }
    if (type.startsWith('REASONING_') && type !== 'REASONING_START') {
      const before = events[index - 1];
      assert.ok(
        before.type === 'REASONING_START' || before.type === 'REASONING_MESSAGE_CHUNK',
        `${type} after ${before.type}`,
      );
      assert.equal(before.messageId, messageId);
    }
  }
  assert.equal(
    new Set(ofType(events, 'TOOL_CALL_CHUNK').map(({ toolCallId }) => toolCallId)).size,
    ofType(events, 'TOOL_CALL_CHUNK').length,
  );
  // A call is the client's when the run ends without its result, and then nothing comes after it.
  const open = unanswered(events);
  assert.deepEqual(events.slice(events.length - 1 - open.length, -1), open);
  // No two messages share an id, of whatever kind they are.
  const ids = [
    idsOf(ofType(events, 'TEXT_MESSAGE_CHUNK')),
    idsOf(ofType(events, 'REASONING_START')),
    idsOf(ofType(events, 'TOOL_CALL_RESULT')),
  ].flat();
  assert.equal(new Set(ids).size, ids.length);
  if (!trace) {
    const kinds = new Set(events.map(({ type }) => type));
    for (const type of ['REASONING_START', 'REASONING_MESSAGE_CHUNK', 'REASONING_END', 'TOOL_CALL_RESULT'])
      assert.ok(!kinds.has(type), type);
    assert.deepEqual(
      ofType(events, 'RAW')
        .flatMap(({ event }) => Object.keys(event))
        .filter((name) => OF_A_TRACE.includes(name)),
      [],
    );
  }
  for (const { source } of ofType(events, 'RAW')) assert.equal(source, 'agentcore-harness');
}

/** Compares a run's frames with what the harness itself told. */
function checkSaid(events, told, trace) {
  checkShape(events, trace);
  assert.deepEqual(
    saidIn(events),
    trace ? told.items : joined(told.items.filter(({ kind }) => kind === 'text' || kind === 'asked')),
  );
  const names = ofType(events, 'RAW').map(({ event }) => Object.keys(event)[0]);
  assert.deepEqual(
    names,
    told.raw.filter(({ isOfTrace }) => trace || !isOfTrace).map(({ name }) => name),
  );
  const last = events.at(-1);
  if (last.type === 'RUN_FINISHED') assert.equal(last.metadata.relay.stopReason, told.stopReason);
  if (last.code === 'limit_reached') {
    assert.equal(last.metadata.relay.stopReason, told.stopReason);
    assert.equal(last.metadata.relay.retryable, false);
  }
  if (told.usage.inputTokens > 0) {
    const [{ inputTokens, outputTokens, totalTokens, cachedInputTokens = 0, cacheWriteInputTokens = 0 }] = last.usage;
    assert.deepEqual({ inputTokens, outputTokens, totalTokens, cachedInputTokens, cacheWriteInputTokens }, told.usage);
  } else {
    assert.equal(last.usage, undefined);
  }
}

/** What a run's frames say, in order: texts message by message, thoughts, tools with their results. */
function saidIn(events) {
  const messages = idsOf(ofType(events, 'TEXT_MESSAGE_CHUNK'));
  const results = new Map(ofType(events, 'TOOL_CALL_RESULT').map((result) => [result.toolCallId, result]));
  return joined(
    events.flatMap((event) => {
      const { type, delta, messageId, toolCallId, toolCallName: name } = event;
      if (type === 'TEXT_MESSAGE_CHUNK') return [{ kind: 'text', of: messages.indexOf(messageId), text: delta }];
      if (type === 'REASONING_START') return [{ kind: 'thought', text: '' }];
      if (type === 'REASONING_MESSAGE_CHUNK') return [{ kind: 'more', text: delta }];
      if (type !== 'TOOL_CALL_CHUNK') return [];
      const result = results.get(toolCallId);
      if (!result) return [{ kind: 'asked', name, input: delta }];
      return [
        { kind: 'tool', name, input: delta, result: result.content, failed: result.metadata.relay.failed === true },
      ];
    }),
  );
}

/** Puts the pieces of a message together, which come one after the other, and those of a thought. */
function joined(items) {
  const whole = [];
  for (const item of items) {
    const last = whole.at(-1);
    const goesOn = (item.kind === 'text' && last?.kind === 'text' && last.of === item.of) || item.kind === 'more';
    if (goesOn) last.text += item.text;
    else whole.push({ ...item });
  }
  return whole;
}

/** The same, and what else is known of a run, out of the events of the harness' stream. */
function toldBy(stream) {
  const items = [];
  const raw = [];
  const usage = { inputTokens: 0, outputTokens: 0, totalTokens: 0, cachedInputTokens: 0, cacheWriteInputTokens: 0 };
  const tools = new Map();
  let [texts, stopReason] = [-1, undefined];
  /** The block that each index is about, in the message that is being said. */
  let blocks = new Map();
  let hasText = false;
  const endResult = (block) => {
    const call = tools.get(block?.of);
    if (block?.kind !== 'result' || !call) return;
    tools.delete(block.of);
    items.push({ kind: 'tool', name: call.name, input: call.input || '{}', result: block.text, failed: block.failed });
  };
  for (const { headers, body } of stream) {
    const name = headers[':event-type']?.value;
    if (headers[':message-type']?.value !== 'event') continue;
    const written = Buffer.from(body).toString('utf8');
    const payload = JSON.parse(written);
    const { contentBlockIndex: index, start, delta } = payload;
    if (name === 'contentBlockDelta') {
      const [kind] = Object.keys(delta);
      // What is inside of a block and not known may be of a tool or a thought.
      if (!DELTAS.includes(kind)) raw.push({ name, isOfTrace: true });
    } else if (name !== 'contentBlockStop') {
      raw.push({ name, isOfTrace: OF_A_TRACE.includes(name) });
    }
    if (name === 'messageStart') [blocks, hasText] = [new Map(), false];
    if (name === 'contentBlockStart' && start?.toolUse) {
      const call = { kind: 'call', name: start.toolUse.name, input: '' };
      tools.set(start.toolUse.toolUseId, call);
      blocks.set(index, call);
    }
    if (name === 'contentBlockStart' && start?.toolResult) {
      blocks.set(index, {
        kind: 'result',
        of: start.toolResult.toolUseId,
        text: '',
        failed: start.toolResult.status === 'error',
      });
    }
    if (name === 'contentBlockDelta' && delta?.text) {
      if (!hasText) texts += 1;
      hasText = true;
      items.push({ kind: 'text', of: texts, text: delta.text });
    }
    if (name === 'contentBlockDelta' && delta?.reasoningContent?.text) {
      const block = blocks.get(index);
      if (block?.kind === 'thought') block.item.text += delta.reasoningContent.text;
      else {
        const item = { kind: 'thought', text: delta.reasoningContent.text };
        items.push(item);
        blocks.set(index, { kind: 'thought', item });
      }
    }
    if (name === 'contentBlockDelta' && delta?.toolUse) blocks.get(index).input += delta.toolUse.input ?? '';
    if (name === 'contentBlockDelta' && Array.isArray(delta?.toolResult)) {
      const block = blocks.get(index);
      // Digit by digit, as it was written.
      const pieces = [...written.matchAll(/"json":(\{.*?\})(?=\},\{"text"|\}\])/g)].map(([, json]) => json);
      for (const { text } of delta.toolResult) block.text += text ?? pieces.shift();
    }
    if (name === 'contentBlockStop') {
      endResult(blocks.get(index));
      blocks.delete(index);
    }
    if (name === 'messageStop') stopReason = payload.stopReason;
    if (name === 'metadata') {
      const {
        inputTokens,
        outputTokens,
        cacheReadInputTokens: cachedInputTokens = 0,
        cacheWriteInputTokens = 0,
        ...more
      } = payload.usage;
      const { totalTokens = inputTokens + outputTokens + cachedInputTokens + cacheWriteInputTokens } = more;
      for (const [member, tokens] of Object.entries({
        inputTokens,
        outputTokens,
        totalTokens,
        cachedInputTokens,
        cacheWriteInputTokens,
      }))
        usage[member] += tokens;
    }
  }
  if (stopReason === 'tool_use')
    for (const { name, input } of tools.values()) items.push({ kind: 'asked', name, input: input || '{}' });
  return { items: joined(items), raw, usage, stopReason };
}

/**
 * AG-UI's clients make the right messages of the run, in the right order, tell its end right, and
 * complain of nothing. Returns the messages that they made.
 */
async function checkReplay(events, { input, code }) {
  const outcomes = await replay(events, input);
  const said = saidIn(events);
  for (const { messages, ends, complaints } of outcomes) {
    assert.deepEqual(complaints, []);
    assert.deepEqual(ends, [events.at(-1)]);
    assert.equal(ends[0].code, code);
    assert.deepEqual(
      messages.slice(0, input.messages.length).map(({ id }) => id),
      input.messages.map(({ id }) => id),
      'what was there stays',
    );
    const made = messages.slice(input.messages.length);
    const ofRole = (role) => made.filter((message) => message.role === role);
    const ofKind = (...kinds) => said.filter(({ kind }) => kinds.includes(kind));

    assert.deepEqual(
      ofRole('reasoning').map(({ content }) => content),
      ofKind('thought').map(({ text }) => text),
    );
    const texts = new Map();
    for (const { of, text } of ofKind('text')) texts.set(of, (texts.get(of) ?? '') + text);
    assert.deepEqual(
      ofRole('assistant').flatMap(({ content }) => (content ? [content] : [])),
      [...texts.values()],
    );
    const calls = ofRole('assistant').flatMap(({ toolCalls = [] }) => toolCalls);
    assert.deepEqual(
      calls.map(({ function: called }) => [called.name, called.arguments]),
      ofKind('tool', 'asked').map(({ name, input }) => [name, input]),
    );
    assert.deepEqual(
      ofRole('tool').map(({ content }) => content),
      ofKind('tool').map(({ result }) => result),
    );
    assert.equal(made.length, ofRole('reasoning').length + ofRole('assistant').length + ofRole('tool').length);

    // Text after a tool stands after its result, and a result after the message that called for it.
    const places = new Map(made.map((message, place) => [message, place]));
    const placeOfText = (of) => places.get(ofRole('assistant').filter(({ content }) => content)[of]);
    let place = -1;
    let tools = 0;
    for (const item of said) {
      if (item.kind === 'text' && placeOfText(item.of) < place) {
        assert.ok(
          said.some((other) => other.kind === 'text' && other.of === item.of && other !== item),
          'only more of a message may stand before',
        );
      }
      if (item.kind === 'text') place = Math.max(place, placeOfText(item.of));
      if (item.kind === 'tool') {
        const result = ofRole('tool')[tools++];
        const caller = ofRole('assistant').find(({ toolCalls = [] }) =>
          toolCalls.some(({ id }) => id === result.toolCallId),
        );
        assert.ok(places.get(caller) < places.get(result));
        assert.ok(places.get(result) > place, 'text, then the tool');
        place = places.get(result);
      }
    }
  }
  return outcomes[0].messages;
}

/** The calls of a run that have no result: the client's. */
function unanswered(events) {
  const results = new Set(ofType(events, 'TOOL_CALL_RESULT').map(({ toolCallId }) => toolCallId));
  return ofType(events, 'TOOL_CALL_CHUNK').filter(({ toolCallId }) => !results.has(toolCallId));
}

/** The ids of messages in the order of their first frames. */
const idsOf = (events) => [...new Set(events.map(({ messageId }) => messageId))];

/**
 * The messages that the scripted harness itself streams for a prompt, in a session of its own, until
 * they end or break off; none when it refuses.
 */
async function saidByHarness(local, prompt) {
  const response = await fetch(`${local.page}/agentcore/harnesses/invoke?harnessArn=${encodeURIComponent(ARN)}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-amzn-bedrock-agentcore-runtime-session-id': `the-test-itself-${crypto.randomUUID()}`,
    },
    body: JSON.stringify({ messages: [{ role: 'user', content: [{ text: prompt }] }] }),
  });
  const received = [];
  try {
    for await (const bytes of response.body) received.push(bytes);
  } catch (error) {
    // Only this scenario may break the connection.
    if (!prompt.startsWith('/cut')) throw error;
  }
  return response.ok ? messagesOf(Buffer.concat(received), prompt.startsWith('/corrupt')) : [];
}
