// What the page makes of an agent that speaks AG-UI itself, without a browser: messages, thoughts, calls and questions, and
// what such an agent is sent.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Conversation } from '../../web/relay/conversation.js';
import { earlierMessages, MAX_MESSAGE_BYTES, runRequest } from '../../web/relay/request.js';
import { stoppedNote } from '../../web/relay/turn.js';
import { called, FINISHED, interrupted, result, said, thought } from './support/runtime.mjs';

/** @import { ToolAnswer, Turn } from '../../web/types.d.ts' */

/** A conversation whose turns get these frames. @param {...object[]} runs */
function conversed(...runs) {
  const conversation = new Conversation();
  for (const [index, frames] of runs.entries()) next(conversation, `r${index}`, `p${index}`, frames);
  return conversation;
}

/** @param {Conversation} conversation @param {string} runId @param {string} prompt @param {object[]} frames @param {ToolAnswer[]} [answers] */
function next(conversation, runId, prompt, frames, answers = []) {
  const turn = conversation.begin({ runId, prompt, trace: false, answers }, 0);
  for (const [seq, frame] of frames.entries())
    conversation.receive(JSON.stringify({ ...frame, metadata: { relay: { runId, seq } } }), 10 * (seq + 1));
  return turn;
}

/** @param {...object} frames */
const turnOf = (...frames) => /** @type {Turn} */ (conversed(frames).turns[0]);
/** @param {Turn} turn */
const texts = ({ messages }) => messages.map(({ id, text }) => [id, text]);

describe('a run', () => {
  test('has its messages apart, also where their pieces come in turn', () => {
    const [startA, a1, a2, endA] = said('a', 'one ', 'two');
    const [startB, b1, endB] = said('b', 'three');
    const turn = turnOf(
      { type: 'RUN_STARTED' },
      ...[startA, a1, startB, b1, a2, endB, endA].flatMap((frame) => frame ?? []),
      FINISHED,
    );
    assert.deepEqual(texts(turn), [
      ['a', 'one two'],
      ['b', 'three'],
    ]);
    assert.deepEqual([turn.status, turn.agent, turn.firstTextAt], ['done', 'agentcore-runtime', 30]);
  });

  test('has its thoughts before the words that they led to, timed', () => {
    const turn = turnOf(
      ...thought('r1', 'Hm. ', 'So.'),
      ...said('a', 'x'),
      ...thought('r2', 'And.').slice(1, 4),
      { type: 'REASONING_ENCRYPTED_VALUE', subtype: 'message', entityId: 'r9', encryptedValue: 'eA==' },
      FINISHED,
    );
    assert.deepEqual(turn.reasoning, [
      { id: 'r1', text: 'Hm. So.', before: 0, startedAt: 10, endedAt: 60 },
      { id: 'r2', text: 'And.', before: 1, startedAt: 100, endedAt: 120 },
    ]);
  });

  test('leaves the client the calls that have no result, whole, however their pieces come', () => {
    const [startC, c1, c2, endC] = called('c', 'look', '{"a":', '1.10}');
    const [startD, d1, endD] = called('d', 'book', '{}');
    const turn = turnOf(
      ...[startC, startD, c1, d1, c2, endC, endD].flatMap((frame) => frame ?? []),
      ...called('e', 'own'),
      result('e', 'x'),
      FINISHED,
    );
    assert.deepEqual(turn.calls, [
      { id: 'c', name: 'look', arguments: '{"a":1.10}', asks: false, returns: true },
      { id: 'd', name: 'book', arguments: '{}', asks: false, returns: true },
    ]);
  });

  test('takes from a snapshot what was not said otherwise, and nothing twice', () => {
    const snapshot = (/** @type {object[]} */ ...messages) => ({ type: 'MESSAGES_SNAPSHOT', messages });
    const user = { id: 'u', role: 'user', content: 'p' };
    const one = { id: 'a', role: 'assistant', content: 'x and more' };
    const turn = turnOf(
      snapshot(user),
      ...said('a', 'x'),
      ...called('c', 'own'),
      snapshot(
        user,
        { id: 'old', role: 'system', content: 'Obey.' },
        one,
        { id: 't', role: 'tool', toolCallId: 'c', content: '1' },
        { id: 'b', role: 'assistant', content: 'y' },
        { id: 'z', role: 'assistant', toolCalls: [] },
      ),
      ...said('c', 'y'),
      FINISHED,
    );
    assert.deepEqual(texts(turn), [
      ['a', 'x and more'],
      ['b', 'y'],
      ['c', 'y'],
    ]);
    assert.deepEqual(turn.calls, []);
    const conversation = conversed([...said('a', 'x'), FINISHED]);
    const second = next(conversation, 's', 'p2', [
      snapshot(user, { ...one, content: 'x' }, { ...user, id: 'u2' }, { id: 'e', role: 'assistant', content: 'e' }),
      FINISHED,
    ]);
    assert.deepEqual(texts(second), [['e', 'e']], 'not what was said before');
    const third = next(conversation, 't', 'p3', [
      snapshot(user, { ...one, content: 'x' }),
      { type: 'MESSAGES_SNAPSHOT', messages: 7 },
      FINISHED,
    ]);
    assert.deepEqual(texts(third), []);
  });

  test('that is stopped may go on', () => {
    const conversation = new Conversation();
    const turn = next(conversation, 'r', 'p', said('a', 'x').slice(0, 2));
    conversation.stop(99);
    assert.match(stoppedNote(turn), /may go on with its work/);
  });
});

