// The elements of one step: a row with its bar of time, and what it opens to.

import { button, copy, element, write } from '../lib/dom.js';
import { duration, oneLine } from '../lib/format.js';
import { visible } from '../lib/visible.js';
import { TextFlow } from '../lib/text-flow.js';
import { figuresOf } from './cost.js';
import { jsonOf, sectionsOf } from './detail.js';
import { foldButton, layOut } from './elements.js';
import { foldable, isFoldable } from './json-view.js';
import { inSlices } from './slices.js';
import { moment, spanInWords, spanOf } from './times.js';

/** @import { Prices } from '../types.d.ts' */
/** @import { Section } from './sections.js' */
/** @import { Kind, Step, StepStatus } from './tree.js' */

/** What each kind is called. @type {Record<Kind, string>} */
export const KINDS = {
  'pre-processing': 'Pre-processing',
  routing: 'Routing',
  rationale: 'Rationale',
  reasoning: 'Reasoning',
  model: 'Model',
  'knowledge-base': 'Knowledge base',
  'action-group': 'Action group',
  tool: 'Tool',
  'return-control': 'Return of control',
  code: 'Code interpreter',
  collaborator: 'Collaborator',
  guardrail: 'Guardrail',
  hook: 'Hook',
  reprompt: 'Reprompt',
  'post-processing': 'Post-processing',
  answer: 'Final response',
  custom: 'Custom orchestration',
  message: 'Message',
  step: 'Step',
  state: 'State',
  event: 'Event',
  failure: 'Failure',
  unknown: 'Unknown',
};

/** What became of a step, in words. @type {Record<StepStatus, string>} */
export const STATUSES = {
  running: 'Running',
  done: 'Done',
  failed: 'Failed',
  intervened: 'Intervened',
  unfinished: 'Not finished',
};

/** So deep rows stand in each other. */
const MAX_DEPTH = 24;

const LATE =
  'It came when the connection was back, with all that had happened meanwhile: how long it took is not known';

/** More than this is not laid out before it is asked for, in UTF-16 units. */
const PAGE_LENGTH = 2_000_000;
/** What one slice of work appends, in UTF-16 units. */
const SLICE_LENGTH = 64_000;

/** The passages that the answer cites, and what leads to one there. @typedef {{keys: () => string[], show: (number: number) => void}} Cited */

/** One step in the list. */
export class Row {
  step;
  /** The row in whose list it stands, unless at the top. @type {Row | undefined} */
  outer;
  /** In how many others it stands. @type {number} */
  depth;
  #prices;
  #cited;
  item;
  details;
  summary;
  /** The rows of the steps that belong to it. @type {HTMLElement | undefined} */
  children;
  /** @type {HTMLButtonElement | undefined} */
  #twisty;
  #title = element('span', 'step-title');
  #name = element('span', 'step-name');
  #status = element('span', 'step-status');
  #took = element('span', 'step-took');
  #bar = element('span', 'step-bar');
  #tokens = element('span', 'step-tokens');
  /** @type {HTMLElement | undefined} */
  #reason;
  /** @type {Kind | undefined} */
  #kind;
  #raw = false;
  /** @type {HTMLElement | undefined} */
  #place;
  /** What it is opened to. @type {HTMLElement | undefined} */
  box;
  #stop = () => {};

