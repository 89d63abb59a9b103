// Answers that outlive their connection, and conversations that are shown again after a reload, with AG-UI's
// client and the agent class that docs/connecting.md shows.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as client from '@ag-ui/client';
import { WebSocket, WebSocketServer } from 'ws';
import { listening, startLocal } from './agui-support.mjs';
import { startIssuer } from './support/issuer.mjs';
import { WebSocketAgent } from '../../packages/ag-ui-websocket/src/websocket-agent.mjs';

/** The versions of the client before interrupts can't be told of them. */
const HAS_INTERRUPTS = 'buildResumeArray' in client;

/** The connections of the agents and what was sent over them, by their addresses, no two of which are the same. */
const connections = new Map();
/** Who looks at each message and at each frame before the agent does, by its address. */
const observers = new Map();

globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols);
    this.sent = [];
    connections.set(url, [...(connections.get(url) ?? []), this]);
    this.on('message', (data) => observers.get(url)?.(JSON.parse(data), this));
  }

  send(data) {
    this.sent.push(JSON.parse(data));
    super.send(data);
    observers.get(this.url)?.(JSON.parse(data), this);
  }
};

let local;
before(async () => {
  local = await startLocal('--concurrency', '32');
});
after(() => local?.stop());

describe('an answer was lost with its connection', { timeout: 60_000 }, () => {
  it('and outlives three of them now, in one run', async () => {
    const agent = agentAt(local, { silenceTimeout: 2_500 });
    const cuts = [
      // The network breaks, the gateway closes the connection, and the connection dies without a word.
      (socket) => socket.terminate(),
      () => cutAtTheGateway(local),
      (socket) => socket._socket.pause(),
    ];
    const events = [];
    const outcome = await ask(agent, '/tokens 200 50', {
      onEvent: ({ event }) => void events.push(event),
      onTextMessageContentEvent: ({ textMessageBuffer }) => {
        const all = connections.get(agent.url);
        // Each connection once.
        const isDue = all.length === 4 - cuts.length && textMessageBuffer.split(/\s/).length > 40 * all.length;
        if (isDue) cuts.shift()?.(all.at(-1));
      },
    });
    assert.deepEqual([outcome.text, outcome.complaints, cuts], [numbers(200), [], []]);
    assert.deepEqual(ofType(events, 'RUN_STARTED').length, 1);
    assert.equal(events.at(-1).type, 'RUN_FINISHED');
    const joins = connections
      .get(agent.url)
      .slice(1)
      .map(({ sent }) => sent);
    assert.equal(joins.length, 3);
    for (const sent of joins) assert.deepEqual([sent.length, Object.keys(sent[0])], [1, ['join']]);
    assert.equal(callsOf(local, agent), 1);
  });

  it('and is whole now where a frame is cut between its fragments', async () => {
    const traces = [];
    for (const isCut of [false, true]) {
      const agent = agentAt(local);
      let fragments = 0;
      observers.set(agent.url, ({ name }, socket) => {
        fragments += name === 'relay.fragment' ? 1 : 0;
        if (isCut && fragments === 3 && connections.get(agent.url).length === 1) socket.terminate();
      });
      const raw = [];
      const outcome = await ask(
        agent,
        '/trace 300',
        { onRawEvent: ({ event }) => void raw.push(event) },
        { forwardedProps: { trace: true } },
      );
      assert.deepEqual([outcome.complaints, outcome.error], [[], undefined]);
      assert.equal(connections.get(agent.url).length, isCut ? 2 : 1);
      const text = JSON.stringify(raw.filter(({ source }) => source !== 'relay').map(({ event }) => event));
      assert.ok(text.length > 8 * 32_768);
      // Ids and times are the run's own.
      traces.push(text.replaceAll(/[\da-f]{8}-[\da-f-]+|\d+/g, '0'));
    }
    assert.ok(traces[1] === traces[0]);
  });

  it('and is an error now where it goes on elsewhere', async () => {
    const agent = agentAt(local);
    const other = new WebSocketAgent({ url: agent.url, threadId: agent.threadId, storage: agent.storage });
    let elsewhere;
    const { error } = await ask(
      agent,
      '/tokens 80 30',
      atWord(3, () => (elsewhere = show(other))),
    );
    assert.equal(error.code, 'moved');
    assert.match(error.message, /another window or on another device/);
    assert.equal((await elsewhere).messages.at(-1).content, numbers(80));
    assert.equal(callsOf(local, agent), 1);
  });

  it('and fails with words now when nobody answers any more', async () => {
    const gone = await startLocal();
    const agent = agentAt(gone, { reconnectAttempts: 3, reconnectDelay: 1 });
    let stopped;
    const running = ask(
      agent,
      '/tokens 1000 50',
      atWord(3, () => (stopped = gone.stop())),
    );
    await assert.rejects(running, /There is no connection to /);
    await stopped;
    assert.equal(connections.get(agent.url).length, 4);
  });
});

