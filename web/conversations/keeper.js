// Keeps conversations in the browser's database, a record for each turn, of which only what changed is written; or, where
// nothing is to be kept or the browser refuses, in the memory of the tab.

import { forgetDrafts } from '../chat/drafts.js';
import { oneLine } from '../lib/format.js';
import { get, getNumber, getString, parseJson } from '../lib/json.js';
import { recall, store, whenStored } from '../lib/storage.js';
import { visible } from '../lib/visible.js';
import { t } from '../lib/words.js';
import { isOpen } from '../relay/turn.js';
import { below, committed, openDatabase, resultOf, STORES } from './database.js';
import { saveTurns, savedTurns } from './journal.js';
import { eventOf, recordBesideParts, storedEvent, turnsOf } from './record.js';

/** @import { Thread } from '../relay/conversation.js' */
/** @import { AgentEvent, Turn } from '../types.d.ts' */

/**
 * What the list shows of a conversation.
 *
 * @typedef {object} About
 * @property {string} id its thread
 * @property {string} title
 * @property {boolean} isNamed whether the user gave it
 * @property {number} usedAt in ms since 1970
 * @property {number} turns
 * @property {number} length of all that is kept of it, in characters
 * @property {number} forgotten how many of its first turns are not kept
 */

/**
 * What of a turn is in the database.
 *
 * @typedef {{index: number, id: string, length: number, recordLength: number, events: number, eventParts: number, files: number, restarts: number}} Written
 */

/**
 * What hears of conversations.
 *
 * @typedef {object} Listener
 * @property {() => void} changed the list is another one
 * @property {(ids: string[]) => void} removed conversations were deleted, here or in another tab
 * @property {(id: string) => void} asked another tab wants to go on with a conversation
 * @property {() => Thread[]} threads those that this tab goes on with
 */

/** The oldest conversations go first. */
export const MAX_CONVERSATIONS = 100;
/** In characters, of which most are a byte. */
export const MAX_LENGTH = 50_000_000;
/** The first turns of a conversation go first. */
const MAX_CONVERSATION_LENGTH = 20_000_000;
const MAX_FILE_LENGTH = 10_000_000;
const MAX_TRACE_LENGTH = 8_000_000;
/** What is written at once, so that the page answers in between. */
const MAX_WRITE_LENGTH = 500_000;
/** A turn that grows is written so often, in milliseconds, and at most for this share of the time. */
const [WRITE_MS, WRITE_SHARE] = [1_000, 0.05];
/** A browser that is still deleting gives no new database, in milliseconds. */
const REOPEN_MS = 1_000;
/** So long turns are read until the page may answer, in milliseconds. */
const READ_MS = 8;

const [EVENTS, FILE] = [0, 1];

/** Keeps conversations. */
export class Keeper {
  /** @type {IDBDatabase | undefined} */
  #database;
  /** Whether the browser lets nothing be kept. */
  isRefused = false;
  /** Why something could not be written, for the user. */
  problem = '';
  /** What is kept in this tab only. @type {Map<string, {about: About, thread: Thread}>} */
  #memory = new Map();
  /** What has changed since it was written. @type {Map<Turn, Thread>} */
  #dirty = new Map();
  /** What is being written: it is lost if the page is left before the database has it. @type {Map<Turn, Thread>} */
  #underway = new Map();
  /** @type {WeakMap<Turn, Written>} */
  #written = new WeakMap();
  /** The conversations that are in the database as far as this tab knows: what is not there any more was deleted. @type {Set<string>} */
  #known = new Set();
  /** @type {Promise<unknown>} */
  #writing = Promise.resolve();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #wait = WRITE_MS;
  #channel = new BroadcastChannel('agent-relay.conversations');
  /** Until then a database that was taken away is not there again. @type {Promise<void>} */
  #opened = Promise.resolve();
  /** @type {Listener} */
  #listener = { changed() {}, removed() {}, asked() {}, threads: () => [] };
  #inUse;

