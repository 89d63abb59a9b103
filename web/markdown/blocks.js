// Markdown's blocks, read line by line. No line is ever read again: what it costs depends on the line and on
// how deep it stands, which has a limit, and on nothing that came before. So a text of any kind can be read
// in slices, and while it still grows.
//
// The rules are CommonMark's with GitHub's tables, but for what models write and mean otherwise:
// - tags are text, and one that is alone on its line stands by itself;
// - a definition of a link is one line, and is shown unless something refers to it;
// - `>= 3` is no quote, nor is `> 3` at the head of an item;
// - GitHub's alerts are quotes with a title, and a footnote stands where it was written.

import { t } from '../lib/words.js';
import { safeAddress } from './links.js';

/** @typedef {'document' | 'quote' | 'list' | 'item' | 'table'} ContainerKind */
/** @typedef {'paragraph' | 'heading' | 'rule' | 'code' | 'tag' | 'alert' | 'definitions' | 'row'} LeafKind */

/** A stretch of source: what the reader made of it, and where in the source each piece of it begins. @typedef {{text: string, pieces: Piece[]}} Stretch */
/** @typedef {{at: number, source: number}} Piece */
/** @typedef {{label: string, href: string, title: string, line: string, number: number, used: boolean, block: Block}} Definition */

/** Deeper quotes and lists are shown as they were typed: nobody reads them, and every line would go through all of them. */
export const MAX_DEPTH = 12;
/** A wider table is shown as it was typed. */
export const MAX_COLUMNS = 64;
/** So many cells are a table, and its further rows are shown as they were typed: a browser measures all cells with each change. */
export const MAX_CELLS = 4_000;
/** So many definitions stand together at most. */
const MOST_DEFINITIONS = 32;
const MAX_LABEL = 1_000;
const ALERT = /^\[!(?:note|tip|important|warning|caution)\][ \t]*$/i;
const NOTE = /^\[\^([^\s[\]]{1,60})\]:[ \t]+/;
/** What begins mathematics on a line of its own, and what ends them. */
const FORMULAS = new Map([
  ['\\[', '\\]'],
  ['$$', '$$'],
]);

/** One block, or the document itself. */
export class Block {
  /** @type {Block[]} */
  children = [];
  /** The number of the line that ended it. */
  closed = Infinity;
  /** The last line that was blank in it. */
  blank = -1;
  /** Its place among the leaves. */
  order = -1;

  // Of a leaf.
  text = '';
  /** @type {Piece[]} */
  pieces = [];
  lines = 0;
  /** Of a code block; blank lines that count only if more follows. */
  pending = '';
  language = '';
  fence = '';
  indent = 0;
  /** Of a heading: as it was typed, and as it stands among the others. */
  depth = 0;
  rank = 0;
  /** In the middle of mathematics, what ends them. */
  formula = '';
  /** Of a footnote: what refers to it. */
  note = '';
  /** Why it is shown as it was typed. */
  plain = '';
  /** @type {Definition[]} */
  definitions = [];
  /** @type {Stretch[]} */
  cells = [];

  // Of a container.
  ordered = false;
  start = 1;
  mark = '';
  loose = false;
  padding = 0;
  /** @type {('left' | 'center' | 'right' | '')[]} */
  aligns = [];
  size = 0;
  /** The direction of its first letter. @type {'' | 'ltr' | 'rtl'} */
  direction = '';

  /** What shows it. @type {any} */
  view;
  /** @type {HTMLElement | undefined} */
  node;
  final = false;

  /**
   * @param {ContainerKind | LeafKind} kind
   * @param {Block | undefined} parent
   * @param {number} from where it begins in the source
   * @param {number} line the number of its first line
   */
  constructor(kind, parent, from, line) {
    this.kind = kind;
    this.parent = parent;
    this.from = from;
    this.line = line;
  }
}

/** Reads lines into blocks. */
export class BlockReader {
  document = new Block('document', undefined, 0, 0);
  /** By their labels. @type {Map<string, Definition>} */
  definitions = new Map();
  /** How much was done, counted in characters looked at. */
  steps = 0;
  /** The innermost open block. */
  tip = this.document;
  /** How many lines were read. */
  number = 0;
  /** What has text that is always shown, in its order. @type {Block[]} */
  leaves = [];
  /** The headings that the next one may stand under, by what was typed and how they stand. @type {{depth: number, rank: number}[]} */
  #ranks = [];
  /** What takes back the line that is only tried. @type {(() => void)[] | undefined} */
  #undo;

