// The pure core: WebSocket messages in, the state of turns out. No DOM, no sockets, no clock; every
// time is handed in, in milliseconds of one monotonic clock.

import { getNumber, getString, parseJson } from '../lib/json.js';
import { visible } from '../lib/visible.js';
import { t } from '../lib/words.js';
import {
  applyFrame,
  awaitJoin,
  countFrame,
  endTurn,
  isOpen,
  isOver,
  newTurn,
  overtake,
  reopen,
  REPLAY_MS,
  restart,
} from './turn.js';

/** @import { Failure, Turn } from '../types.d.ts' */

/** After so many joins in a row without a frame, a turn is interrupted. */
const MAX_JOINS = 8;

/**
 * What a frame did: the turn that it changed, or a problem that belongs to no turn, or neither (a
 * duplicate, or a late frame of a run that is over). With `early`, others before it have not come, and the run is to be
 * joined again over another connection; with `stopped`, the run was stopped before it was known how;
 * with `resumed`, it goes on over another connection.
 *
 * @typedef {{turn?: Turn, problem?: string, early?: boolean, stopped?: boolean, resumed?: boolean}} Change
 */

/**
 * The turns of one conversation.
 *
 * @typedef {object} Thread
 * @property {string} id by which the agent knows it
 * @property {Turn[]} turns
 * @property {number} forgotten how many turns before these are not there any more
 */

/** @returns {Thread} */
const newThread = (id = '') => ({ id, turns: [], forgotten: 0 });

/** The conversation that is shown, and those that were left while an answer was running in them. */
export class Conversation {
  thread = newThread();
  /** @type {Thread[]} */
  #away = [];
  /** Runs of conversations that were left behind: whatever still comes of them is dropped. @type {Set<string>} */
  #left = new Set();
  /** The runs that are to end, by their ids, with their keys. @type {Map<string, string>} */
  toStop = new Map();
  /** The runs that are to end and whose first frame has not come: it has the key. @type {Set<string>} */
  #stoppedEarly = new Set();
  /** A turn whose message goes out once it is known that there is a connection. @type {{turn: Turn, request: string} | undefined} */
  held;

  get turns() {
    return this.thread.turns;
  }

  get forgotten() {
    return this.thread.forgotten;
  }

  /** What is open in the conversation that is shown. */
  get open() {
    return this.turns.filter(isOpen);
  }

  /** What is open, wherever. */
  get running() {
    return this.#all.filter(isOpen);
  }

  /** The one that is shown, and those that were left in the middle of an answer. */
  get threads() {
    return [this.thread, ...this.#away];
  }

  get #all() {
    return this.threads.flatMap(({ turns }) => turns);
  }

  /** What a turn is of, unless that was given up. @param {Turn} turn */
  threadOf(turn) {
    return this.threads.find(({ turns }) => turns.includes(turn));
  }

  /** A conversation that was left in the middle of an answer. @param {string} id */
  away(id) {
    return this.#away.find((thread) => thread.id === id);
  }

  /** Shows another conversation. An answer that is under way in the one before goes on behind it. @param {Thread} thread */
  enter(thread) {
    const { thread: before, open } = this;
    this.drop(thread.id);
    if (open.length > 0) this.#away.push(before);
    else this.#forget(before);
    for (const { runId } of thread.turns) this.#left.delete(runId);
    this.thread = thread;
  }

  /** Gives up a conversation that was left. Gives it, if it was one. @param {string} id */
  drop(id) {
    const thread = this.away(id);
    this.#away = this.#away.filter((one) => one !== thread);
    if (thread) this.#forget(thread);
    return thread;
  }

  /** @param {Parameters<typeof newTurn>[0]} run @param {number} now */
  begin(run, now) {
    const turn = newTurn(run, now);
    for (const earlier of this.turns) overtake(earlier, turn.answers);
    this.turns.push(turn);
    return turn;
  }

  /**
   * @param {string} text of one WebSocket message
   * @param {number} now
   * @returns {Change}
   */
  receive(text, now) {
    const frame = parseJson(text);
    if (getString(frame, 'type') === undefined) return this.#gatewayFrame(frame, now);

    const runId = getString(frame, 'metadata', 'relay', 'runId');
    const seq = getNumber(frame, 'metadata', 'relay', 'seq');
    if (runId === undefined || seq === undefined) {
      return { problem: t('A frame without metadata.relay arrived. Is the endpoint an Agent Relay?') };
    }
    const [type, key] = [getString(frame, 'type'), getString(frame, 'metadata', 'relay', 'key')];
    if (type === 'RUN_FINISHED' || type === 'RUN_ERROR') this.toStop.delete(runId);
    if (this.#stoppedEarly.delete(runId) && type === 'RUN_STARTED') {
      if (key !== undefined) this.toStop.set(runId, key);
      return { stopped: true };
    }
    const turn = this.#all.find((candidate) => candidate.runId === runId) ?? this.#unread(runId, frame);
    if (turn === undefined || isOver(turn)) return {};
    turn.key ??= key;
    const news = countFrame(turn, frame);
    if (news === 'known') return {};
    if (news === 'early') {
      awaitJoin(turn);
      return { turn, early: true };
    }
    const resumed = turn.reconnecting;
    if (turn.restored && type !== 'RUN_ERROR') restart(turn);
    reopen(turn);
    if (resumed) turn.resumedAt = now;
    applyFrame(turn, frame, text, now, this.threadOf(turn)?.turns);
    if (turn.resumedAt !== undefined && now - turn.resumedAt < REPLAY_MS) {
      for (const event of turn.events.slice(turn.events.findLastIndex(({ at }) => at !== now) + 1)) event.late = true;
    }
    turn.reconnecting = false;
    turn.joins = 0;
    return resumed ? { turn, resumed } : { turn };
  }

