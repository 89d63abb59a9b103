// The trace viewer: one trace for each answer and each opened file, of which one is shown. Rows are only
// ever added, and those of a trace that is not shown are not made.

import { button, byId, element, StickToBottom, write } from '../lib/dom.js';
import { counted, duration, oneLine } from '../lib/format.js';
import { recall, store } from '../lib/storage.js';
import { keyOf } from '../relay/citations.js';
import { outcomeOf, stopReasonInWords } from '../relay/stop-reason.js';
import { Axis } from './axis.js';
import { passagesOf } from './bedrock-agent-detail.js';
import { Comparison } from './compare.js';
import { money, speed } from './cost.js';
import { focusIn } from './elements.js';
import { epochOf, fileName, traceFile, TraceFileError, traceOf, MAX_FILE_BYTES } from './file.js';
import { makeResizable } from './handle.js';
import { otelFile } from './otel.js';
import { KINDS, STATUSES } from './row.js';
import { RuntimeReader } from './runtime.js';
import { matches } from './search.js';
import { Hits } from './hits.js';
import { inSlices } from './slices.js';
import { Summary } from './summary.js';
import { TraceView } from './view.js';

/** @import { Prices } from '../types.d.ts' */
/** @import { Trace } from './file.js' */
/** @import { Row } from './row.js' */
/** @import { Kind, Step } from './tree.js' */

/** How often a running trace is drawn, in milliseconds: the more rows there are, the longer one more takes a browser. */
const TICK_MS = 100;

/** Which steps are shown, by what became of them and by how long they took. @type {{words: string, is: (step: Step) => boolean}[]} */
const WHICH = [
  { words: 'All steps', is: () => true },
  ...Object.entries(STATUSES)
    .filter(([status]) => status !== 'done')
    .map(([status, words]) => ({ words, is: (/** @type {Step} */ step) => step.status === status })),
  ...[100, 1000, 10_000].map((least) => ({
    words: `${duration(least).replace('.0', '')} or longer`,
    is: (/** @type {Step} */ step) => (step.duration ?? 0) >= least,
  })),
];

/** From this width of the panel on there is room for the tree and an opened step, in pixels. */
const PANE_FROM = 800;

/** So often something is looked for that is still to be read or drawn, and so long is waited in between, in milliseconds. */
const [LOOKS, LOOK_MS] = [200, 25];

/** So long events are read at once, in milliseconds, and so many without a look at the clock. */
const [READ_MS, READ_EVENTS] = [8, 20];