  // The line that is read.
  #line = '';
  #at = 0;
  #offset = 0;
  #column = 0;
  #tab = false;
  #next = 0;
  #nextColumn = 0;

  /** @param {string} line without its end @param {number} at where it begins in the source */
  read(line, at) {
    this.steps += line.length + 1;
    this.#set(this, 'number', this.number + 1);
    this.#line = line;
    this.#at = at;
    this.#offset = this.#column = 0;
    this.#tab = false;
    const matched = this.#continue();
    if (matched !== undefined) this.#take(matched);
  }

  /** Reads a line that may yet become longer: `takeBack` undoes it. @param {string} line @param {number} at */
  try(line, at) {
    this.#undo = [];
    this.read(line, at);
  }

  takeBack() {
    for (const undo of this.#undo?.reverse() ?? []) undo();
    this.#undo = undefined;
  }

  /** Ends all blocks. */
  end() {
    while (this.tip !== this.document) this.#close(this.tip);
    this.document.closed = this.number;
  }

  /** How far the open blocks go on in the line. @returns {Block | undefined} the last of them, or undefined if the line is used up */
  #continue() {
    let block = this.document;
    for (;;) {
      const inner = block.children.at(-1);
      if (inner === undefined || inner.closed !== Infinity || inner.kind === 'row') return block;
      this.#findNext();
      this.steps += 1;
      const goesOn = this.#goesOn(inner);
      if (goesOn === undefined) {
        this.#closeTo(inner);
        this.#close(inner);
        return undefined;
      }
      if (!goesOn) return block;
      block = inner;
    }
  }