describe('a stopped run goes on without its connection', { timeout: 60_000 }, () => {
  for (const [what, stopping] of Object.entries({
    'in the middle of a text': (agent) => atWord(3, () => agent.abortRun()),
    'before it begins': (agent) => {
      observers.set(agent.url, ({ messages }) => void (messages && agent.abortRun()));
      return {};
    },
    'while there is no connection': (agent) =>
      atWord(3, () => {
        const [socket] = connections.get(agent.url);
        socket.once('close', () => agent.abortRun());
        socket.terminate();
      }),
  })) {
    it(`and is stopped in the relay, too: ${what}`, async () => {
      const agent = agentAt(local, { reconnectDelay: 10_000 });
      const { error, complaints } = await ask(agent, '/tokens 4000 20', stopping(agent));
      assert.deepEqual([error, complaints, agent.isRunning], [undefined, [], false]);
      await printed(local, new RegExp(`agent +dropped.* ${agent.threadId}`));
      const sent = connections.get(agent.url).flatMap((socket) => socket.sent);
      assert.equal(sent.filter(({ stop }) => stop).length, 1);
      assert.equal(callsOf(local, agent), 1);
    });
  }
});

describe('a conversation was lost with its page', { timeout: 60_000 }, () => {
  it('and is shown again now', async () => {
    const agent = agentAt(local);
    await ask(agent, '/slow 0');
    await ask(agent, '/tool');
    const [{ id }] = agent.messages.at(-1).toolCalls;
    agent.addMessage({ id: 'result', role: 'tool', toolCallId: id, content: '21 °C' });
    await run(agent);
    await kept(local, agent, 3);
    const again = reloaded(agent);
    const { complaints, messages } = await show(again);
    assert.deepEqual(complaints, []);
    assert.deepEqual(comparable(messages), comparable(agent.messages));
    // And it goes on.
    assert.match((await ask(again, '/slow 0')).text, /\bturn 3\b/);
  });

  it('and goes on now where the agent still answers', async () => {
    const agent = agentAt(local);
    await ask(agent, '/slow 0');
    const { text } = await ask(
      agent,
      '/tokens 80 30',
      atWord(3, () => agent.detachActiveRun()),
    );
    assert.ok(numbers(80).startsWith(text) && text.length < 40, text);
    const again = reloaded(agent);
    const started = [];
    const { complaints, messages } = await show(again, {
      onRunStartedEvent: ({ event }) => void started.push(event.runId),
      ...atWord(50, () => connections.get(again.url).at(-1).terminate()),
    });
    assert.deepEqual([complaints, started.length], [[], 2]);
    assert.deepEqual(
      messages.map(({ role }) => role),
      ['user', 'assistant', 'user', 'assistant'],
    );
    assert.equal(messages.at(-1).content, numbers(80));
    assert.equal(callsOf(local, agent), 2);
  });

  it('and asks again what was open, if the client knows questions', { skip: !HAS_INTERRUPTS }, async () => {
    const agent = agentAt(local);
    await ask(agent, '/confirm');
    await kept(local, agent, 1);
    const again = reloaded(agent);
    const { complaints, messages } = await show(again);
    assert.deepEqual(complaints, []);
    assert.deepEqual(comparable(messages), comparable(agent.messages));
    assert.deepEqual(again.pendingInterrupts, agent.pendingInterrupts);
    const resume = again.pendingInterrupts.map(({ id }) => ({ interruptId: id, status: 'resolved' }));
    assert.match((await run(again, {}, { resume })).text, /You \*\*confirmed\*\* `bookings cancel_booking`/);
  });

  it('and says again why there was no answer', async () => {
    const agent = agentAt(local);
    const { error } = await ask(agent, '/error throttlingException');
    await kept(local, agent, 1);
    const again = await show(reloaded(agent));
    assert.deepEqual(
      again.messages.map(({ content }) => content),
      ['/error throttlingException'],
    );
    assert.deepEqual([again.error.code, again.error.message], [error.code, error.message]);
  });

  it('and is nothing, without a word, where there is none', async () => {
    const unknown = agentAt(local);
    const nothing = { complaints: [], messages: [], error: undefined, text: '' };
    assert.deepEqual(await show(unknown), nothing);
    assert.equal(connections.get(unknown.url), undefined, 'nobody is asked');
    const foreign = agentAt(local, { storage: { getItem: () => 'nonsense', setItem() {} } });
    assert.deepEqual(await show(foreign), nothing);
    assert.deepEqual(connections.get(foreign.url)[0].sent, [{ history: { key: 'nonsense' } }]);
    for (const storage of [
      null,
      {
        getItem: () => {
          throw new Error('refused');
        },
        setItem() {
          throw new Error('full');
        },
      },
    ]) {
      const agent = agentAt(local, { storage });
      assert.match((await ask(agent, '/slow 0')).text, /\bturn 1\b/);
      assert.deepEqual(await show(reloaded(agent)), nothing);
    }
  });

  it('and is found by its name now, by whoever has one', async () => {
    const issuer = await startIssuer();
    const named = await startLocal(...issuer.options);
    try {
      const agent = agentAt(named, { credential: issuer.token('ada') });
      await ask(agent, '/slow 0');
      await printed(named, /run ended/);
      const elsewhere = (subject) => agentAt(named, { threadId: agent.threadId, credential: issuer.token(subject) });
      assert.deepEqual(comparable((await show(elsewhere('ada'))).messages), comparable(agent.messages));
      assert.deepEqual((await show(elsewhere('eve'))).messages, []);
    } finally {
      await named.stop();
      await issuer.stop();
    }
  });
});

