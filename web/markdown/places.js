// Where the blocks inside of another one stand. A change among siblings makes a browser look at all of them,
// so many blocks stand in parts, of which a browser lays out those in view. What is complete is never
// touched again; behind it stand a few elements that may still change.

import { element } from '../lib/dom.js';
import { morph } from './morph.js';

/**
 * So many blocks stand in one part at least, and in one of many the square root of all: a browser looks at the
 * blocks of a part, and at the parts.
 */
const PART = 16;
/** A part that has so much text takes no more blocks. */
const FULL = 8_000;

/** The places in an element. */
export class Places {
  /** @type {HTMLElement} */
  node;
  /** How many blocks are complete. */
  done = 0;
  /** How much text these have. */
  weight = 0;
  /** Where those stand that are not. @type {HTMLElement} */
  part;
  #base = 0;
  #weight = 0;

  /** @param {HTMLElement} node @param {HTMLElement} [part] the first one */
  constructor(node, part = node) {
    this.node = node;
    this.part = part;
  }

  /** @param {number} index @returns {Element | undefined} */
  at(index) {
    return index < this.#base ? undefined : this.part.children[index - this.#base];
  }

  /**
   * Shows an element in a place, by changes to the one that is there.
   *
   * @param {number} index
   * @param {HTMLElement} made
   * @returns {HTMLElement} which one is there now
   */
  put(index, made) {
    const here = this.reach(index);
    if (here !== undefined) return morph(here, made);
    this.part.append(made);
    return made;
  }

  /** Shows an element, and nothing of what was there. @param {number} index @param {HTMLElement} made */
  replace(index, made) {
    const here = this.reach(index);
    if (here === undefined) this.part.append(made);
    else here.replaceWith(made);
    return made;
  }

  /** What is in a place, which may be the first of a new part. @param {number} index @param {boolean} [full] */
  reach(index, full = false) {
    const count = this.done - this.#base;
    if (
      index === this.done &&
      count > 0 &&
      (full || count >= Math.max(PART, Math.sqrt(this.done)) || this.#weight >= FULL)
    ) {
      const rest = [...this.part.children].slice(count);
      this.part = this.further(count);
      this.part.append(...rest.filter((node) => !isPart(node)));
      this.#base = this.done;
      this.#weight = 0;
    }
    return this.at(index);
  }

  /** Says that the next block is complete. @param {number} weight of its text */
  settle(weight) {
    this.done += 1;
    this.weight += weight;
    this.#weight += weight;
  }

  /** Takes away what stands behind so many blocks. @param {number} count */
  trim(count) {
    while (this.part.children.length > count - this.#base) this.part.lastElementChild?.remove();
  }

  /** @param {HTMLElement} node that the parts are in from now on */
  moveTo(node) {
    this.node = node;
  }

  /** One more part. @param {number} _count how many blocks the one before has @returns {HTMLElement} */
  further(_count) {
    const part = element('div', 'part');
    this.node.append(part);
    return part;
  }
}

/** Those of an answer: all in parts. */
export class RootPlaces extends Places {
  /** @param {HTMLElement} node */
  constructor(node) {
    const part = element('div');
    super(node, part);
    node.append(part);
  }

  /** @override */
  further() {
    const part = element('div');
    this.node.append(part);
    return part;
  }
}

/** Those of a list: parts are lists that count on where the one before ends, and that are announced as one. */
export class ListPlaces extends Places {
  /** @override @param {number} count */
  further(count) {
    const before = this.part;
    if (this.node === before) this.#setApart();
    const part = /** @type {HTMLElement} */ (before.cloneNode());
    if (part instanceof HTMLOListElement) part.start += count;
    this.node.append(part);
    return part;
  }

  #setApart() {
    const { part } = this;
    const whole = element('div', 'items');
    whole.setAttribute('role', 'list');
    if (part.dir !== '') whole.dir = part.dir;
    part.removeAttribute('dir');
    part.replaceWith(whole);
    whole.append(part);
    part.setAttribute('role', 'none');
    for (const item of part.children) item.setAttribute('role', 'listitem');
    this.moveTo(whole);
  }

  /** @override @param {number} index @param {HTMLElement} made */
  replace(index, made) {
    this.reach(index);
    if (this.node !== this.part) made.setAttribute('role', 'listitem');
    return super.replace(index, made);
  }
}

/** Those of a table: the first one is its head. */
export class TablePlaces extends Places {
  #table;

  /** @param {HTMLTableElement} table @param {HTMLElement} node around it */
  constructor(table, node) {
    const head = element('thead');
    super(node, head);
    this.#table = table;
    table.append(head);
  }

  /** The head is a part of its own. @override @param {number} index */
  reach(index) {
    return super.reach(index, index === 1 && this.part.localName === 'thead');
  }

  /** @override */
  further() {
    const body = element('tbody');
    this.#table.append(body);
    return body;
  }
}

/** @param {Element} node */
function isPart(node) {
  return node.className === 'part';
}