  /** Whether a block goes on in this line; undefined where the line is its end. @param {Block} block */
  #goesOn(block) {
    switch (block.kind) {
      case 'list':
        return true;
      case 'quote':
        if (this.#indented || this.#line[this.#next] !== '>') return false;
        this.#skipQuoteMark();
        return true;
      case 'item':
        if (this.#blank) {
          if (block.children.length === 0) return false;
          this.#skipBlank();
          return true;
        }
        if (this.#nextColumn - this.#column < block.padding) return false;
        this.#skip(block.padding);
        return true;
      case 'code':
        if (block.fence !== '') {
          if (!this.#indented && isClosingFence(this.#line.slice(this.#next), block.fence)) return undefined;
          this.#skip(Math.min(block.indent, this.#nextColumn - this.#column));
          return true;
        }
        if (this.#indented) this.#skip(4);
        else if (this.#blank) this.#skipBlank();
        else return false;
        return true;
      case 'paragraph':
      case 'table':
        return !this.#blank;
      case 'definitions':
        return (
          !this.#blank &&
          !this.#indented &&
          block.definitions.length < MOST_DEFINITIONS &&
          this.#definition() !== undefined
        );
      default:
        return false;
    }
  }

  /** @param {Block} matched the innermost block that goes on in this line */
  #take(matched) {
    let block = matched;
    let leaf = block.kind === 'code' || block.kind === 'definitions';
    const lazy = block !== this.tip;
    let head = false;
    while (!leaf) {
      this.#findNext();
      const started = this.#blank ? undefined : this.#start(block, head);
      if (started === undefined) break;
      block = started;
      head = block.kind === 'item';
      leaf = block.kind !== 'quote' && block.kind !== 'item';
      this.steps += 1;
    }
    if (leaf && block.line === this.number && block.kind !== 'code') return;
    this.#findNext();
    if (lazy && block === matched && !this.#blank && this.tip.kind === 'paragraph')
      return this.#addText(this.tip, this.#next);
    this.#closeTo(block);
    if (block.kind === 'code') return this.#addCode(block);
    if (block.kind === 'definitions')
      return this.#define(block, /** @type {Omit<Definition, 'block'>} */ (this.#definition()));
    if (this.#blank) return block.kind === 'item' && block.line === this.number ? undefined : this.#markBlank(block);
    if (block.kind === 'paragraph') return this.#addText(block, this.#next);
    if (block.kind === 'table') return this.#addRow(block);
    this.#addText(this.#add('paragraph', block), this.#next);
  }

  /**
   * A block that begins here.
   *
   * @param {Block} block the one around it, or before it
   * @param {boolean} head whether it would be the first of an item, in the same line
   */
  #start(block, head) {
    const { number } = this;
    const rest = this.#next === 0 ? this.#line : this.#line.slice(this.#next);
    const char = rest[0] ?? '';
    if (this.#indented) {
      if (this.tip.kind === 'paragraph' || block.kind === 'table') return undefined;
      this.#skip(4);
      return this.#add('code', block);
    }
    if (block.formula !== '' || !/[#`~*+_=<>\d[|:-]/.test(char)) return undefined;
    if (char === '>' && depthOf(block) < MAX_DEPTH && !isComparison(rest, head)) {
      this.#closeTo(block);
      const quote = this.#add('quote', block);
      this.#skipQuoteMark();
      return quote;
    }
    if (char === '#') {
      const marks = /^#{1,6}(?=[ \t]|$)/.exec(rest)?.[0].length ?? 0;
      if (marks > 0) {
        this.#closeTo(block);
        const heading = this.#add('heading', block);
        this.#rank(heading, marks);
        const from = this.#next + marks;
        const content = headingText(this.#line.slice(from));
        this.#addText(
          heading,
          from + this.#line.slice(from).length - this.#line.slice(from).trimStart().length,
          content,
        );
        this.#close(heading);
        return heading;
      }
    }
    if (char === '`' || char === '~') {
      const fence = /^(?:`{3,}|~{3,})/.exec(rest)?.[0] ?? '';
      if (fence !== '' && (char === '~' || !rest.includes('`', fence.length))) {
        const indent = this.#nextColumn - this.#column;
        this.#closeTo(block);
        const code = this.#add('code', block);
        Object.assign(code, { fence, indent, language: rest.slice(fence.length).trim() });
        this.#skipToEnd();
        return code;
      }
    }
    if (char === '<' && isTag(rest)) {
      this.#closeTo(block);
      const tag = this.#add('tag', block);
      this.#addText(tag, this.#next);
      this.#close(tag);
      return tag;
    }
    if (block.kind === 'paragraph') {
      if ((char === '=' || char === '-') && isUnderline(rest)) {
        this.#set(block, 'kind', 'heading');
        this.#rank(block, char === '=' ? 1 : 2);
        this.#set(block, 'text', block.text.trimEnd());
        this.#close(block);
        // The line is used up; the heading began above it.
        this.#set(block, 'line', number);
        return block;
      }
      const table = /[|:-]/.test(char) && block.plain === '' ? this.#table(block, rest) : undefined;
      if (table !== undefined) return table;
    }
    if (/[*_-]/.test(char) && isRule(rest, char)) {
      this.#closeTo(block);
      const rule = this.#add('rule', block);
      this.#close(rule);
      return rule;
    }
    if (/[*+\d-]/.test(char) && (block.kind === 'list' || depthOf(block) < MAX_DEPTH)) {
      const item = this.#item(block, rest);
      if (item !== undefined) return item;
    }
    if (char === '[' && block.kind === 'quote' && block.children.length === 0 && ALERT.test(rest)) {
      const alert = this.#add('alert', block);
      this.#addText(alert, this.#next, rest.trim());
      this.#close(alert);
      return alert;
    }
    if (
      char === '[' &&
      (block.kind === 'paragraph' || this.tip.kind !== 'paragraph'
        ? block.kind !== 'table' && (block.kind !== 'paragraph' || block.note !== '')
        : this.tip.note !== '')
    ) {
      const [mark, note] = NOTE.exec(rest) ?? [];
      if (mark !== undefined && note !== undefined) return this.#note(block, note, this.#next + mark.length);
    }
    if (char === '[' && block.kind !== 'paragraph' && block.kind !== 'table' && this.tip.kind !== 'paragraph') {
      const definition = this.#definition();
      if (definition !== undefined) {
        this.#closeTo(block);
        const definitions = this.#add('definitions', block);
        this.#define(definitions, definition);
        return definitions;
      }
    }
    return undefined;
  }

  /** A footnote. @param {Block} block @param {string} note @param {number} from where its text begins in the line */
  #note(block, note, from) {
    this.#closeTo(block);
    const made = this.#add('paragraph', block);
    made.note = note;
    this.#define(
      made,
      { label: labelOf(`^${note}`), href: '', title: '', line: '', number: this.number, used: true },
      from,
    );
    return made;
  }

  /** @param {Block} block @param {string} rest */
  #item(block, rest) {
    const [marker, digits, delimiter] = /^(?:[*+-]|(\d{1,9})([.)]))(?=[ \t]|$)/.exec(rest) ?? [];
    if (marker === undefined) return undefined;
    const blank = rest.slice(marker.length).trim() === '';
    if (block.kind === 'paragraph' && (blank || (digits !== undefined && Number(digits) !== 1))) return undefined;
    const from = this.#at + this.#next;
    const indent = this.#nextColumn - this.#column;
    this.#skip(indent);
    this.#skip(marker.length);
    this.#findNext();
    const spaces = this.#nextColumn - this.#column;
    const wide = blank || spaces < 1 || spaces > 4;
    if (wide) this.#skip(Math.min(spaces, 1));
    else this.#skip(spaces);
    this.#closeTo(block);
    const mark = delimiter ?? marker;
    let list = block;
    if (list.kind !== 'list' || list.mark !== mark) {
      list = this.#add('list', block, from);
      Object.assign(list, { ordered: digits !== undefined, start: Number(digits ?? 1), mark });
    }
    const item = this.#add('item', list, from);
    item.padding = indent + marker.length + (wide ? 1 : spaces);
    return item;
  }

  /** The table whose second line this is. @param {Block} block a paragraph that ends with what may be its head @param {string} rest */
  #table(block, rest) {
    const aligns = alignsOf(rest);
    if (aligns === undefined) return undefined;
    const begin = block.text.lastIndexOf('\n') + 1;
    const head = block.text.slice(begin);
    const piece = /** @type {Piece} */ (block.pieces.at(-1));
    const cells = cellsOf(head, piece.source);
    this.steps += head.length;
    if (cells.length !== aligns.length || (!head.includes('|') && !rest.includes('|'))) return undefined;
    if (aligns.length > MAX_COLUMNS) {
      this.#set(block, 'plain', t('This table is too wide, so it is shown as it was typed.'));
      return undefined;
    }
    let table = block;
    if (begin > 0) {
      this.#set(block, 'text', block.text.slice(0, begin - 1));
      this.#set(block, 'pieces', block.pieces.slice(0, -1));
      this.#set(block, 'lines', block.lines - 1);
      this.#close(block);
      table = this.#add('table', /** @type {Block} */ (block.parent), piece.source);
    } else {
      this.#set(block, 'kind', 'table');
      // What has text is its rows.
      this.leaves.pop();
      this.#undo?.push(() => this.leaves.push(block));
    }
    this.#set(table, 'aligns', aligns);
    this.#set(table, 'line', this.number);
    this.#addRow(table, cells, piece.source);
    return table;
  }

  /** @param {Block} table @param {Stretch[]} [cells] @param {number} [from] */
  #addRow(table, cells, from = this.#at + this.#next) {
    const made = cells ?? cellsOf(this.#line.slice(this.#next), from);
    if (table.size + Math.max(made.length, table.aligns.length) > MAX_CELLS) {
      this.#close(table);
      const rest = this.#add('paragraph', /** @type {Block} */ (table.parent));
      rest.plain = t('This table is too long, so the rest of it is shown as it was typed.');
      return this.#addText(rest, this.#next);
    }
    const row = this.#add('row', table, from);
    row.cells = made;
    row.closed = this.number;
    this.#set(this, 'tip', table);
    this.#set(table, 'size', table.size + Math.max(made.length, table.aligns.length));
    this.#face(row, made.map(({ text }) => text).join(' '));
  }

  /** The definition that this line is. @returns {Omit<Definition, 'block'> | undefined} */
  #definition() {
    const line = this.#line.slice(this.#next).trimEnd();
    if (line[0] !== '[' || line[1] === '^') return undefined;
    const label = /^\[((?:[^[\]\\]|\\.){1,1000})\]:[ \t]*/.exec(line);
    if (label === null) return undefined;
    const [, href = '', title = ''] =
      /^(<[^<>]*>|[^\s<]\S*)(?:[ \t]+("[^"]*"|'[^']*'|\([^()]*\)))?$/.exec(line.slice(label[0].length)) ?? [];
    const address = href.startsWith('<') ? href.slice(1, -1) : href;
    if (address === '' || safeAddress(address) === undefined) return undefined;
    return {
      label: labelOf(label[1] ?? ''),
      href: address,
      title: title.slice(1, -1),
      line,
      number: this.number,
      used: false,
    };
  }

  /** @param {Block} block @param {Omit<Definition, 'block'>} found @param {number} [from] where its text begins in the line */
  #define(block, found, from = this.#next) {
    const definition = { ...found, block };
    this.#push(block.definitions, definition);
    this.#addText(block, from);
    // Of two the first one counts.
    if (this.definitions.has(found.label)) return;
    this.definitions.set(found.label, definition);
    this.#undo?.push(() => this.definitions.delete(found.label));
  }

