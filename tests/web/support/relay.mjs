// A relay of the test's own, in the browser's place of the real one: it says whatever the test wants to be said.

import { connected } from './chat.mjs';

/** @import { Page, WebSocketRoute } from 'playwright-core' */

/**
 * One run, as the page asked for it.
 *
 * @typedef {object} Run
 * @property {any} input what the page sent
 * @property {(...frames: object[]) => void} say sends frames of this run
 * @property {(text: string) => void} sayText sends any text
 */

export const FINISHED = { type: 'RUN_FINISHED' };

/** @param {string} delta */
export const text = (delta) => ({ type: 'TEXT_MESSAGE_CHUNK', messageId: 'm', role: 'assistant', delta });

/**
 * A return of control.
 *
 * @param {string} name
 * @param {string} json its arguments
 * @param {string} [id]
 */
export const call = (name, json, id = 'call-1') => ({
  type: 'TOOL_CALL_CHUNK',
  toolCallId: id,
  toolCallName: name,
  parentMessageId: 'm',
  delta: json,
});

/** @param {boolean} [returns] whether a result is wanted as well @param {string[]} ids */
export const asking = (returns = false, ...ids) => ({
  type: 'RUN_FINISHED',
  outcome: {
    type: 'interrupt',
    interrupts: (ids.length > 0 ? ids : ['call-1']).map((id) => ({
      id,
      toolCallId: id,
      reason: 'confirmation',
      responseSchema: { type: 'object', properties: { confirmed: {}, ...(returns ? { result: {} } : {}) } },
    })),
  },
});

/** @param {string} name @param {object} value */
export const custom = (name, value) => ({ type: 'CUSTOM', name, value });

/**
 * Stands in for the relay of a page that has not been loaded yet.
 *
 * @param {(run: Run) => void} answer called for each message
 */
export function relay(answer) {
  /** @type {Run[]} */
  const runs = [];
  /** @type {WebSocketRoute[]} */
  const connections = [];
  return {
    runs,
    connections,
    /** @param {Page} page */
    async prepare(page) {
      // Who loses a connection waits for days before the next attempt, unless the test says so.
      await page.addInitScript(() => (Math.random = () => 1_000_000));
      await page.routeWebSocket(/./, (socket) => {
        connections.push(socket);
        socket.onMessage((message) => {
          const input = JSON.parse(String(message));
          let seq = 0;
          /** @type {Run} */
          const run = {
            input,
            say(...frames) {
              for (const frame of frames)
                socket.send(
                  JSON.stringify({
                    ...frame,
                    metadata: {
                      relay: { .../** @type {any} */ (frame).metadata?.relay, runId: input.runId, seq: seq++ },
                    },
                  }),
                );
            },
            sayText: (text) => socket.send(text),
          };
          runs.push(run);
          run.say({ type: 'RUN_STARTED', threadId: input.threadId, runId: input.runId });
          answer(run);
        });
      });
    },
  };
}

/**
 * Answers each run with the next of these, the last one again and again.
 *
 * @param {...object[]} answers
 */
export function answers(...answers) {
  let next = 0;
  return relay(({ say }) => say(...(answers[Math.min(next++, answers.length - 1)] ?? [])));
}

/** Closes the connection of a page. @param {Page} page @param {WebSocketRoute | undefined} connection */
export async function leave(page, connection) {
  await connection?.close();
  await page.getByText('Reconnecting', { exact: true }).waitFor();
}

/** Lets the page connect again. @param {Page} page */
export async function comeBack(page) {
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await connected(page);
}
