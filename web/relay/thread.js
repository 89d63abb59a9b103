// The conversation of a tab: Bedrock's session. It outlives a reload, and one tab at a time goes on with it.

import { recall, store } from '../lib/storage.js';

/** So long a page that is being left may keep its thread, in milliseconds. */
const RELEASE_MS = 1_500;
/** So long a tab that is asked for a thread may take to give it, in milliseconds. */
const GIVE_MS = 3_000;
/** A tab that has a thread does not give it up unasked; this one may just have let go of it. */
const OPEN_MS = 300;

const LOCK = 'agent-relay.thread.';

/** What this tab has, with what lets go of it. A conversation that was left in the middle of an answer is the tab's as well. @type {Map<string, () => Promise<unknown> | void>} */
const held = new Map();
/** @type {(id: string) => void} */
let lost = () => {};

/** The id of the thread that is shown; a new one for a tab that has none yet. */
export function threadId() {
  return recall('tab', 'thread') ?? newThread();
}

/** Begins another conversation. */
export function newThread() {
  const id = crypto.randomUUID();
  showThread(id, true);
  void hold(id);
  return id;
}

/**
 * Makes this tab the only one with its thread. A duplicated tab has a copy of what the first one stored: then it
 * gets a thread of its own, or both would drive one session of the agent.
 *
 * @returns {Promise<{from: string, isOwn: boolean, isReader: boolean}>} the thread that was stored, whether it is this
 *   tab's, and whether it is another's and only read here
 */
export async function ownThread() {
  const from = recall('tab', 'thread');
  const wasReader = recall('tab', 'reader') === 'yes';
  if (from === undefined) return { from: newThread(), isOwn: true, isReader: false };
  if (await hold(from)) {
    showThread(from, true);
    return { from, isOwn: true, isReader: false };
  }
  if (!wasReader) newThread();
  return { from, isOwn: false, isReader: wasReader };
}

/** Goes to a conversation of before. @param {string} id @returns {Promise<boolean>} whether it is this tab's now; else it can only be read here */
export async function openThread(id) {
  return hold(id, OPEN_MS);
}

/** Gets a thread that another tab has, and has let go of or does not answer. @param {string} id */
export async function takeThread(id) {
  return (await hold(id, GIVE_MS)) || hold(id, 0);
}

/** This tab shows a thread from now on. @param {string} id @param {boolean} isOwn */
export function showThread(id, isOwn) {
  store('tab', 'thread', id);
  store('tab', 'reader', isOwn ? 'no' : 'yes');
}

/** @param {string} id */
export function hasThread(id) {
  return held.has(id);
}

/** Lets another tab have a thread. @param {string} id */
export async function releaseThread(id) {
  const release = held.get(id);
  held.delete(id);
  await release?.();
}

/** @param {(id: string) => void} callback is called for a thread that another tab took without an answer of this one */
export function whenLost(callback) {
  lost = callback;
}

/** The threads that tabs have: none is known where the browser refuses locks, as it does where it keeps no cookies. */
export async function threadsInUse() {
  const { held: locks = [] } = await navigator.locks.query().catch(() => /** @type {LockManagerSnapshot} */ ({}));
  return new Set(locks.flatMap(({ name = '' }) => (name.startsWith(LOCK) ? [name.slice(LOCK.length)] : [])));
}

/** Waits until the tab that has a thread lets go of it, closed ones included. @param {string} id */
export async function whenFree(id) {
  await navigator.locks.request(LOCK + id, { mode: 'shared' }, () => {}).catch(() => {});
}

/**
 * Keeps a thread until it is released, or as long as the page is there.
 *
 * @param {string} id
 * @param {number} [wait] for another tab, in milliseconds; 0 takes it from there
 * @returns {Promise<boolean>} false when another tab has it
 */
function hold(id, wait = RELEASE_MS) {
  if (held.has(id)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const taken = () =>
      new Promise((/** @type {(value?: undefined) => void} */ release) => {
        held.set(id, () => {
          release();
          return locked;
        });
        resolve(true);
      });
    // A page that is reloaded lets go of it a little after the new one is there.
    const locked = navigator.locks.request(
      LOCK + id,
      wait === 0 ? { steal: true } : { signal: AbortSignal.timeout(wait) },
      taken,
    );
    locked.catch((error) => {
      if (held.delete(id)) return lost(id);
      const isTaken = error.name === 'AbortError' || error.name === 'TimeoutError';
      // A browser without locks has no tabs that know of each other.
      if (!isTaken) held.set(id, () => {});
      resolve(!isTaken);
    });
  });
}