  /** @param {Block} block @param {number} from where in the line @param {string} [text] */
  #addText(block, from, text = this.#line.slice(from)) {
    const before = block.lines === 0 ? '' : `${block.text}\n`;
    this.#push(block.pieces, { at: before.length, source: this.#at + from });
    this.#set(block, 'text', before + text);
    this.#set(block, 'lines', block.lines + 1);
    const end =
      block.formula === '' ? (FORMULAS.get(text.trim()) ?? '') : text.includes(block.formula) ? '' : block.formula;
    if (end !== block.formula) this.#set(block, 'formula', end);
    this.#face(block, text);
  }

  /** @param {Block} block */
  #addCode(block) {
    // The line with the fence is none of the code's.
    if (block.fence !== '' && block.line === this.number) return;
    const line =
      (this.#tab ? ' '.repeat(4 - (this.#column % 4)) : '') + this.#line.slice(this.#offset + (this.#tab ? 1 : 0));
    if (block.fence === '' && this.#blank) {
      this.#set(block, 'pending', `${block.pending}\n${line}`);
      return this.#markBlank(block);
    }
    this.#push(block.pieces, { at: block.text.length, source: this.#at });
    this.#set(block, 'text', block.lines === 0 ? line : `${block.text}${block.pending}\n${line}`);
    this.#set(block, 'lines', block.lines + 1);
    if (block.pending !== '') this.#set(block, 'pending', '');
  }

  /** A blank line sets apart what stands before and after it. @param {Block} block */
  #markBlank(block) {
    for (
      let one = /** @type {Block | undefined} */ (block);
      one !== undefined && one.kind !== 'quote';
      one = one.parent
    ) {
      if (one.kind === 'list' || one.kind === 'item') this.#set(one, 'blank', this.number);
    }
  }

  /** A text's direction is that of its first letter, and so is that of the blocks around it. @param {Block} block @param {string} text */
  #face(block, text) {
    if (block.parent === undefined || block.parent.direction !== '' || block.parent === this.document) return;
    const direction = directionOf(text);
    if (direction === '') return;
    for (
      let one = /** @type {Block | undefined} */ (block.parent);
      one !== undefined && one.direction === '';
      one = one.parent
    ) {
      if (one !== this.document) this.#set(one, 'direction', direction);
    }
  }

  /** A heading stands one below the last one that is above it, whatever was left out. @param {Block} heading @param {number} depth */
  #rank(heading, depth) {
    const above = this.#ranks.filter((one) => one.depth < depth);
    const rank = (above.at(-1)?.rank ?? 0) + 1;
    const before = this.#ranks;
    this.#ranks = [...above, { depth, rank }];
    this.#undo?.push(() => (this.#ranks = before));
    this.#set(heading, 'depth', depth);
    this.#set(heading, 'rank', rank);
  }

  /** @param {ContainerKind | LeafKind} kind @param {Block} around @param {number} [from] */
  #add(kind, around, from = this.#at + this.#next) {
    this.#closeTo(around);
    let parent = around;
    while (!mayContain(parent.kind, kind)) {
      this.#close(parent);
      parent = /** @type {Block} */ (parent.parent);
    }
    const { number } = this;
    if (parent.blank === number - 1) {
      const list = parent.kind === 'list' ? parent : parent.children.length > 0 ? parent.parent : undefined;
      if (list?.kind === 'list' && !list.loose) this.#set(list, 'loose', true);
    }
    const block = new Block(kind, parent, from, number);
    this.#push(parent.children, block);
    this.#set(this, 'tip', block);
    if (!/^(?:quote|list|item|table|rule|definitions)$/.test(kind)) {
      block.order = this.leaves.length;
      this.#push(this.leaves, block);
    }
    return block;
  }

  /** Ends the open blocks inside of one. @param {Block} block */
  #closeTo(block) {
    while (this.tip !== block && isInside(this.tip, block)) this.#close(this.tip);
  }

  /** @param {Block} block */
  #close(block) {
    if (block.closed !== Infinity) return;
    this.#set(block, 'closed', this.number);
    if (this.tip === block) this.#set(this, 'tip', block.parent ?? this.document);
  }

  /**
   * @template {object} Of
   * @template {keyof Of} Key
   * @param {Of} of
   * @param {Key} key
   * @param {Of[Key]} value
   */
  #set(of, key, value) {
    const before = of[key];
    of[key] = value;
    this.#undo?.push(() => (of[key] = before));
  }

  /** @param {any[]} list @param {unknown} item */
  #push(list, item) {
    const { length } = list;
    list.push(item);
    this.#undo?.push(() => (list.length = length));
  }

  get #indented() {
    return this.#nextColumn - this.#column >= 4;
  }

  get #blank() {
    return this.#next >= this.#line.length;
  }

  /** Looks for what is no white space. */
  #findNext() {
    const line = this.#line;
    let [next, column] = [this.#offset, this.#column];
    for (; next < line.length; next += 1) {
      const char = line[next];
      if (char === ' ') column += 1;
      else if (char === '\t') column += 4 - (column % 4);
      else break;
    }
    this.#next = next;
    this.#nextColumn = column;
  }

  /** Goes on by so many columns; a tab may be used in part. @param {number} columns */
  #skip(columns) {
    for (let left = columns; left > 0 && this.#offset < this.#line.length; ) {
      if (this.#line[this.#offset] !== '\t') {
        this.#offset += 1;
        this.#column += 1;
        left -= 1;
        continue;
      }
      const width = 4 - (this.#column % 4);
      this.#tab = width > left;
      const used = Math.min(width, left);
      this.#column += used;
      if (!this.#tab) this.#offset += 1;
      left -= used;
    }
    this.#findNext();
  }

  #skipBlank() {
    this.#offset = this.#next;
    this.#column = this.#nextColumn;
    this.#tab = false;
  }

  #skipToEnd() {
    this.#offset = this.#next = this.#line.length;
  }

  #skipQuoteMark() {
    this.#skipBlank();
    this.#offset += 1;
    this.#column += 1;
    if (this.#line[this.#offset] === ' ' || this.#line[this.#offset] === '\t') this.#skip(1);
    this.#findNext();
  }
}

