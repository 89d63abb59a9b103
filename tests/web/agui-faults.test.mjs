// What once broke between AG-UI's client and the relay, with the agent class that docs/connecting.md
// shows: each group is a fault, named after what broke.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import * as client from '@ag-ui/client';
import { WebSocket, WebSocketServer } from 'ws';
import { listening, startLocal } from './agui-support.mjs';
import { WebSocketAgent } from './websocket-agent.mjs';

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
    ['a list of parts', '/confirm', says([{ type: 'text', text: '/slow ' }, { type: 'text', text: '0' }])],
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
    for (const [status, expected] of [['cancelled', DECLINED], ['resolved', CONFIRMED]]) {
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
  const text = newMessages.map(({ role, content }) => (role === 'assistant' ? content ?? '' : '')).join('');
  return { text, error };
}

/** The same response to every open interrupt. */
const responses = ({ pendingInterrupts }, response) => pendingInterrupts.map(({ id }) => ({ interruptId: id, ...response }));
