// What the tests of AG-UI's own client share: how an application converses with an agent.

import assert from 'node:assert/strict';
import { listening } from './agui-support.mjs';

/** Says something, and returns what the agent answers. */
export async function ask(agent, prompt, parameters, subscriber) {
  agent.addMessage({ id: crypto.randomUUID(), role: 'user', content: prompt });
  return run(agent, parameters, subscriber);
}

/** Runs the agent without an error, and returns the text of the new messages. */
export async function run(agent, parameters, subscriber) {
  const { text, error } = await outcome(agent, parameters, subscriber);
  assert.equal(error, undefined);
  return text;
}

/** Runs the agent, with a new prompt if there is one, and returns the error that ends the run. */
export async function failing(agent, prompt, parameters) {
  if (prompt) agent.addMessage({ id: crypto.randomUUID(), role: 'user', content: prompt });
  const { text, error } = await outcome(agent, parameters);
  assert.ok(error, `there is an error, and not only ${text}`);
  return { text, error };
}

async function outcome(agent, parameters, subscriber = {}) {
  let error;
  const complaints = [];
  const { newMessages } = await listening(complaints, () =>
    agent.runAgent(parameters, {
      ...subscriber,
      onRunErrorEvent: ({ event }) => void (error = event),
    }),
  );
  assert.deepEqual(complaints, []);
  const text = newMessages
    .filter(({ role }) => role === 'assistant')
    .map(({ content }) => content ?? '')
    .join('');
  return { text, error };
}

/** All calls of a conversation, answered or not. */
export const toolCalls = (agent) => agent.messages.flatMap(({ toolCalls = [] }) => toolCalls);

/** Gives the result of a call, for the next run. */
export function answer(agent, { id }, content, more) {
  agent.addMessage({ id: crypto.randomUUID(), role: 'tool', toolCallId: id, content, ...more });
}
