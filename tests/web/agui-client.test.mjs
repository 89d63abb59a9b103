// AG-UI's own client talking to the relay over a real WebSocket, through the agent class that
// docs/connecting.md shows: the class is used here as an application would use it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { buildResumeArray } from '@ag-ui/client';
import WebSocket from 'ws';
import { answer, ask, failing, run, toolCalls } from './agui-conversation.mjs';
import { listening, startLocal } from './agui-support.mjs';
import { WebSocketAgent } from '../../packages/ag-ui-websocket/src/websocket-agent.mjs';

/** The connections of the agents by their addresses, no two of which are the same. */
const connections = new Map();
/** What happens, by address, between the opening of a connection and its first message. */
const interludes = new Map();

// Browsers and Node from 22 on have a WebSocket of their own, with the same interface.
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols);
    const connection = { socket: this, sent: [], frames: [] };
    connections.set(url, connection);
    this.on('message', (data) => connection.frames.push(JSON.parse(data.toString('utf8'))));
  }

  async send(data) {
    connections.get(this.url).sent.push(JSON.parse(data));
    await interludes.get(this.url)?.();
    super.send(data);
  }
};

const AT_ONCE = 30;

describe('an application with the documented agent class', {
  concurrency: AT_ONCE,
  timeout: 60_000,
}, () => {
  let local;
  before(async () => {
    // A run may still be ending at the function while the next one begins.
    local = await startLocal('--concurrency', String(2 * AT_ONCE));
  });
  after(() => local?.stop());

  it('shows its credential where the deployment asks for one, and its clones do', async () => {
    const code = 'correct horse – battery staple';
    const closed = await startLocal('--access-code', code);
    try {
      const url = `${closed.socket}?code`;
      const agent = new WebSocketAgent({ url, credential: code });
      assert.match(await ask(agent, '/slow 0'), /\bturn 1\b/);
      assert.match(await ask(agent.clone(), '/slow 0'), /\bturn 2\b/);
      const stranger = new WebSocketAgent({ url: `${closed.socket}?wrong`, credential: 'open sesame' });
      stranger.addMessage({ id: 'm1', role: 'user', content: 'hello' });
      await assert.rejects(stranger.runAgent(), /There is no connection to /);
    } finally {
      await closed.stop();
    }
  });

  it('gets an answer, and the next one knows the conversation', async () => {
    const agent = connect();
    assert.match(await ask(agent, '/slow 0'), /\bturn 1\b/);
    assert.match(await ask(agent, '/slow 0'), /\bturn 2\b/);
    assert.deepEqual(
      agent.messages.map(({ role }) => role),
      ['user', 'assistant', 'user', 'assistant'],
    );
  });

  it('sends no history, however long the conversation is', async () => {
    const agent = connect();
    const long = 'The gateway takes frames of at most 32 KiB. '.repeat(1000);
    agent.addMessages([
      { id: 'm1', role: 'user', content: long },
      { id: 'm2', role: 'assistant', content: long },
    ]);
    assert.match(await ask(agent, '/slow 0'), /\bturn 1\b/);
    const { sent } = connections.get(agent.url);
    assert.deepEqual(
      sent.map(({ messages }) => messages.map(({ content }) => content)),
      [['/slow 0']],
    );
  });

  it('names a call before what the user says instead of its result', async () => {
    const agent = connect();
    await ask(agent, '/tool');
    const [call] = toolCalls(agent);
    assert.match(await ask(agent, '/slow 0'), /\bturn 2\b/);
    const { sent } = connections.get(agent.url);
    const [named, prompt] = sent.at(-1).messages;
    assert.deepEqual(
      named.toolCalls.map(({ id }) => id),
      [call.id],
    );
    assert.equal(prompt.content, '/slow 0');
    // It was withdrawn, and is not named again.
    assert.match(await ask(agent, '/slow 0'), /\bturn 3\b/);
    assert.equal(sent.length, 1);
    assert.deepEqual(
      connections.get(agent.url).sent[0].messages.map(({ role }) => role),
      ['user'],
    );
  });

  it('names a call with its result until the agent has gone on from it', async () => {
    const agent = connect();
    await ask(agent, '/tool');
    answer(agent, toolCalls(agent)[0], '21 °C');
    const roles = () => connections.get(agent.url).sent[0].messages.map(({ role }) => role);
    await ask(agent, '/slow 0');
    assert.deepEqual(roles(), ['assistant', 'tool', 'user']);
    await ask(agent, '/slow 0');
    assert.deepEqual(roles(), ['user']);
  });

  it('keeps the context to itself where the agent takes no attributes, and so do its clones', async () => {
    const url = `${local.socket}?agent=${crypto.randomUUID()}`;
    const context = [{ description: 'page', value: 'Orders' }];
    for (const [agent, expected] of [
      [new WebSocketAgent({ url }), { page: 'Orders' }],
      [new WebSocketAgent({ url, attributes: false }), undefined],
      [new WebSocketAgent({ url, attributes: false }).clone(), undefined],
    ]) {
      await ask(agent, '/slow 0', { context });
      const [{ forwardedProps }] = connections.get(url).sent;
      assert.deepEqual(forwardedProps?.promptSessionAttributes, expected);
    }
  });

  it('gets events that arrived in fragments', async () => {
    const agent = connect();
    const traces = [];
    await ask(
      agent,
      '/trace 100',
      { forwardedProps: { trace: true } },
      {
        onRawEvent: ({ event }) => void traces.push(event.event.trace.trace),
      },
    );
    const { frames } = connections.get(agent.url);
    const fragments = frames.filter(({ name }) => name === 'relay.fragment');
    assert.ok(fragments.length >= 4, `${fragments.length} fragments`);
    const [thought] = traces.map(({ orchestrationTrace }) => orchestrationTrace?.rationale?.text);
    assert.ok(thought.length > 90_000, `the thought has ${thought.length} characters`);
  });

  it('stops a run, keeps the text so far, and goes on', async () => {
    const agent = connect();
    const text = await ask(
      agent,
      '/tokens 2000 50',
      {},
      {
        onTextMessageContentEvent({ textMessageBuffer }) {
          if (textMessageBuffer.includes('3')) agent.abortRun();
        },
      },
    );
    assert.match(text, /^1 2 3 /);
    assert.ok(text.length < 1000, text);
    assert.equal(agent.isRunning, false);
    const { socket, frames } = connections.get(agent.url);
    assert.match(await ask(agent, '/slow 0'), /\bturn 2\b/);
    if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close');
    assert.equal(frames.at(-1).metadata.relay.stopped, true);
  });

  it('is cloned with its address, as CopilotKit does for every thread', async () => {
    const agent = connect();
    const clone = agent.clone();
    clone.threadId = crypto.randomUUID();
    assert.match(await ask(clone, '/slow 0'), /\bturn 1\b/);
    assert.match(await ask(agent, '/slow 0'), /\bturn 1\b/);
  });

  it('is told of an error of the agent, with the text before it', async () => {
    const agent = connect();
    const { text, error } = await failing(agent, '/error throttlingException 3');
    assert.equal(error.code, 'throttling');
    assert.equal(error.metadata.relay.retryable, true);
    assert.equal(text, 'chunk 1 chunk 2 chunk 3 ');
  });

  it('is told when there is no connection', async () => {
    const agent = new WebSocketAgent({ url: 'ws://127.0.0.1:9/local' });
    const complaints = [];
    await assert.rejects(
      listening(complaints, () => ask(agent, 'hello')),
      /There is no connection to ws:\/\/127\.0\.0\.1:9\/local/,
    );
  });

  for (const [prompt, name, parameters, group] of [
    ['/tool', 'get_weather', { city: 'Zürich', days: 3 }, 'weather'],
    ['/tool team', 'read_thermometer', { station: 'Üetliberg' }, 'station'],
    [
      '/tool api',
      'POST /orders/{orderId}/refunds',
      {
        orderId: 'A-1017',
        notify: true,
        requestBody: {
          amount: 12.5,
          currency: 'CHF',
          reason: '“arrived broken”, said the customer',
          items: ['cup', 'saucer'],
        },
      },
      'orders',
    ],
  ]) {
    it(`answers ${prompt}`, async () => {
      const agent = connect();
      await ask(agent, prompt);
      const [call] = toolCalls(agent);
      assert.equal(call.function.name, name);
      assert.deepEqual(JSON.parse(call.function.arguments), parameters);
      answer(agent, call, '21 °C');
      assert.equal(await run(agent), thanks(`\`${group} ${name}\` returned \`21 °C\`.`));
    });
  }

  it('answers several calls at once, in any order', async () => {
    const agent = connect();
    await ask(agent, '/tool 5');
    const calls = toolCalls(agent);
    assert.equal(calls.length, 5);
    calls.toReversed().forEach((call, number) => answer(agent, call, `result ${number}`));
    const results = [
      '`calendar book_slot` returned `result 0`.',
      '`stock GET /articles/{articleId}` returned `result 1`.',
      '`calendar find_free_slot` returned `result 2`.',
      '`orders POST /orders/{orderId}/refunds` returned `result 3`.',
      '`weather get_weather` returned `result 4`.',
    ];
    assert.equal(await run(agent), thanks(...results));
  });

  it('is refused some answers where all are due, and gives them then', async () => {
    const agent = connect();
    await ask(agent, '/tool 2');
    const [first, second] = toolCalls(agent);
    answer(agent, first, 'one');
    const { error } = await failing(agent);
    assert.equal(error.code, 'validation');
    answer(agent, second, 'two');
    const results = [
      '`weather get_weather` returned `one`.',
      '`orders POST /orders/{orderId}/refunds` returned `two`.',
    ];
    assert.equal(await run(agent), thanks(...results));
  });

  for (const prompt of ['/tool', '/tool api']) {
    it(`says that a tool failed: ${prompt}`, async () => {
      const agent = connect();
      await ask(agent, prompt);
      const [call] = toolCalls(agent);
      answer(agent, call, '', { error: 'no sensor' });
      const { text, error } = await failing(agent);
      assert.equal(error.code, 'dependency_failed');
      assert.equal(error.metadata.relay.retryable, false);
      assert.equal(text, '');
      assert.match(await ask(agent, '/slow 0'), /\bturn 2\b/);
    });
  }

  for (const [prompt, action] of [
    ['/confirm', 'bookings cancel_booking'],
    ['/confirm api', 'payments POST /transfers'],
  ]) {
    const confirmed = thanks(`You **confirmed** \`${action}\`, and it is done.`);
    const declined = thanks(`You **declined** \`${action}\`, so nothing was done.`);
    for (const [response, expected] of [
      [{ status: 'resolved', payload: { confirmed: true } }, confirmed],
      [{ status: 'resolved' }, confirmed],
      [{ status: 'resolved', payload: { confirmed: false } }, declined],
      [{ status: 'cancelled' }, declined],
    ]) {
      it(`resumes ${prompt} with ${JSON.stringify(response)}`, async () => {
        const agent = connect();
        await ask(agent, prompt);
        const [interrupt] = agent.pendingInterrupts;
        assert.equal(interrupt.reason, 'confirmation');
        assert.equal(interrupt.toolCallId, toolCalls(agent)[0].id);
        assert.equal(await run(agent, { resume: resuming(agent, response) }), expected);
        assert.deepEqual(agent.pendingInterrupts, []);
      });
    }
  }

  it('confirms an action and gives its result in one run', async () => {
    const agent = connect();
    await ask(agent, '/confirm result');
    answer(agent, toolCalls(agent)[0], '{"refund":42}');
    const resume = resuming(agent, { status: 'resolved', payload: { confirmed: true } });
    const expected = '`bookings cancel_booking` was **confirmed** and returned `{"refund":42}`.';
    assert.equal(await run(agent, { resume }), thanks(expected));
  });

  it('declines an action that wants a result, too', async () => {
    const agent = connect();
    await ask(agent, '/confirm result');
    const expected = 'You **declined** `bookings cancel_booking`, so nothing was done.';
    const resume = resuming(agent, { status: 'cancelled' });
    assert.equal(await run(agent, { resume }), thanks(expected));
  });

  it('is refused the answer of another thread, which can still be given there', async () => {
    const [agent, other] = [connect(), connect()];
    await ask(agent, '/tool');
    other.setMessages(agent.messages);
    for (const each of [other, agent]) answer(each, toolCalls(agent)[0], '21 °C');
    const { error } = await failing(other);
    assert.equal(error.code, 'invalid_request');
    assert.match(error.message, /another conversation/);
    assert.equal(await run(agent), thanks('`weather get_weather` returned `21 °C`.'));
  });

  it('is refused the confirmation of another thread', async () => {
    const [agent, other] = [connect(), connect()];
    await ask(agent, '/confirm');
    other.setMessages(agent.messages);
    const resume = resuming(agent, { status: 'resolved' });
    const { error } = await failing(other, undefined, { resume });
    assert.equal(error.code, 'invalid_request');
    const confirmed = 'You **confirmed** `bookings cancel_booking`, and it is done.';
    assert.equal(await run(agent, { resume }), thanks(confirmed));
  });

  it('is refused an answer that was given before', async () => {
    const agent = connect();
    await ask(agent, '/tool');
    answer(agent, toolCalls(agent)[0], '21 °C');
    const unanswered = structuredClone(agent.messages);
    await run(agent);
    agent.setMessages(unanswered);
    const { error } = await failing(agent);
    assert.equal(error.code, 'validation');
  });

  const connect = () => agentOf(local);
});

