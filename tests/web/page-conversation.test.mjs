// The page's pure core, without a browser: frames in, the state of turns out.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatTree, readJson } from '../../web/lib/json.js';
import { Conversation } from '../../web/relay/conversation.js';
import { MAX_COUNT, MAX_LENGTH, MAX_OPEN } from '../../web/relay/fragments.js';
import { awaitJoin, canJoin, isCut, notesOf, stoppedNote } from '../../web/relay/turn.js';
import { treeAt } from '../../web/trace/source.js';

/** A conversation with one turn, and a way to send it frames in the order of their `seq`. */
function started(runId = 'run-1', conversation = new Conversation()) {
  const turn = conversation.begin({ runId, prompt: 'hello', trace: true }, 100);
  let seq = 0;
  let now = 100;
  const relay = { runId };
  return {
    conversation,
    turn,
    /** @param {object} frame @param {object} [more] */
    send(frame, more = {}) {
      now += 10;
      return conversation.receive(
        JSON.stringify({ ...frame, metadata: { relay: { ...relay, seq: seq++, ...more } } }),
        now,
      );
    },
    /** @param {number} count */
    lose(count) {
      seq += count;
    },
    now: () => now,
  };
}

/** @param {string} delta */
const chunk = (delta, messageId = 'm-1') => ({ type: 'TEXT_MESSAGE_CHUNK', messageId, role: 'assistant', delta });
const RUN_STARTED = { type: 'RUN_STARTED', threadId: 't', runId: 'run-1' };
const RUN_FINISHED = { type: 'RUN_FINISHED', threadId: 't', runId: 'run-1' };
/** @param {object} event */
const raw = (event, source = 'bedrock-agent') => ({ type: 'RAW', source, event });
/** @param {object} value */
const fragment = (value) => ({ type: 'CUSTOM', name: 'relay.fragment', value });
/** @param {import('../../web/types.d.ts').Turn} turn */
const textOf = (turn) => turn.messages.map((message) => message.text).join('|');