/** What a label is known by. @param {string} label */
export function labelOf(label) {
  return label.length > MAX_LABEL ? '' : label.trim().replace(/\s+/g, ' ').toLowerCase().toUpperCase();
}

/** @param {ContainerKind | LeafKind} outer @param {ContainerKind | LeafKind} inner */
function mayContain(outer, inner) {
  if (outer === 'list') return inner === 'item';
  if (outer === 'table') return inner === 'row';
  return (outer === 'document' || outer === 'quote' || outer === 'item') && inner !== 'item' && inner !== 'row';
}

/** How many quotes and lists there are around, and with, a block. @param {Block} block */
function depthOf(block) {
  let depth = 0;
  for (let one = /** @type {Block | undefined} */ (block); one !== undefined; one = one.parent)
    if (one.kind === 'quote' || one.kind === 'list') depth += 1;
  return depth;
}

/** @param {Block} block @param {Block} outer */
function isInside(block, outer) {
  for (let one = /** @type {Block | undefined} */ (block); one !== undefined; one = one.parent)
    if (one === outer) return true;
  return false;
}

/** @param {string} rest @param {boolean} head */
function isComparison(rest, head) {
  return /^>+(?:=|[~≈]?[$€£¥]?\d)/.test(rest) || (head && /^>+[ \t]*[~≈±+-]?[$€£¥]?\d/.test(rest));
}

