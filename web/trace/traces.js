// The trace viewer: one trace for each answer and each opened file, of which one is shown. Rows are only
// ever added, and those of a trace that is not shown are not made.

import { byId, element, StickToBottom } from '../lib/dom.js';
import { counted, duration, oneLine } from '../lib/format.js';
import { recall, store } from '../lib/storage.js';
import { traceFile, TraceFileError, traceOf, MAX_FILE_BYTES } from './file.js';
import { KINDS } from './row.js';
import { matches } from './search.js';
import { inSlices } from './slices.js';
import { TraceView } from './view.js';

/** @import { Kind } from './event.js' */
/** @import { Trace } from './file.js' */
/** @import { Row } from './row.js' */

/** How often a running trace is drawn, in milliseconds: the more rows there are, the longer one more takes a browser. */
const TICK_MS = 100;

/** The trace panel's contents. */
export class Traces {
  #list;
  #empty;
  #count;
  #head = byId('traces-head', HTMLElement);
  #totals = byId('traces-totals', HTMLElement);
  #answer = byId('traces-answer', HTMLSelectElement);
  #search = byId('traces-search', HTMLInputElement);
  #kind = byId('traces-kind', HTMLSelectElement);
  #found = byId('traces-found', HTMLElement);
  #collapse = byId('traces-collapse', HTMLButtonElement);
  #raw = byId('traces-raw', HTMLButtonElement);
  #failed = byId('traces-failed', HTMLButtonElement);
  #save = byId('traces-save', HTMLButtonElement);
  #problem = byId('traces-problem', HTMLElement);
  #stickToBottom = new StickToBottom(byId('traces-scroller', HTMLElement));
  /** @type {Map<Trace, TraceView>} */
  #views = new Map();
  /** @type {TraceView | undefined} */
  #shown;
  #events = 0;
  #stopSearch = () => {};

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.list
   * @param {HTMLElement} parts.empty shown while there is nothing to list
   * @param {HTMLElement} parts.count where the number of events goes
   */
  constructor({ list, empty, count }) {
    this.#list = list;
    this.#empty = empty;
    this.#count = count;
    this.#answer.addEventListener('change', () => this.#show([...this.#views.values()][this.#answer.selectedIndex]));
    this.#search.addEventListener('input', () => this.#filter());
    this.#kind.addEventListener('change', () => this.#filter());
    remembered(this.#collapse, 'trace-collapsed', (on) => this.#shown?.collapse(on));
    remembered(this.#raw, 'trace-raw', (on) => this.#shown?.rerender(on));
    this.#failed.addEventListener('click', () => this.#goToFailed());
    this.#save.addEventListener('click', () => this.#download());
    const file = byId('traces-file', HTMLInputElement);
    byId('traces-open', HTMLButtonElement).addEventListener('click', () => file.click());
    file.addEventListener('change', () => {
      const [chosen] = file.files ?? [];
      file.value = '';
      if (chosen !== undefined) void this.#open(chosen);
    });
    list.addEventListener('toggle', ({ target }) => {
      const row = this.#shown?.rowOf(target);
      if (row?.details.open) row.fill(this.#isRaw);
      else row?.empty();
    }, true);
    setInterval(() => {
      if (this.#shown?.isOpen) this.#draw();
    }, TICK_MS);
  }

  get isEmpty() {
    return this.#events === 0;
  }

  /**
   * Takes what has come of a turn since the last call.
   *
   * @param {Trace} turn
   */
  update(turn) {
    let view = this.#views.get(turn);
    if (view === undefined && turn.events.length === 0) return;
    if (view === undefined) {
      view = this.#add(turn);
      this.#show(view);
    }
    this.#events += view.take();
    this.#count.hidden = false;
    this.#count.textContent = String(this.#events);
    // Apart from the end of the answer, which is read as a whole.
    if (view === this.#shown && !view.isOpen) setTimeout(() => this.#draw());
  }

  /**
   * Shows the trace of an answer.
   *
   * @param {Trace} turn
   * @returns {boolean} whether it has one
   */
  show(turn) {
    const view = this.#views.get(turn);
    if (view !== undefined) this.#show(view);
    return view !== undefined;
  }

  clear() {
    for (const view of this.#views.values()) view.stop();
    this.#views.clear();
    this.#shown = undefined;
    this.#events = 0;
    this.#list.replaceChildren();
    this.#answer.replaceChildren();
    this.#explain();
    for (const part of [this.#head, this.#save, this.#answer, this.#count]) part.hidden = true;
    this.#empty.hidden = false;
  }

  get #isRaw() {
    return this.#raw.getAttribute('aria-pressed') === 'true';
  }

  /** @param {Trace} turn */
  #add(turn) {
    const view = new TraceView(turn, {
      collapsed: () => this.#collapse.getAttribute('aria-pressed') === 'true',
      added: (row) => this.#isFiltering && this.#applyFilter(row),
      drawn: () => this.#stickToBottom.follow(),
    });
    this.#views.set(turn, view);
    this.#answer.append(element('option', '', `${this.#views.size}. ${oneLine(turn.prompt, 60)}`));
    this.#answer.hidden = this.#views.size < 2;
    return view;
  }

  /** @param {TraceView | undefined} view */
  #show(view) {
    if (view === undefined || view === this.#shown) return;
    this.#shown?.stop();
    this.#shown = view;
    this.#answer.selectedIndex = [...this.#views.values()].indexOf(view);
    this.#list.replaceChildren(view.list);
    for (const part of [this.#head, this.#save]) part.hidden = false;
    this.#empty.hidden = true;
    this.#explain();
    if (view.isOpen) this.#stickToBottom.attach();
    view.collapse(this.#collapse.getAttribute('aria-pressed') === 'true');
    view.rerender(this.#isRaw);
    this.#draw();
    this.#filter();
  }

  #draw() {
    this.#showTotals();
    this.#showKinds();
    this.#shown?.draw();
  }

  #showTotals() {
    const view = this.#shown;
    if (view === undefined) return;
    const { tree, turn } = view;
    const first = turn.firstTextAt === undefined ? '–' : duration(turn.firstTextAt - turn.sentAt);
    const totals = {
      Status: view.isOpen ? 'Running' : (turn.failure?.code ?? (tree.intervened > 0 ? 'Intervened' : turn.status === 'done' ? 'Done' : 'Not finished')),
      Total: duration(view.total),
      'First token': first,
      'Model calls': String(tree.modelCalls),
      'Tokens in': tree.tokens.input.toLocaleString('en'),
      'Tokens out': tree.tokens.output.toLocaleString('en'),
    };
    if (this.#totals.childElementCount === 0) {
      this.#totals.append(...Object.keys(totals).map((name) => element('div', '', element('dt', '', name), element('dd'))));
    }
    for (const [index, value] of Object.values(totals).entries()) {
      const cell = this.#totals.children[index]?.lastElementChild;
      if (cell && cell.textContent !== value) cell.textContent = value;
    }
    this.#totals.dataset.status = turn.status;
    this.#failed.hidden = tree.failed + tree.intervened === 0;
  }

  #showKinds() {
    const kinds = this.#shown?.tree.kinds ?? new Map();
    if (this.#kind.options.length === 0) this.#kind.append(new Option('All kinds', ''));
    const known = new Map([...this.#kind.options].map((option) => [option.value, option]));
    for (const [kind, count] of /** @type {Map<Kind, number>} */ (kinds)) {
      const words = `${KINDS[kind]} (${count})`;
      const option = known.get(kind);
      if (option === undefined) this.#kind.append(new Option(words, kind));
      else if (option.text !== words) option.text = words;
    }
    for (const [kind, option] of known) if (kind !== '' && !kinds.has(/** @type {Kind} */ (kind)) && !option.selected) option.remove();
  }

  get #isFiltering() {
    return this.#search.value.trim() !== '' || this.#kind.value !== '';
  }

  /** Shows the rows that match, and those above them. */
  #filter() {
    this.#stopSearch();
    const rows = this.#shown?.rows() ?? [];
    let found = 0;
    this.#found.textContent = '';
    const next = rows[Symbol.iterator]();
    this.#stopSearch = inSlices(() => {
      const { value: row, done } = next.next();
      if (row !== undefined && this.#applyFilter(row)) found += 1;
      if (done === true && this.#isFiltering) this.#found.textContent = found === 0 ? 'No step matches' : counted(found, 'step matches', 'steps match');
      return done !== true;
    });
  }

  /**
   * Hides a row that does not match; one that does brings the collaborators along that it belongs to.
   *
   * @param {Row} row
   */
  #applyFilter(row) {
    const kind = this.#kind.value;
    const match = (kind === '' || row.step.kind === kind) && matches(row.step, KINDS[row.step.kind], this.#search.value);
    row.item.classList.toggle('out', !match);
    if (match && this.#isFiltering) this.#shown?.expandAncestors(row);
    return match;
  }

  #goToFailed() {
    const row = this.#shown?.nextFailed();
    if (row === undefined) return;
    if (row.item.classList.contains('out')) {
      this.#search.value = '';
      this.#kind.value = '';
      this.#filter();
    }
    this.#shown?.reveal(row);
  }

  #download() {
    if (this.#shown === undefined) return;
    const link = element('a');
    // Not a type that a browser would show in place of the page.
    link.href = URL.createObjectURL(new Blob([traceFile(this.#shown.turn)], { type: 'application/octet-stream' }));
    link.download = 'trace.json';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  /** @param {File} file */
  async #open(file) {
    try {
      if (file.size > MAX_FILE_BYTES) throw new TraceFileError(`${file.name} is larger than 64 MiB.`);
      const turn = traceOf(await file.text(), file.name);
      const view = this.#add(turn);
      view.take();
      this.#show(view);
    } catch (error) {
      this.#explain(error instanceof TraceFileError ? error.message : `${file.name} could not be read: ${error}`);
    }
  }

  /** @param {string} [problem] */
  #explain(problem = '') {
    this.#problem.textContent = problem;
    this.#problem.hidden = problem === '';
  }
}

/**
 * A button that is on or off, also at the next visit.
 *
 * @param {HTMLButtonElement} button
 * @param {string} key
 * @param {(on: boolean) => void} changed
 */
function remembered(button, key, changed) {
  const set = (/** @type {boolean} */ on) => button.setAttribute('aria-pressed', String(on));
  set(recall('local', key) === 'on');
  button.addEventListener('click', () => {
    const on = button.getAttribute('aria-pressed') !== 'true';
    set(on);
    store('local', key, on ? 'on' : 'off');
    changed(on);
  });
}
