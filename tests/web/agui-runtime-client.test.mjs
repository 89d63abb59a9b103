// AG-UI's own client talking to an agent on a runtime through the agent class of docs/connecting.md: every scenario there
// is, and what only agents have that speak AG-UI themselves.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { checkFrames } from './agui-checks.mjs';
import { listening, startLocal } from './agui-support.mjs';
import { answer, conversing, open, PROMPTS, resuming, TIMELINES } from './agui-walk.mjs';
import { startIssuer } from './support/issuer.mjs';
import { WebSocketAgent } from '../../packages/ag-ui-websocket/src/websocket-agent.mjs';

/** What agents sent and were sent, by their addresses, no two of which are the same. */
const wires = new Map();

// Browsers and Node from 22 on have a WebSocket of their own, with the same interface.
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols);
    if (!wires.has(url)) wires.set(url, { sent: [], messages: [] });
    wires.get(url).socket = this;
    this.on('message', (data, isBinary) => wires.get(url).messages.push({ frame: data.toString('utf8'), isBinary }));
  }

  send(data) {
    wires.get(this.url).sent.push(JSON.parse(data));
    super.send(data);
  }
};

const AT_ONCE = 12;
const RUNS = { concurrency: AT_ONCE, timeout: 120_000 };

const { ask, run, walk } = conversing(async (agent, runId) => {
  const all = wires.get(agent.url).messages.splice(0);
  const frames = all.map(({ frame }) => frame);
  const { code } = JSON.parse(frames.at(-1));
  const events = checkFrames({ frames, binary: all.filter(({ isBinary }) => isBinary).length }, { runId, code });
  const [{ type, threadId }] = events;
  assert.deepEqual([type, threadId], ['RUN_STARTED', agent.threadId]);
  return events;
});

