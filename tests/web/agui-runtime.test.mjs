// Conformance of the frames with AG-UI for an agent on a runtime: what the relay sends for every scenario of the scripted
// runtime is valid for both protocol versions in use, and replays through both clients.
//
// What is to be said is not written down here: it is what the agent itself says, read by another implementation than the
// relay's.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkFrames, named, ofType, replay } from './agui-checks.mjs';
import { checkState, messagesAfter, normalised } from './agui-model.mjs';
import { record, runAgentInput, startLocal, textOf } from './agui-support.mjs';

const TIMELINES = fileURLToPath(new URL('../../local-aws/scenarios/runtime', import.meta.url));
const ARN = 'arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/local_runtime-LOCALRUNT1';

/** The code of each error, by AWS's name or the platform's code. */
const ERRORS = {
  UNAUTHORIZED: 'access_denied',
  ACCESS_DENIED: 'access_denied',
  VALIDATION_ERROR: 'validation',
  RATE_LIMIT_EXCEEDED: 'throttling',
  SESSION_BUSY: 'conflict',
  SERVICE_QUOTA_EXCEEDED: 'service_quota_exceeded',
  AGENT_ERROR: 'dependency_failed',
  INTERNAL_ERROR: 'internal_server',
  accessDeniedException: 'access_denied',
  // What a harness answers whose caller has the wrong claims: of a runtime nobody has told it.
  authorizationDenied: 'internal_server',
  internalServerException: 'internal_server',
  resourceNotFoundException: 'resource_not_found',
  retryableConflictException: 'conflict',
  runtimeClientError: 'dependency_failed',
  serviceQuotaExceededException: 'service_quota_exceeded',
  throttlingException: 'throttling',
  unauthorizedException: 'access_denied',
  validationException: 'validation',
};

/**
 * The prompts of every scenario, and what is special about each: the `code` that its run ends with, the names of its `calls`
 * of the client, what is `mended` in it, so that it is not as the agent said it, and whether the prompt is `refused` first.
 */
const SCENARIOS = {
  '/tokens': { '/tokens 50 200': {}, '/tokens 30 0': {} },
  '/slow': { '/slow 1': {} },
  '/pause': { '/pause 3 1': {} },
  '/emoji': { '/emoji': {} },
  '/single': { '/single': {}, '/single 300': {} },
  '/think': { '/think': {} },
  '/strands': { '/strands': {} },
  '/steps': { '/steps': {} },
  '/trace': { '/trace 1': {}, '/trace 100': {} },
  '/snapshot': { '/snapshot 1': {}, '/snapshot 100': {} },
  '/tool': {
    '/tool': { calls: ['get_weather'] },
    '/tool 3': { calls: ['get_weather', 'refund_order', 'find_free_slot'] },
  },
  '/interrupt': { '/interrupt': { calls: ['refund_order'] } },
  '/error': Object.fromEntries(
    Object.entries(ERRORS).flatMap(([name, code]) => [
      [`/error ${name}`, { code, refused: true }],
      ...(name.includes('_') ? [[`/error ${name} 2`, { code }]] : []),
    ]),
  ),
  '/refuse': {
    '/refuse SESSION_BUSY 2': { refused: true },
    '/refuse runtimeClientError': { refused: true, code: 'dependency_failed' },
  },
  '/cut': { '/cut 0': { code: 'connection_lost' }, '/cut 3': { code: 'connection_lost' } },
  '/odd': {
    '/odd unknown': { mended: true },
    '/odd nulls': {},
    '/odd crlf': {},
    '/odd comments': { mended: true },
    '/odd quoted': {},
    '/odd chunks': { mended: true },
    '/odd unopened': { mended: true, calls: ['look'] },
    '/odd words': { mended: true },
    '/odd failure': { mended: true, code: 'dependency_failed' },
    '/odd gaveup': { code: 'dependency_failed' },
    '/odd unended': { code: 'connection_lost' },
    '/odd empty': { code: 'connection_lost' },
    '/odd json': { refused: true, code: 'bad_gateway' },
  },
  '/play': { '/play steps.jsonl --speed 0': {}, '/play think.jsonl --speed 10': {} },
  '/help': { '/help': {}, '/nonsense': {} },
};

const AT_ONCE = 12;