describe('the agent class at a gateway with troubles', { timeout: 60_000 }, () => {
  let local;
  before(async () => {
    local = await startLocal('--concurrency', '1', '--lose-answers', '0.3');
  });
  after(() => local?.stop());

  it('takes a frame once that arrives twice', async () => {
    const agent = agentOf(local);
    const text = await ask(agent, '/tokens 60 200');
    const numbers = Array.from({ length: 60 }, (_, index) => index + 1);
    assert.deepEqual(text.trim().split(/\s/).map(Number), numbers);
    const { frames } = connections.get(agent.url);
    const seqs = new Set(frames.map(({ metadata }) => metadata.relay.seq));
    assert.ok(seqs.size < frames.length, `${frames.length} frames, and none arrived twice`);
  });

  it('fails when the gateway is too busy, and says so', async () => {
    const [busy, refused] = [agentOf(local), agentOf(local)];
    let running;
    const occupied = () =>
      new Promise((resolve) => {
        const onTextMessageStartEvent = () => void resolve();
        running = ask(busy, '/tokens 200 100', {}, { onTextMessageStartEvent });
      });
    interludes.set(refused.url, occupied);
    const complaints = [];
    await assert.rejects(
      listening(complaints, () => ask(refused, 'hello')),
      /Too Many Requests/,
    );
    busy.abortRun();
    await running;
  });
});

/** An agent of its own conversation and connection. */
function agentOf(local) {
  return new WebSocketAgent({ url: `${local.socket}?agent=${crypto.randomUUID()}` });
}

/** The same response to every open interrupt. */
function resuming({ pendingInterrupts }, response) {
  const responses = pendingInterrupts.map(({ id }) => [id, response]);
  return buildResumeArray(pendingInterrupts, Object.fromEntries(responses));
}

/** What the scripted agent says when it has what it asked for. */
function thanks(...results) {
  const list = results.map((result) => `- ${result}\n`).join('');
  const end = 'This is still turn 1 of this conversation.';
  return `Thank you, that is what I was waiting for:\n\n${list}\n${end}`;
}
