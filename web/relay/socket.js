// The connection to the relay: one WebSocket at a time, opened again when it closes. What was sent is
// never sent again: an agent's actions must not run twice.

/** @import { ConnectionState } from '../types.d.ts' */

/**
 * What is told of a connection.
 *
 * @typedef {object} Listener
 * @property {(state: ConnectionState, failures: number) => void} stateChanged with the failed handshakes in a row
 * @property {(text: string) => void} received
 * @property {(code: number) => void} closed an open connection, with its close code
 * @property {(failures: number) => void} failed a handshake, with the failures in a row
 */

/**
 * What a connection needs of the browser; tests hand in their own.
 *
 * @typedef {object} Environment
 * @property {new (url: string, protocols: string[]) => WebSocket} WebSocket
 * @property {() => boolean} hidden whether the tab is not visible
 * @property {() => number} random from 0 up to, not including, 1
 */

const HANDSHAKE_MS = 15_000;
/** After this long, or with its first frame, a connection is of use, and the waits start over. */
const STABLE_MS = 10_000;
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 30_000;

/** Keeps a WebSocket connected. */
export class Connection {
  #url;
  #protocols;
  #listener;
  #environment;
  /** @type {WebSocket | undefined} */
  #socket;
  /** @type {ConnectionState} */
  #state = 'waiting';
  /** Handshakes that failed in a row. */
  #failures = 0;
  /** Attempts in a row since a connection was of use: the waits grow with them. */
  #attempts = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} url
   * @param {() => string[]} protocols
   * @param {Listener} listener
   * @param {Partial<Environment>} [environment]
   */
  constructor(url, protocols, listener, environment = {}) {
    this.#url = url;
    this.#protocols = protocols;
    this.#listener = listener;
    this.#environment = {
      WebSocket: globalThis.WebSocket,
      hidden: () => document.hidden,
      random: Math.random,
      ...environment,
    };
  }

  get state() {
    return this.#state;
  }

  /** Connects now, unless that is done or under way. */
  connect() {
    if (this.#state === 'open' || this.#state === 'connecting') return;
    this.#open();
  }

  /** Leaves the connection, and with it whatever still runs on it, for a fresh one. */
  reconnect() {
    this.#drop();
    this.#open();
  }

  /** Closes the connection for good. */
  close() {
    this.#drop();
    this.#enter('asleep');
  }

  /** Says whether the text went out. @param {string} text */
  send(text) {
    if (this.#state !== 'open' || this.#socket === undefined) return false;
    this.#socket.send(text);
    return true;
  }

  #open() {
    clearTimeout(this.#timer);
    const socket = new this.#environment.WebSocket(this.#url, this.#protocols());
    this.#socket = socket;
    this.#timer = setTimeout(() => socket.close(), HANDSHAKE_MS);
    socket.addEventListener('open', () => {
      if (socket === this.#socket) this.#opened();
    });
    socket.addEventListener('message', (event) => {
      if (socket !== this.#socket) return;
      this.#attempts = 0;
      this.#listener.received(String(event.data));
    });
    socket.addEventListener('close', (event) => {
      if (socket === this.#socket) this.#closed(event.code);
    });
    this.#enter('connecting');
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#failures = 0;
    // Not now: a gateway that accepts and closes at once must not be asked in a tight loop.
    this.#timer = setTimeout(() => (this.#attempts = 0), STABLE_MS);
    this.#enter('open');
  }

  /** @param {number} code */
  #closed(code) {
    clearTimeout(this.#timer);
    this.#socket = undefined;
    const wasOpen = this.#state === 'open';
    const wait = this.#environment.random() * Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    if (!wasOpen) this.#failures += 1;
    this.#timer = setTimeout(() => this.#retry(), wait);
    this.#enter('waiting');
    if (wasOpen) this.#listener.closed(code);
    else this.#listener.failed(this.#failures);
  }

  #retry() {
    if (this.#environment.hidden()) this.#enter('asleep');
    else this.#open();
  }

  /** Whatever still comes of the socket is ignored. */
  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  /** @param {ConnectionState} state */
  #enter(state) {
    this.#state = state;
    this.#listener.stateChanged(state, this.#failures);
  }
}