describe('frames of an agent on a runtime are AG-UI events', { concurrency: AT_ONCE, timeout: 180_000 }, () => {
  let local;
  before(async () => {
    // A run may still be ending at the function while the client's next message is there.
    local = await startLocal('--source', 'runtime', '--timelines', TIMELINES, '--concurrency', String(2 * AT_ONCE));
  });
  after(() => local?.stop());

  it('of every scenario that there is, and of every kind of it', async () => {
    const text = textOf(await conforms('/help'));
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
    const [reason] = textOf(await conforms('/error teapot')).split('\n');
    const names = [...reason.matchAll(/`(\w+)`/g)].map(([, name]) => name).filter((name) => name !== 'teapot');
    assert.deepEqual(names.toSorted(), Object.keys(ERRORS).toSorted(), reason);
  });

  for (const [prompt, special] of [['hello', {}], ...Object.values(SCENARIOS).flatMap(Object.entries)]) {
    it(prompt, () => conforms(prompt, special));
  }

  it('/odd unknown, of which nothing is lost', async () => {
    const raw = ofType(await conforms('/odd unknown', { mended: true }), 'RAW');
    assert.ok(raw.every(({ source }) => source === 'agentcore-runtime'));
    assert.deepEqual(
      raw.map(({ event }) => event),
      [
        { HOLOGRAM_STARTED: { type: 'HOLOGRAM_STARTED', hologramId: 'h', depth: 1.1 } },
        { TEXT_MESSAGE_CONTENT: { type: 'TEXT_MESSAGE_CONTENT', messageId: 7, delta: 'of a wrong type' } },
        { STATE_DELTA: { type: 'STATE_DELTA', delta: { op: 'add' } } },
        { MESSAGES_SNAPSHOT: { type: 'MESSAGES_SNAPSHOT' } },
        { event: [1, 2, 3] },
      ],
    );
  });

  it('/odd chunks and /odd unopened, with a beginning and an end for each part', async () => {
    for (const prompt of ['/odd chunks', '/odd unopened']) {
      const events = await conforms(prompt, { mended: true, calls: prompt.endsWith('unopened') ? ['look'] : [] });
      const open = new Map();
      for (const { type, ...event } of events) {
        const [, of, phase] =
          /^(TEXT_MESSAGE|TOOL_CALL|REASONING_MESSAGE|REASONING|STEP)_(START|CONTENT|ARGS|END|STARTED|FINISHED)$/.exec(
            type,
          ) ?? [];
        if (of === undefined) continue;
        const id = `${of} ${event.toolCallId ?? event.messageId ?? event.stepName}`;
        assert.equal(open.has(id), !phase.startsWith('START'), `${type} of ${id}`);
        if (phase.startsWith('START')) open.set(id, true);
        if (/END|FINISHED/.test(phase)) open.delete(id);
      }
      assert.equal(open.size, 0);
    }
  });

  it('/snapshot 100, which comes in fragments', async () => {
    const { frames } = await record(local, runAgentInput('/snapshot 100'));
    const fragments = named(
      frames.map((frame) => JSON.parse(frame)),
      'relay.fragment',
    );
    assert.ok(fragments.length >= 8, `${fragments.length} fragments`);
  });

  it('the words of an agent that gave up, and not those of its server', async () => {
    assert.equal(
      (await conforms('/odd gaveup', { code: 'dependency_failed' })).at(-1).message,
      'The agent gave up: no model answered.',
    );
    assert.doesNotMatch(
      JSON.stringify(await conforms('/odd failure', { mended: true, code: 'dependency_failed' })),
      /secret|division/,
    );
  });

  for (const [what, message] of Object.entries({
    'attributes of a session': runAgentInput('hello', { forwardedProps: { sessionAttributes: { plan: 'gold' } } }),
    'the end of a session': runAgentInput('hello', { forwardedProps: { endSession: true } }),
    'results, in the short form': { toolResults: [{ toolCallId: 'c', content: 'x' }] },
  })) {
    it(`an invalid request: ${what}`, async () => {
      const events = checkFrames(await record(local, message), { code: 'invalid_request' });
      assert.equal(events.length, 1);
      assert.ok(events[0].message.length > 20, events[0].message);
      for (const { complaints, ends } of await replay(events, runAgentInput('hello')))
        assert.deepEqual([complaints, ends], [[], events]);
    });
  }

  /** Runs the prompt, answers what it asks its client for, and checks all that holds for every run. Returns the first run's events. */
  async function conforms(prompt, { code, calls = [], mended = false, refused = false } = {}) {
    const input = runAgentInput(prompt, { state: { page: 1, none: null } });
    const [frames, told] = await Promise.all([record(local, input), toldByAgent(local, input)]);
    const events = checkFrames(frames, { runId: input.runId, code });
    const [first] = events;
    assert.deepEqual([first.type, first.threadId, first.runId], ['RUN_STARTED', input.threadId, input.runId]);
    if (!mended && !refused) assert.deepEqual(comparable(events), comparable(told));
    const messages = await checkReplay(events, input, code);

    const open = messages
      .flatMap(({ toolCalls = [] }) => toolCalls)
      .filter(({ id }) => !messages.some(({ toolCallId }) => toolCallId === id));
    assert.deepEqual(
      open.map(({ function: called }) => called.name),
      calls,
    );
    if (open.length === 0) return events;
    const results = open.map((call) => ({
      id: crypto.randomUUID(),
      role: 'tool',
      toolCallId: call.id,
      content: `result of ${call.function.name}`,
    }));
    const interrupts = events
      .at(-1)
      .outcome?.interrupts?.map(({ id }) => ({ interruptId: id, status: 'resolved', payload: { approved: true } }));
    const next = runAgentInput('', {
      threadId: input.threadId,
      messages: interrupts ? messages : [...messages, ...results],
      resume: interrupts,
    });
    const following = checkFrames(await record(local, next), { runId: next.runId });
    await checkReplay(following, next);
    const heard = [...textOf(following).matchAll(/^- `(.*?)` (?:returned|is resolved with) `(.*)`\.$/gm)].map(
      ([, who, what]) => [who, what],
    );
    assert.deepEqual(
      heard,
      interrupts
        ? interrupts.map(({ interruptId }) => [interruptId, '{"approved":true}'])
        : calls.map((name) => [name, `result of ${name}`]),
    );
    return events;
  }
});

