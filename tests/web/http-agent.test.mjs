// AG-UI's own `HttpAgent`, as it comes, against the real local program: every scenario of the scripted agent,
// the scripted harness and the scripted runtime, by `POST /agui` and nothing of ours in between.
//
// What a run says is not written down here: it is what the same prompt says over the WebSocket, whose tests
// know the agent's own words.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { HttpAgent } from '@ag-ui/client';
import { EventSchemas } from '@ag-ui/core/schemas';
import { EventSchemas as OldEventSchemas } from 'agui-old-core';
import { checkValues, withDefaults } from './agui-model.mjs';
import { isTerminal, listening, startLocal } from './agui-support.mjs';
import { answer, conversing, KNOWS_INTERRUPTS, open, PROMPTS, resuming, TIMELINES } from './agui-walk.mjs';
import { eventually } from './support/browser.mjs';
import { startIssuer } from './support/issuer.mjs';

/** The body of every response, by run: what the client reads, read a second time. */
const bodies = new Map();
const { fetch } = globalThis;
globalThis.fetch = async (url, init) => {
  const response = await fetch(url, init);
  // A run that is stopped has no end, for neither reader.
  const body = response
    .clone()
    .text()
    .catch(() => undefined);
  if (typeof init?.body === 'string') bodies.set(JSON.parse(init.body).runId, { response, body });
  return response;
};

const { ask, run, walk } = conversing(async (agent, runId) => {
  const { response, body } = bodies.get(runId);
  bodies.delete(runId);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  const events = eventsOf(await body);
  checkEvents(events, { threadId: agent.threadId, runId });
  return events;
});

const AT_ONCE = 16;
const RUNS = { concurrency: AT_ONCE, timeout: 120_000 };

