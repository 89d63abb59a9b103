// The real wscat against the local AWS, as the README shows it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { isTerminal, runAgentInput, startLocal, textOf } from './agui-support.mjs';

const WSCAT = fileURLToPath(new URL('node_modules/.bin/wscat', import.meta.url));

describe('wscat', { concurrency: true, timeout: 60_000 }, () => {
  let local;
  before(async () => {
    local = await startLocal();
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
    assert.equal(turnOf(await execute({ prompt: 'hello', sessionId })), 1);
    assert.equal(turnOf(await execute({ prompt: 'hello', sessionId })), 2);
    // For a RunAgentInput the thread is the session.
    const input = runAgentInput('hello', { threadId: sessionId });
    assert.equal(turnOf(await execute(input)), 3);
  });

  it('starts a conversation with every connection without one', async () => {
    assert.equal(turnOf(await execute({ prompt: 'hello' })), 1);
    assert.equal(turnOf(await execute({ prompt: 'hello' })), 1);
  });

  it("continues the connection's conversation when typed into a terminal", async () => {
    // With util-linux's `script`, wscat has a terminal and behaves as for a person.
    const wscat = spawn(
      'script',
      ['--quiet', '--return', '--command', `'${WSCAT}' -c ${local.socket}`, '/dev/null'],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const exited = once(wscat, 'exit');
    const turns = [[]];
    for await (const raw of createInterface({ input: wscat.stdout })) {
      const line = stripVTControlCharacters(raw);
      if (line.includes('Connected')) wscat.stdin.write('{"prompt":"hello"}\n');
      const frame = /^.*?< (\{.*\})$/.exec(line.trimEnd());
      if (!frame) continue;
      const event = JSON.parse(frame[1]);
      turns.at(-1).push(event);
      if (!isTerminal(event.type)) continue;
      if (turns.length === 2) break;
      turns.push([]);
      wscat.stdin.write('{"prompt":"and again"}\n');
    }
    wscat.stdin.end('\x03');
    await exited;
    assert.deepEqual(turns.map(turnOf), [1, 2]);
  });

  /** Sends one message with `wscat -x` and returns its run's events. */
  async function execute(message) {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    // It is left open until the answer is there; an end of its input would close it.
    const wscat = spawn(WSCAT, ['-c', local.socket, '-w', '-1', '-x', text], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(wscat, 'exit');
    const events = [];
    for await (const line of createInterface({ input: wscat.stdout })) {
      const event = JSON.parse(line);
      events.push(event);
      if (isTerminal(event.type)) break;
    }
    wscat.kill('SIGINT');
    await exited;
    assert.ok(isTerminal(events.at(-1)?.type), `wscat ended before the answer: ${local.output()}`);
    return events;
  }
});

/** The number of the turn, which the scripted agent names in its default answer. */
function turnOf(events) {
  const turn = /\bturn (\d+)\b/i.exec(textOf(events));
  assert.ok(turn, textOf(events));
  return Number(turn[1]);
}
