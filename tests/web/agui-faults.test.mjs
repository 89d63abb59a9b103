// What once broke between AG-UI's client and the relay, with the agent class that docs/connecting.md
// shows: each group is a fault, named after what broke.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import * as client from '@ag-ui/client';
import { WebSocket, WebSocketServer } from 'ws';
import { listening, startLocal } from './agui-support.mjs';
import { WebSocketAgent } from '../../packages/ag-ui-websocket/src/websocket-agent.mjs';

/** The versions of the client before interrupts can't be told of them. */
const HAS_INTERRUPTS = 'buildResumeArray' in client;
const LIMIT = 32_768;
const DECLINED = /You \*\*declined\*\* `bookings cancel_booking`/;
const CONFIRMED = /You \*\*confirmed\*\* `bookings cancel_booking`/;

/** What the agents sent, by their addresses, no two of which are the same. */
const sent = new Map();

globalThis.WebSocket = class extends WebSocket {
  send(data) {
    sent.set(this.url, [...(sent.get(this.url) ?? []), data]);
    super.send(data);
  }
};

let local;
before(async () => {
  local = await startLocal('--concurrency', '32');
});
after(() => local?.stop());

describe('what a user typed instead of confirming was swallowed', { skip: !HAS_INTERRUPTS, timeout: 60_000 }, () => {
  const says = (content) => [{ id: crypto.randomUUID(), role: 'user', content }];
  const NOTE = { id: 'note', role: 'system', content: 'The user is impatient.' };

  for (const [what, prompt, said] of [
    ['a text', '/confirm', says('/slow 0')],
    ['a text instead of an operation of an API', '/confirm api', says('/slow 0')],
    ['a text instead of a result', '/confirm result', says('/slow 0')],
    [
      'a list of parts',
      '/confirm',
      says([
        { type: 'text', text: '/slow ' },
        { type: 'text', text: '0' },
      ]),
    ],
    ['two messages', '/confirm', [...says('never mind'), ...says('/slow 0')]],
    ['a text before a note of the front end', '/confirm', [...says('/slow 0'), NOTE]],
  ]) {
    it(`is heard now: ${what}`, async () => {
      const agent = connect();
      await ask(agent, prompt);
      agent.addMessages(said);
      const { text, error } = await run(agent, { resume: responses(agent, { status: 'cancelled' }) });
      assert.equal(error, undefined);
      assert.match(text, /\bturn 2\b/);
      assert.doesNotMatch(text, DECLINED);
    });
  }

  it('is heard now: a text in the second turn of a conversation, after an answered call', async () => {
    const agent = connect();
    await ask(agent, '/tool');
    const [call] = agent.messages.at(-1).toolCalls;
    agent.addMessage({ id: 'result', role: 'tool', toolCallId: call.id, content: '21 °C' });
    await run(agent);
    await ask(agent, '/confirm');
    agent.addMessages(says('/slow 0'));
    const { text } = await run(agent, { resume: responses(agent, { status: 'cancelled' }) });
    assert.match(text, /\bturn 3\b/);
  });

  it('is not dropped without a word beside a confirmation', async () => {
    const agent = connect();
    await ask(agent, '/confirm');
    agent.addMessages(says('never mind'));
    const { error } = await run(agent, { resume: responses(agent, { status: 'resolved' }) });
    assert.equal(error.code, 'invalid_request');
    assert.match(error.message, /Send one after the other/);
  });

  it('is not mistaken for the prompt before the question', async () => {
    for (const [status, expected] of [
      ['cancelled', DECLINED],
      ['resolved', CONFIRMED],
    ]) {
      const agent = connect();
      await ask(agent, '/confirm');
      const { text } = await run(agent, { resume: responses(agent, { status }) });
      assert.match(text, expected);
    }
  });

  it('is not heard a second time when the next question is answered', async () => {
    const agent = connect();
    await ask(agent, '/confirm');
    agent.addMessages(says('/confirm api'));
    await run(agent, { resume: responses(agent, { status: 'cancelled' }) });
    const { text } = await run(agent, { resume: responses(agent, { status: 'resolved' }) });
    assert.match(text, /You \*\*confirmed\*\* `payments POST \/transfers`/);
  });
});

