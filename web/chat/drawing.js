// When what changed of the turns is drawn. Frames come by the hundred a second; the page follows once for each
// picture.

import { isOpen } from '../relay/turn.js';

/** @import { Conversation } from '../relay/conversation.js' */
/** @import { TracesOnDemand } from '../trace/on-demand.js' */
/** @import { Turn } from '../types.d.ts' */
/** @import { Transcript } from './transcript.js' */

/** A picture that has been in the making for longer has had enough to do: a missed one is noticed at 16 ms. */
const LATE_MS = 10;
/** A hidden page has no pictures. */
const HIDDEN_MS = 200;

/** Draws the turns of the conversation that is shown. */
export class Drawing {
  #conversation;
  #transcript;
  #traces;
  #drawn;
  /** What is to be drawn, in that order. @type {Set<Turn>} */
  #stale = new Set();
  #isScheduled = false;
  #isLate = false;
  /** Whether a picture left some for the next one. */
  #hasMore = false;

  /**
   * @param {Conversation} conversation
   * @param {Transcript} transcript
   * @param {TracesOnDemand} traces
   * @param {(isBusy: boolean) => void} drawn is called after each picture, with whether ended turns are still to be drawn
   */
  constructor(conversation, transcript, traces, drawn) {
    this.#conversation = conversation;
    this.#transcript = transcript;
    this.#traces = traces;
    this.#drawn = drawn;
  }

  /** A turn changed. Does nothing where its conversation is not shown. @param {Turn} turn */
  add(turn) {
    if (!this.#conversation.turns.includes(turn)) return;
    // What changes now comes before what was kept, whose own order is from the end.
    if (!this.#stale.has(turn)) this.#stale = new Set([turn, ...this.#stale]);
    this.#schedule();
  }

  /** Another conversation is shown. @param {Turn[]} turns in the order in which they are to be drawn */
  open(turns) {
    this.#stale = new Set(turns);
  }

  /** Draws what there is time for. @param {number} [begun] when the picture began, as the browser says */
  draw(begun = Infinity) {
    // A picture that has taken its time already, as it does when a trace changes a lot, leaves this to the next.
    this.#isLate = !this.#isLate && performance.now() - begun > LATE_MS;
    if (this.#isLate) return void requestAnimationFrame(this.#next);
    this.#isScheduled = false;
    const { turns } = this.#conversation;
    this.#transcript.begin(this.#hasMore);
    for (const turn of this.#stale) {
      if (this.#transcript.update(turn, performance.now(), turns[turns.indexOf(turn) + 1])) this.#stale.delete(turn);
      this.#traces.update(turn);
      // A long conversation that was kept comes with the next pictures.
      if (this.#transcript.steps <= 0) break;
    }
    this.#hasMore = this.#transcript.steps <= 0 && this.#stale.size > 0;
    this.#drawn([...this.#stale].some((turn) => !isOpen(turn)));
    this.#schedule();
  }

  #next = (/** @type {number | undefined} */ begun) => this.draw(begun);

  #schedule() {
    if (this.#isScheduled || this.#stale.size === 0) return;
    this.#isScheduled = true;
    if (document.hidden) setTimeout(this.#next, HIDDEN_MS);
    else requestAnimationFrame(this.#next);
  }
}