for (const source of ['agent', 'harness', 'runtime']) {
  describe(`the stock HttpAgent before the ${source}`, RUNS, () => {
    let local;
    let folder;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'timelines-'));
      const timeline = TIMELINES[source].map((line) => `${JSON.stringify(line)}\n`);
      await writeFile(join(folder, 'written.jsonl'), timeline.join(''));
      local = await startLocal('--source', source, '--timelines', folder, '--concurrency', String(3 * AT_ONCE));
    });
    after(async () => {
      await local?.stop();
      if (folder) await rm(folder, { recursive: true });
    });

    it('walks through every scenario there is', async () => {
      const { text } = await ask(connect(), '/help');
      const listed = [...text.matchAll(/^\| `(\/\w+)/gm)].map(([, name]) => name);
      assert.ok(listed.length > 15, text);
      const walked = Object.keys(PROMPTS[source]).filter((name) => name.startsWith('/'));
      assert.deepEqual(
        new Set(listed),
        new Set(walked),
        'PROMPTS of agui-walk.mjs names each scenario that /help lists',
      );
    });

    for (const prompts of Object.values(PROMPTS[source])) {
      const codes = Array.isArray(prompts) ? Object.fromEntries(prompts.map((prompt) => [prompt, undefined])) : prompts;
      for (const [prompt, code] of Object.entries(codes)) {
        for (const trace of [false, true]) {
          it(`${prompt}${trace ? ', with its trace' : ''}`, () => walk(local, connect(), prompt, { trace, code }));
        }
      }
    }

    it('continues the conversation of its thread, with the whole history in every request', async () => {
      const agent = connect();
      assert.match((await ask(agent, '/slow 0')).text, /\bturn 1\b/);
      assert.match((await ask(agent, '/slow 0')).text, /\bturn 2\b/);
      assert.match((await ask(connect(), '/slow 0')).text, /\bturn 1\b/);
      assert.deepEqual(
        agent.messages.map(({ role }) => role),
        ['user', 'assistant', 'user', 'assistant'],
      );
      const long = 'More than a message over a WebSocket may have. '.repeat(10_000);
      agent.addMessage({ id: 'm1', role: 'assistant', content: long });
      assert.match((await ask(agent, '/slow 0')).text, /\bturn 3\b/);
      assert.match((await ask(agent.clone(), '/slow 0')).text, /\bturn 4\b/);
    });

    it('takes the tools, the state and the context that front ends send with every run', async () => {
      const agent = connect({ initialState: { page: 1 } });
      const tools = [{ name: 'get_weather', description: 'Tells the weather.', parameters: { type: 'object' } }];
      const context = [{ description: 'page', value: 'Orders' }];
      assert.match((await ask(agent, '/slow 0', { tools, context })).text, /\bturn 1\b/);
      assert.deepEqual(agent.state, { page: 1 });
    });

    it('answers several calls in any order', async () => {
      const agent = connect();
      await ask(agent, source === 'harness' ? '/tool 2 together' : '/tool 2');
      const calls = open(agent);
      assert.equal(calls.length, 2);
      answer(agent, calls[1], 'two');
      if (source !== 'runtime') {
        const refused = await run(agent);
        assert.equal(refused.error?.code, 'validation', JSON.stringify(refused.error));
      }
      answer(agent, calls[0], 'one');
      const { text, error } = await run(agent);
      assert.equal(error, undefined);
      assert.match(text, /returned `one`/);
      assert.match(text, /returned `two`/);
    });

    it('says that a tool failed', async () => {
      const agent = connect();
      await ask(agent, '/tool');
      answer(agent, open(agent)[0], '', { error: 'no sensor' });
      const { text, error } = await run(agent);
      if (source === 'agent') assert.equal(error.code, 'dependency_failed');
      else assert.match(text, /no sensor/);
      assert.match((await ask(agent, '/slow 0')).text, /\bturn 2\b/);
    });

    it('hears what the user says instead of a result', async () => {
      const agent = connect();
      await ask(agent, '/tool');
      const { text, error } = await ask(agent, '/slow 0');
      assert.equal(error, undefined);
      assert.match(text, /\bturn 2\b/);
    });

    if (source !== 'runtime') {
      it('is refused the call of another thread, which can still be answered there', async () => {
        const [agent, other] = [connect(), connect()];
        await ask(agent, '/tool');
        other.setMessages(agent.messages);
        for (const each of [other, agent]) answer(each, open(each)[0], '21 °C');
        const { error } = await run(other);
        assert.equal(error.code, 'invalid_request');
        assert.match((await run(agent)).text, /returned `21 °C`/);
      });
    }

    it('has its first text before the agent has ended, and stops without an error while the agent goes on', async () => {
      const agent = connect();
      const failures = [];
      let seen = '';
      const runId = crypto.randomUUID();
      const ended = () =>
        local
          .output()
          .split('\n')
          .find((line) => line.includes(`run_id="${runId}"`) && line.includes('run ended'));
      agent.addMessage({ id: crypto.randomUUID(), role: 'user', content: '/tokens 100 50' });
      const complaints = [];
      await listening(complaints, () =>
        agent.runAgent(
          { runId },
          {
            onTextMessageContentEvent({ event, textMessageBuffer }) {
              seen = textMessageBuffer + event.delta;
              assert.equal(ended(), undefined);
              agent.abortRun();
            },
            onRunFailed: ({ error }) => void failures.push(error),
            // The client tells its own subscribers that it stopped, which nobody sent.
            onRunErrorEvent: ({ event }) => void ((event.code ?? 'abort') === 'abort' || failures.push(event)),
          },
        ),
      );
      assert.deepEqual([complaints, failures], [[], []]);
      assert.match(seen, /^1 /);
      assert.doesNotMatch(seen, /\b100\b/);
      assert.ok(agent.messages.at(-1).content.startsWith('1 '));
      assert.equal(ended(), undefined);
      await eventually(ended);
      assert.match(ended(), /outcome="finished".* chunks=100 /);
      assert.match((await ask(agent, '/slow 0')).text, /\bturn 2\b/);
    });

    if (source === 'agent') {
      for (const prompt of ['/confirm', '/confirm api', '/confirm result']) {
        it(`hears what the user says instead of confirming: ${prompt}`, async () => {
          const agent = connect();
          await ask(agent, prompt);
          const resume = KNOWS_INTERRUPTS ? resuming(agent, { status: 'cancelled' }) : undefined;
          const { text, error } = await ask(agent, '/slow 0', { resume });
          assert.equal(error, undefined);
          assert.match(text, /\bturn 2\b/);
        });

        if (!KNOWS_INTERRUPTS) continue;
        for (const response of [{ status: 'cancelled' }, { status: 'resolved', payload: { confirmed: false } }]) {
          it(`declines ${prompt} with ${JSON.stringify(response)}`, async () => {
            const agent = connect();
            await ask(agent, prompt);
            const { text, error } = await run(agent, { resume: resuming(agent, response) });
            assert.equal(error, undefined);
            assert.match(text, /You \*\*declined\*\*/);
            assert.deepEqual(agent.pendingInterrupts, []);
          });
        }
      }
    }

    if (source === 'runtime') {
      it('shares its state with the agent, there and back', async () => {
        const agent = connect({ initialState: { page: 1, digits: '1.10' } });
        for (const before of [agent.state, { orders: [{ id: 'A-1017', total: 13, note: null }] }]) {
          const { events } = await ask(agent, '/strands');
          const [first, ...others] = events.filter(({ type }) => type.startsWith('STATE_'));
          assert.deepEqual(
            [first.snapshot, others.map(({ type }) => type)],
            [before, ['STATE_DELTA', 'STATE_DELTA', 'STATE_SNAPSHOT']],
          );
          assert.deepEqual(agent.state, { orders: [{ id: 'A-1017', total: 13, note: null }] });
        }
        assert.deepEqual(
          agent.messages.map(({ role }) => role),
          Array(2).fill(['user', 'assistant', 'tool', 'tool', 'assistant']).flat(),
        );
      });

      if (KNOWS_INTERRUPTS) {
        it('goes on from an interrupt, or does not', async () => {
          for (const [response, said] of [
            [{ status: 'resolved', payload: { approved: true } }, 'is resolved with `{"approved":true}`'],
            [{ status: 'resolved', payload: { approved: false } }, 'is resolved with `{"approved":false}`'],
            [{ status: 'cancelled' }, 'is cancelled with `null`'],
          ]) {
            const agent = connect();
            await ask(agent, '/interrupt');
            const [interrupt, ...others] = agent.pendingInterrupts;
            assert.deepEqual(
              [interrupt.message, interrupt.toolCallId, others],
              ['Refund 12.50 for A-1017?', open(agent)[0].id, []],
            );
            const { text, events } = await run(agent, { resume: resuming(agent, response) });
            assert.ok(text.includes(`\`${interrupt.id}\` ${said}`), text);
            assert.deepEqual([events.at(-1).result, agent.pendingInterrupts], [{ refunded: 12.5 }, []]);
          }
        });
      }
    }

    const connect = (config) => new HttpAgent({ url: `${local.page}/agui`, ...config });
  });
}

