// Markdown's blocks ⇒ DOM: every element is made here, from the few kinds below. Nothing is ever parsed as
// HTML: tags in an answer are text.

import { element } from '../lib/dom.js';
import { TextFlow } from '../lib/text-flow.js';
import { t } from '../lib/words.js';
import { labelOf } from './blocks.js';
import { formula, MAX_FORMULAS } from './formulas.js';
import { readInlines, unescaped } from './inlines.js';
import { anchor, hostOf, isDisguised, safeAddress } from './links.js';

export { anchor };

/** @import { CitationMarker } from '../types.d.ts' */
/** @import { Block, Piece, Stretch } from './blocks.js' */
/** @import { Context, Emphasis, End, Inline, Plain } from './inlines.js' */

/** Longer stretches are shown as they were typed: they are no prose. */
export const MAX_INLINE = 16_000;
/** More markup in one stretch is shown as it was typed: it is no prose either, and a browser takes long to lay it out. */
const MAX_INLINES = 4_000;
/** Deeper emphasis is shown as it was typed: a browser goes through all of it again and again. */
const MAX_NESTING = 16;
const words = new Intl.Segmenter(undefined, { granularity: 'word' });

/** Where what comes next goes, and what it is shown as when that ends. @typedef {{parent: HTMLElement, literal: string, image: boolean, link: boolean}} Level */

/**
 * The element of a block that has no others in it.
 *
 * @param {Block} block
 * @param {string} text to be shown of it
 * @param {CitationMarker[]} markers that belong to it, in the order of their places
 * @param {Context} context
 * @returns {HTMLElement}
 */
export function leafElement(block, text, markers, context) {
  switch (block.kind) {
    case 'heading':
      // The page's own headings come before those of an answer.
      return filled(
        element(/** @type {'h3'} */ (`h${Math.min(block.rank + 2, 6)}`)),
        { text, pieces: block.pieces },
        markers,
        context,
      );
    case 'rule':
      return element('hr');
    case 'row':
      return tableRow(block, markers, context);
    case 'alert':
      return place(element('p', 'alert-title', alertTitle(text)), markers);
    case 'tag':
      return place(element('p', '', text), markers);
    case 'definitions':
      return definitionLines(block, context);
    default:
      return paragraph(block, text, markers, context);
  }
}

/** @param {string} text `[!NOTE]` */
function alertTitle(text) {
  /** @type {Record<string, string>} */
  const titles = {
    note: t('Note'),
    tip: t('Tip'),
    important: t('Important'),
    warning: t('Warning'),
    caution: t('Caution'),
  };
  return titles[text.slice(2, -1).toLowerCase()] ?? '';
}

/** Whether a paragraph begins with the box of a task. @param {Block | undefined} block */
export function isTask(block) {
  return block?.kind === 'paragraph' && /^\[[ xX]\][ \t]+\S/.test(block.text);
}

/**
 * A block of code, and where its text goes.
 *
 * @param {string} language
 * @returns {{node: HTMLElement, flow: TextFlow}}
 */
export function codeBlock(language) {
  const copy = element('button', 'quiet copy-code', t('Copy'));
  copy.type = 'button';
  copy.setAttribute('aria-label', t('Copy the code'));
  const code = element('code');
  const pre = element('pre', '', code);
  pre.tabIndex = 0;
  pre.setAttribute('role', 'group');
  pre.setAttribute('aria-label', t('Code'));
  return {
    node: element('div', 'code', element('div', 'code-bar', element('span', '', languageOf(language)), copy), pre),
    flow: new TextFlow(code, 'span'),
  };
}

/** The name of a language. @param {string} typed behind the fence */
export function languageOf(typed) {
  return unescaped(typed).split(/\s/)[0]?.slice(0, 24) ?? '';
}

/** Puts the markers of a text that is shown as it is beside it: into the bar of code, else to the end. @param {Element} node @param {CitationMarker[]} markers */
export function markFlow(node, markers) {
  node.querySelector('.flow-marks')?.remove();
  if (markers.length > 0)
    (node.querySelector('.code-bar > span') ?? node.lastElementChild)?.after(
      place(element('span', 'flow-marks'), markers),
    );
}