/** @param {string} rest @param {string} fence */
function isClosingFence(rest, fence) {
  const trimmed = rest.trimEnd();
  if (trimmed.length < fence.length) return false;
  for (const char of trimmed) if (char !== fence[0]) return false;
  return true;
}

/** @param {string} rest */
function isUnderline(rest) {
  const trimmed = rest.trimEnd();
  for (let at = 1; at < trimmed.length; at += 1) if (trimmed[at] !== trimmed[0]) return false;
  return true;
}

/** @param {string} rest @param {string} mark */
function isRule(rest, mark) {
  let marks = 0;
  for (const char of rest) {
    if (char === mark) marks += 1;
    else if (char !== ' ' && char !== '\t') return false;
  }
  return marks >= 3;
}

/** Whether a line is one tag or comment and nothing else; a line break is none of them. @param {string} rest */
function isTag(rest) {
  const line = rest.trimEnd();
  if (!line.endsWith('>') || /^<(?:br\b|mailto:)/i.test(line)) return false;
  if (line.startsWith('<!--')) return line.indexOf('-->') === line.length - 3;
  return line.indexOf('>') === line.length - 1 && /^<\/?[A-Za-z][\w:.-]*(?:\s[^<>]*|\/)?>$/.test(line);
}

/** @param {string} text after the marks of a heading */
function headingText(text) {
  const trimmed = text.trim();
  let end = trimmed.length;
  while (trimmed[end - 1] === '#') end -= 1;
  if (end === 0) return '';
  return end < trimmed.length && (trimmed[end - 1] === ' ' || trimmed[end - 1] === '\t')
    ? trimmed.slice(0, end).trimEnd()
    : trimmed;
}

