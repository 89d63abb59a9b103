// The link to the relay: answers go on over one connection after the other, and what the user stopped ends over the
// next one that works.

import { announce } from '../lib/dom.js';
import { t } from '../lib/words.js';
import { joinRequest, stopRequest } from '../relay/request.js';
import { Connection } from '../relay/socket.js';
import { threadId } from '../relay/thread.js';
import { isOpen } from '../relay/turn.js';
import { hideBanner, showBanner } from './banner.js';
import { showConnection, showConnectionState, shownConnection } from './connection-state.js';

/** @import { Change, Conversation } from '../relay/conversation.js' */
/** @import { AccessDialog } from '../settings/access.js' */
/** @import { Config, ConnectionState, Turn } from '../types.d.ts' */

/**
 * What is told of the link.
 *
 * @typedef {object} LinkListener
 * @property {(isConnected: boolean) => void} stateChanged
 * @property {(text: string) => boolean} received a message: whether it was no frame of a run, and is done with
 * @property {(turn: Turn, change: Change) => void} changed by a frame
 * @property {(turns: Turn[]) => void} lost their connection: some of them go on over another one
 */

/** So much longer than the relay is ever silent while an answer runs: what it sends then may take its time. */
const GRACE_SECONDS = 15;
/** So long the end of a run that was stopped may take to come: it takes about a second. */
const STOP_MS = 4_000;

/** Keeps the page connected, and its answers going. */
export class RelayLink {
  #access;
  #conversation;
  #connection;
  #listener;
  #silenceMs;
  /** When something came last, or was sent. */
  #heardAt = 0;
  #isSilent = false;
  /** Whether it was said that the connection is gone. */
  #isAway = false;
  /** The turns that are joined over this connection. @type {Set<Turn>} */
  #joined = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #confirmation;

