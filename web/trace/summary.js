// Where the time went: one bar for all kinds of steps, which opens to a table of them.

import { element } from '../lib/dom.js';
import { counted, duration } from '../lib/format.js';
import { KINDS } from './row.js';

/** @import { Spent } from './times.js' */

export class Summary {
  #bar = element('span', 'spent-bar');
  #words = element('span', 'spent-words');
  #table = element('dl', 'spent-kinds');
  /** @type {HTMLDetailsElement} */
  box;
  #shown = '';

  /** @param {HTMLElement} tools what can be done about it */
  constructor(tools) {
    this.box = element('details', 'spent', element('summary', '', this.#words, this.#bar), this.#table, tools);
  }

  /**
   * @param {Spent | undefined} spent
   * @param {number} total in ms
   * @param {string} speed of the models, in words
   */
  show(spent, total, speed) {
    this.box.hidden = spent === undefined || spent.kinds.length === 0 || total <= 0;
    if (spent === undefined || this.box.hidden) return;
    const parts = spent.kinds.map(({ kind, took, count }) => ({
      kind: `kind-${kind}`,
      name: KINDS[kind],
      took,
      about: counted(count, 'step'),
    }));
    if (spent.between >= 1)
      parts.push({ kind: 'kind-none', name: 'Between steps', took: spent.between, about: 'no step at work' });
    const key =
      parts.map(({ kind, took, about }) => `${kind} ${duration(took)} ${share(took, total)} ${about}`).join() + speed;
    if (key === this.#shown) return;
    this.#shown = key;
    const [most] = parts;
    this.#words.textContent = most === undefined ? '' : `Where the time went: ${most.name} ${share(most.took, total)}`;
    this.#bar.replaceChildren(
      ...parts.map(({ kind, name, took }) => {
        const part = element('span', kind);
        part.title = `${name}: ${duration(took)}, ${share(took, total)}`;
        part.style.flexGrow = String(Math.max(took / total, 0.002));
        return part;
      }),
    );
    this.#table.replaceChildren(
      ...parts.flatMap(({ kind, name, took, about }) => [
        element('dt', kind, name),
        element(
          'dd',
          '',
          element('span', '', duration(took)),
          element('span', '', share(took, total)),
          element('span', 'spent-about', kind === 'kind-model' && speed !== '' ? `${about}, ${speed}` : about),
        ),
      ]),
    );
  }
}

/** @param {number} part @param {number} total */
function share(part, total) {
  const percent = (part / total) * 100;
  return percent > 0 && percent < 1 ? '< 1 %' : `${Math.round(percent)} %`;
}