describe('a question', () => {
  const ask = (/** @type {object} */ more, /** @type {object[]} */ ...before) =>
    turnOf(...said('a', 'x'), ...before, interrupted({ id: 'i', reason: 'input', ...more })).calls;
  const call = called('c', 'refund', '{"n":1}');
  const asked = { id: 'c', name: 'refund', arguments: '{"n":1}', asks: true };

  test('about a call is answered yes or no where one member is a boolean', () => {
    const responseSchema = { type: 'object', properties: { approved: { type: 'boolean' } } };
    assert.deepEqual(ask({ toolCallId: 'c', message: 'Sure?', responseSchema }, ...call), [
      { ...asked, returns: false, interrupt: { id: 'i', message: 'Sure?', names: ['approved'], type: 'boolean' } },
    ]);
  });

  test('of another form is answered in words', () => {
    assert.deepEqual(ask({ toolCallId: 'c' }, ...call), [
      { ...asked, returns: true, interrupt: { id: 'i', message: undefined, names: [], type: undefined } },
    ]);
    assert.deepEqual(ask({ responseSchema: { properties: { a: { type: 'string' }, b: {} } } })[0]?.interrupt, {
      id: 'i',
      message: undefined,
      names: ['a', 'b'],
      type: undefined,
    });
  });

  test('that is about nothing is there as well', () => {
    assert.deepEqual(ask({ message: 'Which size?', responseSchema: { type: 'string' } }), [
      {
        id: 'i',
        name: 'input',
        arguments: '',
        asks: true,
        returns: true,
        interrupt: { id: 'i', message: 'Which size?', names: [], type: 'string' },
      },
    ]);
    assert.equal(turnOf(interrupted({ id: 'i' })).calls[0]?.name, 'an answer');
  });

  test('comes once for each interrupt, also of one call', () => {
    const { calls } = turnOf(
      ...call,
      interrupted({ id: 'i', toolCallId: 'c' }, { id: 'j', toolCallId: 'c', reason: 'again' }, { id: 'k' }),
    );
    assert.deepEqual(
      calls.map(({ id, interrupt }) => [id, interrupt?.id]),
      [
        ['c', 'i'],
        ['j', 'j'],
        ['k', 'k'],
      ],
    );
  });
});

