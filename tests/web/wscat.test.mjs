// The real wscat against the local AWS, as the README shows it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { isTerminal, runAgentInput, startLocal, textOf } from './agui-support.mjs';
import { callsOf, resultsOf, sendWithWscat, turnOf, WSCAT } from './wscat-support.mjs';

describe('wscat', { concurrency: true, timeout: 60_000 }, () => {
  let local;
  before(async () => {
    local = await startLocal('--concurrency', '32');
  });
  after(() => local?.stop());

  it('gets an answer to the short form', async () => {
    const events = await execute({ prompt: 'hello' });
    assert.equal(events[0].type, 'RUN_STARTED');
    assert.match(textOf(events), /\S/);
    assert.equal(events.at(-1).type, 'RUN_FINISHED');
  });

  it('gets an answer to a RunAgentInput', async () => {
    const input = runAgentInput('hello');
    const events = await execute(input);
    assert.deepEqual(
      [events[0].type, events[0].threadId, events[0].runId],
      ['RUN_STARTED', input.threadId, input.runId],
    );
    assert.match(textOf(events), /\S/);
    assert.equal(events.at(-1).type, 'RUN_FINISHED');
  });

  it('is told what is wrong with a message, and what a right one looks like', async () => {
    const events = await execute('hello');
    assert.deepEqual(
      events.map(({ type, code }) => [type, code]),
      [['RUN_ERROR', 'invalid_request']],
    );
    assert.match(events[0].message, /"prompt"/);
  });

  it('continues a conversation over reconnects with the same session', async () => {
    const sessionId = crypto.randomUUID();
    assert.equal(turnOf(await execute({ prompt: '/slow 0', sessionId })), 1);
    assert.equal(turnOf(await execute({ prompt: '/slow 0', sessionId })), 2);
    // For a RunAgentInput the thread is the session.
    const input = runAgentInput('/slow 0', { threadId: sessionId });
    assert.equal(turnOf(await execute(input)), 3);
  });

  it('starts a conversation with every connection without one', async () => {
    assert.equal(turnOf(await execute({ prompt: '/slow 0' })), 1);
    assert.equal(turnOf(await execute({ prompt: '/slow 0' })), 1);
  });

  for (const [prompt, result, expected] of [
    ['/tool', { content: '21 °C' }, '`weather get_weather` returned `21 °C`.'],
    ['/tool api', { content: '{"ok":true}' }, '`orders POST /orders/{orderId}/refunds` returned `{"ok":true}`.'],
    ['/confirm', { confirmed: true }, 'You **confirmed** `bookings cancel_booking`, and it is done.'],
    ['/confirm api', { confirmed: false }, 'You **declined** `payments POST /transfers`, so nothing was done.'],
    [
      '/confirm result',
      { confirmed: true, content: 'done' },
      '`bookings cancel_booking` was **confirmed** and returned `done`.',
    ],
  ]) {
    it(`answers ${prompt} with ${JSON.stringify(result)}`, async () => {
      const sessionId = crypto.randomUUID();
      const [toolCallId] = callsOf(await execute({ prompt, sessionId }));
      const events = await execute({ sessionId, toolResults: [{ toolCallId, ...result }] });
      assert.equal(events.at(-1).type, 'RUN_FINISHED');
      assert.deepEqual(resultsOf(events), [expected]);
    });
  }

  it('answers several calls at once', async () => {
    const sessionId = crypto.randomUUID();
    const calls = callsOf(await execute({ prompt: '/tool 3', sessionId }));
    assert.equal(calls.length, 3);
    const toolResults = calls.map((toolCallId, n) => ({ toolCallId, content: `result ${n}` }));
    const events = await execute({ sessionId, toolResults });
    assert.deepEqual(resultsOf(events), [
      '`weather get_weather` returned `result 0`.',
      '`orders POST /orders/{orderId}/refunds` returned `result 1`.',
      '`calendar find_free_slot` returned `result 2`.',
    ]);
  });

  it('says that a call failed', async () => {
    const sessionId = crypto.randomUUID();
    const [toolCallId] = callsOf(await execute({ prompt: '/tool', sessionId }));
    const toolResults = [{ toolCallId, error: 'no sensor' }];
    const { type, code } = (await execute({ sessionId, toolResults })).at(-1);
    assert.deepEqual([type, code], ['RUN_ERROR', 'dependency_failed']);
  });

  it('is refused an answer that names no session, and so another conversation', async () => {
    const sessionId = crypto.randomUUID();
    const [toolCallId] = callsOf(await execute({ prompt: '/tool', sessionId }));
    const toolResults = [{ toolCallId, content: '21 °C' }];
    const [{ type, code, message }, ...more] = await execute({ toolResults });
    assert.deepEqual([type, code, more], ['RUN_ERROR', 'invalid_request', []]);
    assert.match(message, /`sessionId`/);
    const events = await execute({ sessionId, toolResults });
    assert.deepEqual(resultsOf(events), ['`weather get_weather` returned `21 °C`.']);
  });

  it("continues the connection's conversation when typed into a terminal", async () => {
    // With util-linux's `script`, wscat has a terminal and behaves as for a person.
    const wscat = spawn('script', ['--quiet', '--return', '--command', `'${WSCAT}' -c ${local.socket}`, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(wscat, 'exit');
    const turns = [[]];
    // What is typed when a turn has ended; the tool's answer needs no session.
    const replies = [
      () => ({ prompt: '/tool' }),
      (events) => ({ toolResults: [{ toolCallId: callsOf(events)[0], content: '21 °C' }] }),
      () => ({ prompt: '/slow 0' }),
    ];
    for await (const raw of createInterface({ input: wscat.stdout })) {
      const line = stripVTControlCharacters(raw);
      if (line.includes('Connected')) wscat.stdin.write('{"prompt":"/slow 0"}\n');
      const frame = /^.*?< (\{.*\})$/.exec(line.trimEnd());
      if (!frame) continue;
      const event = JSON.parse(frame[1]);
      turns.at(-1).push(event);
      if (!isTerminal(event.type)) continue;
      const reply = replies.shift();
      if (!reply) break;
      wscat.stdin.write(`${JSON.stringify(reply(turns.at(-1)))}\n`);
      turns.push([]);
    }
    wscat.stdin.end('\x03');
    await exited;
    const [first, asking, answered, last] = turns;
    assert.equal(turnOf(first), 1);
    assert.equal(textOf(asking), '');
    assert.deepEqual(resultsOf(answered), ['`weather get_weather` returned `21 °C`.']);
    assert.deepEqual([turnOf(answered), turnOf(last)], [2, 3]);
  });

  const execute = (message) => sendWithWscat(local, message);
});
