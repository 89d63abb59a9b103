// What AG-UI's own clients do with every scenario there is, whoever answers and however they are connected.
//
// What a run says is not written down here: it is what the same prompt says over a WebSocket without a client, whose tests
// know the words of whoever answers.

import assert from 'node:assert/strict';
import { EventType, HttpAgent } from '@ag-ui/client';
import { checkState, messagesAfter, normalised } from './agui-model.mjs';
import { listening, reassemble, record, runAgentInput } from './agui-support.mjs';

/** The first versions with these. Without them a client takes what it does not know for a broken stream. */
export const KNOWS_REASONING = 'REASONING_START' in EventType;
export const KNOWS_INTERRUPTS = 'pendingInterrupts' in new HttpAgent({ url: 'http://127.0.0.1/' });

/** What `/play written.jsonl` plays, by who answers. */
export const TIMELINES = {
  agent: [{ turn: 1 }, { say: 'Played. ' }, { say: 'To the end.' }],
  harness: [
    { turn: 1 },
    { messageStart: { role: 'assistant' } },
    { think: 'I was written by hand.', index: 1 },
    { say: 'Played.' },
    { messageStop: { stopReason: 'end_turn' } },
  ],
  runtime: [
    { turn: 1 },
    { event: { type: 'RUN_STARTED', threadId: '${thread_id}', runId: '${run_id}' } },
    { think: 'I was written by hand.' },
    { say: 'Played.' },
    { event: { type: 'RUN_FINISHED', threadId: '${thread_id}', runId: '${run_id}' } },
  ],
};

/** The prompts of each scenario, by its first word, with the code of the error that ends some of them. */
export const PROMPTS = {
  agent: {
    '/tokens': ['/tokens 50 200', '/tokens 20 0 5', '/tokens 10000 0'],
    '/slow': ['/slow 0.3'],
    '/pause': ['/pause 3 0.3'],
    '/emoji': ['/emoji'],
    '/single': ['/single'],
    '/trace': ['/trace 1', '/trace 5120'],
    '/error': {
      '/error accessDeniedException': 'access_denied',
      '/error badGatewayException 3': 'bad_gateway',
      '/error conflictException': 'conflict',
      '/error dependencyFailedException 3': 'dependency_failed',
      '/error internalServerException 3': 'internal_server',
      '/error modelNotReadyException': 'model_not_ready',
      '/error resourceNotFoundException': 'resource_not_found',
      '/error serviceQuotaExceededException 1': 'service_quota_exceeded',
      '/error throttlingException 3': 'throttling',
      '/error validationException 0': 'validation',
    },
    '/cut': { '/cut 0': 'connection_lost', '/cut 3': 'connection_lost' },
    '/corrupt': { '/corrupt 3': 'connection_lost' },
    '/tool': ['/tool', '/tool api', '/tool team', '/tool 5'],
    '/confirm': ['/confirm', '/confirm api', '/confirm result'],
    '/file': ['/file', '/file 2'],
    '/files': ['/files'],
    '/guardrail': ['/guardrail'],
    '/team': ['/team'],
    '/unknown': ['/unknown'],
    '/play': ['/play written.jsonl --speed 0'],
    '/help': ['/help'],
    'an answer': ['hello'],
  },
  harness: {
    '/tokens': ['/tokens 50 200', '/tokens 20 0 1', '/tokens 10000 0'],
    '/slow': ['/slow 0.3'],
    '/pause': ['/pause 3 0.3'],
    '/emoji': ['/emoji'],
    '/single': ['/single'],
    '/think': ['/think'],
    '/work': ['/work'],
    '/trace': ['/trace 300'],
    '/hook': { '/hook allow': undefined, '/hook deny': undefined, '/hook failed': 'connection_lost' },
    '/tool': [
      '/tool',
      '/tool 3',
      '/tool 3 together',
      '/tool empty',
      '/tool text',
      '/tool untyped',
      '/tool late',
      '/tool denied',
    ],
    '/limit': { '/limit max_tokens': 'limit_reached', '/limit guardrail_intervened': undefined },
    '/guardrail': ['/guardrail'],
    '/error': {
      '/error throttlingException': 'throttling',
      '/error runtimeClientError 3': 'dependency_failed',
      '/error internalServerException 2': 'internal_server',
    },
    '/refuse': ['/refuse retryableConflictException 1'],
    '/cut': { '/cut 3': 'connection_lost' },
    '/corrupt': { '/corrupt 3': 'connection_lost' },
    '/unknown': ['/unknown'],
    '/odd': {
      '/odd start': undefined,
      '/odd indices': undefined,
      '/odd untyped': undefined,
      '/odd members': undefined,
      '/odd unstopped': 'connection_lost',
      '/odd empty': 'connection_lost',
    },
    '/play': ['/play written.jsonl --speed 0'],
    '/help': ['/help'],
    'an answer': ['hello'],
  },
  runtime: {
    '/tokens': ['/tokens 50 200', '/tokens 20 0', '/tokens 10000 0'],
    '/slow': ['/slow 0.3'],
    '/pause': ['/pause 3 0.3'],
    '/emoji': ['/emoji'],
    '/single': ['/single', '/single 300'],
    '/think': ['/think'],
    '/strands': ['/strands'],
    '/steps': ['/steps'],
    '/trace': ['/trace 1', '/trace 5120'],
    '/snapshot': ['/snapshot 1', '/snapshot 300'],
    '/tool': ['/tool', '/tool 2', '/tool 3'],
    '/interrupt': ['/interrupt'],
    '/error': {
      '/error accessDeniedException': 'access_denied',
      '/error internalServerException 3': 'internal_server',
      '/error runtimeClientError': 'dependency_failed',
      '/error throttlingException': 'throttling',
      '/error validationException 0': 'validation',
      '/error ACCESS_DENIED': 'access_denied',
      '/error AGENT_ERROR 2': 'dependency_failed',
      '/error INTERNAL_ERROR': 'internal_server',
      '/error RATE_LIMIT_EXCEEDED 1': 'throttling',
      '/error SERVICE_QUOTA_EXCEEDED': 'service_quota_exceeded',
      '/error SESSION_BUSY': 'conflict',
      '/error UNAUTHORIZED': 'access_denied',
      '/error VALIDATION_ERROR': 'validation',
    },
    '/refuse': ['/refuse SESSION_BUSY', '/refuse throttlingException 2'],
    '/cut': { '/cut 0': 'connection_lost', '/cut 3': 'connection_lost' },
    '/odd': {
      '/odd unknown': undefined,
      '/odd nulls': undefined,
      '/odd crlf': undefined,
      '/odd comments': undefined,
      '/odd quoted': undefined,
      '/odd chunks': undefined,
      '/odd unopened': undefined,
      '/odd words': undefined,
      '/odd failure': 'dependency_failed',
      '/odd gaveup': 'dependency_failed',
      '/odd unended': 'connection_lost',
      '/odd empty': 'connection_lost',
      '/odd json': 'bad_gateway',
    },
    '/play': ['/play written.jsonl --speed 0'],
    '/help': ['/help'],
    'an answer': ['hello'],
  },
};