describe('an application at an agent on a runtime', RUNS, () => {
  let local;
  let folder;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'timelines-'));
    await writeFile(
      join(folder, 'written.jsonl'),
      TIMELINES.runtime.map((line) => `${JSON.stringify(line)}\n`).join(''),
    );
    // A run may still be ending at the function while the next one begins.
    local = await startLocal('--source', 'runtime', '--timelines', folder, '--concurrency', String(3 * AT_ONCE));
  });
  after(async () => {
    await local?.stop();
    if (folder) await rm(folder, { recursive: true });
  });

  for (const prompts of Object.values(PROMPTS.runtime)) {
    const codes = Array.isArray(prompts) ? Object.fromEntries(prompts.map((prompt) => [prompt, undefined])) : prompts;
    for (const [prompt, code] of Object.entries(codes)) {
      // Its snapshot comes back in the next message, and a message has 32 KiB.
      const isLarge = /\/snapshot 300|\/single 300|\/trace 5120|\/tokens 10000/.test(prompt);
      it(prompt, () => (isLarge ? walkOnce(prompt) : walk(local, connect(), prompt, { code })));
    }
  }

  /** A conversation that is too long for another message, of which the client is told. */
  async function walkOnce(prompt) {
    const agent = connect();
    const { error } = await ask(agent, prompt);
    assert.equal(error, undefined);
    agent.addMessage({ id: crypto.randomUUID(), role: 'user', content: '/slow 0' });
    await assert.rejects(
      listening([], () => agent.runAgent()),
      /^Error: The message has \d+ bytes, and API Gateway takes 32768 at most\.$/,
    );
  }

  it('sends all that AG-UI has, and so do its clones', async () => {
    const tools = [{ name: 'get_weather', description: 'Tells the weather.', parameters: { type: 'object' } }];
    const context = [{ description: 'page', value: 'Orders' }];
    for (const agent of [connect({ initialState: { page: 1 } }), connect({ initialState: { page: 1 } }).clone()]) {
      assert.match((await ask(agent, '/slow 0', { tools, context })).text, /\bturn 1\b/);
      assert.match((await ask(agent, '/slow 0', { tools, context })).text, /\bturn 2\b/);
      const sent = wires.get(agent.url).sent.at(-1);
      assert.deepEqual([sent.tools, sent.context, sent.state], [tools, context, { page: 1 }]);
      assert.deepEqual(
        sent.messages.map(({ role }) => role),
        ['user', 'assistant', 'user'],
      );
    }
  });

  it('answers calls whose pieces came in turn, in any order', async () => {
    const agent = connect();
    await ask(agent, '/tool 3');
    const calls = open(agent);
    assert.deepEqual(
      calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
      [
        ['get_weather', { city: 'Zürich', days: 3 }],
        ['refund_order', { orderId: 'A-1017', amount: 12.5, reason: '“broken” ☕' }],
        ['find_free_slot', {}],
      ],
    );
    for (const call of calls.toReversed()) answer(agent, call, `result of ${call.function.name}`);
    const { text } = await run(agent);
    for (const {
      function: { name },
    } of calls)
      assert.ok(text.includes(`\`${name}\` returned \`result of ${name}\``), text);
    assert.match((await ask(agent, '/slow 0')).text, /\bturn 2\b/);
  });

  it('says that a tool failed', async () => {
    const agent = connect();
    await ask(agent, '/tool');
    answer(agent, open(agent)[0], '', { error: 'no sensor' });
    assert.match((await run(agent)).text, /`get_weather` failed with `no sensor`/);
  });

  it('goes on from an interrupt, or does not', async () => {
    for (const [response, said] of [
      [{ status: 'resolved', payload: { approved: true } }, 'is resolved with `{"approved":true}`'],
      [{ status: 'cancelled' }, 'is cancelled with `null`'],
    ]) {
      const agent = connect();
      await ask(agent, '/interrupt');
      const [{ id }] = agent.pendingInterrupts;
      const { text } = await run(agent, { resume: resuming(agent, response) });
      assert.ok(text.includes(`\`${id}\` ${said}`), text);
      assert.deepEqual(agent.pendingInterrupts, []);
    }
  });

  it('shares its state with the agent, there and back', async () => {
    const agent = connect({ initialState: { page: 1 } });
    for (const before of [agent.state, { orders: [{ id: 'A-1017', total: 13, note: null }] }]) {
      const { events } = await ask(agent, '/strands');
      assert.deepEqual(events.find(({ type }) => type === 'STATE_SNAPSHOT').snapshot, before);
      assert.deepEqual(agent.state, { orders: [{ id: 'A-1017', total: 13, note: null }] });
    }
  });

  it('stops without an error while the agent goes on, which is heard again once it has ended', async () => {
    const agent = connect();
    const [failures, complaints] = [[], []];
    agent.addMessage({ id: crypto.randomUUID(), role: 'user', content: '/tokens 100 50' });
    await listening(complaints, () =>
      agent.runAgent(
        {},
        {
          onTextMessageContentEvent: () => agent.abortRun(),
          onRunFailed: ({ error }) => void failures.push(error),
        },
      ),
    );
    assert.deepEqual([complaints, failures], [[], []]);
    assert.match(agent.messages.at(-1).content, /^1 /);
    // The run ends for the relay, too, before the connection closes.
    const { socket, messages } = wires.get(agent.url);
    if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close');
    assert.equal(JSON.parse(messages.at(-1).frame).metadata.relay.stopped, true);
    messages.splice(0);
    // The runtime has one run at a time for each session: until it has ended, the relay asks again for a while.
    let last = await ask(agent, '/slow 0');
    while (last.error?.code === 'conflict') {
      agent.setMessages(agent.messages.slice(0, -1));
      last = await ask(agent, '/slow 0');
    }
    assert.match(last.text, /\bturn 2\b/);
  });

  /** An agent of its own conversation and address, as for a runtime. */
  const connect = (config) =>
    new WebSocketAgent({ url: `${local.socket}?agent=${crypto.randomUUID()}`, wholeInput: true, ...config });
});

describe('two users of a runtime, over a WebSocket', RUNS, () => {
  let issuer;
  let local;
  before(async () => {
    issuer = await startIssuer();
    local = await startLocal('--source', 'runtime', ...issuer.options);
  });
  after(async () => {
    await local?.stop();
    await issuer?.stop();
  });
  const connect = (user, config) =>
    new WebSocketAgent({
      url: `${local.socket}?agent=${crypto.randomUUID()}`,
      credential: () => issuer.token(user),
      wholeInput: true,
      ...config,
    });

  it('have conversations of their own, whichever thread they name', async () => {
    const alice = connect('alice');
    assert.match((await ask(alice, '/slow 0')).text, /\bturn 1\b/);
    const { threadId, messages: initialMessages } = alice;
    const bob = connect('bob', { threadId, initialMessages });
    assert.match((await ask(bob, '/slow 0')).text, /\bturn 1\b/);
    assert.match((await ask(alice, '/slow 0')).text, /\bturn 2\b/);
    // Another place of hers, with nothing but the name.
    assert.match((await ask(connect('alice', { threadId }), '/slow 0')).text, /\bturn 3\b/);
    assert.match((await ask(bob, '/slow 0')).text, /\bturn 2\b/);
  });
});