/** The trace panel's contents. */
export class Traces {
  #panel = byId('traces', HTMLElement);
  #list = byId('traces-list', HTMLElement);
  #empty = byId('traces-empty', HTMLElement);
  #head = byId('traces-head', HTMLElement);
  #totals = byId('traces-totals', HTMLElement);
  #answer = byId('traces-answer', HTMLSelectElement);
  #search = byId('traces-search', HTMLInputElement);
  #kind = byId('traces-kind', HTMLSelectElement);
  #found = byId('traces-found', HTMLElement);
  #collapse = byId('traces-collapse', HTMLElement);
  #raw = byId('traces-raw', HTMLElement);
  #goTo = {
    failed: byId('traces-failed', HTMLElement),
    intervened: byId('traces-intervened', HTMLElement),
  };
  #close = byId('traces-close-file', HTMLElement);
  #save = byId('traces-save', HTMLElement);
  #file = byId('traces-file', HTMLInputElement);
  #problem = byId('traces-problem', HTMLElement);
  #scroller = byId('traces-scroller', HTMLElement);
  #axis = new Axis(this.#scroller);
  #longest = button(
    'quiet small',
    'Go to longest step',
    () => this.#shown?.longest && this.#goToRow(this.#shown.longest),
  );
  #summary = new Summary(this.#longest);
  #sort = button('quiet small', 'Longest first', () => this.#sortBy(!this.#isSorted));
  #export = button('quiet small', 'OpenTelemetry', () => inSlices(this.#exported()));
  #which = element('select');
  /** What the trace that is shown can be compared with. */
  #beside = element('select');
  #comparison = new Comparison(this.#scroller, (view, step) => this.#leaveFor(view, step));
  /** The trace beside the one that is shown. @type {TraceView | undefined} */
  #other;
  /** Whether the next file is for the place beside. */
  #opensBeside = false;
  /** They lead to the row before that matches, and to the next one. */
  #hitButtons = /** @type {const} */ ([
    ['↑', 'Previous match', -1],
    ['↓', 'Next match', 1],
  ]).map(([arrow, words, way]) =>
    Object.assign(
      button('quiet small', arrow, () => this.#goToHit(way)),
      { ariaLabel: words, title: words },
    ),
  );
  #hits = new Hits();
  /** Beside the tree, where there is room for both. */
  #pane = element('div', 'traces-pane');
  #hasPane = false;
  /** The row that the search went to last. @type {Row | undefined} */
  #hit;
  #parts;
  #stickToBottom = new StickToBottom(this.#scroller);
  /** The turns of this visit and the opened files, in the order of the list. @type {Map<Trace, TraceView>} */
  #views = new Map();
  /** How many turns the conversation has had, those before a reload included. */
  #turns = 0;
  /** Their numbers. @type {WeakMap<Trace, number>} */
  #numbers = new WeakMap();
  /** @type {TraceView | undefined} */
  #shown;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #reading;
  #stopSearch = () => {};
  /** How many rows match, and whether all have been looked at. */
  #matches = 0;
  #searched = true;

  /**
   * @param {object} parts what the page around it does
   * @param {() => Prices} parts.prices
   * @param {(turn: any) => Promise<void>} parts.readKept reads the events of a turn that the browser has kept
   * @param {(turn: any, number: number) => void} parts.showSource shows what an answer cites
   */
  constructor(parts) {
    const list = this.#list;
    this.#parts = parts;
    this.#totals.after(this.#summary.box);
    list.before(this.#axis.box);
    list.after(this.#comparison.box);
    this.#comparison.box.hidden = true;
    this.#raw.after(element('label', 'beside', element('span', '', 'Compared with '), this.#beside));
    this.#beside.ariaLabel = 'Compare with';
    this.#beside.addEventListener('change', () => this.#chooseBeside());
    this.#collapse.before(this.#sort);
    this.#kind.after(this.#which);
    this.#which.ariaLabel = 'Status or duration of step';
    this.#which.append(...WHICH.map(({ words }) => new Option(words)));
    this.#which.addEventListener('change', () => this.#filter());
    const hits = element('span', 'traces-hits');
    this.#found.before(hits);
    hits.append(this.#found, ...this.#hitButtons);
    this.#search.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.isComposing) return;
      event.preventDefault();
      this.#goToHit(event.shiftKey ? -1 : 1);
    });
    list.addEventListener('keydown', (event) => this.#shown?.key(event));
    makeResizable();
    this.#placePane();
    this.#sort.title = 'The longest of the steps that stand beside each other first';
    this.#sortBy(false);
    this.#answer.addEventListener('change', () => this.#show([...this.#views.values()][this.#answer.selectedIndex]));
    this.#search.addEventListener('input', () => this.#filter());
    this.#kind.addEventListener('change', () => this.#filter());
    this.#collapse.addEventListener('click', () => this.#fold());
    this.#raw.ariaPressed = String(recall('local', 'trace-raw') === 'on');
    this.#raw.addEventListener('click', () => {
      this.#raw.ariaPressed = String(!this.#isRaw);
      store('local', 'trace-raw', this.#isRaw ? 'on' : 'off');
      this.#shown?.rerender(this.#isRaw);
    });
    for (const status of /** @type {const} */ (['failed', 'intervened']))
      this.#goTo[status].addEventListener('click', () => this.#goToNext(status));
    this.#save.addEventListener('click', () => this.#download());
    this.#save.after(this.#export);
    this.#export.title = 'Save this trace as OpenTelemetry’s JSON (OTLP), for Langfuse, Jaeger and the like';
    this.#export.hidden = true;
    this.#close.addEventListener('click', () => this.#closeFile());
    const file = this.#file;
    const take = () => {
      const [chosen] = file.files ?? [];
      file.value = '';
      if (chosen !== undefined) void this.#open(chosen);
    };
    file.addEventListener('cancel', () => (this.#opensBeside = false));
    file.addEventListener('change', take);
    list.addEventListener(
      'toggle',
      ({ target }) => {
        this.#shown?.toggled(target, this.#isRaw);
        this.#showFolding();
        this.#showPane();
        this.#markHits();
      },
      true,
    );
    // The steps that belong to another one.
    list.addEventListener('click', () => this.#showFolding());
    setInterval(() => {
      if (this.#shown?.isOpen) this.#draw();
    }, TICK_MS);
    // One may have been chosen before this was loaded.
    take();
  }

  /**
   * Takes what has come of turns since the last call, and shows the last one that is new.
   *
   * @param {...Trace} turns
   */
  update(...turns) {
    /** @type {TraceView | undefined} */
    let next;
    for (const turn of turns) {
      const known = this.#views.get(turn);
      if (known !== undefined && known.restarts !== turn.restarts) {
        // It comes anew from its beginning.
        const view = this.#viewOf(turn);
        view.title = known.title;
        this.#views.set(turn, view);
        if (known === this.#shown) next = view;
      } else if (turn.restored === true && turn.events.length === 0) {
        // A turn of before a reload has a number like any other, and no trace.
        this.#numberOf(turn);
        if (this.#shown === undefined) this.#showParts();
        if (known === undefined && turn.keptEvents) this.#offerTurn(turn);
      } else if (known === undefined) {
        const view = this.#offerTurn(turn);
        // Who looks at a file goes on doing so while there is nothing else to see.
        if (turn.trace !== false || turn.events.length > 0 || (next ?? this.#shown)?.turn.file === undefined)
          next = view;
      } else if (known === this.#shown) this.#read(known);
      else if (known === this.#other && !known.isOpen) this.#readBeside(known);
    }
    this.#show(next);
  }

  /** @param {Trace} turn */
  #numberOf(turn) {
    const number = this.#numbers.get(turn) ?? (this.#turns += 1);
    this.#numbers.set(turn, number);
    return number;
  }

  /** A new view of a turn, which can be chosen. @param {Trace} turn */
  #offerTurn(turn) {
    const view = this.#viewOf(turn);
    this.#offer(view, `${this.#numberOf(turn)}. ${oneLine(turn.prompt, 60)}`);
    return view;
  }

  /** Has the events there that the browser has kept of a trace, and goes on. @param {TraceView} view @param {() => void} next */
  async #withKept(view, next) {
    try {
      if (view.turn.keptEvents) await this.#parts.readKept(view.turn);
      next();
    } catch (error) {
      this.#explain(`What was kept of this trace could not be read: ${error}`);
    }
  }

  /** Reads what came of the trace that is shown; the others are read once they are. @param {TraceView} view */
  #read(view) {
    const hasMore = readSome(view);
    if (hasMore) {
      clearTimeout(this.#reading);
      this.#reading = setTimeout(() => view === this.#shown && this.#read(view));
    }
    if (this.#head.hidden) this.#draw();
    // Apart from the end of the answer, which is read as a whole.
    else if (!view.isOpen && !hasMore) setTimeout(() => this.#draw());
  }

  /** Shows the trace of a turn. @param {Trace} turn */
  show(turn) {
    this.#show(this.#views.get(turn));
  }

  /** Shows the passage that an answer cites, in the step that found it. @param {Trace} turn @param {number} number of the source */
  showPassage(turn, number) {
    const view = this.#views.get(turn);
    if (view === undefined) return;
    this.#compare(undefined);
    this.#show(view);
    const key = view.citedKeys[number - 1];
    this.#whenFound(
      view,
      () =>
        view
          .allSteps()
          .find((step) => step.kind === 'knowledge-base' && passagesOf(step).some((one) => keyOf(one) === key)),
      (step) => this.#goToStep(view, step, number),
    );
  }

  /**
   * Goes on once something is found in the trace that is shown, unless that takes too long.
   *
   * @template Found
   * @param {TraceView} view
   * @param {() => Found | null | undefined} find
   * @param {(found: Found) => void} next
   * @param {number} [looks]
   */
  #whenFound(view, find, next, looks = LOOKS) {
    if (view !== this.#shown) return;
    const found = find();
    if (found) next(found);
    else if (looks > 0) setTimeout(() => this.#whenFound(view, find, next, looks - 1), LOOK_MS);
  }

  clear() {
    for (const view of this.#views.values()) view.stop();
    this.#views.clear();
    this.#numbers = new WeakMap();
    this.#turns = 0;
    this.#answer.replaceChildren();
    this.#leave();
  }

  get #isRaw() {
    return this.#raw.ariaPressed === 'true';
  }

  /** @param {Trace} turn */
  #viewOf(turn) {
    /** @type {TraceView} */
    const view = new TraceView(turn, {
      ...this.#parts,
      pane: () => (this.#hasPane ? this.#pane : undefined),
      collapsed: () => recall('local', 'trace-collapsed') === 'on',
      added: (row) => this.#isFiltering && this.#applyFilter(row) && this.#countMatch(),
      drawn: () => {
        // With the next picture: to look for the end sooner would lay out everything twice.
        requestAnimationFrame(() => this.#stickToBottom.follow());
        this.#showFolding();
        if (view !== this.#shown || view.isOpen || !view.isDrawn) return;
        this.#showSums(view);
        if (this.#isSorted) view.sort(true);
      },
    });
    return view;
  }

  /** @param {TraceView} view @param {string} title */
  #offer(view, title) {
    view.title = title;
    this.#views.set(view.turn, view);
    this.#answer.append(element('option', '', title));
    this.#answer.hidden = this.#views.size < 2;
    this.#offerBeside();
  }

  get #others() {
    return [...this.#views.values()].filter((view) => view !== this.#shown);
  }

  /** What there is to compare with: every other trace, and those that were saved. */
  #offerBeside() {
    const words = this.#other === undefined ? 'Compare with…' : 'Compare no more';
    this.#beside.replaceChildren(
      new Option(words, ''),
      ...this.#others.map((view) => new Option(view.title, 'view', false, view === this.#other)),
      new Option('A saved trace…', 'file'),
    );
  }

  #chooseBeside() {
    const { value, selectedIndex } = this.#beside;
    if (value === 'file') {
      this.#opensBeside = true;
      this.#offerBeside();
      this.#file.click();
    } else this.#compare(this.#others[selectedIndex - 1]);
  }

  /** Shows another trace beside the one that is shown, or none any more. @param {TraceView | undefined} other */
  #compare(other) {
    if (!other && !this.#other) return;
    this.#other?.stop();
    this.#other = other;
    this.#offerBeside();
    const isComparing = other !== undefined;
    this.#panel.parentElement?.classList.toggle('comparing', isComparing);
    this.#comparison.box.hidden = !isComparing;
    this.#list.hidden = isComparing;
    this.#comparison.clear();
    this.#stickToBottom.detach();
    this.#scroller.scrollTop = 0;
    if (isComparing) void this.#withKept(other, () => this.#readBeside(other));
    else if (this.#shown !== undefined) this.#draw();
    this.#showPane();
  }

  /** Shows both once all of them is read and summed up, and what runs once more at its end. @param {TraceView} other */
  #readBeside(other) {
    if (other !== this.#other) return;
    if (readSome(other)) return void setTimeout(() => this.#readBeside(other));
    this.#showBeside();
    other.sum(() => this.#showBeside());
  }

  #showBeside() {
    const [one, other] = [this.#shown, this.#other];
    if (one?.spent === undefined || other?.spent === undefined) return;
    this.#comparison.show(one, other);
  }

  /** Leaves the comparison for a step of one of the two. @param {TraceView} view @param {Step} step */
  #leaveFor(view, step) {
    this.#compare(undefined);
    this.#show(view);
    this.#goToStep(view, step);
  }

  /**
   * Goes to a step once it has a row, and there to a passage.
   *
   * @param {TraceView} view
   * @param {Step} step
   * @param {number} [number] of the passage in the answer
   */
  #goToStep(view, step, number) {
    const goTo = (/** @type {Row} */ row) => {
      this.#goToRow(row);
      /** @returns {HTMLElement | null | undefined} */
      const link = () => row.box?.querySelector(`.cited[data-source="${number}"]`);
      if (number !== undefined) this.#whenFound(view, link, (found) => focusIn(found, 'center'));
    };
    // To draw a long trace may take longer.
    this.#whenFound(view, () => view.rows.get(step), goTo, Infinity);
  }

  /** @param {TraceView | undefined} view */
  #show(view) {
    if (view === undefined || view === this.#shown) return;
    this.#compare(undefined);
    this.#shown?.stop();
    this.#shown?.empty();
    this.#shown = view;
    this.#answer.selectedIndex = [...this.#views.values()].indexOf(view);
    this.#list.replaceChildren(view.list);
    this.#explain();
    if (view.isOpen) this.#stickToBottom.attach();
    view.rerender(this.#isRaw);
    this.#showPane();
    this.#read(view);
    this.#draw();
    if (view.turn.traceCut) this.#explain('Not all of this trace was kept: there was no room for it.');
    if (view.turn.keptEvents) void this.#withKept(view, () => view === this.#shown && this.#read(view));
    view.sort(this.#isSorted);
    this.#filter();
    this.#offerBeside();
  }

  /** Shows nothing: there is no trace any more. */
  #leave() {
    this.#compare(undefined);
    this.#shown?.stop();
    this.#shown?.empty();
    this.#showPane();
    this.#shown = undefined;
    this.#list.replaceChildren();
    this.#answer.hidden = this.#views.size < 2;
    this.#explain();
    this.#showParts();
  }

  /** What there is beside the list: nothing of it while that is empty. */
  #showParts() {
    const view = this.#shown;
    const hasSteps = view !== undefined && view.turn.events.length > 0;
    this.#empty.hidden = hasSteps;
    if (!hasSteps) {
      this.#sayWhyEmpty(view);
      this.#axis.rescale(0, this.#list);
    }
    this.#head.hidden = this.#save.hidden = this.#export.hidden = !hasSteps;
    this.#close.hidden = view?.turn.file === undefined;
  }

  /** @param {TraceView | undefined} view */
  #sayWhyEmpty(view) {
    const words =
      view === undefined
        ? `${this.#turns > 0 ? 'No trace was kept of this conversation.' : 'No trace yet.'} With the switch Trace on, what the agent does shows up here while it works.`
        : view.turn.keptEvents
          ? 'Reading the trace…'
          : view.turn.trace === false
            ? 'No trace: the switch Trace was off when this was asked.'
            : view.isOpen
              ? 'Nothing yet. What the agent does shows up here while it works.'
              : 'No trace events came with this answer.';
    write(this.#empty, words);
  }

  #draw() {
    this.#showParts();
    const view = this.#shown;
    if (this.#head.hidden || view === undefined) return;
    this.#showTotals(view);
    this.#showKinds(view.tree.kinds);
    view.draw();
    this.#showSums(view);
  }

  /** The axis, and where on it the time went, once that is summed up. @param {TraceView} view */
  #showSums(view) {
    view.sum(() => {
      if (view !== this.#shown) return;
      this.#draw();
      if (!view.isOpen) this.#showBeside();
    });
    view.markLongest();
    this.#axis.rescale(view.scale, view.list);
    this.#axis.showGaps(view.spent);
    this.#summary.show(view.spent, view.total, speed(view.tree.tokens.output, view.speaking));
    this.#longest.hidden = view.longest === undefined || view.tree.size < 3;
    this.#sort.hidden = view.tree.size < 3;
  }

  get #isSorted() {
    return this.#sort.ariaPressed === 'true';
  }

  /** @param {boolean} byDuration */
  #sortBy(byDuration) {
    this.#sort.ariaPressed = String(byDuration);
    this.#shown?.sort(byDuration);
  }

  /** @param {TraceView} view */
  #showTotals(view) {
    const { tree, turn } = view;
    const first = turn.firstTextAt === undefined ? '–' : duration(turn.firstTextAt - turn.sentAt);
    // Of a run that did not come to its end, it is that of a message on the way.
    const stopReason = turn.status === 'done' || turn.status === 'failed' ? stopReasonInWords(tree.stopReason) : '';
    const totals = {
      Status: view.isOpen ? 'Running' : outcome(view),
      Total: duration(view.total),
      'First token': first,
      // An agent that speaks AG-UI tells of none.
      ...(tree.has(RuntimeReader)
        ? {}
        : {
            'Model calls': String(tree.modelCalls),
            'Tokens in': tree.tokens.input.toLocaleString('en'),
            'Tokens out': tree.tokens.output.toLocaleString('en'),
          }),
      ...(tree.cachedTokens > 0 ? { 'Tokens cached': tree.cachedTokens.toLocaleString('en') } : {}),
      ...(view.cost === undefined ? {} : { Cost: `${view.cost.whole ? '' : '≥ '}${money(view.cost.dollars)}` }),
      ...(stopReason === '' ? {} : { 'Stop reason': stopReason }),
    };
    for (const [index, [name, value]] of Object.entries(totals).entries()) {
      const cell =
        this.#totals.children[index] ?? this.#totals.appendChild(element('div', '', element('dt'), element('dd')));
      const [term, detail] = cell.children;
      if (term) write(term, name);
      if (detail) write(detail, value);
    }
    for (const cell of [...this.#totals.children].slice(Object.keys(totals).length)) cell.remove();
    this.#totals.dataset.status = isFailed(view) ? 'failed' : turn.status;
    this.#goTo.failed.hidden = tree.failed === 0;
    this.#goTo.intervened.hidden = tree.intervened === 0;
  }

  /** @param {Map<Kind, number>} kinds how many steps there are of each */
  #showKinds(kinds) {
    if (this.#kind.options.length === 0) this.#kind.append(new Option('All kinds', ''));
    const known = new Map([...this.#kind.options].map((option) => [option.value, option]));
    for (const [kind, count] of kinds) {
      const words = `${KINDS[kind]} (${count})`;
      const option = known.get(kind);
      if (option === undefined) this.#kind.append(new Option(words, kind));
      else if (option.text !== words) option.text = words;
    }
    for (const [kind, option] of known)
      if (kind !== '' && !kinds.has(/** @type {Kind} */ (kind)) && !option.selected) option.remove();
  }

  get #isFiltering() {
    return this.#search.value.trim() !== '' || this.#kind.value !== '' || this.#which.selectedIndex > 0;
  }

  /** Has steps open beside the tree while the panel is wide. */
  #placePane() {
    this.#pane.role = 'region';
    this.#pane.ariaLabel = 'Opened step';
    this.#pane.tabIndex = 0;
    this.#pane.hidden = true;
    this.#scroller.after(this.#pane);
    new ResizeObserver(([entry]) => {
      const isWide = (entry?.contentRect.width ?? 0) >= PANE_FROM;
      if (isWide === this.#hasPane) return;
      this.#hasPane = isWide;
      this.#shown?.rerender(this.#isRaw);
      this.#showPane();
    }).observe(this.#panel);
  }

  #showPane() {
    this.#pane.hidden = this.#pane.childElementCount === 0 || this.#other !== undefined;
    this.#panel.classList.toggle('with-pane', !this.#pane.hidden);
  }

  /** Marks the words that are searched for, where they can be read. */
  #markHits() {
    this.#hits.mark([this.#list, this.#pane], this.#search.value.trim());
  }

  /** @param {1 | -1} way */
  #goToHit(way) {
    const view = this.#shown;
    if (view === undefined || !this.#isFiltering) return;
    /** @type {(Row | undefined)[]} */
    const found = view.ordered().filter((row) => !row.item.classList.contains('out') && this.#isMatch(row));
    const at = found.indexOf(this.#hit);
    // Before the first one comes the last, also where there was none yet.
    const next = (Math.max(at, way === 1 ? -1 : 0) + way + found.length) % found.length;
    this.#forgetHit();
    this.#hit = found[next];
    if (this.#hit === undefined) return;
    view.reveal(this.#hit, false);
    this.#hit.item.classList.add('hit');
    this.#found.textContent = `${(next + 1).toLocaleString('en')} of ${counted(found.length, 'step')}`;
    this.#markHits();
  }

  #forgetHit() {
    this.#hit?.item.classList.remove('hit');
    this.#hit = undefined;
  }

  /** Shows the rows that match, and those above them. */
  #filter() {
    this.#stopSearch();
    const rows = this.#shown?.rows.values() ?? [];
    this.#matches = 0;
    this.#searched = false;
    this.#forgetHit();
    this.#sayMatches('');
    this.#stopSearch = inSlices(
      this.#filtered(rows),
      () => {
        this.#searched = true;
        if (this.#isFiltering) this.#sayMatches();
        this.#markHits();
      },
      () => this.#showFolding(),
    );
  }

  /** @param {Iterable<Row>} rows */
  *#filtered(rows) {
    for (const row of rows) {
      if (this.#applyFilter(row)) this.#matches += 1;
      yield;
    }
  }

  /** A row that is new; while the search is on its way, it comes to that one as well. */
  #countMatch() {
    if (!this.#searched) return;
    this.#matches += 1;
    this.#sayMatches();
  }

  #sayMatches(words = counted(this.#matches, 'step matches', 'steps match')) {
    for (const one of this.#hitButtons) one.hidden = this.#matches === 0;
    this.#found.textContent = words && this.#matches === 0 ? 'No step matches' : words;
  }

  /**
   * Hides a row that does not match; one that does brings the steps along that it belongs to.
   *
   * @param {Row} row
   */
  #applyFilter(row) {
    const match = this.#isMatch(row);
    row.item.classList.toggle('out', !match);
    if (match && this.#isFiltering) this.#shown?.expandAncestors(row);
    return match;
  }

  /** @param {Row} row */
  #isMatch({ step }) {
    const kind = this.#kind.value;
    return (
      (kind === '' || step.kind === kind) &&
      (WHICH[this.#which.selectedIndex]?.is(step) ?? true) &&
      matches(step, KINDS[step.kind], this.#search.value)
    );
  }

  /** Collapses all there is, or expands it when all is collapsed. The next trace begins the same way. */
  #fold() {
    if (this.#shown === undefined) return;
    store('local', 'trace-collapsed', this.#shown.fold() ? 'on' : 'off');
    this.#showFolding();
  }

  #showFolding() {
    write(this.#collapse, this.#shown?.isFolded ? 'Expand all' : 'Collapse all');
  }

  /** @param {'failed' | 'intervened'} status */
  #goToNext(status) {
    const row = this.#shown?.next(status);
    if (row !== undefined) this.#goToRow(row);
  }

  /** @param {Row} row */
  #goToRow(row) {
    if (row.item.classList.contains('out')) {
      this.#search.value = this.#kind.value = '';
      this.#which.selectedIndex = 0;
      this.#filter();
    }
    this.#shown?.reveal(row);
  }

  #download() {
    if (this.#shown === undefined) return;
    const { turn } = this.#shown;
    saveFile(nameOf(turn), [traceFile(turn)]);
  }

  /** Saves the trace for other tools, step by step: there may be thousands. */
  *#exported() {
    if (this.#shown === undefined) return;
    const { turn, tree, total } = this.#shown;
    /** @type {string[]} */
    const parts = [];
    try {
      const epoch = epochOf(turn) ?? Date.now() - total;
      for (const part of otelFile(turn, tree, { total, epoch, prices: this.#parts.prices() })) {
        parts.push(part);
        yield;
      }
      saveFile(nameOf(turn).replace(/(?:\.jsonl?)?$/, '.otlp.json'), parts);
    } catch (error) {
      this.#explain(`The trace could not be exported: ${error}`);
    }
  }

  /** @param {File} file */
  async #open(file) {
    const isBeside = this.#opensBeside && this.#shown !== undefined;
    this.#opensBeside = false;
    try {
      if (file.size > MAX_FILE_BYTES) throw new TraceFileError(`${file.name} is larger than 64 MiB.`);
      const turn = traceOf(await file.text(), file.name);
      const view = this.#viewOf(turn);
      this.#offer(view, file.name);
      this.#explain();
      if (isBeside) this.#compare(view);
      else this.#show(view);
    } catch (error) {
      this.#explain(error instanceof TraceFileError ? error.message : `${file.name} could not be read: ${error}`);
    }
  }

  /** Takes the file off the list, and goes to the last of the others. */
  #closeFile() {
    const view = this.#shown;
    if (view === undefined) return;
    this.#answer.remove([...this.#views.keys()].indexOf(view.turn));
    this.#views.delete(view.turn);
    const next = [...this.#views.values()].at(-1);
    this.#leave();
    this.#show(next);
    byId('traces-open', HTMLElement).focus();
  }

  /** @param {string} [problem] */
  #explain(problem = '') {
    this.#problem.textContent = problem;
    this.#problem.hidden = problem === '';
  }
}

/** Reads what came of a trace, for a short time; whether there may be more. @param {TraceView} view */
function readSome(view) {
  const until = performance.now() + READ_MS;
  let added = 0;
  do added = view.take(READ_EVENTS);
  while (added > 0 && performance.now() < until);
  return added > 0;
}

/** @param {Trace} turn */
function nameOf(turn) {
  return turn.file ?? fileName(turn.prompt, new Date(performance.timeOrigin + turn.sentAt));
}

/** @param {string} name @param {string[]} parts */
function saveFile(name, parts) {
  const link = element('a');
  // Not a type that a browser would show in place of the page.
  link.href = URL.createObjectURL(new Blob(parts, { type: 'application/octet-stream' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** What became of a trace, in a word or as a code. @param {TraceView} view */
function outcome(view) {
  const { tree, turn } = view;
  if (turn.failure !== undefined) return turn.failure.code;
  if (isFailed(view)) return 'Failed';
  // A hook that denied a tool is not the end of a run.
  const isIntervened =
    tree.stopReason === undefined ? tree.intervened > 0 : outcomeOf(tree.stopReason) === 'intervened';
  if (isIntervened) return 'Intervened';
  return turn.status === 'done' && tree.unfinished === 0 ? 'Done' : 'Not finished';
}

/** Files of other clients say so in their events only. @param {TraceView} view */
function isFailed({ tree, turn }) {
  return (
    turn.status === 'failed' ||
    (turn.file !== undefined && (tree.kinds.has('failure') || outcomeOf(tree.stopReason) === 'failed'))
  );
}