/**
 * How an application converses, and what is checked of each run.
 *
 * @param {(agent: object, runId: string) => Promise<object[]>} wire the events of a run as they came, checked already
 */
export function conversing(wire) {
  /** Says something, and returns what comes of it. */
  async function ask(agent, content, parameters) {
    agent.addMessage({ id: crypto.randomUUID(), role: 'user', content });
    return run(agent, parameters);
  }

  /** Runs the agent and checks what holds for every run, in the client. */
  async function run(agent, parameters) {
    const runId = crypto.randomUUID();
    const before = structuredClone(agent.messages);
    const stateBefore = structuredClone(agent.state);
    const complaints = [];
    const ends = [];
    const { newMessages } = await listening(complaints, () =>
      agent.runAgent(
        { runId, ...parameters },
        {
          onRunFinishedEvent: ({ event }) => void ends.push(event),
          onRunErrorEvent: ({ event }) => void ends.push(event),
        },
      ),
    );
    assert.deepEqual(complaints, []);
    const events = await wire(agent, runId);

    const terminal = events.at(-1);
    assert.deepEqual(
      ends.map(({ type, code, message }) => ({ type, code, message })),
      [{ type: terminal.type, code: terminal.code, message: terminal.message }],
    );
    assert.deepEqual(agent.messages.slice(0, before.length), before, 'what was said stays as it was');
    // The client has a message for each one that was sent, with all its text and its calls, and no other.
    const ids = agent.messages.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, `a message is there twice: ${JSON.stringify(agent.messages)}`);
    assert.deepEqual(inOrder(agent.messages.map(normalised), events), inOrder(messagesAfter(before, events), events));
    assert.deepEqual(
      newMessages.map(({ id }) => id),
      ids.slice(before.length),
    );
    checkState(agent.state, stateBefore, events);
    return { events, text: textOf(newMessages), error: terminal.type === 'RUN_ERROR' ? terminal : undefined };
  }

  /** Asks, answers whatever is asked back, and finds everything as it is without a client. */
  async function walk(local, agent, prompt, { trace, code }) {
    const forwardedProps = { trace };
    const { frames } = await record(local, runAgentInput(prompt, { forwardedProps }));
    const expected = gist(reassemble(frames.map((frame) => JSON.parse(frame))));
    if (expected.reasoning !== '' && !KNOWS_REASONING) {
      await assert.rejects(
        listening([], () => ask(agent, prompt, { forwardedProps })),
        /Invalid discriminator value/,
      );
      return;
    }
    const first = await ask(agent, prompt, { forwardedProps });
    assert.equal(first.error?.code, code, JSON.stringify(first.error));
    assert.deepEqual(gist(first.events), expected);

    const interrupts = /^\/(?:confirm|interrupt)/.test(prompt);
    let last = first;
    for (let round = 0; round < 5; round += 1) {
      const resume = KNOWS_INTERRUPTS
        ? resuming(agent, { status: 'resolved', payload: { confirmed: true, result: 'done' } })
        : undefined;
      const calls = open(agent);
      if (resume?.length) {
        last = await run(agent, { resume, forwardedProps });
        assert.match(
          last.text,
          /\*\*confirmed\*\*|I have your word:\n\n- `interrupt-\w+` is resolved with `\{"confirmed":true,"result":"done"\}`/,
        );
      } else if (calls.length > 0 && !interrupts) {
        for (const call of calls) answer(agent, call, 'done');
        last = await run(agent, { forwardedProps });
        assert.match(last.text || 'returned `done`', /returned `done`/);
      } else {
        break;
      }
      assert.equal(last.error, undefined);
    }
    if (interrupts) {
      assert.equal(last !== first, KNOWS_INTERRUPTS);
    } else {
      assert.deepEqual(open(agent), []);
      // A call without a result is the client's, whatever the agent meant.
      assert.equal(last !== first, /^\/tool|unopened/.test(prompt) && prompt !== '/tool denied');
    }
    // Whatever came of it, the conversation goes on.
    if (code === undefined) assert.match((await ask(agent, '/slow 0')).text, /\bturn 2\b/);
  }

  return { ask, run, walk };
}

