// Frames above the gateway's size limit arrive in pieces, as `relay.fragment` values.

import { getNumber, getString } from '../lib/json.js';

// Limits against a broken sender: the length of a frame in UTF-16 units, how many may be incomplete at
// a time, and the pieces of one.
export const MAX_LENGTH = 16 * 1024 * 1024;
export const MAX_OPEN = 4;
export const MAX_COUNT = 16 * 1024;

/** A fragment that breaks the rules. Its frame is given up, the run goes on. */
export class FragmentError extends Error {}

/** Puts the fragmented frames of one run together again. */
export class Fragments {
  /** @type {Map<string, {pieces: (string | undefined)[], received: number, length: number}>} */
  #open = new Map();
  /** Frames given up: their remaining pieces are ignored without another error. @type {Set<string>} */
  #refused = new Set();

  get incomplete() {
    return this.#open.size;
  }

  /**
   * @param {unknown} value of one fragment: `{id, index, count, data}`
   * @returns {string | undefined} the whole frame once its last piece is there
   * @throws {FragmentError}
   */
  add(value) {
    const id = getString(value, 'id');
    const index = getNumber(value, 'index');
    const count = getNumber(value, 'count');
    const data = getString(value, 'data');
    if (id === undefined || index === undefined || count === undefined || data === undefined) {
      throw new FragmentError('a fragment needs id, index, count and data');
    }
    if (this.#refused.has(id)) return undefined;
    if (!Number.isInteger(count) || count < 1 || count > MAX_COUNT) {
      throw this.#refuse(id, `a frame cannot have ${count} fragments`);
    }
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw this.#refuse(id, `fragment ${index} of ${count} does not exist`);
    }
    let frame = this.#open.get(id);
    if (frame === undefined) {
      if (this.#open.size >= MAX_OPEN) throw this.#refuse(id, 'too many incomplete frames');
      frame = { pieces: new Array(count), received: 0, length: 0 };
      this.#open.set(id, frame);
    }
    if (frame.pieces.length !== count) throw this.#refuse(id, 'fragments disagree about their count');
    if (frame.pieces[index] !== undefined) return undefined;
    if (frame.length + data.length > MAX_LENGTH) throw this.#refuse(id, 'the frame is too long');

    frame.pieces[index] = data;
    frame.received += 1;
    frame.length += data.length;
    if (frame.received < count) return undefined;
    this.#open.delete(id);
    return frame.pieces.join('');
  }

  /** @param {string} id @param {string} reason */
  #refuse(id, reason) {
    this.#open.delete(id);
    this.#refused.add(id);
    return new FragmentError(reason);
  }
}
