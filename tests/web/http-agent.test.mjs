// AG-UI's own `HttpAgent`, as it comes, against the real local program: every scenario of the scripted agent
// and of the scripted harness, by `POST /agui` and nothing of ours in between.
//
// What a run says is not written down here: it is what the same prompt says over the WebSocket, whose tests
// know the agent's own words.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EventType, HttpAgent } from '@ag-ui/client';
import { EventSchemas } from '@ag-ui/core/schemas';
import { EventSchemas as OldEventSchemas } from 'agui-old-core';
import { isTerminal, listening, reassemble, record, runAgentInput, startLocal } from './agui-support.mjs';

/** The first versions with these. Without them a client takes what it does not know for a broken stream. */
const KNOWS_REASONING = 'REASONING_START' in EventType;
const KNOWS_INTERRUPTS = 'pendingInterrupts' in new HttpAgent({ url: 'http://127.0.0.1/' });

/** The body of every response, by run: what the client reads, read a second time. */
const bodies = new Map();
const { fetch } = globalThis;
globalThis.fetch = async (url, init) => {
  const response = await fetch(url, init);
  // A run that is stopped has no end, for neither reader.
  const body = response.clone().text().catch(() => undefined);
  if (typeof init?.body === 'string') bodies.set(JSON.parse(init.body).runId, { response, body });
  return response;
};

const TIMELINES = {
  agent: [{ turn: 1 }, { say: 'Played. ' }, { say: 'To the end.' }],
  harness: [
    { turn: 1 },
    { messageStart: { role: 'assistant' } },
    { think: 'I was written by hand.', index: 1 },
    { say: 'Played.' },
    { messageStop: { stopReason: 'end_turn' } },
  ],
};

/** The prompts of each scenario, by its first word, with the code of the error that ends some of them. */
const PROMPTS = {
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
    '/tool': ['/tool', '/tool 3', '/tool 3 together', '/tool empty', '/tool text', '/tool untyped', '/tool late', '/tool denied'],
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
};

const AT_ONCE = 16;
const RUNS = { concurrency: AT_ONCE, timeout: 120_000 };