describe('two users of a runtime, with the stock HttpAgent', RUNS, () => {
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
    new HttpAgent({ url: `${local.page}/agui`, headers: { Authorization: `Bearer ${issuer.token(user)}` }, ...config });

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

describe('the stock HttpAgent before a deployment with an access code', RUNS, () => {
  const code = 'correct horse battery staple';
  let local;
  before(async () => {
    local = await startLocal('--access-code', code);
  });
  after(() => local?.stop());
  const connect = (headers) => new HttpAgent({ url: `${local.page}/agui`, headers });

  it('is let in with the code in a header, and so are its clones', async () => {
    const agent = connect({ Authorization: `Bearer ${code}` });
    assert.match((await ask(agent, '/slow 0')).text, /\bturn 1\b/);
    assert.match((await ask(agent.clone(), '/slow 0')).text, /\bturn 2\b/);
  });

  for (const [what, headers] of Object.entries({
    'no header': {},
    'a wrong code': { Authorization: 'Bearer open sesame' },
    'the code of another scheme': { Authorization: `Basic ${code}` },
  })) {
    it(`is told why it is not: ${what}`, async () => {
      const agent = connect(headers);
      agent.addMessage({ id: 'm1', role: 'user', content: 'hello' });
      const complaints = [];
      await assert.rejects(
        listening(complaints, () => agent.runAgent()),
        ({ message, status, payload }) => {
          assert.match(message, /^HTTP 401: .*(credential|access code|Bearer)/i);
          assert.deepEqual([status, typeof payload.message], [401, 'string']);
          assert.ok(!message.includes(code));
          return true;
        },
      );
      assert.equal(agent.messages.length, 1);
    });
  }
});

/** The events of a body, each of which is one line of data. */
function eventsOf(body) {
  assert.ok(body.endsWith('\n\n'), 'the stream ends with an event');
  assert.doesNotMatch(body, /\r/);
  return body
    .slice(0, -2)
    .split('\n\n')
    .filter((block) => block !== ': keepalive')
    .map((block) => {
      assert.ok(block.startsWith('data: ') && !block.includes('\n'), block.slice(0, 200));
      return JSON.parse(block.slice(6));
    });
}

function checkEvents(events, { threadId, runId }) {
  let last = -1;
  for (const [index, event] of events.entries()) {
    // Parsing strips unknown fields, and fails on a null for an absent one.
    assert.deepEqual(EventSchemas.parse(event), event);
    // The one field that is newer.
    const usage = event.usage?.map(({ cacheWriteInputTokens, ...older }) => older);
    assert.deepEqual(OldEventSchemas.parse(event), withDefaults(usage ? { ...event, usage } : event));
    checkValues(event);
    assert.ok(!event.type.endsWith('_CHUNK') && event.name !== 'relay.fragment', event.type);
    // An event that is larger than a frame of a WebSocket stands for all the frames that it would be there.
    const { seq, after = seq - 1 } = event.metadata.relay;
    assert.equal(after, last);
    last = seq;
    assert.equal(isTerminal(event.type), index === events.length - 1);
    // A request that is refused has no run.
    if (event.metadata.relay.runId !== undefined) assert.equal(event.metadata.relay.runId, runId);
  }
  const [first] = events;
  if (first.type === 'RUN_ERROR') return;
  assert.deepEqual([first.type, first.threadId, first.runId], ['RUN_STARTED', threadId, runId]);
}
