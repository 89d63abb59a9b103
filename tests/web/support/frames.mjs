// A gate between the relay and a page: the page gets each frame when the test says so. What a page looks
// like in the middle of an answer can then be seen at leisure, however slow or fast the machine is.

import { EventEmitter, once } from 'node:events';
import { TIMEOUT_MS } from './browser.mjs';

/** @import { Page, WebSocketRoute } from 'playwright-core' */

/**
 * What the relay sent.
 *
 * @typedef {{type: string, source?: string, delta?: string}} Frame
 */

/** Holds back the frames for one page. */
export class FrameGate {
  /** @type {{text: string, pass: () => void}[]} */
  #held = [];
  #arrivals = new EventEmitter();
  #open = false;
  /** The page's end of its latest connection. @type {WebSocketRoute | undefined} */
  #latest;

  /**
   * Stands before a page, which must not have been loaded yet. The gate is closed at first.
   *
   * @param {Page} page
   */
  async guard(page) {
    await page.routeWebSocket(/./, (client) => {
      this.#latest = client;
      client.connectToServer().onMessage((message) => {
        this.#held.push({ text: message.toString(), pass: () => client.send(message) });
        if (this.#open) this.#flush();
        this.#arrivals.emit('frame');
      });
    });
  }

  /**
   * Lets one frame through, the next one to come when none is held back.
   *
   * @returns {Promise<Frame>}
   */
  async next() {
    while (this.#held.length === 0) await this.#arrival();
    const { text, pass } = /** @type {{text: string, pass: () => void}} */ (this.#held.shift());
    pass();
    return JSON.parse(text);
  }

  /**
   * Lets frames through up to the first one of this type, and that too.
   *
   * @param {string} type
   */
  async until(type) {
    let frame = await this.next();
    while (frame.type !== type) frame = await this.next();
  }

  /**
   * Takes out what is held back, once a frame of this type is among it.
   *
   * @param {string} type
   * @returns {Promise<string[]>} the messages
   */
  async take(type) {
    while (!this.#held.some(({ text }) => JSON.parse(text).type === type)) await this.#arrival();
    return this.#held.splice(0).map(({ text }) => text);
  }

  /**
   * Gives the page messages over the connection that it has now.
   *
   * @param {...string} messages
   */
  deliver(...messages) {
    for (const message of messages) this.#latest?.send(message);
  }

  /** Lets everything through, what is held back and what is still to come. */
  open() {
    this.#open = true;
    this.#flush();
  }

  async #arrival() {
    await once(this.#arrivals, 'frame', { signal: AbortSignal.timeout(TIMEOUT_MS) });
  }

  #flush() {
    for (const { pass } of this.#held.splice(0)) pass();
  }
}