/** AG-UI's clients have the right messages and the right state, and complain of nothing. Returns the messages. */
async function checkReplay(events, input, code) {
  const outcomes = await replay(events, input);
  for (const { messages, state, ends, complaints } of outcomes) {
    assert.deepEqual(complaints, []);
    assert.deepEqual(ends, [events.at(-1)]);
    assert.equal(ends[0].code, code);
    assert.equal(new Set(messages.map(({ id }) => id)).size, messages.length);
    const byId = (one, other) => (one.id < other.id ? -1 : 1);
    assert.deepEqual(messages.map(normalised).toSorted(byId), messagesAfter(input.messages, events).toSorted(byId));
    checkState(state, input.state, events);
  }
  return outcomes[0].messages;
}

/** Events without what is the relay's or the run's own, pieces of one text put together. */
function comparable(events) {
  const all = [];
  for (const { metadata, timestamp, threadId, runId, code, message, ...event } of structuredClone(events)) {
    if (event.type === 'RUN_STARTED') continue;
    // Nothing comes after the end.
    if (event.type === 'RUN_ERROR') break;
    const last = all.at(-1);
    const goesOn =
      typeof event.delta === 'string' &&
      last?.type === event.type &&
      last.messageId === event.messageId &&
      last.toolCallId === event.toolCallId;
    if (goesOn) last.delta += event.delta;
    else all.push(event);
  }
  // Each run has an id of its own in all other ids.
  return JSON.parse(JSON.stringify(all).replace(/[0-9a-f]{32}/g, 'the run'));
}

/** What the scripted agent itself says for an input, in a session of its own, read as server-sent events. */
async function toldByAgent(local, input) {
  const response = await fetch(`${local.page}/agentcore/runtimes/${encodeURIComponent(ARN)}/invocations`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      'x-amzn-bedrock-agentcore-runtime-session-id': `the-test-itself-${crypto.randomUUID()}`,
    },
    body: JSON.stringify({ ...input, threadId: crypto.randomUUID() }),
  });
  const received = [];
  try {
    for await (const bytes of response.body) received.push(bytes);
  } catch (error) {
    // Only this scenario may break the connection.
    if (!input.messages[0].content.startsWith('/cut')) throw error;
  }
  return response.ok ? eventsIn(Buffer.concat(received).toString('utf8')) : [];
}

/** @param {string} body */
function eventsIn(body) {
  return body.split(/\r?\n\r?\n/).flatMap((block) => {
    const data = block
      .split(/\r?\n/)
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5))
      .join('\n')
      .trim();
    if (!/^["{]/.test(data)) return [];
    const value = JSON.parse(data);
    if (typeof value === 'string') return value.startsWith('data:') ? eventsIn(value) : [];
    return value.type === undefined ? [] : [withoutNulls(value)];
  });
}

/** Nothing is null that means that it is absent. */
function withoutNulls(event) {
  return Object.fromEntries(
    Object.entries(event).filter(([name, value]) => value !== null || ['snapshot', 'value', 'event'].includes(name)),
  );
}