describe('every kind of frame', () => {
  test('a whole answer: started, text, citations, finished', () => {
    const { turn, send } = started();
    assert.equal(turn.status, 'sent');
    send(RUN_STARTED);
    assert.equal(turn.status, 'running');
    assert.equal(turn.firstTextAt, undefined);
    send(chunk('Hel'));
    send(chunk('lo 👋'));
    const citation = { generatedResponsePart: {}, retrievedReferences: [{ content: { text: 'x' } }] };
    send({ type: 'CUSTOM', name: 'bedrock.citations', value: { messageId: 'm-1', citations: [citation] } });
    send(RUN_FINISHED, { stats: { chunks: 2, frames: 5, firstChunkMs: 7, totalMs: 33 } });
    assert.equal(turn.status, 'done');
    assert.equal(textOf(turn), 'Hello 👋');
    assert.deepEqual(turn.messages[0]?.citations, [citation]);
    assert.deepEqual(turn.stats, { chunks: 2, frames: 5 });
    assert.equal(turn.firstTextAt, 120);
    assert.equal(turn.endedAt, 150);
    assert.deepEqual(notesOf(turn), []);
  });

  test('messages with ids of their own stay apart, in the order of their first chunk', () => {
    const { turn, send } = started();
    for (const frame of [chunk('a', 'm-1'), chunk('b', 'm-2'), chunk('c', 'm-1')]) send(frame);
    assert.equal(textOf(turn), 'ac|b');
  });

  test('an empty delta is no first token', () => {
    const { turn, send } = started();
    send(chunk(''));
    assert.equal(turn.firstTextAt, undefined);
    assert.deepEqual(turn.messages, []);
  });

  test('traces and unknown agent events are kept whole, with their time', () => {
    const { turn, send } = started();
    const trace = { trace: { sessionId: 's', trace: { orchestrationTrace: { rationale: { text: 'why' } } } } };
    send(raw(trace));
    send(raw({ novelty: { deep: [1, 2] } }));
    assert.deepEqual(
      turn.events.map(({ at, source, event }) => ({ at, source, event })),
      [
        { at: 110, source: 'bedrock-agent', event: trace },
        { at: 120, source: 'bedrock-agent', event: { novelty: { deep: [1, 2] } } },
      ],
    );
  });

  test('events keep every digit of their numbers, in fragments as well', () => {
    const digits = '{"n":146312323488002033,"price":1.10,"huge":1e400}';
    const frames = /** @type {[string, string[]][]} */ ([
      [`"type":"RAW","source":"bedrock-agent","event":${digits}`, ['event']],
      [`"type":"CUSTOM","name":"bedrock.novelty","value":${digits}`, ['value']],
      [`"type":"NOVELTY","deep":{"er":${digits}}`, ['deep', 'er']],
    ]);
    for (const [members, path] of frames) {
      for (const split of [false, true]) {
        const { turn, conversation } = started();
        const text = `{${members},"metadata":{"relay":{"runId":"run-1","seq":0}}}`;
        const pieces = [text.slice(0, 50), text.slice(50)];
        const parts = pieces.map((data, index) =>
          JSON.stringify({
            ...fragment({ id: 'f', index, count: 2, data }),
            metadata: { relay: { runId: 'run-1', seq: index } },
          }),
        );
        for (const part of split ? parts : [text]) conversation.receive(part, 0);
        const event = turn.events[0];
        const found = treeAt(
          readJson(event?.json ?? ''),
          ...(event?.path ?? []),
          ...(members.includes('NOVELTY') ? path : []),
        );
        assert.equal(found && formatTree(found).replace(/\s/g, ''), digits);
      }
    }
  });

  test('a keepalive counts as a frame and shows nowhere', () => {
    const { turn, send } = started();
    send(RUN_STARTED);
    send(raw({ keepalive: {} }, 'relay'));
    send(chunk('x'));
    assert.deepEqual(turn.events, []);
    assert.deepEqual(notesOf(turn), []);
    assert.equal(turn.nextSeq, 3);
  });

  test('frame types and custom names of a later relay are listed, not dropped', () => {
    const { turn, send } = started();
    send({ type: 'NOVELTY', delta: '{}' });
    send({ type: 'CUSTOM', name: 'bedrock.novelty', value: { name: 'a.csv' } });
    assert.deepEqual(
      turn.events.map(({ source }) => source),
      ['NOVELTY', 'bedrock.novelty'],
    );
    assert.deepEqual(turn.events[1]?.event, { name: 'a.csv' });
  });

  test('files, tool calls, confirmations, tokens and guardrails have places of their own', () => {
    const { turn, send } = started();
    send({ type: 'CUSTOM', name: 'bedrock.file', value: { name: 'a.csv', type: 'text/csv', bytes: 'YQ==' } });
    for (const delta of ['{"a":', '1}'])
      send({ type: 'TOOL_CALL_CHUNK', toolCallId: 'c', toolCallName: 'book', delta });
    for (const [id, name] of [
      ['d', 'cancel'],
      ['e', 'sign'],
    ])
      send({ type: 'TOOL_CALL_CHUNK', toolCallId: id, toolCallName: name, delta: '{}' });
    send(raw({ trace: { trace: { guardrailTrace: { action: 'INTERVENED' } } } }));
    send({
      ...RUN_FINISHED,
      usage: [{ inputTokens: 5, outputTokens: 2, cachedInputTokens: 4 }, { inputTokens: 1 }],
      outcome: {
        type: 'interrupt',
        interrupts: [
          { id: 'd', toolCallId: 'd' },
          { id: 'e', toolCallId: 'e', responseSchema: { properties: { confirmed: {}, result: {} } } },
        ],
      },
    });
    assert.deepEqual(turn.files, [{ name: 'a.csv', type: 'text/csv', bytes: 'YQ==' }]);
    assert.deepEqual(turn.calls, [
      { id: 'c', name: 'book', arguments: '{"a":1}', asks: false, returns: true },
      { id: 'd', name: 'cancel', arguments: '{}', asks: true, returns: false },
      { id: 'e', name: 'sign', arguments: '{}', asks: true, returns: true },
    ]);
    assert.deepEqual(turn.usage, { input: 6, output: 2, cached: 4 });
    assert.match(notesOf(turn)[0] ?? '', /guardrail stepped in/);
    assert.equal(turn.events.length, 1, 'the trace is still a trace');
  });

  test('a call with a result is no call of the user, and calls count once the run is over', () => {
    const { turn, send } = started();
    const call = (/** @type {string} */ toolCallId) => ({
      type: 'TOOL_CALL_CHUNK',
      toolCallId,
      toolCallName: 'book',
      delta: '{}',
    });
    for (const id of ['mine', 'theirs']) send(call(id));
    send({ type: 'TOOL_CALL_RESULT', messageId: 'x', toolCallId: 'theirs', role: 'tool', content: 'done' });
    assert.deepEqual(turn.calls, []);
    send(RUN_FINISHED);
    assert.deepEqual(
      turn.calls.map(({ id }) => id),
      ['mine'],
    );
    assert.deepEqual(
      turn.events.map(({ source }) => source),
      ['TOOL_CALL_CHUNK', 'TOOL_CALL_RESULT'],
      'of the agent, both are in the trace',
    );
  });

  test('reasoning is kept in its blocks, with its place and its times', () => {
    const { turn, send } = started();
    send(RUN_STARTED);
    for (const [id, text] of [
      ['r-1', 'I look'],
      ['r-2', ''],
    ]) {
      send({ type: 'REASONING_START', messageId: id });
      if (text !== '')
        for (const delta of [text, ' it up']) send({ type: 'REASONING_MESSAGE_CHUNK', messageId: id, delta });
      send({ type: 'REASONING_END', messageId: id });
      send(chunk('x'));
    }
    assert.deepEqual(turn.reasoning, [
      { id: 'r-1', text: 'I look it up', before: 0, startedAt: 120, endedAt: 150 },
      { id: 'r-2', text: '', before: 1, startedAt: 170, endedAt: 180 },
    ]);
    assert.equal(textOf(turn), 'xx', 'it is no part of the answer');
    assert.equal(turn.firstTextAt, 160);
  });

  test('why the model stopped, and what a cut answer used', () => {
    const { turn, send } = started();
    send(chunk('half'));
    send(
      {
        type: 'RUN_ERROR',
        message: 'The model reached its limit of tokens.',
        code: 'limit_reached',
        usage: [{ inputTokens: 3, outputTokens: 8192 }],
      },
      { retryable: false, stopReason: 'max_tokens' },
    );
    assert.deepEqual(
      [turn.status, turn.stopReason, turn.usage, textOf(turn), isCut(turn)],
      ['failed', 'max_tokens', { input: 3, output: 8192, cached: 0 }, 'half', true],
    );

    const other = started();
    other.send(RUN_FINISHED, { stopReason: 'guardrail_intervened' });
    assert.deepEqual(
      [other.turn.status, other.turn.stopReason, isCut(other.turn)],
      ['done', 'guardrail_intervened', false],
    );
    assert.match(notesOf(other.turn)[0] ?? '', /guardrail stepped in/);
  });

  test('who stops an answer is told what that means for the agent, where the page knows', () => {
    for (const [source, note] of /** @type {[string, RegExp][]} */ ([
      ['bedrock-agent', /^Stopped\.$/],
      ['agentcore-harness', /may go on with its work/],
    ])) {
      const { conversation, turn, send } = started();
      send(raw({ keepalive: {} }, 'relay'));
      send(raw({ novelty: {} }, source));
      conversation.stop(200);
      assert.equal(turn.agent, source);
      assert.match(stoppedNote(turn), note);
    }
    const unknown = started();
    unknown.send(chunk('so far'));
    assert.match(stoppedNote(unknown.turn), /may go on with its work/, 'without a trace, nothing tells');
    unknown.send({ type: 'CUSTOM', name: 'bedrock.citations', value: { messageId: 'm-1', citations: [] } });
    assert.equal(stoppedNote(unknown.turn), 'Stopped.');
  });

  test('a stopped turn keeps its text, and what comes after is late', () => {
    const { conversation, turn, send } = started();
    send(RUN_STARTED);
    send(chunk('so far'));
    assert.deepEqual(conversation.stop(200), [turn]);
    assert.deepEqual(send(chunk(' late')), {});
    assert.deepEqual(send(RUN_FINISHED), {});
    assert.equal(turn.status, 'stopped');
    assert.equal(textOf(turn), 'so far');
    assert.deepEqual(conversation.stop(300), []);
  });

  test('an error keeps the text before it, and its code and advice', () => {
    const { turn, send } = started();
    send(RUN_STARTED);
    send(chunk('so far'));
    send({ type: 'RUN_ERROR', message: 'Too many requests.', code: 'throttling' }, { retryable: true });
    assert.equal(turn.status, 'failed');
    assert.equal(textOf(turn), 'so far');
    assert.deepEqual(turn.failure, {
      message: 'Too many requests.',
      code: 'throttling',
      retryable: true,
      source: 'relay',
    });
  });

  test('an error without message and code is shown with a message of the page', () => {
    const { turn, send } = started();
    send({ type: 'RUN_ERROR' });
    assert.equal(turn.failure?.code, 'unknown');
    assert.match(turn.failure?.message ?? '', /gave no reason/);
    assert.equal(turn.failure?.retryable, false);
  });

  test('nothing counts after the terminal frame', () => {
    for (const last of [RUN_FINISHED, { type: 'RUN_ERROR', message: 'no', code: 'internal' }]) {
      const { turn, send } = started();
      send(chunk('kept'));
      send(last);
      const status = turn.status;
      assert.deepEqual(send(chunk(' late')), {});
      assert.deepEqual(send(RUN_FINISHED), {});
      assert.equal(textOf(turn), 'kept');
      assert.equal(turn.status, status);
    }
  });
});