/** A table without its rows. */
export function tableFrame() {
  const table = element('table');
  const frame = element('div', 'table', table);
  // It scrolls by itself where it is too wide, so the keyboard must get there.
  frame.tabIndex = 0;
  frame.setAttribute('role', 'group');
  frame.setAttribute('aria-label', t('Table'));
  return { frame, table };
}

/** Text that is shown as it was typed, and why. @param {string} why @returns {{node: HTMLElement, flow: TextFlow}} */
export function plainText(why) {
  const flow = element('span', 'flow');
  return { node: element('div', 'typed', element('span', 'typed-why', why), flow), flow: new TextFlow(flow, 'span') };
}

/** @param {Block} block @param {string} text @param {CitationMarker[]} markers @param {Context} context */
function paragraph(block, text, markers, context) {
  const first = block.parent?.kind === 'item';
  const made = first ? element('div', 'line') : element('p');
  if (block.note !== '') {
    made.classList.add('footnote');
    made.dataset.note = labelOf(block.note);
    made.append(element('sup', 'note', block.note), ' ');
  }
  const box =
    first && block.parent?.children[0] === block ? (/^\[([ xX])\][ \t]+(?=\S)/.exec(text) ?? undefined) : undefined;
  if (box === undefined) return filled(made, { text, pieces: block.pieces }, markers, context);
  made.append(box[1] === ' ' ? '☐ ' : '☑ ');
  const pieces = block.pieces.map(({ at, source }) =>
    at === 0 ? { at, source: source + box[0].length } : { at: at - box[0].length, source },
  );
  return filled(made, { text: text.slice(box[0].length), pieces }, markers, context);
}

/** @param {Block} block @param {CitationMarker[]} markers @param {Context} context */
function tableRow(block, markers, context) {
  const table = /** @type {Block} */ (block.parent);
  const name = table.children[0] === block ? 'th' : 'td';
  const { aligns } = table;
  const long = block.cells.reduce((sum, cell) => sum + cell.text.length, 0) > MAX_INLINE;
  let rest = markers;
  const cells = block.cells.map((cell, index) => {
    const next = block.cells[index + 1]?.pieces[0]?.source ?? Infinity;
    const mine = rest.filter(({ at }) => at <= next);
    rest = rest.slice(mine.length);
    const made = element(name, aligns[index] ?? '');
    return long ? place(asTyped(made, cell.text), mine) : filled(made, cell, mine, context);
  });
  const missing = aligns.length - cells.length;
  if (missing > 0) {
    const empty = element(name);
    empty.colSpan = missing;
    cells.push(empty);
  }
  context.steps += 20 * cells.length;
  return element('tr', '', ...cells);
}

/** What was defined and is not referred to, else its reader would never see it. @param {Block} block @param {Context} context */
function definitionLines(block, context) {
  const made = element('p', 'definitions');
  const lines = block.definitions.filter(({ used }) => !used).map(({ line }) => line);
  made.hidden = lines.length === 0;
  for (const [index, line] of lines.entries()) {
    if (index > 0) made.append('\n');
    const begin = line.indexOf(']:') + 2;
    made.append(line.slice(0, begin));
    filled(made, { text: line.slice(begin), pieces: [] }, [], context);
  }
  return made;
}

/**
 * @template {HTMLElement} Parent
 * @param {Parent} parent
 * @param {Stretch} stretch whose inline markup goes into the parent
 * @param {CitationMarker[]} markers
 * @param {Context} context
 */
function filled(parent, { text, pieces }, markers, context) {
  context.steps += 20;
  const inlines = text.length > MAX_INLINE ? undefined : readInlines(text, context);
  if (inlines === undefined || inlines.length > MAX_INLINES) return place(asTyped(parent, text), markers);
  new InlineWriter(parent, text, placed(markers, pieces), context).write(inlines);
  return parent;
}

