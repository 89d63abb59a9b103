// The real wscat, and what its tests read in an answer.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isTerminal, textOf } from './agui-support.mjs';

export const WSCAT = fileURLToPath(new URL('node_modules/.bin/wscat', import.meta.url));

/** Sends one message with `wscat -x` and returns its run's events. */
export async function sendWithWscat(local, message) {
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

/** The number of the turn, which the scripted agent names in some of its answers. */
export function turnOf(events) {
  const turn = /\bturn (\d+)\b/i.exec(textOf(events));
  assert.ok(turn, textOf(events));
  return Number(turn[1]);
}

/** The ids of a run's tool calls. */
export const callsOf = (events) =>
  events.filter(({ type }) => type === 'TOOL_CALL_CHUNK').map(({ toolCallId }) => toolCallId);

/** What the scripted agent says of the results that it got, which it lists. */
export const resultsOf = (events) => [...textOf(events).matchAll(/^- (.*)$/gm)].map(([, line]) => line);
