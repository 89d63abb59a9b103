// AG-UI's own client talking to a harness through the agent class of docs/connecting.md: calls of the
// harness' own tools and of the application's, in all their orders and with all that can become of them.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { answer, ask, failing, run, toolCalls } from './agui-conversation.mjs';
import { startLocal } from './agui-support.mjs';
import { WebSocketAgent } from '../../packages/ag-ui-websocket/src/websocket-agent.mjs';

/** What the agents sent and were sent, by their addresses, no two of which are the same. */
const wires = new Map();

// Browsers and Node from 22 on have a WebSocket of their own, with the same interface.
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols);
    if (!wires.has(url)) wires.set(url, { sent: [], frames: [] });
    this.on('message', (data) => wires.get(url).frames.push(JSON.parse(data.toString('utf8'))));
  }

  send(data) {
    wires.get(this.url).sent.push(JSON.parse(data));
    super.send(data);
  }
};

const AT_ONCE = 12;
const WEATHER = '`get_weather` returned `21 °C`.';
/** What the harness says of results, whichever: it must not be heard of a call that was withdrawn. */
const ACKNOWLEDGED = /Thank you, that is what I was waiting for/;

let local;
before(async () => {
  // A run may still be ending at the function while the next one begins.
  local = await startLocal('--source', 'harness', '--concurrency', String(2 * AT_ONCE));
});
after(() => local?.stop());