  /** @param {Step} step @param {Prices} prices @param {Row | undefined} outer of the step that it belongs to @param {Cited} cited */
  constructor(step, prices, outer, cited) {
    this.step = step;
    this.#cited = cited;
    // What is deeper stands beside what it belongs to: a browser takes ever longer for lists in lists.
    this.outer = outer !== undefined && outer.depth >= MAX_DEPTH ? outer.outer : outer;
    this.depth = this.outer === undefined ? 0 : this.outer.depth + 1;
    this.#prices = prices;
    const line = element('span', 'step-line', this.#title, this.#name, this.#status, this.#tokens, this.#took);
    this.summary = element('summary', '', line, element('span', 'step-lane', this.#bar));
    this.details = element('details', '', this.summary);
    this.item = element('li', '', this.details);
    this.update(step.start);
  }

  /**
   * Brings the row up to its step.
   *
   * @param {number} now for the bar of a step that runs
   */
  update(now) {
    const { kind, name, status, reason, estimated, tokens } = this.step;
    // Whose tool it is may be known only at the end.
    if (this.#kind !== kind) {
      this.item.classList.remove(`kind-${this.#kind}`);
      this.item.classList.add('step', `kind-${kind}`);
      this.#title.textContent = KINDS[kind];
      this.#kind = kind;
    }
    this.item.dataset.status = status;
    if (this.#twisty !== undefined) this.#twisty.ariaLabel = `Steps of ${name}`;
    this.#name.textContent = visible(name);
    this.#status.textContent = STATUSES[status];
    if (reason !== undefined) {
      this.#reason ??= this.summary.appendChild(element('span', 'step-reason'));
      this.#reason.textContent = visible(reason);
    }
    const { duration: took, total, end } = this.step;
    if (total !== undefined) {
      this.#took.textContent = `total ${duration(total)}`;
      this.#took.title = 'All steps of this agent, as Bedrock measured it';
    } else if (end !== undefined) {
      this.#took.textContent = took === undefined ? '' : `${estimated ? '≈ ' : ''}${duration(took)}`;
      this.#took.title =
        this.step.late && took === undefined
          ? LATE
          : estimated
            ? 'Estimated from when its events were sent or arrived'
            : 'As Bedrock measured it';
    }
    this.#tokens.textContent =
      tokens === undefined ? '' : `${tokens.input.toLocaleString('en')} → ${tokens.output.toLocaleString('en')} tokens`;
    this.grow(now);
    if (this.details.open) this.fill(this.#raw, this.#place);
  }

  /** @param {number} now */
  grow(now) {
    const span = spanOf(this.step, now);
    layOut(this.#bar, span);
    const isRunning = this.step.end === undefined;
    const words = isRunning ? `Since ${moment(span.from)}` : spanInWords(span);
    if (this.summary.title !== words) this.summary.title = words;
    if (!isRunning || this.step.late) return;
    write(this.#took, duration(span.to - span.from));
    this.#took.title = 'So far';
  }

  /** Says that no step took longer, or that another one did. @param {boolean} longest */
  mark(longest) {
    this.item.classList.toggle('longest', longest);
    if (longest) this.#took.before(element('span', 'step-longest', 'Longest'));
    else this.summary.querySelector('.step-longest')?.remove();
  }

  /**
   * The list for the steps that belong to it.
   *
   * @param {boolean} collapsed at first
   */
  nest(collapsed) {
    if (this.children !== undefined) return this.children;
    this.children = element('ol', 'rows');
    // Bars of all depths stand on one axis of time: see style.css.
    this.children.style.setProperty('--depth', String(this.depth + 1));
    this.#twisty = button('twisty', '', () => this.collapse(!this.isCollapsed));
    this.#twisty.ariaLabel = `Steps of ${this.step.name}`;
    this.item.append(this.#twisty, this.children);
    this.collapse(collapsed);
    return this.children;
  }

  get isCollapsed() {
    return this.children?.hidden === true;
  }

  /** @param {boolean} collapsed */
  collapse(collapsed) {
    if (this.children === undefined) return;
    this.children.hidden = collapsed;
    if (this.#twisty !== undefined) this.#twisty.ariaExpanded = String(!collapsed);
  }

  /**
   * Makes what the row opens to.
   *
   * @param {boolean} raw as JSON
   * @param {HTMLElement} [place] where, unless in the row itself
   */
  fill(raw, place) {
    this.empty();
    this.#raw = raw;
    this.#place = place;
    const box = (this.box = element('div', 'step-detail'));
    (place ?? this.details).append(box);
    const copier = button('quiet small', 'Copy JSON', () => void copy(copier, jsonOf(this.step)));
    box.append(
      element('div', 'step-head', element('span', 'step-figures', figuresOf(this.step, this.#prices)), copier),
    );
    const sections = raw ? [{ title: 'JSON', text: jsonOf(this.step) }] : sectionsOf(this.step);
    this.#stop = inSlices(show(box, sections, `of step ${this.step.id + 1}`, this.#cited));
  }

  /** A closed row keeps nothing: a trace may have megabytes. */
  empty() {
    this.#stop();
    this.box?.remove();
    this.box = undefined;
  }
}

/**
 * Shows sections, of which there may be hundreds.
 *
 * @param {HTMLElement} box
 * @param {Section[]} sections
 * @param {string} where
 * @param {Cited} cited
 */
function* show(box, sections, where, cited) {
  const keys = sections.some(({ key }) => key !== undefined) ? cited.keys() : [];
  /** What stands side by side. @type {HTMLElement | undefined} */
  let pair;
  for (const section of sections) {
    let place = box;
    if (section.side !== undefined) {
      if (pair === undefined) box.append((pair = element('div', 'step-pair')));
      place = pair.querySelector(`.side-${section.side}`) ?? pair.appendChild(element('div', `side-${section.side}`));
    }
    const title = element('h3', '', section.title);
    place.append(title);
    if ('rows' in section) {
      place.append(
        element(
          'dl',
          '',
          ...section.rows.flatMap(([name, value]) => [element('dt', '', name), element('dd', '', value)]),
        ),
      );
      yield;
    } else {
      const pre = element('pre');
      pre.tabIndex = 0;
      pre.role = 'region';
      pre.ariaLabel = `${section.title} ${where}`;
      place.append(pre);
      const number = section.key === undefined ? 0 : keys.indexOf(section.key) + 1;
      if (number > 0) {
        const link = button('quiet small cited', `Cited as ${number}`, () => cited.show(number));
        link.dataset.source = String(number);
        title.after(link);
      }
      if (section.folded) title.replaceChildren(folder(section.title, section.text, pre));
      yield* isFoldable(section.text) ? foldable(pre, section.text) : appendInChunks(pre, section.text);
    }
  }
}

/**
 * A button that shows a text or hides it, with its start beside its title.
 *
 * @param {string} title
 * @param {string} text
 * @param {HTMLElement} pre
 */
function folder(title, text, pre) {
  pre.hidden = true;
  const fold = foldButton('fold', title, pre);
  fold.dataset.start = visible(oneLine(text, 80));
  return fold;
}

/**
 * Writes a long text bit by bit.
 *
 * @param {HTMLElement} pre
 * @param {string} text
 */
function* appendInChunks(pre, text) {
  const flow = new TextFlow(pre);
  const last = cut(text, PAGE_LENGTH);
  if (last < text.length) pre.after(more(pre, text.slice(last)));
  for (let from = 0, end; from < last; from = end) {
    end = Math.min(cut(text, from + SLICE_LENGTH), last);
    flow.append(text.slice(from, end));
    yield;
  }
}

/**
 * Where a text can be cut without parting a character of two units.
 *
 * @param {string} text
 * @param {number} at
 */
function cut(text, at) {
  return Math.min((text.codePointAt(at - 1) ?? 0) > 0xffff ? at + 1 : at, text.length);
}

/**
 * @param {HTMLElement} pre
 * @param {string} rest
 */
function more(pre, rest) {
  const shower = button('quiet small', `Show more (${rest.length.toLocaleString('en')} characters are left)`, () => {
    shower.remove();
    inSlices(appendInChunks(pre, rest));
  });
  return shower;
}
