// Markdown that grows. Each line is read once, and what is complete is shown once; only the block at the end
// is shown again, by changes where it differs, so that a selection in it stays. All of it can be done in
// slices, so that no text keeps the page from answering.

import { element } from '../lib/dom.js';
import { t } from '../lib/words.js';
import { BlockReader } from './blocks.js';
import { colour } from './colours.js';
import { draftOf, draftOfRow, isUndecided } from './drafts.js';
import { drawFormulas } from './formulas.js';
import { morph } from './morph.js';
import { ListPlaces, Places, RootPlaces, TablePlaces } from './places.js';
import { codeBlock, isTask, languageOf, leafElement, markFlow, MAX_INLINE, plainText, tableFrame } from './renderer.js';

/** @import { CitationMarker } from '../types.d.ts' */
/** @import { TextFlow } from '../lib/text-flow.js' */
/** @import { Block, Definition } from './blocks.js' */
/** @import { Context } from './inlines.js' */

/** What an update does at most, in the steps of `steps`: some milliseconds of work. */
export const SLICE = 24_000;
const LONG = 'This paragraph is too long for its markup, so it is shown as it was typed.';

/** An answer as it is written. */
export class MarkdownStream {
  /** How much was done: characters looked at, and elements made, of which each counts for several. */
  steps = 0;
  #root;
  #reader = new BlockReader();
  #read = 0;
  #text = '';
  #places;
  /** Blocks that this line, or a later one, ended may yet go on. */
  #solid = 0;
  #ended = false;
  /** Whether something was read and is not shown. */
  #behind = false;
  /** Whether more follows, so that what may still change need not be shown. */
  #more = false;
  #until = Infinity;
  /** @type {CitationMarker[]} */
  #markers = [];
  /** Where those are that are among their blocks. @type {Map<string, number>} */
  #marked = new Map();
  /** Blocks with a reference to what was not defined, by its label. @type {Map<string, Set<Block>>} */
  #waiting = new Map();
  /** Those of the leaf that was made last. @type {HTMLElement[]} */
  #formulas = [];
  /** Complete blocks that have to be shown anew. @type {Set<Block>} */
  #stale = new Set();

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#places = new RootPlaces(root);
  }

  /**
   * Shows more of a text that only grows, without markup that is incomplete.
   *
   * @param {string} text
   * @param {CitationMarker[]} [markers]
   * @param {number} [steps] how much may be done
   * @returns {boolean} whether all of it is shown; else it is to be called again
   */
  grow(text, markers = [], steps = Infinity) {
    if (this.#ended && text === this.#text && markers.length === this.#markers.length) return this.#show();
    return this.#update(text, markers, steps, false);
  }

  /**
   * Shows the whole text, exactly as if it had come at once.
   *
   * @param {string} text
   * @param {CitationMarker[]} [markers]
   * @param {number} [steps] how much may be done
   * @returns {boolean} whether all of it is shown; else it is to be called again
   */
  finish(text, markers = [], steps = Infinity) {
    return this.#update(text, markers, steps, true);
  }

  /** @param {string} text @param {CitationMarker[]} markers @param {number} steps @param {boolean} whole */
  #update(text, markers, steps, whole) {
    // More text came after the end, after all: it is read from the start.
    if (this.#ended && text !== this.#text) this.#restart();
    this.#text = text;
    this.#until = this.steps + steps;
    this.#reader.takeBack();
    if (markers !== this.#markers) {
      this.#markers = markers;
      this.#dropMarkers();
    }
    if (!this.#ended && !this.#readLines(whole)) return false;
    if (this.#marked.size < markers.length) this.#addMarkers();
    if (whole && !this.#ended) {
      this.#ended = true;
      this.#more = false;
      this.#reader.end();
      this.#solid = Infinity;
    }
    if (!this.#ended) {
      if (!this.#show()) return false;
      // What is left is the block at the end, which is shown as a whole.
      this.#until = Infinity;
      this.#more = false;
      this.#try();
    }
    return this.#show();
  }

  /** Reads the lines that are complete, and shows what they make. @param {boolean} whole whether the last one is */
  #readLines(whole) {
    const text = this.#text;
    this.#more = true;
    if (this.#behind && !this.#show()) return false;
    for (;;) {
      // Half of the time for reading, and half for what comes of it.
      const until = this.#until === Infinity ? Infinity : this.steps + (this.#until - this.steps) / 4;
      let more = true;
      while (more && this.steps < until) more = this.#readLine(text, whole);
      this.#solid = this.#reader.number + 1;
      if (!more) return true;
      if (this.steps >= this.#until || !this.#show()) return false;
    }
  }

  /** @param {string} text @param {boolean} whole */
  #readLine(text, whole) {
    const from = this.#read;
    if (from >= text.length) return false;
    const { end, next } = lineEnd(text, from);
    // The second half of a line's end may still come.
    if (!whole && (next === -1 || (end === text.length - 1 && text[end] === '\r'))) return false;
    const known = this.#reader.definitions.size;
    const before = this.#reader.steps;
    this.#reader.read(text.slice(from, end), from);
    this.#read = next === -1 ? text.length : next;
    this.steps += this.#reader.steps - before;
    if (this.#reader.definitions.size > known) this.#resolve();
    return true;
  }

  /** Tries the line that is not complete, and takes it back if there is nothing of it to be shown. */
  #try() {
    const line = this.#text.slice(this.#read).replace(/\r$/, '');
    if (isUndecided(line)) return;
    const reader = this.#reader;
    const { steps } = reader;
    const row = reader.tip.kind === 'table';
    reader.try(row ? draftOfRow(line) : line, this.#read);
    this.steps += reader.steps - steps;
    const { tip, number } = reader;
    const leaf = tip.kind === 'document' || tip.closed === number ? undefined : tip;
    const fresh = leaf?.line === number;
    if (
      fresh &&
      ((leaf.kind === 'code' && leaf.fence !== '') || (leaf.kind === 'paragraph' && draftOf(leaf.text) === ''))
    )
      reader.takeBack();
  }

  /** @returns {boolean} whether all that was read is shown */
  #show() {
    this.#behind = true;
    if (!this.#inner(this.#reader.document, this.#places)) return false;
    for (const block of this.#stale) {
      if (this.steps >= this.#until) return false;
      this.#stale.delete(block);
      this.#again(block);
    }
    this.#behind = false;
    return true;
  }

  /** Shows the blocks inside of one. @param {Block} outer @param {Places} places */
  #inner(outer, places) {
    const { children } = outer;
    for (let index = places.done; index < children.length; index += 1) {
      if (this.steps >= this.#until) return false;
      const block = /** @type {Block} */ (children[index]);
      if (!this.#block(places, index, block)) return false;
      if (block.closed < this.#solid && index === places.done) {
        block.final = true;
        if (block.kind === 'code')
          colour(/** @type {HTMLElement} */ (block.node?.querySelector('code')), languageOf(block.language));
        places.settle(
          block.view instanceof Places
            ? block.view.weight
            : block.text.length + block.cells.reduce((sum, { text }) => sum + text.length, 0),
        );
        block.view = undefined;
      }
    }
    // What stands behind is what was shown of the last line; more of it may come in the same moment.
    if (!this.#more || outer.closed < this.#solid) places.trim(children.length);
    return true;
  }

  /** @param {Places} places @param {number} index @param {Block} block */
  #block(places, index, block) {
    switch (block.kind) {
      case 'quote':
      case 'list':
      case 'item':
      case 'table':
        return this.#container(places, index, block);
      case 'code':
        this.#flow(places, index, block, () => codeBlock(block.language), block.text);
        return true;
      default:
        if (isTyped(block)) {
          this.#flow(places, index, block, () => plainText(block.plain || t(LONG)), block.text);
        } else if (!this.#more || block.closed < this.#solid) {
          block.view = undefined;
          block.node = this.#drawn(places.put(index, this.#leaf(block)));
        }
        return true;
    }
  }

  /** @param {Places} places @param {number} index @param {Block} block */
  #container(places, index, block) {
    const here = places.reach(index);
    if (!(block.view instanceof Places) || block.view.node !== here) {
      block.view = placesOf(block, here);
      this.steps += 60;
      if (block.view.node !== here) places.replace(index, block.view.node);
    }
    const { node } = block.view;
    const direction = turned(block);
    if (direction === '') node.removeAttribute('dir');
    else if (node.dir !== direction) node.dir = direction;
    if (block.kind === 'quote' && block.children[0]?.kind === 'alert')
      node.className = `alert ${block.children[0].text.slice(2, -1).toLowerCase()}`;
    else if (block.kind === 'quote') node.removeAttribute('class');
    if (block.kind === 'item')
      node.classList.toggle('task', isTask(block.children[0])) || node.className || node.removeAttribute('class');
    return this.#inner(block, block.view);
  }

  /** @param {Block} block */
  #leaf(block) {
    const open = block.closed === Infinity && !this.#ended;
    const text = open && block.kind !== 'definitions' ? draftOf(block.text) : block.text;
    /** @type {Context} */
    const context = { steps: 0, formulas: [], find: (label) => this.#find(label, block) };
    const made = leafElement(block, text, this.#markersOf(block), context);
    if (open && text === '') made.hidden = true;
    this.steps += context.steps + 20;
    this.#formulas = context.formulas;
    return made;
  }

  /** Draws the formulas of a leaf that were not there before. @param {HTMLElement} leaf */
  #drawn(leaf) {
    if (this.#formulas.length > 0) this.steps += drawFormulas(this.#formulas.filter((one) => leaf.contains(one)));
    return leaf;
  }

  /**
   * Shows a block whose text only gets longer.
   *
   * @param {Places} places
   * @param {number} index
   * @param {Block} block
   * @param {() => {node: HTMLElement, flow: TextFlow}} make
   * @param {string} text
   */
  #flow(places, index, block, make, text) {
    const here = places.reach(index);
    // The last line was taken back, and comes again in the same moment.
    if (this.#more && block.closed >= this.#solid && block.view?.shown > text.length) return;
    if (block.view === undefined || block.node !== here || block.view.shown > text.length) {
      const { node, flow } = make();
      block.view = { flow, shown: 0, marks: '' };
      block.node = places.replace(index, node);
      this.steps += 200;
    }
    const marks = String(this.#markersOf(block).map(keyOf));
    if (marks !== block.view.marks) this.#mark(block);
    block.view.marks = marks;
    block.view.flow.append(text.slice(block.view.shown));
    this.steps += (text.length - block.view.shown) / 8;
    block.view.shown = text.length;
  }

  /** Shows a complete block again: what it refers to is known now, or it has more markers. @param {Block} block */
  #again(block) {
    if (block.node === undefined) return;
    if (block.kind === 'code' || isTyped(block)) return this.#mark(block);
    block.node = this.#drawn(morph(block.node, this.#leaf(block)));
  }

  /** @param {Block} block */
  #mark(block) {
    if (block.node) markFlow(block.node, this.#markersOf(block));
  }

  /** @param {string} label @param {Block} block that refers to it @returns {Definition | undefined} */
  #find(label, block) {
    const found = this.#reader.definitions.get(label);
    if (block.closed >= this.#solid) return found;
    if (found === undefined || found.number >= this.#solid) {
      const waiting = this.#waiting.get(label);
      if (waiting) waiting.add(block);
      else this.#waiting.set(label, new Set([block]));
      return undefined;
    }
    if (!found.used) {
      found.used = true;
      if (found.block.final) this.#stale.add(found.block);
    }
    return found;
  }

  /** Has those blocks shown again that refer to what was defined just now. */
  #resolve() {
    const label = this.#reader.tip.definitions.at(-1)?.label ?? '';
    for (const block of this.#waiting.get(label) ?? []) this.#stale.add(block);
    this.#waiting.delete(label);
  }

  /** Has complete blocks shown again that had markers which are elsewhere now, or have another number. */
  #dropMarkers() {
    const keys = new Set(this.#markers.map(keyOf));
    for (const [key, at] of this.#marked)
      if (!keys.has(key)) {
        this.#marked.delete(key);
        this.#redraw(at);
      }
  }

  /** Has complete blocks shown again that have more markers now: those up to where the text is read. */
  #addMarkers() {
    for (const marker of this.#markers) {
      const { at } = marker;
      const key = keyOf(marker);
      if (this.#marked.has(key) || (at > this.#read && !this.#ended)) continue;
      this.#marked.set(key, at);
      this.#redraw(at);
    }
  }

  /** @param {number} at a place in the source */
  #redraw(at) {
    const block = this.#reader.leaves[this.#leafAt(at)];
    if (block?.final) this.#stale.add(block);
  }

  /** @param {Block} block */
  #markersOf(block) {
    if (this.#markers.length === 0) return [];
    // A marker behind what there is of the text may belong to a block that is not there yet.
    const reached = block.closed < this.#solid ? this.#read : this.#text.length;
    const { from = this.#ended ? Infinity : reached } = this.#reader.leaves[block.order + 1] ?? {};
    const [first, end] = [block.order === 0 ? 0 : block.from, from].map((place) =>
      firstAbove(this.#markers, place, ({ at }) => at),
    );
    return this.#markers.slice(first, end);
  }

  /** The number of the leaf that a place in the source belongs to. @param {number} place */
  #leafAt(place) {
    return Math.max(firstAbove(this.#reader.leaves, place - 1, ({ from }) => from) - 1, 0);
  }

  #restart() {
    this.#root.replaceChildren();
    this.#reader = new BlockReader();
    this.#places = new RootPlaces(this.#root);
    this.#read = this.#solid = 0;
    this.#ended = this.#behind = this.#more = false;
    this.#waiting.clear();
    this.#marked.clear();
    this.#stale.clear();
  }
}

/** @param {CitationMarker} marker */
function keyOf({ at, numbers }) {
  return `${at} ${numbers}`;
}

/** Whether a block is shown as it was typed. @param {Block} block */
function isTyped({ kind, plain, text }) {
  return kind === 'paragraph' && (plain !== '' || text.length > MAX_INLINE);
}

/** The direction of a block that runs against what is around it: its bullets, its bar, or its columns do. @param {Block} block */
function turned(block) {
  if (block.kind === 'item' || block.direction === '') return '';
  let around = block.parent;
  while (around?.kind === 'item') around = around.parent;
  return block.direction === (around?.direction || 'ltr') ? '' : block.direction;
}

/** Where a line ends, and where the next one begins: -1 without an end. @param {string} text @param {number} from */
function lineEnd(text, from) {
  const feed = text.indexOf('\n', from);
  // Only within the line: a text without carriage returns is not looked through for them.
  const line = text.slice(from, feed === -1 ? undefined : feed);
  const carriage = line.indexOf('\r');
  if (carriage === -1) return { end: from + line.length, next: feed === -1 ? -1 : feed + 1 };
  const end = from + carriage;
  return { end, next: text[end + 1] === '\n' ? end + 2 : end + 1 };
}

/** The places of a block, in the element that is there if it is of its kind. @param {Block} block @param {Element | undefined} here */
function placesOf(block, here) {
  if (block.kind === 'table') {
    const { frame, table } = tableFrame();
    return new TablePlaces(table, frame);
  }
  if (block.kind === 'list') {
    const name = block.ordered ? 'ol' : 'ul';
    const same = here instanceof HTMLElement && here.localName === name ? here : undefined;
    const list = same ?? element(name);
    if (list instanceof HTMLOListElement && list.start !== block.start) list.start = block.start;
    return new ListPlaces(list);
  }
  const name = block.kind === 'quote' ? 'blockquote' : 'li';
  return new Places(here instanceof HTMLElement && here.localName === name ? here : element(name));
}

/**
 * The first of a sorted list that is above a place.
 *
 * @template Item
 * @param {Item[]} items
 * @param {number} place
 * @param {(item: Item) => number} placeOf
 */
function firstAbove(items, place, placeOf) {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (placeOf(/** @type {Item} */ (items[middle])) <= place) low = middle + 1;
    else high = middle;
  }
  return low;
}