describe('sequence numbers', () => {
  test('a frame that comes twice counts once', () => {
    const { conversation, turn, send } = started();
    send(RUN_STARTED);
    send(chunk('one '));
    const again = JSON.stringify({ ...chunk('one '), metadata: { relay: { runId: 'run-1', seq: 1 } } });
    assert.deepEqual(conversation.receive(again, 200), {});
    send(chunk('two'));
    assert.deepEqual(conversation.receive(again, 210), {});
    assert.equal(textOf(turn), 'one two');
    assert.deepEqual(notesOf(turn), []);
  });

  test('a gap is noticed and said, and the rest is shown', () => {
    const { turn, send, lose } = started();
    send(RUN_STARTED);
    send(chunk('a'));
    lose(2);
    send(chunk('d'));
    assert.equal(textOf(turn), 'ad');
    assert.deepEqual(notesOf(turn), ['2 frames got lost on the way: this answer may have gaps.']);
    lose(1);
    send(RUN_FINISHED);
    assert.deepEqual(notesOf(turn), ['3 frames got lost on the way: this answer may have gaps.']);
    assert.equal(turn.status, 'done');
  });

  test('a lost first frame is a gap too', () => {
    const { turn, send, lose } = started();
    lose(1);
    send(chunk('x'));
    assert.deepEqual(notesOf(turn), ['1 frame got lost on the way: this answer may have gaps.']);
    assert.equal(turn.status, 'running');
  });

  test('a frame that comes after its successors is not put in the wrong place', () => {
    const { conversation, turn, send, lose } = started();
    send(chunk('a'));
    lose(1);
    send(chunk('c'));
    conversation.receive(JSON.stringify({ ...chunk('b'), metadata: { relay: { runId: 'run-1', seq: 1 } } }), 200);
    assert.equal(textOf(turn), 'ac');
    assert.equal(notesOf(turn).length, 1);
  });
});