/**
 * @template {HTMLElement} Parent
 * @param {Parent} parent
 * @param {string} text
 */
function asTyped(parent, text) {
  const { node, flow } = plainText(t('This has too much markup, so it is shown as it was typed.'));
  flow.append(text);
  parent.append(...node.childNodes);
  return parent;
}

class InlineWriter {
  #text;
  #markers;
  #context;
  /** @type {Level[]} */
  #levels;

  /** @param {HTMLElement} parent @param {string} text @param {CitationMarker[]} markers by their places in the text @param {Context} context */
  constructor(parent, text, markers, context) {
    this.#text = text;
    this.#markers = markers;
    this.#context = context;
    this.#levels = [{ parent, literal: '', image: false, link: false }];
  }

  /** @param {Inline[]} inlines */
  write(inlines) {
    this.#context.steps += inlines.length * 8;
    for (const inline of inlines) {
      this.#one(inline);
      // None stands in a link, or in the middle of code.
      if (!this.#top.link && !this.#top.image) this.#mark(inline.end);
    }
    this.#mark(Infinity);
  }

  get #top() {
    return /** @type {Level} */ (this.#levels.at(-1));
  }

  /** @param {Inline} inline */
  #one(inline) {
    const { parent } = this.#top;
    switch (inline.type) {
      case 'text':
        return this.#say(inline);
      case 'code':
        return void parent.append(element('code', '', inline.text));
      case 'break':
        return void parent.append(element('br'));
      case 'sub':
      case 'sup':
      case 'kbd':
        return void parent.append(element(inline.type, '', inline.text));
      case 'formula':
        return this.#formula(inline.text);
      case 'note':
        return void parent.append(
          element('sup', 'note', this.#top.link || this.#top.image ? inline.text : noteMark(inline.text)),
        );
      case 'address':
        return this.#address(inline);
      case 'run':
        for (let count = inline.closes.length; count > 0; count -= 1) this.#leave();
        addText(this.#top.parent, inline.char.repeat(inline.left));
        for (const name of inline.opens) this.#enter(name, inline.char);
        return;
      case 'bracket': {
        const href = inline.target && safeAddress(unescaped(inline.target.href));
        // A link whose address is not allowed is shown as it was typed.
        if (href === undefined) return void addText(parent, inline.image ? '![' : '[');
        const { link, image } = this.#top;
        const made = inline.image || link || image ? element('span') : anchor(href, '');
        return void this.#levels.push({
          parent: made,
          literal: '',
          image: inline.image || image,
          link: link || !inline.image,
        });
      }
      case 'end':
        return this.#end(inline);
    }
  }

  /** @param {Plain & {text: string}} inline */
  #say({ at, end, text }) {
    const { parent, link, image } = this.#top;
    let done = 0;
    if (!link && !image && text.length === end - at) {
      const segments = this.#markers[0] !== undefined && this.#markers[0].at < end ? words.segment(text) : undefined;
      for (let marker; segments && (marker = this.#markers[0]) !== undefined && marker.at < end; ) {
        // Not in the middle of a word.
        const word = segments.containing(Math.max(marker.at - at, 0));
        const to =
          word === undefined
            ? text.length
            : word.index === marker.at - at
              ? word.index
              : word.index + word.segment.length;
        addText(parent, text.slice(done, to));
        done = Math.max(to, done);
        if (done === text.length) return;
        this.#mark(marker.at);
      }
    }
    addText(parent, text.slice(done));
  }

