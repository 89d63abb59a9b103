// What the tests of the frames share: the real local program, and recorded runs over a real socket.

import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import WebSocket from 'ws';
import { startLocal as startProgram } from './support/local.mjs';

/** Starts the local AWS on a free port; `socket` is where WebSocket clients connect. */
export async function startLocal(...options) {
  const local = await startProgram(...options);
  return { ...local, socket: `${local.page.replace('http', 'ws')}/local` };
}

/**
 * Sends one message over a connection of its own and records every frame of its run, as text.
 *
 * After the terminal frame a message that is no request follows, and the refusal of it ends the
 * record: a frame that wrongly came after the terminal one would stand before that.
 */
export async function record(local, message) {
  const socket = new WebSocket(local.socket);
  const run = { frames: [], binary: 0 };
  let runId;
  let ended = false;
  await new Promise((resolve, reject) => {
    socket.on('open', () => socket.send(typeof message === 'string' ? message : JSON.stringify(message)));
    socket.on('message', (data, isBinary) => {
      const frame = data.toString('utf8');
      const { type, metadata } = JSON.parse(frame);
      runId ??= metadata?.relay?.runId;
      if (ended && metadata?.relay?.runId !== runId) {
        resolve();
        return;
      }
      run.frames.push(frame);
      run.binary += isBinary ? 1 : 0;
      if (isTerminal(type) && !ended) {
        ended = true;
        socket.send('no request');
      }
    });
    socket.on('close', (code) =>
      reject(new Error(`closed with ${code} after ${run.frames.length} frames\n${local.output()}`)),
    );
    socket.on('error', reject);
  });
  socket.removeAllListeners('close');
  socket.close();
  await once(socket, 'close');
  return run;
}

export const isTerminal = (type) => type === 'RUN_FINISHED' || type === 'RUN_ERROR';

/** A complete AG-UI `RunAgentInput` with the prompt as its only message. */
export function runAgentInput(prompt, { threadId, runId, ...rest } = {}) {
  return {
    threadId: threadId ?? crypto.randomUUID(),
    runId: runId ?? crypto.randomUUID(),
    state: {},
    messages: [{ id: crypto.randomUUID(), role: 'user', content: prompt }],
    tools: [],
    context: [],
    forwardedProps: {},
    ...rest,
  };
}

/** Who listens to the console, in each of the calls that run at the same time. */
const listeners = new AsyncLocalStorage();
for (const level of ['warn', 'error']) {
  const print = console[level];
  console[level] = (...words) => {
    const complaints = listeners.getStore();
    if (complaints) complaints.push(words.map(String).join(' '));
    else print(...words);
  };
}

/** Calls `action` and adds what it prints as a warning or an error to `complaints`. */
export function listening(complaints, action) {
  return listeners.run(complaints, action);
}

/** Puts the fragments of oversized frames together again; all other events stay as they are. */
export function reassemble(events) {
  const parts = new Map();
  return events.flatMap((event) => {
    if (event.type !== 'CUSTOM' || event.name !== 'relay.fragment') return [event];
    const { id, index, count, data } = event.value;
    const gathered = parts.get(id) ?? [];
    parts.set(id, gathered);
    if (index !== gathered.length) {
      throw new Error(`fragment ${index} of ${id} came after ${gathered.length} fragments`);
    }
    gathered.push(data);
    if (gathered.length < count) return [];
    parts.delete(id);
    return [JSON.parse(gathered.join(''))];
  });
}

/** The text of a run's messages, in order. */
export function textOf(events) {
  return events
    .filter(({ type }) => /^TEXT_MESSAGE_(?:CHUNK|CONTENT)$/.test(type))
    .map(({ delta }) => delta ?? '')
    .join('');
}
