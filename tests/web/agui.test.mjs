// Conformance of the frames with AG-UI: what the relay sends for every scenario of the scripted
// agent is valid for both protocol versions in use, and replays through AG-UI's own clients.
//
// The expected text of an answer is not written down here: it is what the agent's own event stream
// says, decoded by another implementation than the relay's.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { checkFrames, messagesOf, named, ofType, replay } from './agui-checks.mjs';
import { record, runAgentInput, startLocal, textOf } from './agui-support.mjs';

const CODES = {
  accessDeniedException: 'access_denied',
  badGatewayException: 'bad_gateway',
  conflictException: 'conflict',
  dependencyFailedException: 'dependency_failed',
  internalServerException: 'internal_server',
  modelNotReadyException: 'model_not_ready',
  resourceNotFoundException: 'resource_not_found',
  serviceQuotaExceededException: 'service_quota_exceeded',
  throttlingException: 'throttling',
  validationException: 'validation',
};

// The scripted agent takes its time as a real one does, so that the runs are done side by side.
const AT_ONCE = 12;

describe('frames are AG-UI events', { concurrency: AT_ONCE, timeout: 120_000 }, () => {
  let local;
  before(async () => {
    // A run may still be ending at the function while the client's next message is there.
    local = await startLocal('--concurrency', String(2 * AT_ONCE));
  });
  after(() => local?.stop());

  it('the default answer, without its trace', async () => {
    const { events } = await conforms('hello');
    assert.equal(ofType(events, 'RAW').length, 0);
    assert.ok(ofType(events, 'TEXT_MESSAGE_CHUNK').length > 1, 'the answer grows');
    assert.ok(named(events, 'bedrock.citations').length > 0, 'the answer cites');
  });

  it('the default answer, with its trace before and between the text', async () => {
    const { events } = await conforms('hello', { trace: true });
    const traces = ofType(events, 'RAW');
    assert.ok(traces.length > 1);
    for (const { source, event } of traces) {
      assert.equal(source, 'bedrock-agent');
      assert.deepEqual(Object.keys(event), ['trace']);
      // Bedrock nests: the event's trace is a TracePart, whose own `trace` has the steps.
      assert.equal(typeof event.trace.trace, 'object');
    }
    const firstText = events.findIndex(({ type }) => type === 'TEXT_MESSAGE_CHUNK');
    assert.ok(events.indexOf(traces[0]) < firstText, 'a trace comes before the text');
  });

  it('the short form', async () => {
    const run = await record(local, { prompt: 'hello', trace: true });
    const { threadId, runId } = JSON.parse(run.frames[0]);
    assert.ok(threadId && runId);
    const events = checkFrames(run, { runId });
    await checkReplay(events, { input: runAgentInput('hello', { threadId, runId }) });
    assert.ok(ofType(events, 'RAW').length > 1);
  });

  it('/tokens 50 200', async () => {
    const { events } = await conforms('/tokens 50 200');
    assert.equal(events.at(-1).metadata.relay.stats.chunks, 50);
  });

  it('/slow 1', async () => {
    await conforms('/slow 1');
  });

  it('/emoji, every byte a chunk of its own', async () => {
    const { events, text } = await conforms('/emoji');
    assert.match(text, /\p{Extended_Pictographic}/u);
    assert.doesNotMatch(text, /\u{fffd}/u);
    assert.equal(events.at(-1).metadata.relay.stats.chunks, Buffer.byteLength(text));
  });

  it('/single', async () => {
    const { events } = await conforms('/single');
    assert.equal(events.at(-1).metadata.relay.stats.chunks, 1);
  });

  it('/trace 100, in fragments', async () => {
    const { frames, events, input } = await conforms('/trace 100', { trace: true });
    const fragments = named(
      frames.map((frame) => JSON.parse(frame)),
      'relay.fragment',
    );
    assert.ok(fragments.length >= 4, `${fragments.length} fragments`);
    const sizes = ofType(events, 'RAW').map((raw) => Buffer.byteLength(JSON.stringify(raw)));
    assert.ok(Math.max(...sizes) >= 100 * 1024, `the traces have ${sizes} bytes`);
    // A client that knows nothing of fragments loses the trace, but nothing else.
    const untouched = frames.map((frame) => JSON.parse(frame));
    await checkReplay(untouched, { input });
  });

  it('/unknown, an event type that does not exist yet', async () => {
    const { events } = await conforms('/unknown');
    const [unknown] = ofType(events, 'RAW');
    assert.equal(unknown.source, 'bedrock-agent');
    assert.notDeepEqual(Object.keys(unknown.event), ['trace']);
  });

  for (const [prompt, names] of Object.entries({
    '/tool': ['get_weather'],
    '/tool api': ['POST /orders/{orderId}/refunds'],
    '/tool team': ['read_thermometer'],
    '/tool 5': [
      'get_weather',
      'POST /orders/{orderId}/refunds',
      'find_free_slot',
      'GET /articles/{articleId}',
      'book_slot',
    ],
  })) {
    it(`${prompt}, a return of control for results`, async () => {
      const { events, said } = await conforms(prompt, { trace: true });
      const calls = checkCalls(events, said);
      assert.deepEqual(
        calls.map(({ toolCallName }) => toolCallName),
        names,
      );
      assert.equal(events.at(-1).outcome, undefined);
    });
  }

  for (const prompt of ['/confirm', '/confirm api', '/confirm result']) {
    it(`${prompt}, a return of control for a confirmation`, async () => {
      const { events, said } = await conforms(prompt);
      const [call] = checkCalls(events, said);
      const { outcome } = events.at(-1);
      assert.equal(outcome.type, 'interrupt');
      const [{ message, ...interrupt }, ...others] = outcome.interrupts;
      const result = prompt === '/confirm result' ? { result: { type: 'string' } } : {};
      const properties = { confirmed: { type: 'boolean' }, ...result };
      assert.deepEqual(interrupt, {
        id: call.toolCallId,
        toolCallId: call.toolCallId,
        reason: 'confirmation',
        responseSchema: { type: 'object', properties },
      });
      assert.ok(message.includes(call.toolCallName), message);
      assert.equal(others.length, 0);
    });
  }

  for (const [prompt, names] of Object.entries({
    '/file': ['forecast.csv', 'forecast.png'],
    '/file 2': ['measurements.bin'],
  })) {
    it(`${prompt}, as the agent made it`, async () => {
      const { frames, events, said, input } = await conforms(prompt);
      const files = named(events, 'bedrock.file').map(({ value }) => value);
      assert.deepEqual(
        files.map(({ name }) => name),
        names,
      );
      assert.deepEqual(files, payloadsOf(said, 'files')[0].files);
      // A client that knows nothing of fragments loses the file, but nothing else.
      const untouched = frames.map((frame) => JSON.parse(frame));
      await checkReplay(untouched, { input });
    });
  }

  it('/guardrail, with the trace of its intervention', async () => {
    const { events, text } = await conforms('/guardrail', { trace: true });
    const actions = tracesOf(events).map(({ trace }) => trace.guardrailTrace?.action);
    assert.ok(actions.includes('INTERVENED'), `${actions}`);
    assert.notEqual(text, '');
  });

  it('/team, with the traces of all collaborators and the sum of their tokens', async () => {
    const { events, said } = await conforms('/team', { trace: true });
    const names = new Set(tracesOf(events).map(({ collaboratorName }) => collaboratorName));
    names.delete(undefined);
    assert.ok(names.size > 1, `${[...names]}`);
    const spent = payloadsOf(said, 'trace').flatMap(usagesOf);
    const sum = (member) => spent.reduce((total, usage) => total + usage[member], 0);
    const [inputTokens, outputTokens] = [sum('inputTokens'), sum('outputTokens')];
    assert.ok(inputTokens > 0 && outputTokens > 0);
    assert.deepEqual(events.at(-1).usage, [{ inputTokens, outputTokens, totalTokens: inputTokens + outputTokens }]);
  });

  it('/pause 3 1, silent in mid-answer', async () => {
    const { text } = await conforms('/pause 3 1');
    assert.match(text, /^chunk 1 chunk 2 chunk 3 And after 1 /);
  });

  for (const prompt of ['/cut 3', '/corrupt 3']) {
    it(`${prompt}, after which the text so far stays`, async () => {
      const { text } = await conforms(prompt, { code: 'connection_lost' });
      assert.equal(text, 'chunk 1 chunk 2 chunk 3 ');
    });
  }

  for (const [exception, code] of Object.entries(CODES)) {
    it(`/error ${exception}, as the first response`, async () => {
      const { events, text } = await conforms(`/error ${exception}`, { code });
      assert.equal(text, '');
      assert.deepEqual(
        events.map(({ type }) => type),
        ['RUN_STARTED', 'RUN_ERROR'],
      );
    });

    it(`/error ${exception} 3, in mid-stream`, async () => {
      const { text } = await conforms(`/error ${exception} 3`, { code });
      assert.notEqual(text, '');
    });
  }

  for (const [reason, message] of Object.entries({
    'an empty prompt': { prompt: '' },
    'a RunAgentInput without messages': runAgentInput('hello', { messages: [] }),
    'no JSON': 'hello',
  })) {
    it(`an invalid request: ${reason}`, async () => {
      const run = await record(local, message);
      const events = checkFrames(run, { code: 'invalid_request' });
      assert.equal(events.length, 1);
      assert.ok(events[0].message.length > 20, events[0].message);
      await checkReplay(events, { input: runAgentInput('hello'), code: 'invalid_request' });
    });
  }

  /** Runs the prompt, checks all that holds for every run, and returns it for more. */
  async function conforms(prompt, { trace = false, code } = {}) {
    const input = runAgentInput(prompt, { forwardedProps: { trace } });
    const [run, said] = await Promise.all([record(local, input), saidByAgent(local, prompt, trace)]);
    const events = checkFrames(run, { runId: input.runId, code });
    const [first] = events;
    assert.deepEqual([first.type, first.threadId, first.runId], ['RUN_STARTED', input.threadId, input.runId]);
    const text = textOf(events);
    const chunks = payloadsOf(said, 'chunk').map(({ bytes }) => Buffer.from(bytes, 'base64'));
    assert.equal(text, Buffer.concat(chunks).toString('utf8'));
    await checkReplay(events, { input, code });
    return { ...run, events, said, input, text };
  }
});