describe('runs side by side', () => {
  test('frames go to the turn of their run', () => {
    const conversation = new Conversation();
    const first = started('run-1', conversation);
    const second = started('run-2', conversation);
    first.send(chunk('1'));
    second.send(chunk('2'));
    first.send(chunk('1'));
    second.send(chunk('2'));
    assert.equal(textOf(first.turn), '11');
    assert.equal(textOf(second.turn), '22');
  });

  test('frames of a run that was never started here are dropped', () => {
    const { conversation, turn } = started();
    const foreign = { ...chunk('not mine'), metadata: { relay: { runId: 'other', seq: 0 } } };
    assert.deepEqual(conversation.receive(JSON.stringify(foreign), 1), {});
    assert.equal(textOf(turn), '');
  });

  test('frames of a conversation left behind are dropped, its errors included', () => {
    const old = started('run-1');
    old.send(chunk('x'));
    old.conversation.reset();
    assert.deepEqual(old.conversation.turns, []);
    const { turn } = started('run-2', old.conversation);
    assert.deepEqual(old.send(chunk('late')), {});
    assert.deepEqual(old.send({ type: 'RUN_ERROR', message: 'late', code: 'deadline' }), {});
    assert.equal(turn.status, 'sent');
    assert.equal(turn.failure, undefined);
  });

  test('a refusal under another run id belongs to the turn that waits: the message could not be read', () => {
    const { conversation, turn } = started();
    const refusal = {
      type: 'RUN_ERROR',
      message: 'No JSON.',
      code: 'invalid_request',
      metadata: { relay: { runId: 'aws-request-id', seq: 0 } },
    };
    conversation.receive(JSON.stringify(refusal), 150);
    assert.equal(turn.status, 'failed');
    assert.equal(turn.failure?.code, 'invalid_request');
  });

  test('it does not belong to a turn that is being answered', () => {
    const { conversation, turn, send } = started();
    send(RUN_STARTED);
    const refusal = {
      type: 'RUN_ERROR',
      message: 'x',
      code: 'internal',
      metadata: { relay: { runId: 'stranger', seq: 0 } },
    };
    assert.deepEqual(conversation.receive(JSON.stringify(refusal), 150), {});
    assert.equal(turn.status, 'running');
  });
});

