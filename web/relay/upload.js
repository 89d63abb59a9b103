// Files on their way to the relay, in pieces: each is one message, and is there once the relay has said so. What a lost
// connection or a busy gateway swallows is sent again; a piece that comes twice replaces itself.

import { base64Of } from '../lib/base64.js';
import { get, getNumber, getString, parseJson } from '../lib/json.js';
import { visible } from '../lib/visible.js';
import { t } from '../lib/words.js';

/** In base64 and with what stands around it, a piece fits into the 32 KB that a browser can send. */
const PIECE_BYTES = 24_000;
/** So many pieces are under way at a time: the relay writes each into a table. */
const MAX_IN_FLIGHT = 2;
/** After this long without an answer, a piece is sent again. */
const ANSWER_MS = 15_000;
const FIRST_WAIT_MS = 1_000;
const MAX_TRIES = 6;
/** The relay keeps a piece for an hour. */
const FRESH_MS = 50 * 60_000;

/**
 * @typedef {object} Upload
 * @property {string} id what a run names it by
 * @property {Blob} file
 * @property {number} count of its pieces
 * @property {number[]} todo the pieces that are to be sent
 * @property {number} done how many are there
 * @property {number} tries in a row without a piece that arrived
 * @property {number} begunAt
 * @property {string | undefined} problem why it can't be sent
 * @property {boolean} isThere whether all of it is there, and will be for a while
 */

/** @typedef {{upload: Upload, index: number, timer?: ReturnType<typeof setTimeout>}} Flight a piece that is under way */

/** The files that are under way. */
export class Uploads {
  /** @type {Upload[]} */
  #uploads = [];
  /** @type {Set<Flight>} */
  #flights = new Set();
  /** All that there ever were, since what is said of them may come late. @type {Set<string>} */
  #ids = new Set();
  #connected = false;
  #send;
  #changed;

  /**
   * @param {(text: string) => boolean} send whether it went out
   * @param {(upload: Upload) => void} changed
   */
  constructor(send, changed) {
    this.#send = send;
    this.#changed = changed;
  }

  /** Begins to send a file. @param {Blob} file @returns {Upload} */
  add(file) {
    const id = crypto.randomUUID();
    const count = Math.ceil(file.size / PIECE_BYTES);
    /** @type {Upload} */
    const upload = {
      id,
      file,
      count,
      todo: Array.from({ length: count }, (_, index) => index),
      done: 0,
      tries: 0,
      begunAt: performance.now(),
      problem: undefined,
      get isThere() {
        return this.done === count && this.problem === undefined && performance.now() - this.begunAt < FRESH_MS;
      },
    };
    this.#ids.add(id);
    this.#uploads.push(upload);
    this.#pump();
    return upload;
  }

  /** Sends no more of a file. @param {Upload} upload */
  remove(upload) {
    this.#uploads = this.#uploads.filter((other) => other !== upload);
    this.#land((flight) => flight.upload === upload);
    this.#pump();
  }

  /** What was under way over the connection before may not have arrived. @param {boolean} connected */
  setConnected(connected) {
    if (connected === this.#connected) return;
    this.#connected = connected;
    for (const { upload, index } of this.#land(() => true)) upload.todo.unshift(index);
    this.#pump();
  }

  /**
   * Takes what is said about a file; false if it is about something else.
   *
   * @param {string} text of one WebSocket message
   * @param {boolean} isAnswering whether a run is under way, which the gateway may mean
   */
  receive(text, isAnswering) {
    // Frames come by the hundred a second, and few are about a file.
    if (this.#ids.size === 0 || !(text.includes('relay.upload') || /^\{"(?:type":"RUN_ERROR|message)"/.test(text)))
      return false;
    const frame = parseJson(text);
    if (getString(frame, 'type') === undefined) {
      // API Gateway does not say which message it means.
      if (this.#flights.size === 0 || isAnswering) return false;
      for (const flight of this.#land(() => true)) this.#retry(flight);
      return true;
    }
    const id = getString(frame, 'metadata', 'relay', 'runId') ?? '';
    if (!this.#ids.has(id)) return false;
    const index = getNumber(frame, 'value', 'index') ?? getNumber(frame, 'metadata', 'relay', 'seq');
    const [flight] = this.#land((one) => one.upload.id === id && one.index === index);
    if (flight === undefined) return true;
    const { upload } = flight;
    if (getString(frame, 'type') === 'CUSTOM') {
      upload.done += 1;
      upload.tries = 0;
      this.#changed(upload);
    } else if (get(frame, 'metadata', 'relay', 'retryable') === true) this.#retry(flight);
    else this.#fail(upload, visible(getString(frame, 'message') ?? ''));
    this.#pump();
    return true;
  }

  #pump() {
    while (this.#connected && this.#flights.size < MAX_IN_FLIGHT) {
      const upload = this.#uploads.find(({ todo, problem }) => todo.length > 0 && problem === undefined);
      const index = upload?.todo.shift();
      if (upload === undefined || index === undefined) return;
      /** @type {Flight} */
      const flight = { upload, index };
      this.#flights.add(flight);
      void this.#fly(flight);
    }
  }

  /** @param {Flight} flight */
  async #fly(flight) {
    const { upload, index } = flight;
    const { id, file, count } = upload;
    let data = '';
    try {
      data = await base64Of(file.slice(index * PIECE_BYTES, (index + 1) * PIECE_BYTES));
    } catch {
      this.#land((one) => one === flight);
      return this.#fail(upload, t('It cannot be read. Choose it again.'));
    }
    // The connection may have gone meanwhile, or the file.
    if (!this.#flights.has(flight)) return;
    flight.timer = setTimeout(() => this.#land((one) => one === flight).forEach((one) => this.#retry(one)), ANSWER_MS);
    // Without a connection, it goes with the next one.
    this.#send(JSON.stringify({ upload: { id, index, count, size: file.size, data } }));
  }

  /** Ends flights, and gives them. @param {(flight: Flight) => boolean} which */
  #land(which) {
    const landed = [...this.#flights].filter(which);
    for (const flight of landed) {
      clearTimeout(flight.timer);
      this.#flights.delete(flight);
    }
    return landed;
  }

  /** Sends a piece again, after a pause. @param {Flight} flight */
  #retry({ upload, index }) {
    upload.tries += 1;
    if (upload.tries >= MAX_TRIES) return this.#fail(upload, t('It was tried several times. Choose it again.'));
    setTimeout(() => {
      upload.todo.unshift(index);
      this.#pump();
    }, FIRST_WAIT_MS * upload.tries);
  }

  /** @param {Upload} upload @param {string} problem */
  #fail(upload, problem) {
    upload.problem ??= problem;
    this.#changed(upload);
    this.#pump();
  }
}