describe('a relay without a table', { timeout: 60_000 }, () => {
  let without;
  before(async () => {
    without = await startLocal('--resume-hours', '0');
  });
  after(() => without?.stop());

  it('has answers that end with their connection, and says so', async () => {
    const agent = agentAt(without);
    const cut = atWord(3, () => connections.get(agent.url)[0].terminate());
    await assert.rejects(ask(agent, '/tokens 1000 20', cut), /The connection was closed \(1006\) in mid-run/);
    assert.equal(connections.get(agent.url).length, 1);
    await printed(without, new RegExp(`agent +dropped.* ${agent.threadId}`));
    assert.deepEqual((await show(reloaded(agent))).messages, []);
  });

  it('has an agent that is stopped by closing the connection', async () => {
    const agent = agentAt(without);
    const { error } = await ask(
      agent,
      '/tokens 1000 20',
      atWord(3, () => agent.abortRun()),
    );
    assert.equal(error, undefined);
    await printed(without, new RegExp(`agent +dropped.* ${agent.threadId}`));
    assert.deepEqual(
      connections.get(agent.url)[0].sent.filter((message) => message.stop),
      [],
    );
  });
});

describe('a frame that was missing was not missed', { timeout: 60_000 }, () => {
  const relay = (seq, more) => ({ metadata: { relay: { runId: 'run', seq, ...more } } });
  const START = { type: 'RUN_STARTED', ...relay(0, { key: 'key' }) };
  const text = (delta, seq, more) => ({
    type: 'TEXT_MESSAGE_CHUNK',
    messageId: 'm',
    role: 'assistant',
    delta,
    ...relay(seq, more),
  });
  const END = { type: 'RUN_FINISHED', ...relay(4) };
  /** What comes over one connection after the other. */
  let answers;
  let server;
  before(async () => {
    server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    server.on('connection', (socket) =>
      socket.on('message', () => {
        for (const frame of answers.shift() ?? [])
          socket.send(JSON.stringify({ threadId: 'thread', runId: 'run', ...frame }));
      }),
    );
  });
  after(() => server.close());
  const other = () => agentAt({ socket: `ws://127.0.0.1:${server.address().port}/` });

  it('and is asked for now', async () => {
    answers = [
      [START, text('a', 1), text('c', 3), END],
      [text('a', 1), text('bc', 3, { after: 1 }), text('c', 3), END],
    ];
    const agent = other();
    assert.equal((await ask(agent, 'hello')).text, 'abc');
    assert.deepEqual(connections.get(agent.url)[1].sent, [{ join: { key: 'key', after: 1 } }]);
  });

  it('and is said now where it is kept no longer', async () => {
    answers = [[START, text('a', 1), text('c', 3)], [text('c', 3)]];
    await assert.rejects(ask(other(), 'hello'), /A part of the answer is kept no longer/);
  });

  it('and is asked for again now where API Gateway is too busy', async () => {
    answers = [
      [START, text('a', 1), { message: 'Too Many Requests', connectionId: 'c', requestId: 'r' }],
      [{ message: 'Internal server error', connectionId: 'c', requestId: 'r' }],
      [text('bc', 3, { after: 1 }), END],
    ];
    assert.equal((await ask(other(), 'hello')).text, 'abc');
  });
});