for (const trace of [false, true]) {
  const parameters = { forwardedProps: { trace } };

  describe(`an application at a harness, ${trace ? 'with' : 'without'} the trace`, {
    concurrency: AT_ONCE,
    timeout: 60_000,
  }, () => {
    it('answers one call', async () => {
      const agent = connect();
      await ask(agent, '/tool', parameters);
      const [call, ...others] = unanswered(agent);
      assert.deepEqual(
        [call.function.name, JSON.parse(call.function.arguments), others],
        ['get_weather', { city: 'Zürich', days: 3 }, []],
      );
      answer(agent, call, '21 °C');
      assert.equal(await run(agent, parameters), thanks(WEATHER));
      assert.deepEqual(unanswered(agent), []);
      assert.match(await ask(agent, '/slow 0', parameters), /\bturn 2\b/);
    });

    it('answers three calls one after the other', async () => {
      const agent = connect();
      await ask(agent, '/tool 3', parameters);
      for (const [name, next] of [
        ['get_weather', 'refund_order'],
        ['refund_order', 'find_free_slot'],
      ]) {
        answer(agent, only(agent, name), `result of ${name}`);
        assert.equal(await run(agent, parameters), '');
        only(agent, next);
      }
      answer(agent, only(agent, 'find_free_slot'), 'result of find_free_slot');
      const results = ['get_weather', 'refund_order', 'find_free_slot'].map(
        (name) => `\`${name}\` returned \`result of ${name}\`.`,
      );
      assert.equal(await run(agent, parameters), thanks(...results));
    });

    it('answers three calls together, in any order', async () => {
      const agent = connect();
      await ask(agent, '/tool 3 together', parameters);
      const calls = unanswered(agent);
      assert.deepEqual(
        calls.map(({ function: { name } }) => name),
        ['get_weather', 'refund_order', 'find_free_slot'],
      );
      for (const call of calls.toReversed()) answer(agent, call, `result of ${call.function.name}`);
      const text = await run(agent, parameters);
      const heard = [...text.matchAll(/^- `(\w+)` returned `result of \1`\.$/gm)].map(([, name]) => name);
      assert.deepEqual(heard.toSorted(), calls.map(({ function: { name } }) => name).toSorted());
      assert.match(text, ACKNOWLEDGED);
    });

    it('is refused some answers where all are due, and gives them then', async () => {
      const agent = connect();
      await ask(agent, '/tool 3 together', parameters);
      const [first, ...others] = unanswered(agent);
      answer(agent, first, 'one');
      const { error } = await failing(agent, undefined, parameters);
      assert.equal(error.code, 'validation');
      for (const call of others) answer(agent, call, 'more');
      assert.match(await run(agent, parameters), ACKNOWLEDGED);
    });

    it('says that a tool failed, and is answered', async () => {
      const agent = connect();
      await ask(agent, '/tool', parameters);
      answer(agent, only(agent, 'get_weather'), '', { error: 'no sensor' });
      assert.equal(await run(agent, parameters), thanks('`get_weather` failed with `no sensor`.'));
    });

    it('says that one of three failed', async () => {
      const agent = connect();
      await ask(agent, '/tool 3 together', parameters);
      const [first, second, third] = unanswered(agent);
      answer(agent, first, '21 °C');
      answer(agent, second, '', { error: 'no money' });
      answer(agent, third, '{"slot":"10:00"}');
      assert.equal(
        await run(agent, parameters),
        thanks(WEATHER, '`refund_order` failed with `no money`.', '`find_free_slot` returned `{"slot":"10:00"}`.'),
      );
    });

    it('cancels a call as if it were an interrupt, which is an error for the harness', async () => {
      const agent = connect();
      await ask(agent, '/tool', parameters);
      const { id } = only(agent, 'get_weather');
      const text = await run(agent, { ...parameters, resume: [{ interruptId: id, status: 'cancelled' }] });
      assert.match(text, /^- `get_weather` failed with /m);
    });

    it('is asked for nothing where a hook denied the call', async () => {
      const agent = connect();
      assert.match(await ask(agent, '/tool denied', parameters), /I may not ask you now/);
      assert.deepEqual(unanswered(agent), []);
      assert.match(await ask(agent, '/slow 0', parameters), /\bturn 2\b/);
    });

    it('is heard where its user types something else, and the answer to the withdrawn calls is not shown', async () => {
      for (const prompt of ['/tool', '/tool 5', '/tool 3 together', '/tool late', '/tool text']) {
        const agent = connect();
        await ask(agent, prompt, parameters);
        const pending = unanswered(agent).length;
        assert.ok(pending > 0);
        const before = wires.get(agent.url).frames.length;
        const text = await ask(agent, '/slow 0', parameters);
        assert.match(text, /^After 0 seconds .* This is turn 2 of this conversation\.$/, prompt);
        const frames = JSON.stringify(wires.get(agent.url).frames.slice(before));
        assert.doesNotMatch(frames, /Thank you|waiting for|cancelled by the user/, 'nor is it in any other frame');
        // It was withdrawn: the next prompt is one like any other.
        assert.match(await ask(agent, '/slow 0', parameters), /\bturn 3\b/);
        assert.deepEqual(
          wires
            .get(agent.url)
            .sent.at(-1)
            .messages.map(({ role }) => role),
          ['user'],
        );
      }
    });

    it('is heard between two calls of one turn, too', async () => {
      const agent = connect();
      await ask(agent, '/tool 3', parameters);
      answer(agent, only(agent, 'get_weather'), '21 °C');
      await run(agent, parameters);
      only(agent, 'refund_order');
      assert.match(await ask(agent, '/slow 0', parameters), /^After 0 seconds .* This is turn 2 /);
    });

    it('asks for something new with which new calls come', async () => {
      const agent = connect();
      await ask(agent, '/tool', parameters);
      const [old] = unanswered(agent);
      await ask(agent, '/tool 3 together', parameters);
      const calls = unanswered(agent).filter(({ id }) => id !== old.id);
      assert.equal(calls.length, 3);
      for (const call of calls) answer(agent, call, 'done');
      const text = await run(agent, parameters);
      assert.match(text, ACKNOWLEDGED);
      assert.match(text, /\bturn 2\b/);
    });

    it('answers a call that came after tools of the harness', async () => {
      const agent = connect();
      await ask(agent, '/tool late', parameters);
      assert.equal(toolCalls(agent).length, trace ? 2 : 1);
      answer(agent, only(agent, 'get_weather'), '21 °C');
      assert.equal(await run(agent, parameters), thanks(WEATHER));
      const { messages } = wires.get(agent.url).sent.at(-1);
      assert.deepEqual(
        messages.map(({ role, content }) => [role, content]),
        [['tool', '21 °C']],
      );
    });

    it('answers a call whose arguments are no JSON, and one without any', async () => {
      for (const [prompt, name, written] of [
        ['/tool text', 'write_note', '{"note": "this is cut'],
        ['/tool empty', 'find_free_slot', '{}'],
      ]) {
        const agent = connect();
        await ask(agent, prompt, parameters);
        const call = only(agent, name);
        assert.equal(call.function.arguments, written);
        answer(agent, call, 'done');
        assert.equal(await run(agent, parameters), thanks(`\`${name}\` returned \`done\`.`));
      }
    });

    it('goes on after tools that are not its own', async () => {
      const agent = connect();
      await ask(agent, '/work', parameters);
      assert.equal(toolCalls(agent).length, trace ? 4 : 0);
      assert.deepEqual(unanswered(agent), []);
      assert.match(await ask(agent, '/think', parameters), /\bturn 2\b/);
      assert.deepEqual(
        wires
          .get(agent.url)
          .sent.at(-1)
          .messages.map(({ role }) => role),
        ['user'],
      );
      const thoughts = agent.messages.filter(({ role }) => role === 'reasoning');
      assert.equal(thoughts.length, trace ? 4 : 0);
    });

    it('is refused an answer that was given before, and that of another thread', async () => {
      const [agent, other] = [connect(), connect()];
      await ask(agent, '/tool', parameters);
      other.setMessages(agent.messages);
      for (const each of [other, agent]) answer(each, only(each, 'get_weather'), '21 °C');
      assert.equal((await failing(other, undefined, parameters)).error.code, 'invalid_request');
      const given = structuredClone(agent.messages);
      assert.equal(await run(agent, parameters), thanks(WEATHER));
      agent.setMessages(given);
      assert.equal((await failing(agent, undefined, parameters)).error.code, 'validation');
    });

    it('keeps the text of an answer that a limit cut short', async () => {
      const { text, error } = await failing(connect(), '/limit max_tokens', parameters);
      assert.match(text, /^This answer ends with `max_tokens`/);
      assert.deepEqual(
        [error.code, error.metadata.relay.stopReason, error.metadata.relay.retryable],
        ['limit_reached', 'max_tokens', false],
      );
    });
  });
}

/** An agent of its own conversation and address, as for a harness: it takes no attributes. */
const connect = () => new WebSocketAgent({ url: `${local.socket}?agent=${crypto.randomUUID()}`, attributes: false });

/** The calls of a conversation that have no result. */
function unanswered(agent) {
  const answered = new Set(agent.messages.map(({ toolCallId }) => toolCallId));
  return toolCalls(agent).filter(({ id }) => !answered.has(id));
}

/** The only call that waits, which has this name. */
function only(agent, name) {
  const calls = unanswered(agent);
  assert.deepEqual(
    calls.map(({ function: called }) => called.name),
    [name],
  );
  return calls[0];
}

/** What the scripted harness says when it has what it asked for. */
function thanks(...results) {
  const list = results.map((result) => `- ${result}\n`).join('');
  return `Thank you, that is what I was waiting for:\n\n${list}\nThis is still turn 1 of this conversation.`;
}
