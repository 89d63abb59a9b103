// What the page sends, and the settings it reads.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConfigError, parseConfig } from '../../web/settings/config.js';
import { joinRequest, MAX_MESSAGE_BYTES, RequestError, runRequest, stopRequest } from '../../web/relay/request.js';
import { lastCalls, newTurn } from '../../web/relay/turn.js';

const run = { threadId: 'thread-1', runId: 'run-1', messageId: 'message-1', trace: true };

describe('the request', () => {
  test('is an AG-UI RunAgentInput', async () => {
    const { RunAgentInputSchema } = await import('@ag-ui/core/schemas');
    const input = JSON.parse(runRequest({ ...run, prompt: ' line one\nline "two" 👋 ' }));
    assert.deepEqual(input, {
      threadId: 'thread-1',
      runId: 'run-1',
      messages: [{ id: 'message-1', role: 'user', content: ' line one\nline "two" 👋 ' }],
      state: {},
      tools: [],
      context: [],
      forwardedProps: { trace: true },
    });
    RunAgentInputSchema.parse(input);
  });

  test('with answers to tool calls has tool messages and a resumption in place of the prompt', async () => {
    const { RunAgentInputSchema } = await import('@ag-ui/core/schemas');
    const answers = [
      { id: 'a', content: '21', failed: false },
      { id: 'b', content: 'no', failed: true },
      { id: 'c', confirmed: true },
      { id: 'd', confirmed: false },
    ];
    const input = JSON.parse(runRequest({ ...run, prompt: 'in words', answers }));
    assert.deepEqual(input.messages, [
      { id: 'message-1-0', role: 'tool', toolCallId: 'a', content: '21' },
      { id: 'message-1-1', role: 'tool', toolCallId: 'b', content: 'no', error: 'no' },
    ]);
    assert.deepEqual(input.resume, [
      { interruptId: 'c', status: 'resolved', payload: { confirmed: true } },
      { interruptId: 'd', status: 'cancelled', payload: { confirmed: false } },
    ]);
    RunAgentInputSchema.parse(input);
  });

  describe('has the calls that it comes after', () => {
    const calls = /** @type {import('../../web/types.d.ts').ToolCall[]} */ ([
      { id: 'a', name: 'look', arguments: '{"n":146312323488002033}', asks: false, returns: true, reply: 'withdrawn' },
      {
        id: 'b',
        name: 'book',
        arguments: '{}',
        asks: false,
        returns: true,
        reply: { id: 'b', content: '21', failed: true },
      },
      {
        id: 'c',
        name: 'sign',
        arguments: 'no JSON \ud83d',
        asks: true,
        returns: false,
        reply: { id: 'c', confirmed: false },
      },
      { id: 'd', name: 'wait', arguments: '{}', asks: false, returns: true },
    ]);
    const assistant = {
      id: 'message-1-calls',
      role: 'assistant',
      toolCalls: calls.map(({ id, name, arguments: json }) => ({
        id,
        type: 'function',
        function: { name, arguments: json.toWellFormed() },
      })),
    };
    const answered = { id: 'message-1-before-0', role: 'tool', toolCallId: 'b', content: '21', error: '21' };

    test('before a prompt, and what was answered with its result', async () => {
      const { RunAgentInputSchema } = await import('@ag-ui/core/schemas');
      const input = JSON.parse(runRequest({ ...run, prompt: 'else', calls }));
      assert.deepEqual(input.messages, [assistant, answered, { id: 'message-1', role: 'user', content: 'else' }]);
      RunAgentInputSchema.parse(input);
    });

    test('before results of them, each once', async () => {
      const { RunAgentInputSchema } = await import('@ag-ui/core/schemas');
      const answers = [
        { id: 'a', content: 'x' },
        { id: 'b', content: 'again' },
      ];
      const input = JSON.parse(runRequest({ ...run, prompt: 'in words', calls, answers }));
      assert.deepEqual(input.messages, [
        assistant,
        { id: 'message-1-0', role: 'tool', toolCallId: 'a', content: 'x' },
        { id: 'message-1-1', role: 'tool', toolCallId: 'b', content: 'again' },
      ]);
      RunAgentInputSchema.parse(input);
    });

    test('as far as there is room: without their arguments, or not at all', () => {
      const long = [
        { id: 'a', name: 'look', arguments: JSON.stringify('x'.repeat(20_000)), asks: false, returns: true },
      ];
      const messages = (/** @type {number} */ length) =>
        JSON.parse(runRequest({ ...run, prompt: 'y'.repeat(length), calls: long })).messages;
      assert.equal(messages(10_000)[0].toolCalls[0].function.arguments, long[0]?.arguments);
      assert.equal(messages(20_000)[0].toolCalls[0].function.arguments, '{}');
      assert.deepEqual(
        messages(32_500).map((/** @type {{role: string}} */ { role }) => role),
        ['user'],
      );
      assert.throws(
        () => runRequest({ ...run, prompt: 'y'.repeat(32_700), calls: long }),
        /the message would have 32,\d+ bytes/,
      );
    });

    test('which are those of the last turn in which the agent said anything', () => {
      const turn = (/** @type {object} */ more) => ({
        ...newTurn({ runId: 'r', prompt: 'p', trace: false }, 0),
        ...more,
      });
      const message = { id: 'm', text: 'x', citations: [] };
      assert.deepEqual(lastCalls([]), []);
      assert.equal(lastCalls([turn({ messages: [message] }), turn({ calls })]), calls);
      assert.equal(lastCalls([turn({ calls }), turn({ status: 'failed' })]), calls, 'nothing was said since');
      assert.deepEqual(lastCalls([turn({ calls }), turn({ messages: [message] })]), []);
    });
  });

  test('needs a prompt', () => {
    for (const prompt of ['', '   ', '\n\t']) assert.throws(() => runRequest({ ...run, prompt }), RequestError);
  });

  test('is counted in bytes of UTF-8, as a whole, to the byte', () => {
    const frame = Buffer.byteLength(runRequest({ ...run, prompt: 'x' })) - 1;
    for (const [character, bytes] of /** @type {[string, number][]} */ ([
      ['x', 1],
      ['\n', 2],
      ['é', 2],
      ['漢', 3],
      ['👋', 4],
    ])) {
      const fits = character.repeat(Math.floor((MAX_MESSAGE_BYTES - frame) / bytes) - 1);
      const padding = MAX_MESSAGE_BYTES - frame - Buffer.byteLength(JSON.stringify(fits)) + 2;
      const exactly = fits + 'x'.repeat(padding);
      assert.equal(Buffer.byteLength(runRequest({ ...run, prompt: exactly })), MAX_MESSAGE_BYTES);
      assert.throws(() => runRequest({ ...run, prompt: `${exactly}x` }), {
        name: 'Error',
        message:
          /^This prompt is too long: the message would have 32,769 bytes, and the gateway takes 32,768\. Shorten it by about 1 bytes/,
      });
    }
  });

  test('never has a lone surrogate', () => {
    const input = JSON.parse(runRequest({ ...run, prompt: 'a\ud83d' }));
    assert.equal(input.messages[0].content, 'a\ufffd');
  });
});