it('says what it can', { skip: !HAS_INTERRUPTS }, async () => {
  const capabilities = await agentAt(local).getCapabilities();
  assert.deepEqual(capabilities, { transport: { streaming: true, websocket: true, resumable: true } });
});

/** An agent of its own conversation, address and storage, which does not wait for long. */
function agentAt({ socket }, config) {
  const keys = new Map();
  const storage = { getItem: (name) => keys.get(name) ?? null, setItem: (name, key) => void keys.set(name, key) };
  const url = `${socket}?${crypto.randomUUID()}`;
  return new WebSocketAgent({ url, storage, reconnectDelay: 10, ...config });
}

/** The same agent after a reload of its page. */
function reloaded({ url, storage, threadId }) {
  connections.delete(url);
  observers.delete(url);
  return new WebSocketAgent({ url, storage, threadId, reconnectDelay: 10 });
}

/** Says something, and returns the text of the answer, the error that ended the run, and what was complained of. */
function ask(agent, content, subscriber, parameters) {
  agent.addMessage({ id: crypto.randomUUID(), role: 'user', content });
  return run(agent, subscriber, parameters);
}

const run = (agent, subscriber, parameters) => listen(agent, subscriber, (all) => agent.runAgent(parameters, all));

/** Asks for the conversation. */
const show = (agent, subscriber) => listen(agent, subscriber, (all) => agent.connectAgent({}, all));

async function listen(agent, subscriber, begin) {
  const complaints = [];
  let error;
  const onRunErrorEvent = ({ event }) => void (error = event);
  const runs = async () => {
    try {
      return await begin({ ...subscriber, onRunErrorEvent });
    } catch (reason) {
      // Before 1.0 the client rejects where the agent's answer is an error.
      if (error === undefined) throw reason;
      return { newMessages: [] };
    }
  };
  const { newMessages } = await listening(complaints, runs);
  const text = newMessages.map(({ role, content }) => (role === 'assistant' ? (content ?? '') : '')).join('');
  return { complaints, messages: agent.messages, error, text };
}

/** A subscriber that does something once, when the answer has so many words. */
function atWord(count, act) {
  let isDone = false;
  return {
    onTextMessageContentEvent: ({ textMessageBuffer, event }) => {
      // Some versions of the client have the newest text in the buffer, and others have not.
      if (isDone || (textMessageBuffer + event.delta).split(/\s/).length <= count) return;
      isDone = true;
      act();
    },
  };
}

/** Messages without what the versions of the client have of them besides: the metadata of frames, and members that are empty. */
const comparable = (messages) =>
  JSON.parse(JSON.stringify(messages), (key, value) => (key === 'metadata' || value === '' ? undefined : value));

const ofType = (events, type) => events.filter((event) => event.type === type);

/** What the agent says to `/tokens`: twenty numbers a line. */
function numbers(count) {
  const all = Array.from({ length: count }, (_, index) => index + 1);
  return all.map((number) => `${number}${number % 20 === 0 || number === count ? '\n' : ' '}`).join('');
}

/** Waits until the program has printed so many such lines. */
async function printed({ output }, pattern, count = 1) {
  const lines = () =>
    output()
      .split('\n')
      .filter((line) => pattern.test(line)).length;
  while (lines() < count) await sleep(10);
}

/** Waits until so many runs of the agent have ended and are kept. */
const kept = (at, agent, count) => printed(at, new RegExp(`table +UpdateItem 200 .* ${agent.threadId}`), count);

/** How often the agent was called. */
const callsOf = ({ output }, { threadId }) => output().match(new RegExp(`agent +invoked .* ${threadId}`, 'g')).length;

/** The gateway closes the newest connection. */
async function cutAtTheGateway({ page, output }) {
  const [, id] = [...output().matchAll(/gateway +connected +(\S+)/g)].at(-1);
  const response = await fetch(`${page}/local/@connections/${encodeURIComponent(id)}`, { method: 'DELETE' });
  assert.equal(response.status, 204);
}