for (const source of ['agent', 'harness']) {
  describe(`the stock HttpAgent before the ${source}`, RUNS, () => {
    let local;
    let folder;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'timelines-'));
      const timeline = TIMELINES[source].map((line) => `${JSON.stringify(line)}\n`);
      await writeFile(join(folder, 'written.jsonl'), timeline.join(''));
      local = await startLocal('--source', source, '--timelines', folder, '--concurrency', String(3 * AT_ONCE));
    });
    after(async () => {
      await local?.stop();
      if (folder) await rm(folder, { recursive: true });
    });

    it('walks through every scenario there is', async () => {
      const { text } = await ask(connect(), '/help');
      const listed = [...text.matchAll(/^\| `(\/\w+)/gm)].map(([, name]) => name);
      assert.ok(listed.length > 15, text);
      const walked = Object.keys(PROMPTS[source]).filter((name) => name.startsWith('/'));
      assert.deepEqual(new Set(listed), new Set(walked));
    });

    for (const prompts of Object.values(PROMPTS[source])) {
      const codes = Array.isArray(prompts) ? Object.fromEntries(prompts.map((prompt) => [prompt, undefined])) : prompts;
      for (const [prompt, code] of Object.entries(codes)) {
        for (const trace of [false, true]) {
          const repeats = trace && prompt === '/odd indices' && !KNOWS_INTERRUPTS;
          const todo = repeats ? 'a second call of a message, after the result of the first, repeats the message' : false;
          it(`${prompt}${trace ? ', with its trace' : ''}`, { todo }, () => walk(prompt, { trace, code }));
        }
      }
    }

    /** Asks, answers whatever is asked back, and finds everything as it is over the WebSocket. */
    async function walk(prompt, { trace, code }) {
      const agent = connect();
      const forwardedProps = { trace };
      const { frames } = await record(local, runAgentInput(prompt, { forwardedProps }));
      const expected = gist(reassemble(frames.map((frame) => JSON.parse(frame))));
      if (expected.reasoning !== '' && !KNOWS_REASONING) {
        await assert.rejects(listening([], () => ask(agent, prompt, { forwardedProps })), /Invalid discriminator value/);
        return;
      }
      const first = await ask(agent, prompt, { forwardedProps });
      assert.equal(first.error?.code, code, JSON.stringify(first.error));
      assert.deepEqual(gist(first.events), expected);

      let last = first;
      for (let round = 0; round < 5; round += 1) {
        const resume = KNOWS_INTERRUPTS ? resuming(agent, { status: 'resolved', payload: { confirmed: true, result: 'done' } }) : undefined;
        const calls = open(agent);
        if (resume?.length) {
          last = await run(agent, { resume, forwardedProps });
          assert.match(last.text, /\*\*confirmed\*\*/);
        } else if (calls.length > 0 && !prompt.startsWith('/confirm')) {
          for (const call of calls) answer(agent, call, 'done');
          last = await run(agent, { forwardedProps });
          assert.match(last.text || 'returned `done`', /returned `done`/);
        } else {
          break;
        }
        assert.equal(last.error, undefined);
      }
      if (prompt.startsWith('/confirm')) {
        assert.equal(last !== first, KNOWS_INTERRUPTS);
      } else {
        assert.deepEqual(open(agent), []);
        assert.equal(last !== first, prompt.startsWith('/tool') && prompt !== '/tool denied');
      }
      // Whatever came of it, the conversation goes on.
      if (code === undefined) assert.match((await ask(agent, '/slow 0')).text, /\bturn 2\b/);
    }

    it('continues the conversation of its thread, with the whole history in every request', async () => {
      const agent = connect();
      assert.match((await ask(agent, '/slow 0')).text, /\bturn 1\b/);
      assert.match((await ask(agent, '/slow 0')).text, /\bturn 2\b/);
      assert.match((await ask(connect(), '/slow 0')).text, /\bturn 1\b/);
      assert.deepEqual(agent.messages.map(({ role }) => role), ['user', 'assistant', 'user', 'assistant']);
      const long = 'More than a message over a WebSocket may have. '.repeat(10_000);
      agent.addMessage({ id: 'm1', role: 'assistant', content: long });
      assert.match((await ask(agent, '/slow 0')).text, /\bturn 3\b/);
      assert.match((await ask(agent.clone(), '/slow 0')).text, /\bturn 4\b/);
    });

    it('takes the tools, the state and the context that front ends send with every run', async () => {
      const agent = connect({ initialState: { page: 1 } });
      const tools = [{ name: 'get_weather', description: 'Tells the weather.', parameters: { type: 'object' } }];
      const context = [{ description: 'page', value: 'Orders' }];
      assert.match((await ask(agent, '/slow 0', { tools, context })).text, /\bturn 1\b/);
      assert.deepEqual(agent.state, { page: 1 });
    });

    it('answers several calls in any order, and only all of them', async () => {
      const agent = connect();
      await ask(agent, source === 'agent' ? '/tool 2' : '/tool 2 together');
      const calls = open(agent);
      assert.equal(calls.length, 2);
      answer(agent, calls[1], 'two');
      const refused = await run(agent);
      assert.equal(refused.error?.code, 'validation', JSON.stringify(refused.error));
      answer(agent, calls[0], 'one');
      const { text, error } = await run(agent);
      assert.equal(error, undefined);
      assert.match(text, /returned `one`/);
      assert.match(text, /returned `two`/);
    });

    it('says that a tool failed', async () => {
      const agent = connect();
      await ask(agent, '/tool');
      answer(agent, open(agent)[0], '', { error: 'no sensor' });
      const { text, error } = await run(agent);
      if (source === 'agent') assert.equal(error.code, 'dependency_failed');
      else assert.match(text, /no sensor/);
      assert.match((await ask(agent, '/slow 0')).text, /\bturn 2\b/);
    });

    it('hears what the user says instead of a result', async () => {
      const agent = connect();
      await ask(agent, '/tool');
      const { text, error } = await ask(agent, '/slow 0');
      assert.equal(error, undefined);
      assert.match(text, /\bturn 2\b/);
    });

    it('is refused the call of another thread, which can still be answered there', async () => {
      const [agent, other] = [connect(), connect()];
      await ask(agent, '/tool');
      other.setMessages(agent.messages);
      for (const each of [other, agent]) answer(each, open(each)[0], '21 °C');
      const { error } = await run(other);
      assert.equal(error.code, 'invalid_request');
      assert.match((await run(agent)).text, /returned `21 °C`/);
    });

    it('has its first text before the agent has ended, and stops without an error while the agent goes on', async () => {
      const agent = connect();
      const failures = [];
      let seen = '';
      const runId = crypto.randomUUID();
      const ended = () => local.output().split('\n').find((line) => line.includes(`run_id="${runId}"`) && line.includes('run ended'));
      agent.addMessage({ id: crypto.randomUUID(), role: 'user', content: '/tokens 100 50' });
      const complaints = [];
      await listening(complaints, () =>
        agent.runAgent({ runId }, {
          onTextMessageContentEvent({ event, textMessageBuffer }) {
            seen = textMessageBuffer + event.delta;
            assert.equal(ended(), undefined);
            agent.abortRun();
          },
          onRunFailed: ({ error }) => void failures.push(error),
          // The client tells its own subscribers that it stopped, which nobody sent.
          onRunErrorEvent: ({ event }) => void ((event.code ?? 'abort') === 'abort' || failures.push(event)),
        }),
      );
      assert.deepEqual([complaints, failures], [[], []]);
      assert.match(seen, /^1 /);
      assert.ok(seen.length < 100, seen);
      assert.ok(agent.messages.at(-1).content.startsWith('1 '));
      assert.equal(ended(), undefined);
      while (ended() === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
      assert.match(ended(), /outcome="finished".* chunks=100 /);
      assert.match((await ask(agent, '/slow 0')).text, /\bturn 2\b/);
    });

    if (source === 'agent') {
      for (const prompt of ['/confirm', '/confirm api', '/confirm result']) {
        it(`hears what the user says instead of confirming: ${prompt}`, async () => {
          const agent = connect();
          await ask(agent, prompt);
          const resume = KNOWS_INTERRUPTS ? resuming(agent, { status: 'cancelled' }) : undefined;
          const { text, error } = await ask(agent, '/slow 0', { resume });
          assert.equal(error, undefined);
          assert.match(text, /\bturn 2\b/);
        });

        if (!KNOWS_INTERRUPTS) continue;
        for (const response of [{ status: 'cancelled' }, { status: 'resolved', payload: { confirmed: false } }]) {
          it(`declines ${prompt} with ${JSON.stringify(response)}`, async () => {
            const agent = connect();
            await ask(agent, prompt);
            const { text, error } = await run(agent, { resume: resuming(agent, response) });
            assert.equal(error, undefined);
            assert.match(text, /You \*\*declined\*\*/);
            assert.deepEqual(agent.pendingInterrupts, []);
          });
        }
      }
    }

    const connect = (config) => new HttpAgent({ url: `${local.page}/agui`, ...config });
  });
}

describe('the stock HttpAgent before a deployment with an access code', RUNS, () => {
  const code = 'correct horse battery staple';
  let local;
  before(async () => {
    local = await startLocal('--access-code', code);
  });
  after(() => local?.stop());
  const connect = (headers) => new HttpAgent({ url: `${local.page}/agui`, headers });

  it('is let in with the code in a header, and so are its clones', async () => {
    const agent = connect({ Authorization: `Bearer ${code}` });
    assert.match((await ask(agent, '/slow 0')).text, /\bturn 1\b/);
    assert.match((await ask(agent.clone(), '/slow 0')).text, /\bturn 2\b/);
  });

  for (const [what, headers] of Object.entries({
    'no header': {},
    'a wrong code': { Authorization: 'Bearer open sesame' },
    'the code of another scheme': { Authorization: `Basic ${code}` },
  })) {
    it(`is told why it is not: ${what}`, async () => {
      const agent = connect(headers);
      agent.addMessage({ id: 'm1', role: 'user', content: 'hello' });
      const complaints = [];
      await assert.rejects(
        listening(complaints, () => agent.runAgent()),
        ({ message, status, payload }) => {
          assert.match(message, /^HTTP 401: .*(credential|access code|Bearer)/i);
          assert.deepEqual([status, typeof payload.message], [401, 'string']);
          assert.ok(!message.includes(code));
          return true;
        },
      );
      assert.equal(agent.messages.length, 1);
    });
  }
});

/** Says something, and returns what comes of it. */
async function ask(agent, content, parameters) {
  agent.addMessage({ id: crypto.randomUUID(), role: 'user', content });
  return run(agent, parameters);
}

/** Runs the agent and checks what holds for every run, on the wire and in the client. */
async function run(agent, parameters) {
  const runId = crypto.randomUUID();
  const before = structuredClone(agent.messages);
  const complaints = [];
  const ends = [];
  const { newMessages } = await listening(complaints, () =>
    agent.runAgent({ runId, ...parameters }, {
      onRunFinishedEvent: ({ event }) => void ends.push(event),
      onRunErrorEvent: ({ event }) => void ends.push(event),
    }),
  );
  assert.deepEqual(complaints, []);
  const { response, body } = bodies.get(runId);
  bodies.delete(runId);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  const events = eventsOf(await body);
  checkEvents(events, { threadId: agent.threadId, runId });

  const terminal = events.at(-1);
  assert.deepEqual(ends.map(({ type, code, message }) => ({ type, code, message })), [
    { type: terminal.type, code: terminal.code, message: terminal.message },
  ]);
  assert.deepEqual(agent.messages.slice(0, before.length), before, 'what was said stays as it was');
  checkMessages(agent.messages, newMessages, events);
  return { events, text: textOf(newMessages), error: terminal.type === 'RUN_ERROR' ? terminal : undefined };
}

/** The events of a body, each of which is one line of data. */
function eventsOf(body) {
  assert.ok(body.endsWith('\n\n'), 'the stream ends with an event');
  assert.doesNotMatch(body, /\r/);
  return body
    .slice(0, -2)
    .split('\n\n')
    .filter((block) => block !== ': keepalive')
    .map((block) => {
      assert.ok(block.startsWith('data: ') && !block.includes('\n'), block.slice(0, 200));
      return JSON.parse(block.slice(6));
    });
}

function checkEvents(events, { threadId, runId }) {
  for (const [seq, event] of events.entries()) {
    // Parsing strips unknown fields, and fails on a null for an absent one.
    assert.deepEqual(EventSchemas.parse(event), event);
    // The one field that is newer.
    const usage = event.usage?.map(({ cacheWriteInputTokens, ...older }) => older);
    assert.deepEqual(OldEventSchemas.parse(event), usage ? { ...event, usage } : event);
    assert.ok(Object.values(event).every((value) => value !== null), JSON.stringify(event));
    assert.ok(!event.type.endsWith('_CHUNK') && event.name !== 'relay.fragment', event.type);
    assert.equal(event.metadata.relay.seq, seq);
    assert.equal(isTerminal(event.type), seq === events.length - 1);
    // A request that is refused has no run.
    if (event.metadata.relay.runId !== undefined) assert.equal(event.metadata.relay.runId, runId);
  }
  const [first] = events;
  if (first.type === 'RUN_ERROR') return;
  assert.deepEqual([first.type, first.threadId, first.runId], ['RUN_STARTED', threadId, runId]);
}

/** The client has a message for each one that was sent, with all its text and its calls, and no other. */
function checkMessages(messages, newMessages, events) {
  const ids = messages.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, `a message is there twice: ${JSON.stringify(messages)}`);

  const sent = new Map();
  const message = (id, role) => {
    if (!sent.has(id)) sent.set(id, { id, role, content: '', calls: [] });
    return sent.get(id);
  };
  for (const { type, messageId, toolCallId, toolCallName, parentMessageId, delta, content } of events) {
    if (type === 'TEXT_MESSAGE_START') message(messageId, 'assistant');
    if (type === 'REASONING_MESSAGE_START') message(messageId, 'reasoning');
    if (type === 'TEXT_MESSAGE_CONTENT' || type === 'REASONING_MESSAGE_CONTENT') message(messageId).content += delta;
    if (type === 'TOOL_CALL_START') message(parentMessageId, 'assistant').calls.push({ id: toolCallId, name: toolCallName, arguments: '' });
    if (type === 'TOOL_CALL_ARGS') {
      const call = [...sent.values()].flatMap(({ calls }) => calls).find(({ id }) => id === toolCallId);
      call.arguments += delta;
    }
    if (type === 'TOOL_CALL_RESULT') message(messageId, 'tool').content = content;
  }
  assert.deepEqual(
    newMessages.map(({ id, role, content = '', toolCalls = [] }) => ({
      id,
      role,
      content,
      calls: toolCalls.map((call) => ({ id: call.id, ...call.function })),
    })),
    [...sent.values()],
  );
}

/** What a run says, in whatever form and however many pieces. */
function gist(events) {
  const joined = (...types) => events.filter(({ type }) => types.includes(type)).map(({ delta }) => delta ?? '').join('');
  const of = (type) => events.filter((event) => event.type === type);
  return {
    text: joined('TEXT_MESSAGE_CONTENT', 'TEXT_MESSAGE_CHUNK'),
    reasoning: joined('REASONING_MESSAGE_CONTENT', 'REASONING_MESSAGE_CHUNK'),
    arguments: joined('TOOL_CALL_ARGS', 'TOOL_CALL_CHUNK'),
    calls: events.filter(({ type, toolCallName }) => /^TOOL_CALL_(START|CHUNK)$/.test(type) && toolCallName).map(({ toolCallName }) => toolCallName),
    results: of('TOOL_CALL_RESULT').map(({ content }) => content),
    raw: of('RAW').map(({ source, event }) => [source, shape(event)]),
    custom: of('CUSTOM').map(({ name, value }) => [name, { ...value, messageId: undefined }]),
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

const textOf = (messages) => messages.map(({ role, content }) => (role === 'assistant' ? content ?? '' : '')).join('');

/** The calls that nobody has answered. */
function open({ messages }) {
  const answered = new Set(messages.map(({ toolCallId }) => toolCallId));
  return messages.flatMap(({ toolCalls = [] }) => toolCalls).filter(({ id }) => !answered.has(id));
}

function answer(agent, { id }, content, more) {
  agent.addMessage({ id: crypto.randomUUID(), role: 'tool', toolCallId: id, content, ...more });
}

/** The same response to every open interrupt. */
const resuming = ({ pendingInterrupts }, response) => pendingInterrupts.map(({ id }) => ({ interruptId: id, ...response }));
