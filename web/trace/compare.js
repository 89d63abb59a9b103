// Two traces side by side: what they took, spent and cost, and their steps on one axis of time.

import { button, element } from '../lib/dom.js';
import { duration } from '../lib/format.js';
import { visible } from '../lib/visible.js';
import { Axis } from './axis.js';
import { money } from './cost.js';
import { focusIn, hasModifier, layOut, listWithRoom } from './elements.js';
import { pairsOf, tookOf } from './matching.js';
import { KINDS } from './row.js';
import { inSlices } from './slices.js';
import { spanInWords, spanOf } from './times.js';

/** @import { Pair } from './matching.js' */
/** @import { Step } from './tree.js' */
/** @import { TraceView } from './view.js' */

/** How many marks an axis has: there is half of the room. */
const MOST_TICKS = 3;
/** What is told apart, as a part of it: less is noise. */
const LEAST_PERCENT = 0.5;

/** What the two traces are called in the words of this page. */
const [THIS, OTHER] = ['This', 'Other'];

export class Comparison {
  #figures = element('tbody');
  #names = [element('th'), element('th')];
  #rows = element('div', 'pairs');
  #head;
  #axes;
  #goTo;
  #longest = button('quiet small', 'Go to longest difference', () => this.#goToLongest());
  /** @type {HTMLElement | undefined} */
  #longestRow;
  #stop = () => {};
  box;