/** How the columns of a table are set, or undefined for another line. @param {string} rest */
function alignsOf(rest) {
  if (!rest.includes('-')) return undefined;
  const line = rest.trim();
  /** @type {('left' | 'center' | 'right' | '')[]} */
  const aligns = [];
  for (const part of line
    .slice(line.startsWith('|') ? 1 : 0, line.endsWith('|') && line.length > 1 ? -1 : undefined)
    .split('|')) {
    const cell = part.trim();
    if (!/^:?-+:?$/.test(cell)) return undefined;
    const [left, right] = [cell.startsWith(':'), cell.endsWith(':')];
    aligns.push(left && right ? 'center' : left ? 'left' : right ? 'right' : '');
  }
  return aligns;
}

/** The cells of a row. @param {string} line @param {number} source where it begins there @returns {Stretch[]} */
export function cellsOf(line, source) {
  /** @type {Stretch[]} */
  const cells = [];
  const end = line.trimEnd().length;
  let at = line.startsWith('|') ? 1 : 0;
  while (at < end) {
    // Beyond the widest table, all the rest is one cell.
    const { cell, next } = cellAt(line, at, end, source, cells.length + 1 > MAX_COLUMNS);
    cells.push(cell);
    at = next;
  }
  return cells.length === 0 ? [{ text: '', pieces: [] }] : cells;
}

/** @param {string} line @param {number} from @param {number} end @param {number} source @param {boolean} last */
function cellAt(line, from, end, source, last) {
  while (from < end && (line[from] === ' ' || line[from] === '\t')) from += 1;
  /** @type {Piece[]} */
  const pieces = [{ at: 0, source: source + from }];
  let [text, begin, at] = ['', from, from];
  for (; at < end && (last || line[at] !== '|'); at += 1) {
    if (line[at] !== '\\') continue;
    if (line[at + 1] === '|') {
      text += line.slice(begin, at);
      begin = at + 1;
      pieces.push({ at: text.length, source: source + begin });
    }
    at += 1;
  }
  text += line.slice(begin, Math.min(at, end));
  return { cell: { text: text.trimEnd(), pieces }, next: at + 1 };
}

/** Letters that are written from the right. */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]|[\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** The direction of the first letter. @param {string} text */
function directionOf(text) {
  const [letter] = /\p{L}/u.exec(text) ?? [];
  return letter === undefined ? '' : RIGHT_TO_LEFT.test(letter) ? 'rtl' : 'ltr';
}