describe('fragments', () => {
  const big = {
    ...raw({ trace: { trace: { failureTrace: { failureReason: 'x'.repeat(500) } } } }),
    metadata: { relay: { runId: 'run-1', seq: 1 } },
  };
  const whole = JSON.stringify(big);
  /** @param {string} text @param {number} count */
  const pieces = (text, count, id = 'f-1') => {
    const size = Math.ceil(text.length / count);
    return Array.from({ length: count }, (_, index) =>
      fragment({ id, index, count, data: text.slice(index * size, (index + 1) * size) }),
    );
  };

  test('the pieces give the frame back, whatever their number', () => {
    for (const count of [1, 2, 3, 7]) {
      const { turn, send } = started();
      send(RUN_STARTED);
      const parts = pieces(whole, count);
      for (const [index, part] of parts.entries()) {
        send(part);
        assert.equal(turn.events.length, index === count - 1 ? 1 : 0);
      }
      send(RUN_FINISHED);
      assert.deepEqual(turn.events[0]?.event, big.event);
      assert.deepEqual(notesOf(turn), [], 'the repeated seq of the whole frame is no duplicate and no gap');
      assert.equal(turn.status, 'done');
    }
  });

  test('a fragmented terminal frame ends the turn', () => {
    const { turn, send } = started();
    send(RUN_STARTED);
    const error = {
      type: 'RUN_ERROR',
      message: 'm'.repeat(99),
      code: 'internal',
      metadata: { relay: { runId: 'run-1', seq: 1, retryable: true } },
    };
    for (const part of pieces(JSON.stringify(error), 2)) send(part);
    assert.equal(turn.failure?.message, 'm'.repeat(99));
    assert.equal(turn.failure?.retryable, true);
  });

  test('two frames in pieces at a time do not mix', () => {
    const { turn, send } = started();
    const [a, b] = [pieces(whole, 2, 'a'), pieces(whole, 2, 'b')];
    for (const part of [a[0], b[0], b[1], a[1]]) send(part ?? {});
    assert.equal(turn.events.length, 2);
  });

  test('a frame that misses a piece is reported at the end', () => {
    const { turn, send, lose } = started();
    const [first, , third] = pieces(whole, 3);
    send(first ?? {});
    lose(1);
    send(third ?? {});
    assert.equal(notesOf(turn).length, 1, 'while the run goes on only the gap is known');
    send(RUN_FINISHED);
    assert.deepEqual(notesOf(turn), [
      '1 frame got lost on the way: this answer may have gaps.',
      '1 frame could not be read and is not shown.',
    ]);
  });

  test('malformed pieces, and whole frames that make no sense, are counted and the run goes on', () => {
    const nonsense = [
      {},
      { id: 'f', index: 0, count: 2 },
      { id: 'f', index: '0', count: 2, data: '' },
      { id: 'f', index: 2, count: 2, data: '' },
      { id: 'f', index: -1, count: 2, data: '' },
      { id: 'f', index: 0.5, count: 2, data: '' },
      { id: 'f', index: 0, count: 0, data: '' },
      { id: 'f', index: 0, count: MAX_COUNT + 1, data: '' },
      { id: 'f', index: 0, count: 1, data: 'no json' },
      { id: 'f', index: 0, count: 1, data: 'null' },
      {
        id: 'f',
        index: 0,
        count: 1,
        data: JSON.stringify({ ...chunk('x'), metadata: { relay: { runId: 'other', seq: 0 } } }),
      },
      {
        id: 'f',
        index: 0,
        count: 1,
        data: JSON.stringify({
          ...fragment({ id: 'g', index: 0, count: 1, data: whole }),
          metadata: { relay: { runId: 'run-1', seq: 0 } },
        }),
      },
    ];
    for (const value of nonsense) {
      const { turn, send } = started();
      send(fragment(value));
      send(chunk('goes on'));
      assert.equal(textOf(turn), 'goes on');
      assert.deepEqual(turn.events, []);
      assert.deepEqual(notesOf(turn), ['1 frame could not be read and is not shown.'], JSON.stringify(value));
    }
  });

  test('what is put together has limits', () => {
    const { turn, send } = started();
    for (let open = 0; open <= MAX_OPEN; open++) send(fragment({ id: `f-${open}`, index: 0, count: 2, data: 'x' }));
    assert.equal(turn.unreadable, 1, 'one frame too many was open');

    const long = started();
    const half = 'x'.repeat(MAX_LENGTH / 2);
    for (let index = 0; index < 4; index++) long.send(fragment({ id: 'f', index, count: 4, data: half }));
    assert.equal(long.turn.unreadable, 1, 'given up once, and the rest of it swallowed');
    assert.equal(long.turn.fragments.incomplete, 0);
  });

  test('pieces that disagree about their count are given up', () => {
    const { turn, send } = started();
    send(fragment({ id: 'f', index: 0, count: 2, data: 'x' }));
    send(fragment({ id: 'f', index: 1, count: 3, data: 'x' }));
    assert.equal(turn.unreadable, 1);
  });
});