  /**
   * @param {HTMLElement} scroller
   * @param {(view: TraceView, step: Step) => void} goTo shows a step in its own trace
   */
  constructor(scroller, goTo) {
    this.#goTo = goTo;
    this.#axes = [new Axis(scroller, MOST_TICKS), new Axis(scroller, MOST_TICKS)];
    for (const name of this.#names) name.scope = 'col';
    const difference = element('th', '', 'Difference');
    difference.scope = 'col';
    const table = element(
      'table',
      'compare-figures',
      element('thead', '', element('tr', '', element('td'), ...this.#names, difference)),
      this.#figures,
    );
    this.#head = element('div', 'pair pair-head', ...this.#axes.map(({ box }) => box));
    this.box = element('div', 'compare', table, this.#longest, this.#head, this.#rows);
    this.#rows.role = 'list';
    this.#rows.ariaLabel = 'Steps of both traces';
    this.#rows.addEventListener('keydown', (event) => this.#key(event));
  }

  /**
   * Shows two traces, of which the sums are known.
   *
   * @param {TraceView} one
   * @param {TraceView} other
   */
  show(one, other) {
    this.clear();
    this.#figures.replaceChildren(
      ...figuresOf(one, other).map(([name, kind, ...values]) => {
        const head = element('th', kind, name);
        head.scope = 'row';
        return element('tr', '', head, ...values.map((value) => element('td', '', value)));
      }),
    );
    const scale = Math.max(one.total, other.total, one.tree.latest, other.tree.latest, 1);
    this.#rows.style.setProperty('--scale', String(scale));
    for (const [index, { title, spent }] of [one, other].entries()) {
      this.#names[index]?.replaceChildren(`${index === 0 ? THIS : OTHER}: `, element('bdi', '', visible(title)));
      this.#axes[index]?.rescale(scale, this.#rows);
      this.#axes[index]?.showGaps(spent);
    }
    this.#rows.ariaBusy = 'true';
    this.#stop = inSlices(this.#drawn(one, other), () => (this.#rows.ariaBusy = 'false'));
  }

  /** Takes away what is shown. */
  clear() {
    this.#stop();
    this.#rows.replaceChildren();
    this.#longestRow = undefined;
    this.#longest.hidden = true;
  }

  /** @param {TraceView} one @param {TraceView} other */
  *#drawn(one, other) {
    const { pairs, longest } = yield* pairsOf(one.tree.steps, other.tree.steps);
    for (const pair of pairs) {
      const row = this.#rowOf(one, other, pair, pair === longest);
      if (pair === longest) {
        this.#longestRow = row;
        this.#longest.hidden = false;
      }
      listWithRoom(this.#rows, () => Object.assign(element('div'), { role: 'presentation' })).append(row);
      yield;
    }
  }

  /** @param {TraceView} one @param {TraceView} other @param {Pair} pair @param {boolean} isLongest */
  #rowOf(one, other, pair, isLongest) {
    const words = pair.one === undefined ? 'Only in the other' : pair.other === undefined ? 'Only in this' : '';
    const row = element(
      'div',
      `pair${isLongest ? ' longest' : ''}`,
      this.#half(one, pair.one, THIS, pair.depth),
      this.#half(other, pair.other, OTHER, pair.depth),
      element(
        'div',
        'pair-difference',
        words === '' && pair.difference !== undefined
          ? difference(pair.difference, tookOf(pair.other) ?? 0)
          : element('span', '', words),
      ),
    );
    row.role = 'listitem';
    if (isLongest) row.lastElementChild?.append(element('span', 'step-longest', 'Longest difference'));
    return row;
  }

  /** @param {TraceView} view @param {Step | undefined} step @param {string} whose @param {number} depth */
  #half(view, step, whose, depth) {
    if (step === undefined) return element('div', 'half none');
    const took = tookOf(step);
    const bar = element('span', 'step-bar');
    const span = spanOf(step, view.total);
    layOut(bar, span);
    const half = button(`half kind-${step.kind}`, '', () => this.#goTo(view, step));
    const line = element(
      'span',
      'step-line',
      element('span', 'half-whose', `${whose}: `),
      element('span', 'step-title', KINDS[step.kind]),
      element('span', 'step-name', visible(step.name)),
      element('span', 'step-took', took === undefined ? '' : duration(took)),
    );
    line.style.setProperty('--depth', String(Math.min(depth, 12)));
    half.append(line, element('span', 'step-lane', bar));
    half.dataset.status = step.status;
    half.title = `${spanInWords(span)}. Shows it in its trace.`;
    return half;
  }

  #goToLongest() {
    const half = this.#longestRow?.querySelector('button');
    if (half) focusIn(half, 'center');
  }

  /** Up and down through the steps of one trace, left and right to the other one. @param {KeyboardEvent} event */
  #key(event) {
    const { key, target } = event;
    if (!(target instanceof HTMLElement) || !key.startsWith('Arrow') || hasModifier(event)) return;
    const row = target.closest('.pair');
    if (row === null) return;
    // What has no step on this side is passed over.
    const side = [...row.children].indexOf(target) + 1;
    const halves = [...this.#rows.querySelectorAll(`.pair > button:nth-child(${side})`)];
    const at = halves.indexOf(target);
    const next =
      key === 'ArrowLeft'
        ? row.children[0]
        : key === 'ArrowRight'
          ? row.children[1]
          : halves[key === 'ArrowUp' ? at - 1 : at + 1];
    event.preventDefault();
    if (next instanceof HTMLButtonElement) focusIn(next, 'nearest');
  }
}

/**
 * The lines of the table: name, class, both values and their difference.
 *
 * @param {TraceView} one
 * @param {TraceView} other
 * @returns {[string, string, string, string, string | Node][]}
 */
function figuresOf(one, other) {
  /** @type {ReturnType<typeof figuresOf>} */
  const lines = [];
  /** @param {string} name @param {number | undefined} a @param {number | undefined} b @param {(value: number) => string} format @param {string} [kind] */
  const add = (name, a, b, format, kind = '') => {
    if (a === undefined && b === undefined) return;
    const known = a !== undefined && b !== undefined;
    const words = known ? difference(a - b, b, format) : '–';
    lines.push([name, kind, a === undefined ? '–' : format(a), b === undefined ? '–' : format(b), words]);
  };
  const first = (/** @type {TraceView} */ { turn }) =>
    turn.firstTextAt === undefined ? undefined : turn.firstTextAt - turn.sentAt;
  const count = (/** @type {number} */ value) => value.toLocaleString('en');
  add('Total', one.total, other.total, duration);
  add('First token', first(one), first(other), duration);
  add('Steps', one.tree.size, other.tree.size, count);
  add('Model calls', one.tree.modelCalls, other.tree.modelCalls, count);
  for (const [name, of] of /** @type {const} */ ([
    ['Tokens in', 'input'],
    ['Tokens out', 'output'],
  ])) {
    if (one.tree.calls.size + other.tree.calls.size > 0) add(name, one.tree.tokens[of], other.tree.tokens[of], count);
  }
  add('Cost', one.cost?.dollars, other.cost?.dollars, money);
  const kinds = new Set([one, other].flatMap(({ spent }) => spent?.kinds.map(({ kind }) => kind) ?? []));
  const spentOn = (/** @type {TraceView} */ { spent }, /** @type {string} */ wanted) =>
    spent?.kinds.find(({ kind }) => kind === wanted)?.took ?? 0;
  for (const kind of kinds) add(KINDS[kind], spentOn(one, kind), spentOn(other, kind), duration, `kind-${kind}`);
  add('Between steps', one.spent?.between, other.spent?.between, duration, 'kind-none');
  return lines;
}

/** @param {number} more @param {number} base @param {(value: number) => string} [format] */
function difference(more, base, format) {
  return element('span', wayOf(more), signed(more, format), element('span', 'pair-percent', percent(more, base)));
}

/** Whether something is more or less than beside it. @param {number} more */
function wayOf(more) {
  return more > 0 ? 'more' : more < 0 ? 'less' : '';
}

/** @param {number} more @param {(value: number) => string} [format] */
function signed(more, format = duration) {
  const words = format(Math.abs(more));
  return words === format(0) ? `± ${words}` : `${more > 0 ? '+' : '−'}${words}`;
}

/** @param {number} more @param {number} base */
function percent(more, base) {
  const part = (more / base) * 100;
  if (!Number.isFinite(part) || Math.abs(part) < LEAST_PERCENT) return '';
  return part >= 1000
    ? `× ${Math.round(part / 100 + 1).toLocaleString('en')}`
    : `${part > 0 ? '+' : '−'}${Math.round(Math.abs(part))} %`;
}