/** AG-UI's clients make the right message of the run, tell its end right, and complain of nothing. */
async function checkReplay(events, { input, code }) {
  for (const { messages, ends, complaints } of await replay(events, input)) {
    assert.deepEqual(complaints, []);
    assert.deepEqual(ends, [events.at(-1)]);
    assert.equal(ends[0].code, code);
    const text = textOf(events);
    const answers = messages.filter(({ role }) => role === 'assistant');
    assert.equal(answers.map(({ content }) => content ?? '').join(''), text);
    assert.deepEqual(
      answers.flatMap(({ toolCalls = [] }) => toolCalls),
      ofType(events, 'TOOL_CALL_CHUNK').map(({ toolCallId, toolCallName, delta, metadata }) => ({
        id: toolCallId,
        type: 'function',
        function: { name: toolCallName, arguments: delta },
        metadata,
      })),
    );
    // Text and tool calls of a run are one message.
    assert.ok(answers.length <= 1, JSON.stringify(answers));
  }
}

/**
 * Checks the tool calls of a run against the agent's own return of control, and returns their
 * events.
 */
function checkCalls(events, said) {
  const calls = ofType(events, 'TOOL_CALL_CHUNK');
  const [{ invocationInputs }, ...others] = payloadsOf(said, 'returnControl');
  assert.equal(others.length, 0);
  assert.deepEqual(
    calls.map(({ toolCallName, delta }) => [toolCallName, JSON.parse(delta)]),
    invocationInputs.map(({ functionInvocationInput: called, apiInvocationInput: sent }) => {
      if (called) return [called.function, argumentsOf(called.parameters)];
      const { properties = [] } = sent.requestBody?.content['application/json'] ?? {};
      const body = properties.length > 0 ? { requestBody: argumentsOf(properties) } : {};
      return [`${sent.httpMethod} ${sent.apiPath}`, { ...argumentsOf(sent.parameters), ...body }];
    }),
  );
  assert.equal(new Set(calls.map(({ toolCallId }) => toolCallId)).size, calls.length);
  assert.equal(textOf(events), '', 'a turn that returns control says nothing');
  return calls;
}