describe('what the relay does not read made every message too long', { timeout: 60_000 }, () => {
  const long = 'y'.repeat(40_000);
  const tools = Array.from({ length: 40 }, (_, index) => ({
    name: `tool${index}`,
    description: 'y'.repeat(900),
    parameters: {},
  }));

  for (const [what, parameters, change] of [
    ['the context', { context: [{ description: 'page', value: long }] }],
    [
      'many small entries of the context',
      { context: Array.from({ length: 500 }, (_, index) => ({ description: `${index}`, value: 'y'.repeat(90) })) },
    ],
    ['the context, in letters of three bytes', { context: [{ description: 'page', value: '語'.repeat(11_000) }] }],
    ['the context, in quotation marks', { context: [{ description: 'page', value: '"'.repeat(17_000) }] }],
    ['the tools', { tools }],
    ['the state', {}, (agent) => agent.setState({ long })],
    ['earlier prompts', {}, (agent) => agent.addMessage({ id: 'm1', role: 'user', content: long })],
    ['earlier answers', {}, (agent) => agent.addMessage({ id: 'm1', role: 'assistant', content: long })],
  ]) {
    it(`no longer does: ${what}`, async () => {
      const agent = connect();
      change?.(agent);
      const { text } = await ask(agent, '/slow 0', parameters);
      assert.match(text, /\bturn 1\b/);
    });
  }

  it('no longer does: the arguments of the call that the user talks past', { skip: !HAS_INTERRUPTS }, async () => {
    const agent = connect();
    await ask(agent, '/confirm');
    const messages = structuredClone(agent.messages);
    messages.at(-1).content = long;
    messages.at(-1).toolCalls[0].function.arguments = JSON.stringify({ long });
    agent.setMessages([...messages, { id: 'm9', role: 'user', content: '/slow 0' }]);
    const { text } = await run(agent, { resume: responses(agent, { status: 'cancelled' }) });
    assert.match(text, /\bturn 2\b/);
  });

  it('is not sent at all', async () => {
    const agent = connect();
    agent.setState({ cart: ['cup'] });
    await ask(agent, '/slow 0', { tools, forwardedProps: { trace: false } });
    assert.deepEqual(Object.keys(JSON.parse(sent.get(agent.url)[0])), [
      'threadId',
      'runId',
      'messages',
      'forwardedProps',
    ]);
  });

  it('is, as context, what the agent gets as attributes, as far as there is room', async () => {
    const agent = connect();
    await ask(agent, '/slow 0', {
      context: [
        { description: 'page', value: 'Refunds' },
        { description: 'everything', value: long },
        { description: 'user', value: 'Ada' },
        { description: 'plan', value: 'silver' },
      ],
      forwardedProps: { promptSessionAttributes: { plan: 'gold' } },
    });
    const { forwardedProps } = JSON.parse(sent.get(agent.url)[0]);
    assert.deepEqual(forwardedProps.promptSessionAttributes, { page: 'Refunds', user: 'Ada', plan: 'gold' });
  });

  it('is, as context that is no text, not refused by the relay', async () => {
    const agent = connect();
    const { text, error } = await ask(agent, '/slow 0', { context: [{ description: 'page', value: { no: 'text' } }] });
    assert.equal(error, undefined);
    assert.match(text, /\bturn 1\b/);
  });
});