  /** In a link it stays as it was typed: what it would look like must not hide where the link leads. @param {string} source */
  #formula(source) {
    const { parent, link, image } = this.#top;
    const { formulas } = this.#context;
    if (link || image || formulas.length === MAX_FORMULAS) return addText(parent, source);
    const made = formula(source);
    formulas.push(made);
    parent.append(made);
  }

  /** @param {Plain & {text: string, href: string}} inline */
  #address({ text, href }) {
    const { parent, link, image } = this.#top;
    const address = safeAddress(href);
    if (link || image || address === undefined) return void addText(parent, this.#typed(text, href));
    const made = anchor(address, text);
    parent.append(made);
    tellHost(made, address);
  }

  /** @param {string} text @param {string} href */
  #typed(text, href) {
    return safeAddress(href) === undefined ? `<${text}>` : text;
  }

  /** @param {Emphasis} name @param {string} char */
  #enter(name, char) {
    const level = this.#top;
    if (this.#levels.length <= MAX_NESTING) {
      const made = element(name);
      level.parent.append(made);
      this.#levels.push({ ...level, parent: made, literal: '' });
      return;
    }
    const literal = char.repeat(name === 'em' ? 1 : 2);
    addText(level.parent, literal);
    this.#levels.push({ ...level, literal });
  }

  #leave() {
    const left = this.#levels.pop();
    if (left !== undefined && left.literal !== '') addText(left.parent, left.literal);
  }

  /** @param {End} inline */
  #end({ at, end, of: bracket }) {
    const href = bracket.target && safeAddress(unescaped(bracket.target.href));
    if (href === undefined) return void addText(this.#top.parent, this.#text.slice(at, end));
    const { parent: made } = /** @type {Level} */ (this.#levels.pop());
    const { parent, link, image } = this.#top;
    const text = made.textContent ?? '';
    if (bracket.image) {
      // Shown, it would tell its server who reads this, and what: the address may carry secrets.
      if (link || image) return void addText(parent, text || 'image');
      const linked = anchor(href, text || 'image');
      parent.append(linked);
      return tellHost(linked, href);
    }
    if (!(made instanceof HTMLAnchorElement)) return void addText(parent, text);
    parent.append(made);
    tellHost(made, href);
  }

  /** Puts the markers up to a place. @param {number} to */
  #mark(to) {
    while ((this.#markers[0]?.at ?? Infinity) <= to && this.#markers.length > 0) {
      place(this.#top.parent, this.#markers.splice(0, 1));
    }
  }
}

/** Says where a link leads whose text says something else, or nothing. @param {HTMLAnchorElement} link @param {string} href */
function tellHost(link, href) {
  const text = link.textContent ?? '';
  if (!isDisguised(text, href)) return;
  const host = hostOf(href);
  if (text.trim() === '') link.replaceChildren(host);
  else link.after(element('span', 'host', ` (${host})`));
}

/**
 * Markers by their places in a stretch.
 *
 * @param {CitationMarker[]} markers by their places in the source
 * @param {Piece[]} pieces
 */
function placed(markers, pieces) {
  let index = 0;
  return markers.map(({ at, numbers }) => {
    while ((pieces[index + 1]?.source ?? Infinity) <= at) index += 1;
    const piece = pieces[index] ?? { at: 0, source: 0 };
    const place = piece.at + Math.max(at - piece.source, 0);
    return { at: Math.min(place, pieces[index + 1]?.at ?? Infinity), numbers };
  });
}

/** What leads to a footnote. @param {string} note */
function noteMark(note) {
  const made = element('button', 'note-mark', note);
  made.type = 'button';
  made.dataset.note = labelOf(note);
  made.setAttribute('aria-label', t('Footnote {note}', { note }));
  return made;
}

/** @template {HTMLElement} Parent @param {Parent} parent @param {CitationMarker[]} markers */
function place(parent, markers) {
  for (const number of markers.flatMap(({ numbers }) => numbers)) {
    const button = element('button', 'mark', String(number));
    button.type = 'button';
    button.dataset.source = String(number);
    button.setAttribute('aria-label', t('Source {number}', { number }));
    parent.append(button);
  }
  return parent;
}

/**
 * Adds text to the text node at the end of an element.
 *
 * @param {HTMLElement} parent
 * @param {string} text
 */
function addText(parent, text) {
  if (text === '') return;
  if (parent.lastChild instanceof Text) parent.lastChild.appendData(text);
  else parent.append(text);
}