describe("the gateway's own frames", () => {
  /** @param {string} message */
  const gateway = (message) => JSON.stringify({ message, connectionId: 'abc=', requestId: 'def=' });

  test('each is an error of the turn that waits, with words and a code', () => {
    for (const [message, code, retryable] of /** @type {[string, string, boolean][]} */ ([
      ['Endpoint request timed out', 'gateway_timeout', true],
      ['Internal server error', 'gateway_error', true],
      ['Service Unavailable', 'gateway_error', true],
      ['Too Many Requests', 'gateway_throttled', true],
      ['Limit Exceeded', 'gateway_throttled', true],
      ['Forbidden', 'gateway_forbidden', false],
      ['Unauthorized', 'gateway_forbidden', false],
      ['User is not authorized to access this resource with an explicit deny', 'gateway_forbidden', false],
      ['Missing Authentication Token', 'gateway_forbidden', false],
      ['Message too long', 'gateway_refused', false],
      ['Bad Request', 'gateway_refused', false],
      ['Something new', 'gateway', true],
    ])) {
      const { conversation, turn } = started();
      conversation.receive(gateway(message), 300);
      assert.equal(turn.status, 'failed');
      assert.deepEqual([turn.failure?.code, turn.failure?.retryable], [code, retryable], message);
      assert.equal(turn.failure?.source, 'gateway');
      assert.ok(turn.failure?.message.startsWith(`${message}.`));
      assert.equal(turn.endedAt, 300);
    }
  });

  test('the answer counts when it comes all the same, and the user is told', () => {
    const { conversation, turn, send } = started();
    conversation.receive(gateway('Endpoint request timed out'), 300);
    send(RUN_STARTED);
    assert.equal(turn.status, 'running');
    assert.equal(turn.failure, undefined);
    send(chunk('late, but here'));
    send(RUN_FINISHED);
    assert.equal(turn.status, 'done');
    assert.equal(textOf(turn), 'late, but here');
    assert.match(notesOf(turn)[0] ?? '', /Endpoint request timed out.*came all the same/);
  });

  test('with no turn open it is a problem of the page', () => {
    const conversation = new Conversation();
    const { problem } = conversation.receive(gateway('Internal server error'), 1);
    assert.match(problem ?? '', /^Internal server error\./);
  });
});

describe('what is no frame', () => {
  test('is named, and changes no turn', () => {
    for (const text of [
      '',
      'hello',
      'null',
      '[]',
      '42',
      '{}',
      '{"type":7}',
      '{"type":"TEXT_MESSAGE_CHUNK","delta":"x"}',
      '{"type":"RUN_STARTED","metadata":{"relay":{"runId":"run-1"}}}',
    ]) {
      const { conversation, turn } = started();
      const { problem, turn: changed } = conversation.receive(text, 1);
      assert.match(problem ?? '', /Is the endpoint an Agent Relay\?/, text);
      assert.equal(changed, undefined);
      assert.equal(turn.status, 'sent');
    }
  });
});

describe('a connection that closes', () => {
  test('interrupts what is open and leaves alone what is over', () => {
    const conversation = new Conversation();
    const done = started('run-1', conversation);
    done.send(RUN_FINISHED);
    const half = started('run-2', conversation);
    half.send(chunk('half an ans'));
    const interrupted = conversation.disconnect(1006, 900);
    assert.deepEqual(interrupted, [half.turn]);
    assert.equal(done.turn.status, 'done');
    assert.equal(half.turn.status, 'interrupted');
    assert.equal(half.turn.endedAt, 900);
    assert.equal(half.turn.failure?.code, 'connection_closed_1006');
    assert.match(half.turn.failure?.message ?? '', /closed before the answer was complete.*not sent again/);
    assert.equal(textOf(half.turn), 'half an ans');
    assert.deepEqual(conversation.open, []);
    assert.deepEqual(half.send(chunk('wer')), {}, 'frames of an interrupted run are late');
  });

  test('with 1009 says that the message was too large', () => {
    const { conversation, turn } = started();
    conversation.disconnect(1009, 1);
    assert.match(turn.failure?.message ?? '', /too large/);
  });

  test('with nothing open changes nothing', () => {
    assert.deepEqual(new Conversation().disconnect(1001, 1), []);
  });
});