describe('what is asked of a run that is kept', () => {
  test('is a RunAgentInput without messages, with the id of the run', async () => {
    const { RunAgentInputSchema } = await import('@ag-ui/core/schemas');
    const turn = Object.assign(newTurn({ runId: 'run-1', prompt: 'p', trace: true }, 0), { key: 'eyJ', nextSeq: 18 });
    const nothing = { messages: [], state: {}, tools: [], context: [] };
    for (const [message, forwardedProps] of /** @type {[string, object][]} */ ([
      [joinRequest('thread-1', turn), { join: { key: 'eyJ', after: 17 } }],
      [stopRequest('thread-1', 'run-1', 'eyJ'), { stop: { key: 'eyJ' } }],
    ])) {
      const input = JSON.parse(message);
      assert.deepEqual(input, { threadId: 'thread-1', runId: 'run-1', ...nothing, forwardedProps });
      RunAgentInputSchema.parse(input);
    }
  });
});

describe('config.json', () => {
  test('as the local server and the template write it', () => {
    const text =
      '{"endpoint":"ws://127.0.0.1:8080/local","access":"open","allowTrace":true,"suggestions":["one","two"],"keepaliveSeconds":25,"files":{"maxFiles":5,"maxBytes":10485760,"uploads":true}}';
    const { endpoint, access, allowTrace, starters, keepaliveSeconds, files, issuer, audience, notes } =
      parseConfig(text);
    assert.deepEqual([endpoint, access, allowTrace, keepaliveSeconds], ['ws://127.0.0.1:8080/local', 'open', true, 25]);
    assert.deepEqual(
      starters.map(({ prompt }) => prompt),
      ['one', 'two'],
    );
    assert.deepEqual(files, { maxFiles: 5, maxBytes: 10_485_760, uploads: true });
    for (const silly of ['null', '[]', '{"maxFiles":0,"maxBytes":9}', '{"maxFiles":5,"maxBytes":"9"}'])
      assert.equal(parseConfig(`{"endpoint":"wss://x/y","files":${silly}}`).files, undefined);
    assert.deepEqual([issuer, audience, notes], [undefined, undefined, []]);
  });

  test('with the issuer and the audience of tokens', () => {
    const config = parseConfig(
      '{"endpoint":"wss://x/y","access":"oidc","issuer":"https://id.example","audience":"chat"}',
    );
    assert.deepEqual([config.access, config.issuer, config.audience], ['oidc', 'https://id.example', 'chat']);
    assert.equal(parseConfig('{"endpoint":"wss://x/y","access":"code"}').access, 'code');
  });

  test('needs only an endpoint; traces are off unless allowed', () => {
    const config = parseConfig('{"endpoint":"wss://abc.execute-api.eu-central-1.amazonaws.com/prod"}');
    const { endpoint, access, allowTrace, starters, keepaliveSeconds } = config;
    assert.deepEqual(
      [endpoint, access, allowTrace, starters, keepaliveSeconds],
      ['wss://abc.execute-api.eu-central-1.amazonaws.com/prod', 'open', false, [], 30],
    );
    for (const silly of [0, -20])
      assert.equal(parseConfig(`{"endpoint":"wss://x/y","keepaliveSeconds":${silly}}`).keepaliveSeconds, 1);
    assert.equal(parseConfig('{"endpoint":"wss://x/y","allowTrace":"true"}').allowTrace, false);
    assert.deepEqual(parseConfig('{"endpoint":"wss://x/y","suggestions":["a",1,null," "]}').starters, [
      { title: 'a', explanation: undefined, prompt: 'a' },
    ]);
  });

  test('says what is wrong and what it should look like', () => {
    for (const [text, says] of /** @type {[string, RegExp][]} */ ([
      ['<!doctype html>', /not JSON.*"endpoint"/],
      ['null', /names no "endpoint".*wss:/],
      ['{}', /names no "endpoint"/],
      ['{"endpoint":""}', /names no "endpoint"/],
      ['{"endpoint":7}', /names no "endpoint"/],
      ['{"endpoint":"https://x/y"}', /not a WebSocket address: https:\/\/x\/y/],
      ['{"endpoint":"javascript:alert(1)"}', /not a WebSocket address/],
      ['{"endpoint":"nonsense"}', /not a WebSocket address: nonsense/],
      ['{"endpoint":"wss://x/y","access":"password"}', /access "password".*does not know/],
    ])) {
      assert.throws(
        () => parseConfig(text),
        (error) => error instanceof ConfigError && says.test(error.message),
        text,
      );
    }
  });
});