describe('a message that was too long ended with a number', { timeout: 60_000 }, () => {
  for (const [what, content] of [
    ['a prompt', 'y'.repeat(LIMIT)],
    ['a prompt of few, but long letters', '語'.repeat(LIMIT / 3)],
    ['a prompt that grows by escaping', '\n'.repeat(LIMIT / 2)],
  ]) {
    it(`and is said in words now, before it is sent: ${what}`, async () => {
      const agent = connect();
      await assert.rejects(ask(agent, content), /The message has \d+ bytes, and API Gateway takes 32768 at most\./);
      assert.equal(sent.get(agent.url), undefined);
      assert.equal(agent.isRunning, false);
    });
  }

  it('and is said in words now, before it is sent: a tool result', async () => {
    const agent = connect();
    await ask(agent, '/tool');
    const [call] = agent.messages.at(-1).toolCalls;
    const result = (content) =>
      agent.addMessage({ id: crypto.randomUUID(), role: 'tool', toolCallId: call.id, content });
    result('y'.repeat(LIMIT));
    await assert.rejects(run(agent), /The message has \d+ bytes/);
    // Nothing was sent, so a shorter result can still be given.
    agent.messages.pop();
    result('21 °C');
    assert.match((await run(agent)).text, /returned `21 °C`/);
  });

  it('and is said in words now, before it is sent: attributes', async () => {
    const promptSessionAttributes = { page: 'y'.repeat(LIMIT) };
    await assert.rejects(
      ask(connect(), 'hello', { forwardedProps: { promptSessionAttributes } }),
      /The message has \d+ bytes/,
    );
  });

  it('and is sent up to the last byte that API Gateway takes', async () => {
    const bytes = async (length) => {
      const agent = connect();
      const parameters = { runId: 'run', forwardedProps: { padding: 'y'.repeat(length) } };
      const outcome = await ask(agent, '/slow 0', parameters);
      return { ...outcome, bytes: Buffer.byteLength(sent.get(agent.url)[0]) };
    };
    const room = LIMIT - (await bytes(0)).bytes;
    const full = await bytes(room);
    assert.equal(full.bytes, LIMIT);
    assert.match(full.text, /\bturn 1\b/);
    await assert.rejects(bytes(room + 1), /The message has 32769 bytes/);
  });
});

describe('a stopped run was an error', { timeout: 60_000 }, () => {
  /** Stops the run when `stopper` says so, and returns who was told of an error. */
  const stopping = async (agent, prompt, subscriber) => {
    const errors = [];
    const outcome = await ask(
      agent,
      prompt,
      {},
      {
        ...subscriber(() => agent.abortRun()),
        onRunFailed: ({ error }) => void errors.push(error),
      },
    );
    assert.deepEqual(errors, []);
    assert.equal(outcome.error, undefined);
    assert.equal(agent.isRunning, false);
    return outcome;
  };

  it('and is quiet now: in the middle of a text', async () => {
    const agent = connect();
    const { text } = await stopping(agent, '/tokens 2000 50', (stop) => ({
      onTextMessageContentEvent: ({ textMessageBuffer }) => void (textMessageBuffer.includes('3') && stop()),
    }));
    assert.match(text, /^1 2 3 /);
  });

  it('and is quiet now: while the agent thinks', async () => {
    await stopping(connect(), '/slow 30', (stop) => ({ onRunStartedEvent: () => void stop() }));
  });

  it('and is quiet now: before there is a connection', async () => {
    await stopping(connect(), '/slow 30', (stop) => ({ onRunInitialized: () => void setImmediate(stop) }));
  });

  it('and is quiet now: while a credential is asked for', async () => {
    let stop;
    const agent = connect({
      credential: () => new Promise((resolve) => setTimeout(() => (stop(), resolve('code')), 20)),
    });
    await stopping(agent, '/slow 30', (abort) => ((stop = abort), {}));
    assert.equal(sent.get(agent.url), undefined);
  });

  it('and is quiet now: twice, and after its end', async () => {
    const agent = connect();
    await stopping(agent, '/tokens 2000 50', (stop) => ({
      onTextMessageContentEvent: ({ textMessageBuffer }) => void (textMessageBuffer.includes('2') && (stop(), stop())),
    }));
    agent.abortRun();
    const { text } = await ask(agent, '/slow 0');
    assert.match(text, /\bturn 2\b/);
    agent.abortRun();
  });
});