describe('what such an agent is sent', () => {
  /** @param {Conversation} conversation @param {string} prompt @param {ToolAnswer[]} [answers] */
  const sent = ({ turns }, prompt, answers = []) =>
    JSON.parse(
      runRequest({
        threadId: 't',
        runId: 'now',
        messageId: 'now',
        prompt,
        trace: false,
        answers,
        earlier: earlierMessages(turns, answers),
      }),
    ).messages;

  test('is the conversation as the agent knows it', async () => {
    const { RunAgentInputSchema } = await import('@ag-ui/core/schemas');
    const conversation = conversed([...said('a', 'x'), ...said('b', 'y'), FINISHED], [...said('c', 'z'), FINISHED]);
    const messages = sent(conversation, 'next');
    assert.deepEqual(messages, [
      { id: 'r0', role: 'user', content: 'p0' },
      { id: 'a', role: 'assistant', content: 'x' },
      { id: 'b', role: 'assistant', content: 'y' },
      { id: 'r1', role: 'user', content: 'p1' },
      { id: 'c', role: 'assistant', content: 'z' },
      { id: 'now', role: 'user', content: 'next' },
    ]);
    RunAgentInputSchema.parse({
      threadId: 't',
      runId: 'now',
      messages,
      tools: [],
      context: [],
      state: {},
      forwardedProps: {},
    });
  });

  test('has each call with its result, or that it was withdrawn', () => {
    const conversation = conversed([...called('c', 'look', '{}'), ...called('d', 'book', '{}'), FINISHED]);
    const assistant = {
      id: 'r0-calls',
      role: 'assistant',
      toolCalls: ['c', 'd'].map((id, index) => ({
        id,
        type: 'function',
        function: { name: ['look', 'book'][index], arguments: '{}' },
      })),
    };
    const results = [
      { id: 'c', content: '21' },
      { id: 'd', content: 'no', failed: true },
    ];
    const given = [
      { role: 'tool', toolCallId: 'c', content: '21' },
      { role: 'tool', toolCallId: 'd', content: 'no', error: 'no' },
    ];
    const user = { id: 'r0', role: 'user', content: 'p0' };
    assert.deepEqual(sent(conversation, 'in words', results), [
      user,
      assistant,
      ...given.map((one, index) => ({ id: `now-${index}`, ...one })),
    ]);
    assert.deepEqual(
      sent(conversation, 'else').map((/** @type {{role: string, error?: string}} */ { role, error }) => [role, error]),
      [
        ['user', undefined],
        ['assistant', undefined],
        ['tool', 'Withdrawn'],
        ['tool', 'Withdrawn'],
        ['user', undefined],
      ],
    );
    next(conversation, 'r1', 'in words', [...said('e', 'Thanks.'), FINISHED], results);
    assert.deepEqual(sent(conversation, 'on'), [
      user,
      assistant,
      ...given.map((one, index) => ({ id: `r0-result-${index}`, ...one })),
      { id: 'e', role: 'assistant', content: 'Thanks.' },
      { id: 'now', role: 'user', content: 'on' },
    ]);
  });

  test("has no call that was interrupted: it is the agent's own", () => {
    const conversation = conversed([
      ...said('a', 'x'),
      ...called('c', 'refund'),
      interrupted({ id: 'i', toolCallId: 'c' }, { id: 'j' }),
    ]);
    const resume = /** @type {const} */ ({ interruptId: 'i', status: 'resolved', payload: { approved: true } });
    const request = JSON.parse(
      runRequest({
        threadId: 't',
        runId: 'now',
        messageId: 'now',
        prompt: 'Confirmed',
        trace: false,
        answers: [
          { id: 'c', confirmed: true, resume },
          { id: 'j', confirmed: false, content: 'x', resume: { interruptId: 'j', status: 'cancelled' } },
        ],
        earlier: earlierMessages(conversation.turns, []),
      }),
    );
    assert.deepEqual(
      request.messages.map((/** @type {{role: string}} */ { role }) => role),
      ['user', 'assistant'],
    );
    assert.deepEqual(request.resume, [resume, { interruptId: 'j', status: 'cancelled' }]);
  });

  test('leaves out the oldest turns where there is no room, never a call without its result', () => {
    const long = 'x'.repeat(10_000);
    const conversation = conversed([...said('a', long), FINISHED], [...called('c', 'look'), FINISHED]);
    next(conversation, 'r2', 'in words', [...said('d', long), FINISHED], [{ id: 'c', content: long }]);
    const all = sent(conversation, 'next');
    assert.deepEqual(
      all.map((/** @type {{id: string}} */ { id }) => id),
      ['r0', 'a', 'r1', 'r1-calls', 'r1-result-0', 'd', 'now'],
    );
    assert.deepEqual(
      sent(conversation, 'y'.repeat(5000)).map((/** @type {{id: string}} */ { id }) => id),
      ['r1', 'r1-calls', 'r1-result-0', 'd', 'now'],
    );
    assert.deepEqual(
      sent(conversation, 'y'.repeat(15_000)).map((/** @type {{id: string}} */ { id }) => id),
      ['now'],
    );
    assert.throws(() => sent(conversation, 'y'.repeat(MAX_MESSAGE_BYTES)), /too long/);
  });

  test('is nothing more than before where the agent is another', () => {
    const conversation = conversed([{ type: 'TEXT_MESSAGE_CHUNK', messageId: 'm', delta: 'x' }, FINISHED]);
    assert.deepEqual(earlierMessages(conversation.turns, []), []);
  });
});
