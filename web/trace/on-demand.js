// The trace viewer before it is there: most who chat never look at a trace, so its code is loaded when the panel opens
// for the first time. Until then this keeps what there is to show, and what was asked for.

import { button, byId } from '../lib/dom.js';
import { onDemand } from '../lib/on-demand.js';

/** @import { Prices } from '../types.d.ts' */
/** @import { Trace } from './file.js' */
/** @import { Traces } from './traces.js' */

const LOADING = 'The trace viewer is being loaded.';

export class TracesOnDemand {
  #count = byId('traces-count', HTMLElement);
  #empty = byId('traces-empty', HTMLElement);
  #problem = byId('traces-problem', HTMLElement);
  #prices;
  #readKept;
  #showSource;
  /** How many events there are of each turn, in the order of the turns. @type {Map<Trace, number>} */
  #turns = new Map();
  #events = 0;
  /** Whose trace was asked for last, before there was a viewer. @type {Trace | undefined} */
  #wanted;
  /** And which passage in it. @type {number | undefined} */
  #wantedSource;
  /** @type {Traces | undefined} */
  #viewer;
  #loading = false;
  /** Who looks at the panel waits for it. @type {() => Promise<typeof import('../trace.js')>} */
  #module = onDemand('trace.js', 0);

  /**
   * @param {() => Prices} prices
   * @param {(turn: any, number: number) => void} showSource shows what an answer cites
   * @param {(turn: any) => Promise<void>} [readKept] reads the events of a turn that the browser has kept
   */
  constructor(prices, showSource, readKept = async () => {}) {
    this.#showSource = showSource;
    this.#prices = prices;
    this.#readKept = readKept;
  }

  get isEmpty() {
    return this.#events === 0;
  }

  /** Takes what has come of a turn. @param {Trace} turn */
  update(turn) {
    const count = turn.events.length + (turn.keptEvents ?? 0);
    const added = count - (this.#turns.get(turn) ?? 0);
    if (added !== 0 || !this.#turns.has(turn)) {
      this.#turns.set(turn, count);
      this.#events += added;
      this.#count.hidden = this.isEmpty;
      this.#count.textContent = String(this.#events);
    }
    this.#viewer?.update(turn);
  }

  /** Shows the trace of a turn. @param {Trace} turn */
  show(turn) {
    this.#wanted = turn;
    this.#wantedSource = undefined;
    this.#viewer?.show(turn);
  }

  /** Shows the passage that an answer cites. @param {Trace} turn @param {number} number of the source */
  showPassage(turn, number) {
    this.#wanted = turn;
    this.#wantedSource = number;
    this.#viewer?.showPassage(turn, number);
  }

  /** Leaves the conversation that was shown. A file that was opened before there was any stays. */
  clear() {
    if (this.#turns.size === 0) return;
    this.#turns.clear();
    this.#events = 0;
    this.#wanted = undefined;
    this.#count.hidden = true;
    this.#viewer?.clear();
  }

  /** Loads the viewer, unless it is there or on its way. */
  async load() {
    if (this.#viewer !== undefined || this.#loading) return;
    this.#loading = true;
    const words = this.#empty.textContent ?? '';
    this.#empty.textContent = LOADING;
    this.#empty.hidden = false;
    this.#problem.hidden = true;
    try {
      const { Traces } = await this.#module();
      const viewer = new Traces({ prices: this.#prices, readKept: this.#readKept, showSource: this.#showSource });
      this.#viewer = viewer;
      viewer.update(...this.#turns.keys());
      if (this.#wanted) viewer.show(this.#wanted);
      if (this.#wanted && this.#wantedSource) viewer.showPassage(this.#wanted, this.#wantedSource);
    } catch (error) {
      console.error(error);
      window.addEventListener('online', () => void this.load(), { once: true });
      const again = button('quiet small', 'Try again', () => {
        byId('traces-scroller', HTMLElement).focus();
        void this.load();
      });
      this.#problem.replaceChildren(
        'The trace viewer could not be loaded. ',
        navigator.onLine ? 'The server may be busy, or there is no connection. ' : 'There is no connection. ',
        again,
      );
      this.#problem.hidden = false;
      // There may be traces, only nothing to show them with.
      this.#empty.hidden = true;
    } finally {
      this.#loading = false;
      if (this.#empty.textContent === LOADING) this.#empty.textContent = words;
    }
  }
}
