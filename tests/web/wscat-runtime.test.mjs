// The real wscat against the local AWS with an agent on a runtime: the short form, and AG-UI's own.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runAgentInput, startLocal, textOf } from './agui-support.mjs';
import { sendWithWscat, turnOf } from './wscat-support.mjs';

describe('wscat at an agent on a runtime', { concurrency: 12, timeout: 60_000 }, () => {
  let local;
  before(async () => {
    local = await startLocal('--source', 'runtime', '--concurrency', '32');
  });
  after(() => local?.stop());

  const execute = (message) => sendWithWscat(local, message);

  it('gets an answer to the short form, an e-mail address beside it', async () => {
    const events = await execute({ prompt: 'hello', email: 'ada@example.com' });
    assert.match(textOf(events), /^You wrote “hello”\. This is turn 1 .*## What a run is made of/s);
    const types = new Set(events.map(({ type }) => type));
    for (const type of [
      'STATE_SNAPSHOT',
      'TEXT_MESSAGE_START',
      'TOOL_CALL_START',
      'TOOL_CALL_RESULT',
      'TEXT_MESSAGE_END',
    ])
      assert.ok(types.has(type), type);
    assert.equal(events.at(-1).type, 'RUN_FINISHED');
  });

  it('gets what the agent says in its own order, whether it asks for the trace or not', async () => {
    const [one, other] = await Promise.all([false, true].map((trace) => execute({ prompt: '/strands', trace })));
    const kinds = (events) => events.map(({ type }) => type).filter((type, index, all) => type !== all[index - 1]);
    assert.deepEqual(kinds(one), kinds(other));
    assert.ok(kinds(one).includes('MESSAGES_SNAPSHOT') && kinds(one).includes('STATE_DELTA'));
  });

  it('continues a conversation over reconnects with the same session, in both forms', async () => {
    const sessionId = crypto.randomUUID();
    assert.equal(turnOf(await execute({ prompt: '/slow 0', sessionId })), 1);
    assert.equal(turnOf(await execute({ prompt: '/slow 0', sessionId })), 2);
    assert.equal(turnOf(await execute(runAgentInput('/slow 0', { threadId: sessionId }))), 3);
  });

  it('has a conversation for each connection where it names none, and nobody else is in it', async () => {
    assert.deepEqual(
      (await Promise.all(Array.from({ length: 3 }, () => execute({ prompt: '/slow 0' })))).map(turnOf),
      [1, 1, 1],
    );
  });

  it('answers a call with a RunAgentInput', async () => {
    const input = runAgentInput('/tool');
    const calls = (await execute(input)).filter(({ type }) => type === 'TOOL_CALL_START');
    assert.equal(calls.length, 1);
    const [{ toolCallId: id, toolCallName: name }] = calls;
    const assistant = {
      id: 'a',
      role: 'assistant',
      toolCalls: [{ id, type: 'function', function: { name, arguments: '{}' } }],
    };
    const messages = [...input.messages, assistant, { id: 't', role: 'tool', toolCallId: id, content: '21 °C' }];
    const events = await execute(runAgentInput('', { threadId: input.threadId, messages }));
    assert.match(textOf(events), /`get_weather` returned `21 °C`.*turn 1/s);
  });

  it('goes on from an interrupt with a RunAgentInput', async () => {
    const input = runAgentInput('/interrupt');
    const [interrupt] = (await execute(input)).at(-1).outcome.interrupts;
    const resume = [{ interruptId: interrupt.id, status: 'resolved', payload: { approved: true } }];
    const events = await execute(runAgentInput('', { threadId: input.threadId, messages: input.messages, resume }));
    assert.match(textOf(events), /is resolved with `\{"approved":true\}`/);
    assert.deepEqual(events.at(-1).result, { refunded: 12.5 });
  });

  it('is told what an agent that speaks AG-UI does not take', async () => {
    for (const [more, name] of [
      [{ sessionAttributes: { plan: 'gold' } }, 'sessionAttributes'],
      [{ promptSessionAttributes: { page: 'Orders' } }, 'promptSessionAttributes'],
      [{ endSession: true }, 'endSession'],
      [{ tools: [] }, 'tools'],
      [{ state: {} }, 'state'],
      [{ prompt: undefined, sessionId: 's1', toolResults: [{ toolCallId: 'c', content: 'x' }] }, 'toolResults'],
    ]) {
      const [{ code, message }, ...others] = await execute({ prompt: 'hello', ...more });
      assert.deepEqual([code, others], ['invalid_request', []]);
      assert.ok(message.includes(name), message);
    }
  });
});
