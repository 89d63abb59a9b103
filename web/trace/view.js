// One trace as a list of rows, which grows with the trace.

import { element } from '../lib/dom.js';
import { keysOf } from '../relay/citations.js';
import { Row } from './row.js';
import { costOf } from './cost.js';
import { addList, focusIn, hasModifier, listWithRoom } from './elements.js';
import { epochOf } from './file.js';
import { inSlices } from './slices.js';
import { timeSpent } from './times.js';
import { TraceTree } from './tree.js';

/** @import { Prices } from '../types.d.ts' */
/** @import { Trace } from './file.js' */
/** @import { Spent } from './times.js' */
/** @import { Step } from './tree.js' */

/** The scale of a running trace has this much room to grow, since a new scale moves every bar. */
const HEADROOM = 1.3;

/** The sums of a running trace may take this part of its time. */
const SUMS_SHARE = 0.02;

/** The list for one answer. */
export class TraceView {
  turn;
  /** What it is called in lists of traces. */
  title = '';
  /** How often the turn had begun anew. */
  restarts;
  tree;
  list = element('div');
  #parts;
  /** The rows that there are. @type {Map<Step, Row>} */
  rows = new Map();
  /** @type {WeakMap<EventTarget, Row>} */
  #byDetails = new WeakMap();
  /** Rows in which others stand. @type {Set<Row>} */
  #nested = new Set();
  /** Rows whose details are open. @type {Set<Row>} */
  #open = new Set();
  /** What has changed since it was drawn, parents first. @type {Set<Step>} */
  #stale = new Set();
  #taken = 0;
  #scale = 0;
  /** The row that was gone to last. @type {Row | undefined} */
  #visited;
  #drawing = false;
  #stopDrawing = () => {};
  /** Where the time went, as far as it was summed up. @type {Spent | undefined} */
  spent;
  /** What its calls of models cost in dollars, and whether all of them have a price. @type {{dollars: number, whole: boolean} | undefined} */
  cost;
  /** How long models were at work, in ms. */
  speaking = 0;
  /** @type {import('./row.js').Cited} */
  #cited = {
    keys: () => this.citedKeys,
    show: (number) => this.#parts.showSource(this.turn, number),
  };
  /** When the sums may be made again, and for what they were made last. */
  #sumAgain = 0;
  #summed = '';
  #summing = false;
  #stopSumming = () => {};
  /** The row of the longest step, once it is sure which that is. @type {Row | undefined} */
  longest;
  /** Whether the longest of the steps that stand beside each other is the first of them. */
  #byDuration = false;
  #sorting = false;
  #stopSorting = () => {};

  /**
   * @param {Trace} turn
   * @param {object} parts
   * @param {() => Prices} parts.prices
   * @param {() => HTMLElement | undefined} parts.pane where a step opens, unless in the list
   * @param {() => boolean} parts.collapsed whether the steps in another one are hidden at first
   * @param {(row: Row) => unknown} parts.added
   * @param {() => void} parts.drawn after each slice of rows
   * @param {(turn: Trace, number: number) => void} parts.showSource shows what the answer cites
   */
  constructor(turn, parts) {
    this.turn = turn;
    this.restarts = turn.restarts;
    this.tree = new TraceTree(turn.sentAt, epochOf(turn));
    this.#parts = parts;
  }

  /** Of the passages that the answer cites, in the order of their numbers. */
  get citedKeys() {
    return keysOf(this.turn.messages?.flatMap(({ citations }) => citations) ?? []);
  }

  /** How long the axis is, in ms; 0 for what tells no times. */
  get scale() {
    return this.tree.latest === 0 && this.total <= 0 ? 0 : this.#scale;
  }

  get isOpen() {
    return this.turn.status === 'sent' || this.turn.status === 'running';
  }

  /** How long the turn took, or takes so far, in ms. */
  get total() {
    const end = this.turn.endedAt ?? (this.isOpen ? performance.now() : undefined);
    return end === undefined ? this.tree.latest : end - this.turn.sentAt;
  }

  /**
   * Takes the turn's new events, without drawing.
   *
   * @param {number} [limit] of how many
   * @returns {number} how many there were
   */
  take(limit = Infinity) {
    const events = this.turn.events.slice(this.#taken, this.#taken + limit);
    this.#taken += events.length;
    for (const event of events) for (const step of this.tree.add(event)) this.#stale.add(step);
    const { status, failure, endedAt, sentAt } = this.turn;
    if (!this.isOpen && this.#taken === this.turn.events.length && this.tree.running.size > 0) {
      const became = status === 'done' || status === 'failed' ? status : 'unfinished';
      const reason = status === 'failed' && failure ? `${failure.message} (${failure.code})` : undefined;
      const end = endedAt ?? sentAt + this.tree.latest;
      for (const step of this.tree.end(became, end, reason)) this.#stale.add(step);
    }
    this.#showBusy();
    return events.length;
  }

  /** Brings the rows up to the steps, in slices when there are many, and the bars of running steps up to now. */
  draw() {
    this.#rescale();
    for (const step of this.tree.running) this.rows.get(step)?.grow(this.total);
    if (this.#drawing) return;
    this.#drawing = true;
    this.#stopDrawing = inSlices(
      this.#drawn(),
      () => {
        this.#drawing = false;
        this.#showBusy();
      },
      this.#parts.drawn,
    );
  }

  *#drawn() {
    // It also comes to what is added while it is on its way.
    for (const step of this.#stale) {
      this.#stale.delete(step);
      this.#drawStep(step);
      yield;
    }
  }

  /** Whether the rows are those of the steps. */
  get isDrawn() {
    return !this.#drawing && this.#stale.size === 0;
  }

  /** Leaves what is not drawn yet for later. */
  stop() {
    this.#stopDrawing();
    this.#stopSorting();
    this.#stopSumming();
    this.#drawing = this.#summing = false;
  }

  /**
   * Sums up where the time went and what it cost, where that is not known yet.
   *
   * @param {() => void} summed is called once it is known
   */
  sum(summed) {
    const begun = performance.now();
    const key = `${this.#taken} ${this.isOpen ? Math.round(this.total) : this.turn.status}`;
    // Sums of a trace that is still read or running would be made in vain again and again.
    if (
      key === this.#summed ||
      this.#summing ||
      this.#taken < this.turn.events.length ||
      (this.isOpen && begun < this.#sumAgain)
    )
      return;
    this.#summing = true;
    const total = Math.max(this.total, this.isOpen ? 0 : this.tree.latest);
    this.#stopSumming = inSlices(this.#sums(total), (sums) => {
      Object.assign(this, sums);
      this.#summed = key;
      this.#summing = false;
      this.#sumAgain = begun + (performance.now() - begun) / SUMS_SHARE;
      this.#showBusy();
      summed();
    });
    this.#showBusy();
  }

  /** @param {number} total @returns {Generator<void, Pick<TraceView, 'spent' | 'cost' | 'speaking'>>} */
  *#sums(total) {
    const spent = yield* timeSpent(this.tree.steps, total);
    let [dollars, priced, speaking, done] = [0, 0, 0, 0];
    const { calls } = this.tree;
    for (const call of calls) {
      speaking += call.duration ?? 0;
      const cost = costOf(call, this.#parts.prices());
      if (cost !== undefined) {
        dollars += cost;
        priced += 1;
      }
      if ((done += 1) % 100 === 0) yield;
    }
    return { spent, cost: priced === 0 ? undefined : { dollars, whole: priced === calls.size }, speaking };
  }

  /** Marks the longest step, once it is sure. */
  markLongest() {
    const step = this.isOpen ? undefined : this.spent?.longest;
    const row = step && this.rows.get(step);
    if (row === this.longest) return;
    this.longest?.mark(false);
    this.longest = row;
    row?.mark(true);
  }

  /**
   * Puts the steps that stand beside each other in another order; each keeps those that belong to it. Those that come
   * later stand last until the end.
   *
   * @param {boolean} byDuration the longest first, or as they began
   */
  sort(byDuration) {
    if (byDuration === this.#byDuration && (!byDuration || this.isOpen)) return;
    this.#byDuration = byDuration;
    this.#stopSorting();
    this.#sorting = true;
    this.#showBusy();
    this.#stopSorting = inSlices(this.#sorted(), () => {
      this.#sorting = false;
      this.#showBusy();
    });
  }

  *#sorted() {
    // New lists take the place of those that are there.
    addList(this.list, rowList());
    for (const step of this.allSteps()) {
      const row = this.rows.get(step);
      if (row === undefined) continue;
      (row.outer?.children ?? this.#lastList()).append(row.item);
      yield;
    }
    // The lists that they stood in.
    for (const list of this.list.querySelectorAll(':scope > :empty')) list.remove();
  }

  /** The rows from the top, as they stand there. */
  ordered() {
    return [...this.list.querySelectorAll('.step > details')].flatMap((details) => this.#byDetails.get(details) ?? []);
  }

  /** All steps, those that belong to one behind it. */
  allSteps() {
    const took = (/** @type {Step} */ { duration = -1 }) => duration;
    const all = [];
    const rest = [this.tree.steps];
    for (let steps = rest.pop(); steps !== undefined; steps = rest.pop()) {
      const ordered = this.#byDuration ? steps.toSorted((one, other) => took(other) - took(one)) : steps;
      for (const step of ordered) {
        all.push(step);
        if (step.children.length > 0) rest.push(step.children);
      }
    }
    return all;
  }

  /**
   * Fills or empties a row that was opened or closed.
   *
   * @param {EventTarget | null} details the element of a row
   * @param {boolean} raw as JSON
   */
  toggled(details, raw) {
    const row = details === null ? undefined : this.#byDetails.get(details);
    if (row === undefined) return;
    if (row.details.open) {
      const pane = this.#parts.pane();
      // There is room for one.
      if (pane !== undefined) for (const other of this.#open) if (other !== row) other.details.open = false;
      this.#open.add(row);
      row.fill(raw, pane);
    } else {
      this.#open.delete(row);
      row.empty();
    }
  }

  /** Whether nothing is open, and something can be. */
  get isFolded() {
    return this.#open.size === 0 && this.#nested.size > 0 && [...this.#nested].every((row) => row.isCollapsed);
  }

  /**
   * Goes through the rows that are seen with the arrow keys, as in any tree: right opens, left closes or goes to what
   * a step belongs to.
   *
   * @param {KeyboardEvent} event
   */
  key(event) {
    const { key, target } = event;
    if (!(target instanceof HTMLElement) || !target.matches('.step > details > summary') || hasModifier(event)) return;
    const row = this.#byDetails.get(/** @type {HTMLElement} */ (target.parentElement));
    if (row === undefined) return;
    const all = () =>
      [...this.list.querySelectorAll('.step > details > summary')].filter(
        (one) => one.closest('[hidden], .out') === null,
      );
    /** @type {Element | null | undefined} */
    let next;
    if (key === 'ArrowDown' || key === 'ArrowUp') {
      const seen = all();
      next = seen[seen.indexOf(target) + (key === 'ArrowDown' ? 1 : -1)];
    } else if (key === 'Home') [next] = all();
    else if (key === 'End') next = all().at(-1);
    else if (key === 'ArrowRight') {
      if (row.isCollapsed) row.collapse(false);
      else row.details.open = true;
    } else if (key === 'ArrowLeft') {
      if (row.details.open) row.details.open = false;
      else if (row.children !== undefined && !row.isCollapsed) row.collapse(true);
      else next = row.step.parent && this.rows.get(row.step.parent)?.summary;
    } else return;
    event.preventDefault();
    if (next instanceof HTMLElement) focusIn(next, 'nearest');
  }

  /** Closes every row and hides the steps in others, or shows them. */
  fold() {
    const isFolded = !this.isFolded;
    if (isFolded) for (const row of this.#open) row.details.open = false;
    if (isFolded) this.#open.clear();
    for (const row of this.#nested) row.collapse(isFolded);
    return isFolded;
  }

  /**
   * Makes what is open anew.
   *
   * @param {boolean} raw as JSON
   */
  rerender(raw) {
    const pane = this.#parts.pane();
    const last = [...this.#open].at(-1);
    for (const row of this.#open) {
      if (pane !== undefined && row !== last) row.details.open = false;
      if (row.details.open) row.fill(raw, pane);
      else row.empty();
    }
  }

  /** Takes away what is opened, while another trace is shown. */
  empty() {
    for (const row of this.#open) row.empty();
  }

  /**
   * The row after the last one given with this status; from the top again after the last.
   *
   * @param {'failed' | 'intervened'} status
   */
  next(status) {
    /** @type {(Row | undefined)[]} */
    const found = [...this.rows.values()].filter(({ step }) => step.status === status);
    this.#visited = found[found.indexOf(this.#visited) + 1] ?? found[0];
    return this.#visited;
  }

  /**
   * Opens a row and everything that it belongs to, and goes there.
   *
   * @param {Row} row
   * @param {boolean} [focus] whether the focus goes there as well
   */
  reveal(row, focus = true) {
    this.expandAncestors(row);
    row.item.classList.remove('out');
    row.details.open = true;
    row.item.scrollIntoView({ block: 'center' });
    if (focus) row.summary.focus({ preventScroll: true });
  }

  /**
   * Opens the lists that a row stands in.
   *
   * @param {Row} row
   */
  expandAncestors(row) {
    for (let above = row.step.parent; above !== undefined; above = above.parent) {
      const outer = this.rows.get(above);
      outer?.collapse(false);
      outer?.item.classList.remove('out');
    }
  }

  /** @param {Step} step */
  #drawStep(step) {
    const known = this.rows.get(step);
    if (known !== undefined) return known.update(this.total);
    const row = new Row(step, this.#parts.prices(), step.parent && this.rows.get(step.parent), this.#cited);
    this.rows.set(step, row);
    this.#byDetails.set(row.details, row);
    const above = row.outer;
    if (above !== undefined) this.#nested.add(above);
    (above?.nest(this.#parts.collapsed()) ?? this.#lastList()).append(row.item);
    this.#parts.added(row);
  }

  /** Whether the rows are those of the steps: a long trace is drawn in many slices, and after the end of the answer. */
  #showBusy() {
    this.list.ariaBusy = String(
      this.#sorting || this.#stale.size > 0 || this.#taken < this.turn.events.length || (this.#summing && !this.isOpen),
    );
  }

  /** The list at the top that the next row stands in. */
  #lastList() {
    return listWithRoom(this.list, rowList);
  }

  #rescale() {
    const need = Math.max(this.total, this.tree.latest, 1);
    if (this.isOpen ? need <= this.#scale : need === this.#scale) return;
    this.#scale = this.isOpen ? need * HEADROOM : need;
    this.list.style.setProperty('--scale', String(this.#scale));
  }
}

/** One of the lists that the rows at the top stand in. */
function rowList() {
  return element('ol', 'rows');
}