  /**
   * The connection closed: what was open stays as it is, and waits to be joined, or is marked.
   *
   * @param {number} code
   * @param {number} now
   * @returns {Turn[]} what was open
   */
  disconnect(code, now) {
    const message =
      code === 1009
        ? t('The gateway closed the connection because the message was too large for it.')
        : t(
            'The connection closed before the answer was complete. What had arrived is kept; the prompt is not sent again by itself.',
          );
    return this.#lose(now, message, `connection_closed_${code}`);
  }

  /**
   * A connection that had gone silent was left for another one.
   *
   * @param {number} now
   * @returns {Turn[]} what was open
   */
  abandon(now) {
    return this.#lose(
      now,
      t('Nothing was heard from the relay any more. What had arrived is kept; the prompt is not sent again by itself.'),
      'connection_silent',
    );
  }

  /** @param {number} now @param {string} message @param {string} code */
  #lose(now, message, code) {
    const lost = this.running;
    for (const turn of lost) {
      if (turn === this.held?.turn) continue;
      if (turn.key !== undefined && turn.joins < MAX_JOINS) awaitJoin(turn);
      else endTurn(turn, 'interrupted', now, { message, code, retryable: true, source: 'connection' });
    }
    return lost;
  }

  /**
   * Ends what is open because the user asked for it. Frames that still come are dropped.
   *
   * @param {number} now
   * @param {Turn[]} [stopped] what is open
   * @returns {Turn[]} what this stopped
   */
  stop(now, stopped = this.open) {
    for (const turn of stopped) {
      if (turn.key !== undefined) this.toStop.set(turn.runId, turn.key);
      else if (turn.status === 'sent' && turn !== this.held?.turn) this.#stoppedEarly.add(turn.runId);
      endTurn(turn, 'stopped', now);
      if (turn === this.held?.turn) this.held = undefined;
    }
    return stopped;
  }

  /** Gives up the conversation for a new one: frames of the turns before are dropped from now on. */
  reset() {
    this.#forget(this.thread);
    this.thread = newThread();
  }

  /** @param {Thread} thread */
  #forget({ turns }) {
    for (const { runId } of turns) this.#left.add(runId);
  }

  /**
   * The turn that an error under a foreign run id belongs to: a relay that could not read a message
   * does not know the run id in it, so its refusal carries another one.
   *
   * @param {string} runId
   * @param {unknown} frame
   */
  #unread(runId, frame) {
    if (getString(frame, 'type') !== 'RUN_ERROR' || this.#left.has(runId)) return undefined;
    return this.#all.find((turn) => turn.status === 'sent');
  }

  /**
   * API Gateway's own frames have no type: `{"message", "connectionId", "requestId"}`.
   *
   * @param {unknown} frame
   * @param {number} now
   * @returns {Change}
   */
  #gatewayFrame(frame, now) {
    const message = getString(frame, 'message');
    if (message === undefined) {
      return { problem: t('A message arrived that is no frame of the relay. Is the endpoint an Agent Relay?') };
    }
    const failure = gatewayFailure(message);
    const turn = this.#all.find((candidate) => candidate.status === 'sent') ?? this.open.at(-1) ?? this.running.at(-1);
    if (turn === undefined) return { problem: failure.message };
    // An answer that was to be joined is not touched by that.
    endTurn(turn, turn.reconnecting ? 'interrupted' : 'failed', now, failure);
    return { turn };
  }
}

/**
 * @param {string} message what API Gateway said
 * @returns {Failure}
 */
function gatewayFailure(message) {
  /** @type {[RegExp, string, string, boolean?][]} */
  const known = [
    [/timed? ?out/i, 'gateway_timeout', t('The function did not answer in time.')],
    [
      /too many requests|limit exceeded|throttl|rate exceeded/i,
      'gateway_throttled',
      t('It is busy; try again in a moment.'),
    ],
    [
      /internal server error|unavailable|bad gateway/i,
      'gateway_error',
      t('The function could not be run; its log says why.'),
    ],
    [
      /forbidden|unauthorized|not authorized|access ?denied|explicit deny|missing authentication token|invalid.*(?:token|key|signature)/i,
      'gateway_forbidden',
      t('It does not let this connection send, or has no route for it; trying again does not help.'),
      false,
    ],
    [
      /too (?:long|large)|bad request|unsupported|invalid/i,
      'gateway_refused',
      t('It does not take this message; trying again does not help.'),
      false,
    ],
  ];
  const [, code = 'gateway', hint = '', retryable = true] = known.find(([pattern]) => pattern.test(message)) ?? [];
  return { message: `${visible(message)}. ${hint}`.replace('..', '.').trimEnd(), code, retryable, source: 'gateway' };
}
