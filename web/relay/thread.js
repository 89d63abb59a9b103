// The conversation of a tab: Bedrock's session. It outlives a reload, and belongs to this tab alone.

import { recall, store } from '../lib/storage.js';

/** So long a page that is being left may keep its thread, in milliseconds. */
const RELEASE_MS = 1_500;

/** The thread's id; a new one for a tab that has none yet. */
export function threadId() {
  return recall('tab', 'thread') ?? newThread();
}

/** Begins another conversation. */
export function newThread() {
  const id = crypto.randomUUID();
  store('tab', 'thread', id);
  void hold(id);
  return id;
}

/**
 * Makes this tab the only one with its thread. A duplicated tab has a copy of what the first one stored: then it
 * gets a thread of its own, or both would drive one session of the agent.
 *
 * @returns {Promise<boolean>} whether the thread is the one that was stored
 */
export async function ownThread() {
  const stored = recall('tab', 'thread');
  if (stored !== undefined && (await hold(stored))) return true;
  newThread();
  return stored === undefined;
}

/** Keeps a thread as long as the page is there. @param {string} id @returns {Promise<boolean>} false when another tab has it */
function hold(id) {
  return new Promise((resolve) => {
    const taken = () =>
      new Promise(() => {
        resolve(true);
      });
    // A page that is reloaded lets go of it a little after the new one is there.
    navigator.locks.request(`agent-relay.thread.${id}`, { signal: AbortSignal.timeout(RELEASE_MS) }, taken).catch((error) => resolve(error.name !== 'AbortError' && error.name !== 'TimeoutError'));
  });
}