  /**
   * @param {Config} config
   * @param {AccessDialog} access asks for what the relay lets in
   * @param {Conversation} conversation
   * @param {LinkListener} listener
   */
  constructor(config, access, conversation, listener) {
    this.#access = access;
    this.#conversation = conversation;
    this.#listener = listener;
    this.#silenceMs = (config.keepaliveSeconds + GRACE_SECONDS) * 1000;
    this.#connection = new Connection(config.endpoint, () => access.subprotocols, {
      stateChanged: (state, failures) => this.#stateChanged(state, failures, config.endpoint),
      received: (text) => this.#received(text),
      closed: (code) => {
        const left = conversation.disconnect(code, performance.now());
        announce(
          left.every(isOpen)
            ? t('The connection closed. Reconnecting.')
            : t('The answer is incomplete. The connection closed. Reconnecting.'),
        );
        listener.lost(left);
      },
      failed: (failures) => void this.#failed(failures),
    });
    access.whenCancelled(() => {
      showConnection('failed', t('Not connected'));
      showBanner(
        t('This agent asks who you are before it answers.'),
        t('Enter the {credential}', { credential: access.name }),
        () => this.connect(),
      );
    });
  }

  get isConnected() {
    return this.#connection.state === 'open';
  }

  /** Connects, unless that is done or under way; or asks first for what is needed for it. */
  connect() {
    if (this.#access.needsCredential) this.#access.open();
    else this.#connection.connect();
  }

  /** Says whether the text went out. @param {string} text */
  send(text) {
    return this.#connection.send(text);
  }

  /** What was sent, or goes out soon, is to be answered from now on. */
  expectAnswer() {
    this.#heardAt = performance.now();
  }

  /** Leaves the connection for another one, over which goes on what can. */
  reconnect() {
    this.#isSilent = false;
    this.#isAway = true;
    const left = this.#conversation.abandon(performance.now());
    this.#listener.lost(left);
    announce(left.every(isOpen) ? t('Reconnecting.') : t('The answer is incomplete. Reconnecting.'));
    this.#connection.reconnect();
  }

  /** A connection of another network is none any more, long before the browser says so. */
  networkChanged() {
    if (this.isConnected && this.canAllGoOn) this.reconnect();
    else this.connect();
  }

  /** Leaves the connection at once, and with it whatever a relay that keeps no runs has running on it. */
  drop() {
    this.#connection.reconnect();
  }

  /** Whether there are answers, and all of them can go on over another connection. */
  get canAllGoOn() {
    const { running } = this.#conversation;
    return running.length > 0 && running.every(({ key }) => key !== undefined);
  }

  /** Has the turns go on that lost their connection. A page that nobody looks at does not: the agent goes on without it. */
  join() {
    if (!this.isConnected || document.hidden) return;
    for (const turn of this.#conversation.running) {
      if (!turn.reconnecting || this.#joined.has(turn)) continue;
      this.#joined.add(turn);
      turn.joins += 1;
      this.send(joinRequest(this.#conversation.threadOf(turn)?.id ?? '', turn));
      this.expectAnswer();
    }
  }

  /** Ends the runs that nobody wants any more. A connection over which no end comes is none: they are ended over the next one. */
  endRuns() {
    const { toStop } = this.#conversation;
    for (const [runId, key] of toStop) this.send(stopRequest(threadId(), runId, key));
    clearTimeout(this.#confirmation);
    this.#confirmation = setTimeout(() => {
      if (toStop.size > 0 && this.isConnected) this.reconnect();
    }, STOP_MS);
  }

  /** Looks whether the relay has been silent for too long. */
  listen() {
    if (
      this.#isSilent ||
      this.#conversation.running.length === 0 ||
      !this.isConnected ||
      performance.now() - this.#heardAt < this.#silenceMs
    )
      return;
    if (this.canAllGoOn) {
      if (!document.hidden) this.reconnect();
      return;
    }
    this.#isSilent = true;
    showConnection('waiting', t('Silent'));
    showBanner(
      t(
        'Nothing was heard from the relay for {seconds} s. The connection may be gone; if it is, the answer cannot go on over another one.',
        { seconds: this.#silenceMs / 1000 },
      ),
      t('Reconnect'),
      () => this.reconnect(),
    );
  }

  /** @param {ConnectionState} state @param {number} failures @param {string} endpoint */
  #stateChanged(state, failures, endpoint) {
    const isOpened = state === 'open';
    if (isOpened) this.#access.markAccepted();
    const before = shownConnection();
    this.#isSilent = false;
    showConnectionState(state, failures, endpoint, () => this.connect());
    if (isOpened && (this.#isAway || before === 'waiting')) announce(t('Connected again.'));
    this.#listener.stateChanged(isOpened);
    if (!isOpened) return this.#joined.clear();
    this.#isAway = false;
    // What was said over the connection before may not have arrived.
    this.endRuns();
    this.#conversation.toStop.clear();
    this.#sendHeld();
    this.join();
  }

  /** @param {string} text */
  #received(text) {
    this.#heardAt = performance.now();
    if (this.#isSilent) {
      this.#isSilent = false;
      hideBanner();
      showConnection('open', t('Connected'));
    }
    if (this.#listener.received(text)) return;
    const change = this.#conversation.receive(text, performance.now());
    if (change.problem !== undefined) showBanner(change.problem);
    if (change.stopped) {
      this.endRuns();
      if (this.#conversation.toStop.size === 0 && this.#conversation.running.length === 0) this.drop();
    }
    // Whatever came, the connection is one.
    this.#sendHeld();
    if (change.early) this.reconnect();
    if (change.turn) this.#listener.changed(change.turn, change);
  }

  /** Sends what waited for a connection that is one. */
  #sendHeld() {
    const { held } = this.#conversation;
    if (held === undefined || !this.send(held.request)) return;
    this.#conversation.held = undefined;
    this.expectAnswer();
  }

  /** @param {number} failures */
  async #failed(failures) {
    const refusal = await this.#access.refusal(failures);
    if (refusal === undefined || this.isConnected) return;
    this.#connection.close();
    hideBanner();
    showConnection('failed', t('Not let in'));
    this.#access.open(refusal);
  }
}
