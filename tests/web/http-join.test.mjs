// Runs that are kept, over HTTP with AG-UI's own agent: joined, and shown again.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HttpAgent } from '@ag-ui/client';
import { listening } from './agui-support.mjs';
import { startLocal } from './support/local.mjs';

describe('a run over HTTP was lost with its connection', { timeout: 60_000 }, () => {
  let local;
  before(async () => {
    local = await startLocal();
  });
  after(() => local?.stop());
  const agentOf = (threadId) => new HttpAgent({ url: `${local.page}/agui`, threadId });
  const callsOf = ({ threadId }) => local.output().match(new RegExp(`agent +invoked .* ${threadId}`, 'g')).length;

  /** Asks, and leaves in the middle of the answer; returns the run's key. */
  async function leave(agent) {
    let key;
    agent.addMessage({ id: 'prompt', role: 'user', content: '/tokens 40 40' });
    await listening([], () =>
      agent.runAgent(
        {},
        {
          onRunStartedEvent: ({ event }) => void (key = event.metadata.relay.key),
          onTextMessageContentEvent: () => void agent.detachActiveRun(),
        },
      ),
    );
    return key;
  }

  it('and is joined when it has ended', async () => {
    const agent = agentOf();
    const key = await leave(agent);
    const other = agentOf(agent.threadId);
    const { newMessages } = await other.runAgent({ forwardedProps: { join: { key } } });
    assert.deepEqual(
      newMessages.map(({ role }) => role),
      ['assistant'],
    );
    assert.match(newMessages[0].content, /^1 2 3 [^]* 39 40\n$/);
    assert.equal(callsOf(agent), 1);
  });

  it('and is shown with its conversation, and joined behind that', async () => {
    const agent = agentOf();
    const key = await leave(agent);
    const other = agentOf(agent.threadId);
    const { newMessages } = await other.runAgent({ forwardedProps: { history: { key } } });
    assert.deepEqual(
      newMessages.map(({ role }) => role),
      ['user', 'assistant'],
    );
    assert.equal(newMessages[0].content, '/tokens 40 40');
    assert.match(newMessages[1].content, /^1 2 3 [^]* 39 40\n$/);
    assert.equal(callsOf(agent), 1);
  });

  it('and has no words for whoever has no key', async () => {
    let error;
    const runs = agentOf('nobodys').runAgent(
      { forwardedProps: { history: { key: 'nonsense' } } },
      { onRunErrorEvent: ({ event }) => void (error = event) },
    );
    // Before 1.0 the client rejects where the agent's answer is an error.
    await listening([], () => runs.catch(() => {}));
    assert.equal(error.code, 'no_such_run');
  });
});