  /** @param {() => Promise<Set<string>>} inUse the conversations that tabs have open: they do not go to make room */
  constructor(inUse) {
    this.#inUse = inUse;
    this.#channel.addEventListener('message', ({ data }) => {
      const removed = get(data, 'removed');
      const asked = getString(data, 'asked');
      if (Array.isArray(removed)) this.#removed(removed.map(String));
      else if (asked !== undefined) this.#listener.asked(asked);
      else this.#listener.changed();
    });
    whenStored('keep-nothing', () => void this.#changeKeeping());
  }

  /** @param {() => Promise<Set<string>>} inUse */
  static async open(inUse) {
    const keeper = new Keeper(inUse);
    await keeper.#open();
    return keeper;
  }

  async #open() {
    this.#database = await openDatabase(() => (this.#opened = this.#openAgain()));
    this.isRefused = this.#database === undefined;
  }

  /** The database was taken away: what is open is kept in a new one, once the browser gives one again. */
  async #openAgain() {
    this.#database = undefined;
    await new Promise((resolve) => setTimeout(resolve, REOPEN_MS));
    await this.#open();
    this.#written = new WeakMap();
    this.#known.clear();
    await this.#changeKeeping();
  }

  /** @param {Listener} listener */
  listen(listener) {
    this.#listener = listener;
  }

  /** Whether the user wants nothing to be kept. */
  get keepsNothing() {
    return recall('local', 'keep-nothing') === 'on';
  }

  /** How many conversations went to make room. */
  get removed() {
    return Number(recall('local', 'conversations-removed') ?? 0) || 0;
  }

  get #isMemory() {
    return this.#database === undefined || this.keepsNothing;
  }

  /** What there is, the newest first. @returns {Promise<About[]>} */
  async list() {
    const database = this.#database;
    const all =
      database === undefined || this.keepsNothing
        ? [...this.#memory.values()].map(({ about }) => about)
        : await resultOf(database.transaction('conversations').objectStore('conversations').getAll());
    return all.sort((one, other) => other.usedAt - one.usedAt);
  }

  /**
   * A turn has changed, or is new. It is written soon.
   *
   * @param {Turn} turn
   * @param {Thread} thread
   */
  touch(turn, thread) {
    this.#dirty.set(turn, thread);
    if (this.#isMemory) return this.#remember(thread);
    this.#timer ??= setTimeout(() => void this.flush(), this.#wait);
  }

  /** Saves what has changed of a conversation, at once as far as that can be done. @param {Thread} thread */
  save(thread) {
    this.saveForTab(thread);
    return this.flush();
  }

  /** Has the tab remember what is not written yet. @param {Thread} thread */
  saveForTab({ turns, forgotten }) {
    store('tab', 'filled', turns.length > 0 ? 'yes' : 'no');
    if (this.#isMemory) return saveTurns({ turns, forgotten });
    // Results that are typed change a turn silently.
    const isTyped = (/** @type {Turn} */ { elsewhere, calls }) =>
      !elsewhere && calls.some(({ reply, draft }) => reply === undefined && draft);
    saveTurns({
      turns: turns.filter((turn) => this.#dirty.has(turn) || this.#underway.has(turn) || isTyped(turn)),
      forgotten: 0,
    });
  }

  /** Another tab goes on with a conversation: nothing more of it is written from here. @param {string} id */
  giveUp(id) {
    for (const turns of [this.#dirty, this.#underway])
      for (const [turn, thread] of turns) if (thread.id === id) turns.delete(turn);
  }

  /** Writes what has changed. */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /**
   * Reads a conversation.
   *
   * @param {string} id
   * @param {boolean} [withTab] together with what the tab remembers of it
   * @param {boolean} [isOwn] whether this tab goes on with it
   * @returns {Promise<Thread | undefined>} undefined when there is none
   */
  async load(id, withTab = false, isOwn = true) {
    await this.flush();
    await this.#opened;
    const saved = withTab ? savedTurns() : { values: [], forgotten: 0 };
    const database = this.#database;
    if (database === undefined || this.keepsNothing) {
      const known = this.#memory.get(id)?.thread;
      if (known !== undefined || !withTab) return known;
      const thread = { id, turns: turnsOf(saved.values), forgotten: saved.forgotten };
      for (const turn of isOwn ? thread.turns : []) this.touch(turn, thread);
      return thread;
    }
    const transaction = database.transaction(STORES);
    const [about, keys, records] = await Promise.all([
      resultOf(transaction.objectStore('conversations').get(id)),
      resultOf(transaction.objectStore('turns').getAllKeys(below(id))),
      resultOf(transaction.objectStore('turns').getAll(below(id))),
    ]);
    if (about === undefined && saved.values.length === 0) return undefined;
    /** @type {unknown[]} */
    const values = [];
    let begun = performance.now();
    for (const { json } of records) {
      values.push(parseJson(json));
      if (performance.now() - begun < READ_MS) continue;
      await new Promise((resolve) => setTimeout(resolve));
      begun = performance.now();
    }
    const inTab = new Set();
    for (const one of saved.values) {
      const at = values.findIndex((value) => getString(value, 'runId') === getString(one, 'runId'));
      const before = values[at];
      if (before === undefined) values.push(one);
      // Of what is large, the tab had no room for all.
      else if (get(one, 'cut') !== true && (getNumber(one, 'savedAt') ?? 0) > (getNumber(before, 'savedAt') ?? 0))
        values[at] = {
          .../** @type {object} */ (one),
          keptEvents: get(before, 'keptEvents'),
          reasoning: get(before, 'reasoning'),
        };
      else continue;
      inTab.add(getString(one, 'runId'));
    }
    const turns = turnsOf(values);
    const thread = { id, turns, forgotten: about?.forgotten ?? saved.forgotten };
    if (about) this.#known.add(id);
    for (const [position, turn] of turns.entries()) {
      const record = records[position];
      const index = /** @type {[string, number] | undefined} */ (keys[position])?.[1] ?? thread.forgotten + position;
      const files = turn.files.some(({ dropped }) => dropped !== undefined)
        ? await this.#filesOf(database, id, index)
        : new Map();
      for (const [number, file] of turn.files.entries())
        if (files.has(number)) Object.assign(file, { bytes: files.get(number), dropped: undefined });
      if (record)
        this.#written.set(turn, {
          id,
          index,
          length: record.length,
          recordLength: record.json.length,
          events: turn.keptEvents ?? 0,
          eventParts: record.eventParts,
          files: turn.files.length,
          restarts: turn.restarts,
        });
      if (isOwn && inTab.has(turn.runId)) this.touch(turn, thread);
    }
    return thread;
  }

  /** Reads the events of a turn that were kept. @param {Turn} turn */
  async readEvents(turn) {
    const written = this.#written.get(turn);
    if (!turn.keptEvents) return;
    /** @type {AgentEvent[]} */
    const events = [];
    for (let part = 0; written && this.#database && part < written.eventParts; part += 1) {
      const stored = await resultOf(
        this.#database.transaction('parts').objectStore('parts').get([written.id, written.index, EVENTS, part]),
      );
      for (const one of stored ?? []) events.push(eventOf(one, turn));
    }
    // It may have begun anew meanwhile.
    if (turn.keptEvents !== undefined) Object.assign(turn, { events, keptEvents: undefined });
  }

  /** @param {string} id @param {string} title */
  async rename(id, title) {
    await this.flush();
    const memory = this.#memory.get(id);
    if (memory) Object.assign(memory.about, { title, isNamed: true });
    if (!this.#isMemory) {
      await this.#transact(async (conversations) => {
        const about = await resultOf(conversations.get(id));
        if (about) conversations.put({ ...about, title, isNamed: true }, id);
      });
    }
    this.#tell();
  }

  /** Deletes conversations, in all tabs. @param {string[]} ids */
  async remove(ids) {
    this.#removed(ids);
    this.#channel.postMessage({ removed: ids });
    await this.#writing;
    await this.#erase(ids);
    this.#tell();
  }

  /** Asks the tab that has a conversation to let go of it. @param {string} id */
  ask(id) {
    this.#channel.postMessage({ asked: id });
  }

  /** Has nothing kept from now on, and what was kept deleted; or things kept again. @param {boolean} on */
  async keepNothing(on) {
    store('local', 'keep-nothing', on ? 'on' : 'off');
    await this.#changeKeeping();
    this.#tell();
  }

  /** @param {Thread} thread */
  #remember(thread) {
    if (!isOfTab(thread)) return;
    const before = this.#memory.get(thread.id)?.about;
    this.#memory.set(thread.id, { thread, about: aboutOf(thread, before) });
    if (before?.turns !== thread.turns.length) this.#listener.changed();
  }

  async #changeKeeping() {
    await this.#writing;
    const threads = new Set([...this.#listener.threads(), ...[...this.#memory.values()].map(({ thread }) => thread)]);
    this.#memory.clear();
    if (this.keepsNothing) {
      for (const { turns } of threads) for (const turn of turns) await this.readEvents(turn);
      this.#written = new WeakMap();
      this.#known.clear();
      if (this.#database) await this.#transact((...stores) => stores.forEach((one) => one.clear()));
      store('local', 'conversations-removed', '0');
      const ids = [...threads].map(({ id }) => id);
      forgetDrafts((id) => !ids.includes(id));
    }
    for (const thread of threads) for (const turn of thread.turns) this.touch(turn, thread);
    this.#listener.changed();
  }

  /** @param {string[]} ids */
  #removed(ids) {
    for (const id of ids) {
      this.giveUp(id);
      this.#memory.delete(id);
      this.#known.delete(id);
    }
    this.#listener.removed(ids);
    this.#listener.changed();
  }

  #tell() {
    this.#channel.postMessage({});
    this.#listener.changed();
  }

  /** @param {string[]} ids */
  async #erase(ids) {
    if (this.#database === undefined) return;
    await this.#transact((conversations, turns, parts) => {
      for (const id of ids) {
        conversations.delete(id);
        turns.delete(below(id));
        parts.delete(below(id));
      }
    });
  }

  /** @param {(conversations: IDBObjectStore, turns: IDBObjectStore, parts: IDBObjectStore) => unknown} act */
  async #transact(act) {
    const transaction = /** @type {IDBDatabase} */ (this.#database).transaction(STORES, 'readwrite');
    const end = committed(transaction);
    end.catch(() => {});
    await act(
      transaction.objectStore('conversations'),
      transaction.objectStore('turns'),
      transaction.objectStore('parts'),
    );
    await end;
  }

  async #filesOf(/** @type {IDBDatabase} */ database, /** @type {string} */ id, /** @type {number} */ index) {
    const parts = database.transaction('parts').objectStore('parts');
    const [keys, values] = await Promise.all([
      resultOf(parts.getAllKeys(below(id, index, FILE))),
      resultOf(parts.getAll(below(id, index, FILE))),
    ]);
    return new Map(keys.map((key, at) => [/** @type {number[]} */ (key)[3], values[at]]));
  }

  /** @param {number} [attempts] to make room where the browser has none @returns {Promise<void>} */
  async #write(attempts = 3) {
    if (this.#isMemory || this.#dirty.size === 0) return;
    const begun = performance.now();
    try {
      for (let thread = this.#nextThread; thread !== undefined && !this.#isMemory; thread = this.#nextThread)
        await this.#writeThread(thread);
      await this.#makeRoom();
      this.problem = '';
    } catch (error) {
      const isFull = error instanceof DOMException && error.name === 'QuotaExceededError';
      if (isFull && attempts > 1 && (await this.#makeRoom(1).catch(() => 0)) > 0) return this.#write(attempts - 1);
      // The turns stay in the tab, which remembers them over a reload as far as it has room.
      this.problem = isFull
        ? t('The browser could not keep everything: it has no room left. Delete conversations to make some.')
        : t('The browser could not keep everything: {error}', { error: String(error) });
    }
    this.#wait = Math.max(WRITE_MS, (performance.now() - begun) / WRITE_SHARE);
    this.#tell();
  }

  /** One of which something is to be written. */
  get #nextThread() {
    return [...this.#dirty.values()].find(isOfTab);
  }

  /** Writes a conversation's changes, so many of them at once as do not keep the page. @param {Thread} thread */
  async #writeThread(thread) {
    const { id } = thread;
    const turns = [...this.#dirty].flatMap(([turn, one]) => (one === thread ? [turn] : []));
    // What is kept of a copy is another one's.
    for (const turn of turns) if (this.#written.get(turn)?.id !== id) await this.readEvents(turn);
    const as = turns.map((turn) => /** @type {const} */ ([turn, this.#written.get(turn)]));
    let isGone = false;
    await this.#transact(async (conversations, records, parts) => {
      const before = /** @type {About | undefined} */ (await resultOf(conversations.get(id)));
      isGone = before === undefined && this.#known.has(id);
      if (isGone) return;
      let { length, forgotten } = before ?? { length: 0, forgotten: 0 };
      let room = MAX_WRITE_LENGTH;
      for (const turn of turns) {
        if (room <= 0) break;
        this.#dirty.delete(turn);
        this.#underway.set(turn, thread);
        let written = this.#written.get(turn);
        const index = written?.id === id ? written.index : thread.forgotten + thread.turns.indexOf(turn);
        if (index < forgotten) continue;
        if (written?.id !== id || written.restarts !== turn.restarts) {
          parts.delete(below(id, index));
          length -= written?.id === id ? written.length : 0;
          written = {
            id,
            index,
            length: 0,
            recordLength: 0,
            events: 0,
            eventParts: 0,
            files: 0,
            restarts: turn.restarts,
          };
        }
        const old = written.length;
        const next = putParts(parts, turn, written);
        const json = JSON.stringify(recordBesideParts(turn, next.events));
        next.length += json.length - next.recordLength;
        next.recordLength = json.length;
        records.put({ json, length: next.length, eventParts: next.eventParts }, [id, index]);
        this.#written.set(turn, next);
        length += next.length - old;
        room -= Math.max(next.length - old, json.length);
        if (turn.keptEvents === undefined && !turn.traceCut && next.events < writable(turn))
          this.#dirty.set(turn, thread);
      }
      conversations.put({ ...aboutOf(thread, before), length }, id);
    })
      .catch((error) => {
        // To be written again.
        for (const [turn, written] of as) {
          if (written) this.#written.set(turn, written);
          else this.#written.delete(turn);
          this.#dirty.set(turn, thread);
        }
        throw error;
      })
      .finally(() => this.#underway.clear());
    if (isGone) this.#removed([id]);
    else this.#known.add(id);
  }

  /**
   * Lets the oldest go where there is too much.
   *
   * @param {number} [least] so many in any case
   * @returns {Promise<number>} how many went
   */
  async #makeRoom(least = 0) {
    const all = await this.list();
    for (const about of all) if (about.length > MAX_CONVERSATION_LENGTH) await this.#shorten(about);
    let count = all.length;
    let length = all.reduce((sum, one) => sum + Math.min(one.length, MAX_CONVERSATION_LENGTH), 0);
    if (count <= MAX_CONVERSATIONS && length <= MAX_LENGTH && least === 0) return 0;
    const inUse = await this.#inUse();
    /** @type {string[]} */
    const gone = [];
    for (const about of all.toReversed()) {
      if (count <= MAX_CONVERSATIONS && length <= MAX_LENGTH && gone.length >= least) break;
      if (inUse.has(about.id)) continue;
      gone.push(about.id);
      length -= about.length;
      count -= 1;
    }
    await this.#erase(gone);
    store('local', 'conversations-removed', String(this.removed + gone.length));
    return gone.length;
  }

  /** Lets the first turns of a conversation go. @param {About} about */
  async #shorten({ id }) {
    await this.#transact(async (conversations, turns, parts) => {
      const about = /** @type {About | undefined} */ (await resultOf(conversations.get(id)));
      if (about === undefined) return;
      for (let { forgotten, length } = about; length > MAX_CONVERSATION_LENGTH; forgotten += 1) {
        const record = await resultOf(turns.get([id, forgotten]));
        // The last one stays, whatever it has.
        if (record === undefined || (await resultOf(turns.count(below(id)))) < 2) break;
        length -= record.length;
        turns.delete([id, forgotten]);
        parts.delete(below(id, forgotten));
        Object.assign(about, { length, forgotten: forgotten + 1 });
      }
      conversations.put(about, id);
    });
  }
}

/** Whether anything was said here: a copy of what another tab shows is no conversation yet. @param {Thread} thread */
function isOfTab({ turns }) {
  return turns.some(({ elsewhere }) => !elsewhere);
}

/** The last event of an answer that is under way may still grow. @param {Turn} turn */
function writable(turn) {
  const { events } = turn;
  return isOpen(turn) && events.at(-1)?.json === undefined ? Math.max(0, events.length - 1) : events.length;
}

/**
 * Writes the events and files of a turn that are not written yet.
 *
 * @param {IDBObjectStore} parts
 * @param {Turn} turn
 * @param {Written} written
 * @returns {Written}
 */
function putParts(parts, turn, written) {
  let { id, index, length, events, eventParts } = written;
  for (const [number, { bytes }] of turn.files.entries()) {
    if (number < written.files) continue;
    if (bytes === '' || bytes.length > MAX_FILE_LENGTH) continue;
    parts.put(bytes, [id, index, FILE, number]);
    length += bytes.length;
  }
  let room = turn.keptEvents === undefined && !turn.traceCut ? MAX_WRITE_LENGTH : 0;
  const news = [];
  for (const event of turn.events.slice(events, writable(turn))) {
    if (room <= 0) break;
    const size = event.json?.length ?? JSON.stringify(event.event).length;
    if (length + size > MAX_TRACE_LENGTH) {
      turn.traceCut = true;
      break;
    }
    news.push(storedEvent(event, turn));
    room -= size;
    length += size;
  }
  if (news.length > 0) {
    parts.put(news, [id, index, EVENTS, eventParts]);
    eventParts += 1;
    events += news.length;
  }
  return { ...written, length, events, eventParts, files: turn.files.length };
}

/**
 * @param {Thread} thread
 * @param {About | undefined} before
 * @returns {About}
 */
function aboutOf({ id, turns, forgotten }, before) {
  const last = turns.at(-1);
  const now = performance.timeOrigin;
  return {
    id,
    title: before?.title ?? titleOf(turns),
    isNamed: false,
    length: 0,
    forgotten,
    ...before,
    turns: turns.length,
    usedAt: last === undefined ? (before?.usedAt ?? now) : Math.round(now + (last.endedAt ?? last.sentAt)),
  };
}

/** @param {Turn[]} turns */
function titleOf([first]) {
  return visible(oneLine(first?.prompt ?? '', 80)) || t('Conversation');
}