describe('a frame that was not understood hung the run for ever', { timeout: 60_000 }, () => {
  let server;
  let frames = [];
  before(async () => {
    server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    server.on('connection', (socket) =>
      socket.on('message', (message) => {
        const { threadId, runId } = JSON.parse(message);
        for (const frame of frames) {
          socket.send(
            typeof frame === 'object' && !Buffer.isBuffer(frame)
              ? JSON.stringify({ threadId, runId, ...frame })
              : frame,
          );
        }
      }),
    );
  });
  after(() => server.close());
  const other = () => new WebSocketAgent({ url: `ws://127.0.0.1:${server.address().port}/${crypto.randomUUID()}` });

  const START = { type: 'RUN_STARTED' };
  const FRAGMENT = { type: 'CUSTOM', name: 'relay.fragment' };
  for (const [what, ...answer] of [
    ['no JSON', 'hello'],
    ['nothing', ''],
    ['null', 'null'],
    ['a number', '7'],
    ['a list', '[]'],
    ['an object without a type', '{}'],
    ['bytes', Buffer.from([0, 1, 2])],
    ['no JSON in mid-run', START, 'data: {"type":"RUN_FINISHED"}'],
    ['a fragment without a value', START, FRAGMENT],
    ['fragments that are no JSON together', START, { ...FRAGMENT, value: { index: 0, count: 1, data: '{' } }],
  ]) {
    it(`and fails it now: ${what}`, async () => {
      frames = answer;
      await assert.rejects(ask(other(), 'hello'), /What arrived is no event|has no type/);
    });
  }

  for (const [what, metadata] of Object.entries({
    'no metadata': {},
    'metadata of somebody else': { metadata: { trace: 'abc' } },
    'metadata of the relay without a number': { metadata: { relay: {} } },
  })) {
    it(`and is an event now: ${what}`, async () => {
      frames = [
        { ...START, ...metadata },
        { type: 'TEXT_MESSAGE_CHUNK', messageId: 'm2', role: 'assistant', delta: 'good ', ...metadata },
        { type: 'TEXT_MESSAGE_CHUNK', messageId: 'm2', role: 'assistant', delta: 'day', ...metadata },
        { type: 'RUN_FINISHED', ...metadata },
      ];
      assert.equal((await ask(other(), 'hello')).text, 'good day');
    });
  }
});

describe('a token could not be renewed', { timeout: 60_000 }, () => {
  const code = 'correct horse – battery staple';
  let closed;
  before(async () => {
    closed = await startLocal('--access-code', code);
  });
  after(() => closed?.stop());
  const at = (credential) => new WebSocketAgent({ url: `${closed.socket}?${crypto.randomUUID()}`, credential });

  it('and is asked for before each run now, by the clone too', async () => {
    let current = 'an old one';
    const agent = at(() => current);
    await assert.rejects(
      ask(agent, '/slow 0'),
      /There is no connection to .*credential or this page's origin was refused/,
    );
    current = code;
    agent.messages.length = 0;
    assert.match((await ask(agent, '/slow 0')).text, /\bturn 1\b/);
    assert.match((await ask(agent.clone(), '/slow 0')).text, /\bturn 2\b/);
  });

  it('and may take its time now', async () => {
    const agent = at(async () => (await new Promise((resolve) => setTimeout(resolve, 20)), code));
    assert.match((await ask(agent, '/slow 0')).text, /\bturn 1\b/);
  });

  it('and fails the run with its own words now', async () => {
    for (const credential of [
      () => Promise.reject(new Error('signed out')),
      () => {
        throw new Error('signed out');
      },
    ]) {
      await assert.rejects(ask(at(credential), 'hello'), /signed out/);
    }
  });
});

/** An agent of its own conversation and address. */
const connect = (config) => new WebSocketAgent({ url: `${local.socket}?${crypto.randomUUID()}`, ...config });

/** Says something, and returns the text of the answer and the error that ended the run. */
async function ask(agent, content, parameters, subscriber) {
  agent.addMessage({ id: crypto.randomUUID(), role: 'user', content });
  return run(agent, parameters, subscriber);
}

async function run(agent, parameters, subscriber) {
  let error;
  const onRunErrorEvent = ({ event }) => void (error = event);
  const runs = async () => {
    try {
      return await agent.runAgent(parameters, { ...subscriber, onRunErrorEvent });
    } catch (reason) {
      // Before 1.0 the client rejects where the agent's answer is an error.
      if (error === undefined) throw reason;
      return { newMessages: [] };
    }
  };
  const { newMessages } = await listening([], runs);
  const text = newMessages.map(({ role, content }) => (role === 'assistant' ? (content ?? '') : '')).join('');
  return { text, error };
}

/** The same response to every open interrupt. */
const responses = ({ pendingInterrupts }, response) =>
  pendingInterrupts.map(({ id }) => ({ interruptId: id, ...response }));