describe('a run that can be joined', () => {
  const KEY = { key: 'eyJ' };
  /** A turn whose connection is lost, of which so many frames have come. @param {string} text */
  function lost(text = 'so far') {
    const one = started();
    one.send(RUN_STARTED, KEY);
    one.send(chunk(text));
    assert.equal(one.turn.key, 'eyJ');
    assert.deepEqual(one.conversation.disconnect(1001, 500), [one.turn]);
    return one;
  }
  /** @param {ReturnType<typeof started>} one @param {object} frame @param {number} seq @param {object} [more] */
  const give = ({ conversation }, frame, seq, more = {}) =>
    conversation.receive(JSON.stringify({ ...frame, metadata: { relay: { runId: 'run-1', seq, ...more } } }), 900);
  const refusal = (/** @type {string} */ code) => ({ type: 'RUN_ERROR', message: `It is ${code}.`, code });

  test('stays open without its connection, until a frame comes over another one', () => {
    const one = lost();
    assert.deepEqual(
      [one.turn.status, one.turn.reconnecting, one.turn.nextSeq, one.turn.failure],
      ['running', true, 2, undefined],
    );
    give(one, chunk(', and on'), 7, { after: 1 });
    assert.deepEqual([one.turn.reconnecting, one.turn.nextSeq, textOf(one.turn)], [false, 8, 'so far, and on']);
    give(one, RUN_FINISHED, 8);
    assert.deepEqual([one.turn.status, notesOf(one.turn)], ['done', []]);
  });

  test('does not know how long what was thought meanwhile took', () => {
    const one = lost();
    const frames = [
      ['REASONING_START', 'a', 900],
      ['REASONING_END', 'a', 901],
      ['REASONING_START', 'b', 902],
      ['REASONING_END', 'b', 3000],
      ['REASONING_START', 'c', 3100],
      ['REASONING_END', 'c', 3300],
    ];
    for (const [index, [type, messageId, now]] of frames.entries())
      one.conversation.receive(
        JSON.stringify({ type, messageId, metadata: { relay: { runId: 'run-1', seq: 2 + index } } }),
        Number(now),
      );
    assert.deepEqual(
      one.turn.reasoning.map(({ id, late }) => [id, late]),
      [
        ['a', true],
        ['b', true],
        ['c', undefined],
      ],
    );
  });

  test('takes each frame once, and those behind a gap only when there is no other way', () => {
    const one = lost();
    assert.deepEqual(give(one, chunk('so far'), 1, { after: 0 }), {});
    assert.deepEqual(give(one, chunk('late'), 9, { after: 5 }), { turn: one.turn, early: true });
    assert.equal(textOf(one.turn), 'so far');
    // It was joined again, and what is missing is not there any more.
    assert.deepEqual(give(one, chunk(' … late'), 9, { after: 5 }), { turn: one.turn, resumed: true });
    assert.equal(textOf(one.turn), 'so far … late');
    assert.deepEqual(notesOf(one.turn), ['4 frames got lost on the way: this answer may have gaps.']);
  });

  test('that goes on elsewhere is over here, and loses nothing when it comes back', () => {
    const one = lost();
    give(one, refusal('moved'), 5);
    assert.deepEqual(
      [one.turn.status, one.turn.failure, one.turn.endedAt, canJoin(one.turn)],
      ['moved', undefined, undefined, true],
    );
    assert.deepEqual(one.conversation.disconnect(1001, 950), [], 'it is not joined by itself');
    awaitJoin(one.turn);
    assert.equal(one.turn.nextSeq, 2, 'those behind what has come are still to come');
    assert.deepEqual(notesOf(one.turn), []);
    give(one, chunk(', and on'), 2);
    assert.equal(textOf(one.turn), 'so far, and on');
  });

  test('that is refused is interrupted, and only what may still be had is offered', () => {
    for (const [code, canBeJoined, retryable] of /** @type {[string, boolean, boolean][]} */ ([
      ['no_such_run', false, true],
      ['run_lost', false, false],
      ['internal', true, false],
    ])) {
      const one = lost();
      give(one, refusal(code), 2);
      assert.deepEqual(
        [one.turn.status, one.turn.failure?.code, one.turn.failure?.retryable, canJoin(one.turn), textOf(one.turn)],
        ['interrupted', code, retryable, canBeJoined, 'so far'],
      );
      assert.equal(one.turn.nextSeq, 2, 'the frame with that number is still to come');
    }
    const own = started();
    own.send(RUN_STARTED, KEY);
    own.send(refusal('internal'));
    assert.deepEqual([own.turn.status, canJoin(own.turn)], ['failed', false], 'an error of the run itself is its end');
  });

  test('is given up after eight joins without a frame', () => {
    const one = lost();
    one.turn.joins = 7;
    one.conversation.disconnect(1001, 600);
    assert.equal(one.turn.status, 'running');
    give(one, chunk(', and on'), 2);
    assert.equal(one.turn.joins, 0, 'a frame has come');
    one.turn.joins = 8;
    one.conversation.abandon(700);
    assert.deepEqual(
      [one.turn.status, one.turn.failure?.code, canJoin(one.turn)],
      ['interrupted', 'connection_silent', true],
    );
  });

  test('of which the gateway says something while it is joined is interrupted, and goes on if it comes', () => {
    const one = lost();
    one.conversation.receive(JSON.stringify({ message: 'Too Many Requests', connectionId: 'c', requestId: 'r' }), 600);
    assert.deepEqual(
      [one.turn.status, one.turn.failure?.code, canJoin(one.turn)],
      ['interrupted', 'gateway_throttled', true],
    );
    give(one, chunk(', and on'), 2);
    assert.deepEqual([one.turn.status, textOf(one.turn)], ['running', 'so far, and on']);
  });

  test('of before a reload is emptied by its first frame, and not by a refusal', () => {
    for (const isRefused of [false, true]) {
      const one = lost();
      Object.assign(one.turn, { restored: true, cut: true });
      awaitJoin(one.turn);
      assert.equal(one.turn.nextSeq, 0);
      if (isRefused) {
        give(one, refusal('no_such_run'), 0);
        assert.deepEqual([one.turn.restarts, textOf(one.turn)], [0, 'so far']);
        continue;
      }
      give(one, RUN_STARTED, 0, KEY);
      assert.deepEqual(
        [one.turn.restarts, textOf(one.turn), one.turn.cut, one.turn.key, one.turn.sentAt],
        [1, '', false, 'eyJ', 100],
      );
      give(one, chunk('so far, and on'), 9, { after: 0 });
      assert.deepEqual([one.turn.restarts, textOf(one.turn)], [1, 'so far, and on']);
    }
  });

  test('is to be stopped until its end has come, and what it says meanwhile is not shown', () => {
    const one = lost();
    assert.deepEqual(one.conversation.stop(600), [one.turn]);
    assert.deepEqual([...one.conversation.toStop], [['run-1', 'eyJ']]);
    assert.deepEqual(give(one, chunk(' late'), 2), {});
    assert.deepEqual(give(one, RUN_FINISHED, 3, { stopped: true }), {});
    assert.deepEqual(
      [textOf(one.turn), one.turn.status, one.turn.endedAt, one.conversation.toStop.size],
      ['so far', 'stopped', 600, 0],
    );
  });

  test('and that was stopped elsewhere says so, with what it used', () => {
    const one = lost();
    give(one, { ...RUN_FINISHED, usage: [{ inputTokens: 3, outputTokens: 2 }] }, 2, { stopped: true });
    assert.deepEqual([one.turn.status, one.turn.usage?.output, one.turn.reconnecting], ['stopped', 2, false]);
  });

  test('that is stopped or left before its first frame is stopped by what that says', () => {
    for (const [key, isLeft] of /** @type {[object, boolean][]} */ ([
      [KEY, false],
      [KEY, true],
      [{}, false],
    ])) {
      const { conversation, turn, send } = started();
      conversation.stop(200);
      if (isLeft) conversation.reset();
      assert.deepEqual(send(RUN_STARTED, key), { stopped: true });
      assert.deepEqual([...conversation.toStop.values()], 'key' in key ? ['eyJ'] : []);
      assert.deepEqual(send(chunk('late')), {});
      assert.deepEqual([turn.status, textOf(turn)], ['stopped', '']);
    }
  });
});
