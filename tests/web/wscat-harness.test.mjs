// The real wscat against the local AWS with a harness: the short form, and its answers to calls.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runAgentInput, startLocal, textOf } from './agui-support.mjs';
import { callsOf, resultsOf, sendWithWscat, turnOf } from './wscat-support.mjs';

const ACKNOWLEDGED = /Thank you, that is what I was waiting for/;

describe('wscat at a harness', { concurrency: 12, timeout: 60_000 }, () => {
  let local;
  before(async () => {
    local = await startLocal('--source', 'harness', '--concurrency', '32');
  });
  after(() => local?.stop());

  const execute = (message) => sendWithWscat(local, message);
  /** Begins a conversation, and returns its id and the ids of the calls that wait. */
  const asking = async (prompt, more) => {
    const sessionId = crypto.randomUUID();
    const events = await execute({ prompt, sessionId, ...more });
    assert.equal(events.at(-1).type, 'RUN_FINISHED', JSON.stringify(events.at(-1)));
    return { sessionId, calls: open(events) };
  };

  it('gets an answer to the short form, an e-mail address beside it', async () => {
    const events = await execute({ prompt: '/work', email: 'ada@example.com' });
    assert.match(textOf(events), /^I look into .*Now the order .*The \*\*refund\*\*/);
    assert.equal(events.at(-1).metadata.relay.stopReason, 'end_turn');
    assert.ok(
      events.every(({ type }) => !/^(REASONING|TOOL_CALL)/.test(type)),
      'nothing of the trace',
    );
  });

  it('gets reasoning and tools with the trace', async () => {
    const types = new Set((await execute({ prompt: '/work', trace: true })).map(({ type }) => type));
    for (const type of [
      'REASONING_START',
      'REASONING_MESSAGE_CHUNK',
      'REASONING_END',
      'TOOL_CALL_CHUNK',
      'TOOL_CALL_RESULT',
      'RAW',
    ])
      assert.ok(types.has(type), type);
  });

  it('continues a conversation over reconnects with the same session', async () => {
    const sessionId = crypto.randomUUID();
    assert.equal(turnOf(await execute({ prompt: '/slow 0', sessionId })), 1);
    assert.equal(turnOf(await execute({ prompt: '/slow 0', sessionId })), 2);
    assert.equal(turnOf(await execute(runAgentInput('/slow 0', { threadId: sessionId }))), 3);
  });

  for (const [what, result, expected] of [
    ['a result', { content: '21 °C' }, '`get_weather` returned `21 °C`.'],
    ['an error', { error: 'no sensor' }, '`get_weather` failed with `no sensor`.'],
  ]) {
    it(`answers a call with ${what}`, async () => {
      const { sessionId, calls } = await asking('/tool');
      const events = await execute({ sessionId, toolResults: [{ toolCallId: calls[0], ...result }] });
      assert.deepEqual([events.at(-1).type, resultsOf(events), turnOf(events)], ['RUN_FINISHED', [expected], 1]);
    });
  }

  it('denies a call, which is an error for the harness', async () => {
    const { sessionId, calls } = await asking('/tool');
    const events = await execute({ sessionId, toolResults: [{ toolCallId: calls[0], confirmed: false }] });
    assert.equal(events.at(-1).type, 'RUN_FINISHED');
    assert.match(resultsOf(events).join('\n'), /^`get_weather` failed with /);
  });

  it('is asked for nothing where a hook denied the call', async () => {
    const { sessionId, calls } = await asking('/tool denied', { trace: true });
    assert.deepEqual(calls, []);
    assert.equal(turnOf(await execute({ prompt: '/slow 0', sessionId })), 2);
  });

  it('answers three calls one after the other', async () => {
    let { sessionId, calls } = await asking('/tool 3');
    for (const content of ['one', 'two']) {
      const events = await execute({ sessionId, toolResults: [{ toolCallId: calls[0], content }] });
      calls = open(events);
      assert.deepEqual([textOf(events), calls.length], ['', 1]);
    }
    const events = await execute({ sessionId, toolResults: [{ toolCallId: calls[0], content: 'three' }] });
    assert.deepEqual(resultsOf(events), [
      '`get_weather` returned `one`.',
      '`refund_order` returned `two`.',
      '`find_free_slot` returned `three`.',
    ]);
  });

  it('answers three calls at once, one of them with an error', async () => {
    const { sessionId, calls } = await asking('/tool 3 together');
    assert.equal(calls.length, 3);
    const [first, second, third] = calls.map((toolCallId) => ({ toolCallId }));
    const events = await execute({
      sessionId,
      toolResults: [
        { ...first, content: 'one' },
        { ...second, error: 'no money' },
        { ...third, content: 'three' },
      ],
    });
    assert.deepEqual(resultsOf(events), [
      '`get_weather` returned `one`.',
      '`refund_order` failed with `no money`.',
      '`find_free_slot` returned `three`.',
    ]);
  });

  it('is refused some answers where all are due, and gives them then', async () => {
    const { sessionId, calls } = await asking('/tool 3 together');
    const toolResults = calls.map((toolCallId) => ({ toolCallId, content: 'done' }));
    const { type, code } = (await execute({ sessionId, toolResults: toolResults.slice(0, 2) })).at(-1);
    assert.deepEqual([type, code], ['RUN_ERROR', 'validation']);
    assert.equal(resultsOf(await execute({ sessionId, toolResults })).length, 3);
  });

  it('says something new after an error for what waits, or is told that this comes first', async () => {
    const { sessionId, calls } = await asking('/tool');
    const { type, code, message } = (await execute({ sessionId, prompt: '/slow 0' })).at(-1);
    assert.deepEqual([type, code], ['RUN_ERROR', 'validation']);
    assert.match(message, /waits for a tool/);
    assert.match(
      textOf(await execute({ sessionId, toolResults: [{ toolCallId: calls[0], error: 'never mind' }] })),
      ACKNOWLEDGED,
    );
    assert.equal(turnOf(await execute({ sessionId, prompt: '/slow 0' })), 2);
  });

  for (const prompt of ['/tool', '/tool 3 together']) {
    it(`says something new in a RunAgentInput that names what waits: ${prompt}`, async () => {
      const { sessionId, calls } = await asking(prompt);
      const input = runAgentInput('/slow 0', { threadId: sessionId });
      const toolCalls = calls.map((id) => ({ id, type: 'function', function: { name: 'any', arguments: '{}' } }));
      input.messages.unshift({ id: 'm1', role: 'assistant', toolCalls });
      const events = await execute(input);
      assert.equal(turnOf(events), 2);
      assert.doesNotMatch(JSON.stringify(events), ACKNOWLEDGED, 'the answer to what was withdrawn');
      assert.equal(turnOf(await execute({ prompt: '/slow 0', sessionId })), 3);
    });
  }

  it('says something new after results that never arrived', async () => {
    const { sessionId, calls } = await asking('/tool');
    const toolCalls = calls.map((id) => ({ id, type: 'function', function: { name: 'any', arguments: '{}' } }));
    const history = [
      { id: 'm1', role: 'assistant', toolCalls },
      { id: 'm2', role: 'tool', toolCallId: calls[0], content: '21 °C' },
    ];
    const input = runAgentInput('/slow 0', { threadId: sessionId });
    // As when the run with the results was refused, and the user went on instead of trying again.
    const events = await execute({ ...input, messages: [...history, ...input.messages] });
    assert.equal(events.at(-1).type, 'RUN_FINISHED', JSON.stringify(events.at(-1)));
    assert.equal(turnOf(events), 2);
  });

  it('is refused an answer that names no session, and one to a tool of the harness', async () => {
    const { sessionId, calls } = await asking('/tool');
    const toolResults = [{ toolCallId: calls[0], content: '21 °C' }];
    const [{ type, code, message }, ...more] = await execute({ toolResults });
    assert.deepEqual([type, code, more], ['RUN_ERROR', 'invalid_request', []]);
    assert.match(message, /`sessionId`/);
    assert.deepEqual(resultsOf(await execute({ sessionId, toolResults })), ['`get_weather` returned `21 °C`.']);

    const [toolCallId] = callsOf(await execute({ prompt: '/work', sessionId, trace: true }));
    const [refusal] = await execute({ sessionId, toolResults: [{ toolCallId, content: 'mine' }] });
    assert.deepEqual([refusal.type, refusal.code], ['RUN_ERROR', 'invalid_request']);
  });

  it('is told what a harness does not take', async () => {
    for (const more of [
      { sessionAttributes: { plan: 'gold' } },
      { promptSessionAttributes: { page: 'Orders' } },
      { endSession: true },
      { tools: [] },
      { model: {} },
      { systemPrompt: [] },
    ]) {
      const [{ code, message }, ...others] = await execute({ prompt: 'hello', ...more });
      assert.deepEqual([code, others], ['invalid_request', []]);
      assert.ok(message.includes(Object.keys(more)[0]), message);
    }
  });
});

/** The calls of a run that have no result. */
function open(events) {
  const results = new Set(events.filter(({ type }) => type === 'TOOL_CALL_RESULT').map(({ toolCallId }) => toolCallId));
  return callsOf(events).filter((id) => !results.has(id));
}