/** What an action is called with: Bedrock sends every value as text, beside its type. */
function argumentsOf(parameters) {
  return Object.fromEntries(
    parameters.map(({ name, type, value }) => [name, type === 'string' ? value : JSON.parse(value)]),
  );
}

/**
 * The messages that the scripted agent itself streams for a prompt, in a session of its own, until
 * they end or break off; none when it refuses.
 */
async function saidByAgent(local, prompt, trace) {
  const session = crypto.randomUUID();
  const response = await fetch(`${local.page}/bedrock/agents/AGENT/agentAliases/ALIAS/sessions/${session}/text`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      inputText: prompt,
      enableTrace: trace,
      streamingConfigurations: { streamFinalResponse: true },
    }),
  });
  const received = [];
  try {
    for await (const bytes of response.body) received.push(bytes);
  } catch (error) {
    // Only this scenario may break the connection.
    if (!prompt.startsWith('/cut')) throw error;
  }
  return response.ok ? messagesOf(Buffer.concat(received), prompt.startsWith('/corrupt')) : [];
}

/** The JSON of the agent's events of a type. */
const payloadsOf = (messages, type) =>
  messages
    .filter(({ headers }) => headers[':event-type']?.value === type)
    .map(({ body }) => JSON.parse(Buffer.from(body).toString('utf8')));

/** The parts of the trace in a run's events. */
const tracesOf = (events) => ofType(events, 'RAW').map(({ event }) => event.trace);

/** Every `usage` in a part of the trace, whichever step it belongs to. */
function usagesOf(node) {
  if (node === null || typeof node !== 'object') return [];
  const { usage } = node;
  return [...(usage ? [usage] : []), ...Object.values(node).flatMap(usagesOf)];
}