/** Messages to be compared. Where they come behind those of a snapshot depends on the version of the client. */
function inOrder(messages, events) {
  const isFree = events.some(({ type }) => type === 'MESSAGES_SNAPSHOT');
  return isFree ? messages.toSorted((one, other) => (one.id < other.id ? -1 : 1)) : messages;
}

/** What a run says, in whatever form and however many pieces. */
function gist(events) {
  const joined = (...types) =>
    events
      .filter(({ type }) => types.includes(type))
      .map(({ delta }) => delta ?? '')
      .join('');
  const of = (type) => events.filter((event) => event.type === type);
  return {
    text: joined('TEXT_MESSAGE_CONTENT', 'TEXT_MESSAGE_CHUNK'),
    reasoning: joined('REASONING_MESSAGE_CONTENT', 'REASONING_MESSAGE_CHUNK'),
    arguments: joined('TOOL_CALL_ARGS', 'TOOL_CALL_CHUNK'),
    calls: events
      .filter(({ type, toolCallName }) => /^TOOL_CALL_(START|CHUNK)$/.test(type) && toolCallName)
      .map(({ toolCallName }) => toolCallName),
    results: of('TOOL_CALL_RESULT').map(({ content }) => content),
    raw: of('RAW').map(({ source, event }) => [source, shape(event)]),
    custom: of('CUSTOM').map(({ name, value }) => [name, { ...value, messageId: undefined }]),
    states: events
      .filter(({ type }) => /^(?:STEP|STATE|ACTIVITY)_/.test(type))
      .map(({ type, stepName, snapshot, delta, content, patch }) => [type, stepName, snapshot, delta, content, patch]),
    snapshots: of('MESSAGES_SNAPSHOT').map(({ messages }) =>
      messages.map(({ role, content, toolCalls = [] }) => [role, content, toolCalls.map((call) => call.function)]),
    ),
    interrupts: events.at(-1).outcome?.interrupts?.map(({ reason, message }) => [reason, message]),
    end: [events.at(-1).type, events.at(-1).code, events.at(-1).message],
  };
}

/** A value without its texts and numbers, some of which are times and ids. */
function shape(value) {
  if (typeof value !== 'object' || value === null) return typeof value;
  if (Array.isArray(value)) return value.map(shape);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, shape(member)]));
}

export const textOf = (messages) =>
  messages.map(({ role, content }) => (role === 'assistant' ? (content ?? '') : '')).join('');

/** The calls that nobody has answered. */
export function open({ messages }) {
  const answered = new Set(messages.map(({ toolCallId }) => toolCallId));
  return messages.flatMap(({ toolCalls = [] }) => toolCalls).filter(({ id }) => !answered.has(id));
}

export function answer(agent, { id }, content, more) {
  agent.addMessage({ id: crypto.randomUUID(), role: 'tool', toolCallId: id, content, ...more });
}

/** The same response to every open interrupt. */
export const resuming = ({ pendingInterrupts }, response) =>
  pendingInterrupts.map(({ id }) => ({ interruptId: id, ...response }));
