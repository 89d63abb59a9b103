// One trace as a list of rows, which grows with the trace.

import { element } from '../lib/dom.js';
import { Row } from './row.js';
import { inSlices } from './slices.js';
import { TraceTree } from './tree.js';

/** @import { Trace } from './file.js' */
/** @import { Step } from './tree.js' */

/** The scale of a running trace has this much room to grow, since a new scale moves every bar. */
const HEADROOM = 1.3;

/** Rows in a list: a list out of view is neither styled nor laid out. */
const LIST_LENGTH = 16;

/** The list for one answer. */
export class TraceView {
  turn;
  tree;
  list = element('div');
  #parts;
  /** @type {Map<Step, Row>} */
  #rows = new Map();
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

  /**
   * @param {Trace} turn
   * @param {object} parts
   * @param {() => boolean} parts.collapsed whether the steps in another one are hidden at first
   * @param {(row: Row) => unknown} parts.added
   * @param {() => void} parts.drawn after each slice of rows
   */
  constructor(turn, parts) {
    this.turn = turn;
    this.tree = new TraceTree(turn.sentAt);
    this.#parts = parts;
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
      const [left, why] = status === 'failed' ? /** @type {const} */ (['failed', failure]) : [/** @type {const} */ ('unfinished'), undefined];
      const reason = why && `${why.message} (${why.code})`;
      const end = endedAt ?? sentAt + this.tree.latest;
      for (const step of this.tree.end(status === 'done' ? 'done' : left, end, reason)) this.#stale.add(step);
    }
    this.#showBusy();
    return events.length;
  }

  /** Brings the rows up to the steps, in slices when there are many, and the bars of running steps up to now. */
  draw() {
    this.#rescale();
    for (const step of this.tree.running) this.#rows.get(step)?.grow(this.total);
    if (this.#drawing) return;
    this.#drawing = true;
    // The iterator also comes to what is added while it is on its way.
    const steps = this.#stale.values();
    this.#stopDrawing = inSlices(() => {
      const { value: step } = steps.next();
      if (step !== undefined) {
        this.#stale.delete(step);
        this.#drawStep(step);
        return true;
      }
      this.#drawing = false;
      this.#showBusy();
      return false;
    }, this.#parts.drawn);
  }

  /** Leaves what is not drawn yet for later. */
  stop() {
    this.#stopDrawing();
    this.#drawing = false;
  }

  /** All rows, from the top. */
  rows() {
    return this.#rows.values();
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
      this.#open.add(row);
      row.fill(raw);
    } else {
      this.#open.delete(row);
      row.empty();
    }
  }

  /** Whether there is anything to collapse, and whether there is anything to expand. */
  get foldable() {
    const nested = [...this.#nested];
    return { open: this.#open.size > 0 || nested.some((row) => !row.isCollapsed), closed: nested.some((row) => row.isCollapsed) };
  }

  /** Closes every row, and hides the steps in others. */
  collapse() {
    for (const row of this.#open) row.details.open = false;
    this.#open.clear();
    for (const row of this.#nested) row.collapse(true);
  }

  /** Shows the steps in others. */
  expand() {
    for (const row of this.#nested) row.collapse(false);
  }

  /**
   * Makes what is open anew.
   *
   * @param {boolean} raw as JSON
   */
  rerender(raw) {
    for (const row of this.#open) row.fill(raw);
  }

  /**
   * The row after the last one given with this status; from the top again after the last.
   *
   * @param {'failed' | 'intervened'} status
   */
  next(status) {
    const found = [...this.#rows.values()].filter(({ step }) => step.status === status);
    this.#visited = found[(this.#visited === undefined ? -1 : found.indexOf(this.#visited)) + 1] ?? found[0];
    return this.#visited;
  }

  /**
   * Opens a row and everything that it belongs to, and goes there.
   *
   * @param {Row} row
   */
  reveal(row) {
    this.expandAncestors(row);
    row.item.classList.remove('out');
    row.details.open = true;
    row.item.scrollIntoView({ block: 'center' });
    row.details.querySelector('summary')?.focus({ preventScroll: true });
  }

  /**
   * Opens the lists that a row stands in.
   *
   * @param {Row} row
   */
  expandAncestors(row) {
    for (let above = row.step.parent; above !== undefined; above = above.parent) {
      const outer = this.#rows.get(above);
      outer?.collapse(false);
      outer?.item.classList.remove('out');
    }
  }

  /** @param {Step} step */
  #drawStep(step) {
    const known = this.#rows.get(step);
    if (known !== undefined) return known.update(this.total);
    const row = new Row(step);
    this.#rows.set(step, row);
    this.#byDetails.set(row.details, row);
    const above = step.parent && this.#rows.get(step.parent);
    if (above !== undefined) this.#nested.add(above);
    (above?.nest(this.#parts.collapsed()) ?? this.#lastList()).append(row.item);
    this.#parts.added(row);
  }

  /** Whether the rows are those of the steps: a long trace is drawn in many slices, and after the end of the answer. */
  #showBusy() {
    this.list.ariaBusy = String(this.#stale.size > 0);
  }

  #lastList() {
    const last = this.list.lastElementChild;
    if (last !== null && last.childElementCount < LIST_LENGTH) return last;
    const list = element('ol', 'rows');
    Object.assign(list.style, { contentVisibility: 'auto', containIntrinsicSize: 'auto 40rem' });
    this.list.append(list);
    return list;
  }

  #rescale() {
    const need = Math.max(this.total, this.tree.latest, 1);
    if (this.isOpen ? need <= this.#scale : need === this.#scale) return;
    this.#scale = this.isOpen ? need * HEADROOM : need;
    this.list.style.setProperty('--scale', String(this.#scale));
  }
}
