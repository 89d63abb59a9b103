// Lists what the agent did, turn by turn. A row is cheap; its JSON is made when it is opened.

import { element } from './dom.js';
import { counted, duration } from './format.js';
import { textAt } from './json.js';
import { TextFlow } from './text-flow.js';
import { stepOf } from './trace-step.js';

/** @import { AgentEvent, Turn } from './turn.js' */

/** The list in the trace panel. */
export class Traces {
  #list;
  #empty;
  #count;
  #total = 0;
  /** @type {Map<Turn, {rows: HTMLElement, count: HTMLElement, shown: number}>} */
  #groups = new Map();

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.list
   * @param {HTMLElement} parts.empty shown while there is nothing to list
   * @param {HTMLElement} parts.count where the number of events of the last turn goes
   */
  constructor({ list, empty, count }) {
    this.#list = list;
    this.#empty = empty;
    this.#count = count;
  }

  get isEmpty() {
    return this.#total === 0;
  }

  /**
   * Adds the rows for what has come of a turn since the last call.
   *
   * @param {Turn} turn
   */
  update(turn) {
    const shown = this.#groups.get(turn)?.shown ?? 0;
    if (turn.events.length === shown) return;
    const group = this.#groups.get(turn) ?? this.#add(turn);
    group.rows.append(...turn.events.slice(shown).map((event) => row(event, turn)));
    group.shown = turn.events.length;
    group.count.textContent = counted(group.shown, 'event');
    this.#total += turn.events.length - shown;
    this.#empty.hidden = true;
    this.#count.hidden = false;
    this.#count.textContent = String(this.#total);
  }

  clear() {
    this.#groups.clear();
    this.#total = 0;
    this.#list.replaceChildren();
    this.#empty.hidden = false;
    this.#count.hidden = true;
  }

  /** @param {Turn} turn */
  #add(turn) {
    const count = element('span', 'group-count');
    const rows = element('ol', 'rows');
    const title = element('h3', 'group-title', element('span', 'group-prompt', turn.prompt), count);
    this.#list.append(element('section', 'group', title, rows));
    const group = { rows, count, shown: 0 };
    this.#groups.set(turn, group);
    return group;
  }
}

/**
 * @param {AgentEvent} event
 * @param {Turn} turn
 */
function row(event, turn) {
  const step = stepOf(event);
  const title = element('span', 'step-title', step.collaborator === undefined ? step.title : `${step.collaborator}: ${step.title}`);
  const time = element('span', 'step-time', `+${duration(event.at - turn.sentAt)}`);
  time.title = textAt(event.event, 'trace', 'eventTime') ?? 'Time since the prompt was sent';
  const head = element('span', 'step-head', title);
  if (step.durationMs !== undefined) {
    const took = element('span', 'step-duration', element('span', 'visually-hidden', 'took '), duration(step.durationMs));
    took.title = 'How long it took, as Bedrock says';
    head.append(took);
  }
  head.append(time);

  const summary = element('summary', '', head);
  if (step.summary !== '') summary.append(element('span', 'step-summary', step.summary));
  const details = element('details', '', summary);
  details.addEventListener('toggle', () => {
    // A closed row keeps nothing: a trace may have megabytes.
    if (!details.open) details.querySelector('pre')?.remove();
    else if (details.querySelector('pre') === null) details.append(json(event.event));
  });
  return element('li', `step kind-${step.kind}${step.failed ? ' failed' : ''}`, details);
}

/** @param {unknown} event */
function json(event) {
  const pre = element('pre', 'json');
  new TextFlow(pre).append(JSON.stringify(event, null, 2) ?? 'undefined');
  pre.tabIndex = 0;
  pre.setAttribute('role', 'region');
  pre.setAttribute('aria-label', 'Event as JSON');
  return pre;
}
