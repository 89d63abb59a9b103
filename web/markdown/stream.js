// Markdown that grows. Blocks that nothing can change any more are left alone; only the tail is read again,
// and its elements are changed where they differ, so that a selection in them stays.

import { element } from '../lib/dom.js';
import { TextFlow } from '../lib/text-flow.js';
import { itemsOf, PART, setItems } from './long-list.js';
import { morph, reconcile } from './morph.js';
import { outline, read, Renderer } from './renderer.js';

/** @import { CitationMarker } from '../types.d.ts' */
/** @import { Links } from './renderer.js' */
/** @import { Token, Tokens } from './vendor/marked.esm.js' */

/** @typedef {{body: number, shown: number, marker: string, flow: TextFlow}} Fence */
/** @typedef {{from: number, node: HTMLElement, items: number, loose: boolean, ordered: boolean, mark: string}} OpenList */
/** A block whose text is complete. @typedef {{raw: string, node: HTMLElement | undefined, links: number, loose: boolean}} Frozen */

/** An answer as it is written. */
export class MarkdownStream {
  #root;
  /** Where the tail stands. */
  #part;
  /** @type {Frozen[]} */
  #frozen = [];
  /** Where the tail begins in the text, and with which child of the part. */
  #base = 0;
  #child = 0;
  /** @type {Links} */
  #links = Object.create(null);
  /** A list in the tail, the first items of which are complete. @type {OpenList | undefined} */
  #list;
  /** Lists from here on are read as a whole: their items cannot be told apart by themselves. */
  #whole = -1;
  /** An open block of code at the end. @type {Fence | undefined} */
  #fence;
  /** @type {CitationMarker[]} */
  #markers = [];

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#part = partOf(root, 0);
  }

  /**
   * Shows more of a text that only grows, without markup that is incomplete.
   *
   * @param {string} text
   * @param {CitationMarker[]} [markers]
   * @returns {void}
   */
  grow(text, markers = []) {
    const source = unixLines(text);
    if (markers.length !== this.#markers.length) this.#addMarkers(source, markers);
    if (this.#fence !== undefined && this.#feed(source)) return;
    const tail = closeOpenMarkup(source.slice(this.#base));
    const tokens = read(tail, this.#links);
    if (this.#list !== undefined && !continues(tokens[0], this.#list)) {
      this.#whole = this.#base = this.#list.from;
      this.#list = undefined;
      return this.grow(text, markers);
    }
    this.#freeze(tokens, source);
  }

  /**
   * Shows the whole text, exactly as if it had come at once.
   *
   * @param {string} text
   * @param {CitationMarker[]} [markers]
   */
  finish(text, markers = []) {
    const source = unixLines(text);
    if (markers.length !== this.#markers.length) this.#addMarkers(source, markers);
    const { blocks, links } = outline(source);
    const known = Object.keys(links).length;
    let at = 0;
    const made = blocks.map((token, index) => {
      const from = at;
      at += token.raw.length;
      const frozen = this.#frozen[index];
      const linked = (/** @type {number | undefined} */ links) => links === known || !token.raw.includes('[');
      if (frozen?.raw === token.raw && frozen.loose === isLoose(token) && linked(frozen.links)) return frozen.node;
      const renderer = new Renderer(source, markers, from);
      const list = this.#list;
      if (list?.from === from && markers.length === 0 && !list.loose && !isLoose(token) && linked(this.#known)) {
        // Its complete items stay as they are.
        const [rest, ...others] = read(source.slice(this.#base, at), links);
        if (others.length === 0 && continues(rest, list)) return this.#continue(/** @type {Tokens.List} */ (rest), renderer);
      }
      const nodes = read(token.raw, links).map((inner) => renderer.block(inner)).filter((node) => node !== undefined);
      return nodes.length < 2 ? nodes[0] : element('div', '', ...nodes);
    });
    const shown = made.filter((node) => node !== undefined);
    const parts = Math.max(Math.ceil(shown.length / PART), 1);
    for (let index = 0; index < parts; index += 1) reconcile(partOf(this.#root, index), 0, shown.slice(index * PART, (index + 1) * PART));
    while (this.#root.children.length > parts) this.#root.lastElementChild?.remove();
    // Should more text come after all, it is read from the start.
    this.#frozen = [];
    this.#base = this.#child = 0;
    this.#part = partOf(this.#root, 0);
    this.#links = Object.create(null);
    this.#whole = -1;
    this.#fence = this.#list = undefined;
  }

  get #known() {
    return Object.keys(this.#links).length;
  }

  /** Shows the markers of complete blocks, too. @param {string} source @param {CitationMarker[]} markers */
  #addMarkers(source, markers) {
    const fresh = markers.slice(this.#markers.length);
    this.#markers = markers;
    let at = 0;
    for (const block of this.#frozen) {
      const end = at + block.raw.length;
      if (fresh.some((marker) => marker.at > at && marker.at <= end) && block.node !== undefined) {
        const renderer = new Renderer(source, markers, at);
        const [made] = read(block.raw, this.#links).map((token) => renderer.block(token));
        if (made) morph(block.node, made);
      }
      at = end;
    }
    if (this.#list !== undefined && fresh.some((marker) => marker.at <= this.#base)) {
      this.#base = this.#list.from;
      this.#list = undefined;
    }
  }

  /** @param {Token[]} tokens @param {string} source */
  #freeze(tokens, source) {
    const last = tokens.findLastIndex(({ type }) => type !== 'space');
    const fence = openFence(tokens[last]);
    const decided = last > 0 && (tokens[last]?.raw.includes('\n') ?? false);
    const renderer = new Renderer(source, this.#markers, this.#base);
    const nodes = tokens.map((token, index) => (index === 0 && this.#list ? this.#continue(/** @type {Tokens.List} */ (token), renderer) : renderer.block(token)));
    reconcile(this.#part, this.#child, nodes.filter((node) => node !== undefined));
    if (decided) for (const token of tokens.slice(0, last)) this.#keep(token, source);
    const open = tokens[last];
    if (open?.type === 'list') this.#keepItems(/** @type {Tokens.List} */ (open), source);
    else if (fence && (decided || last === 0)) this.#open(fence, source);
  }

  /** @param {Token} token @param {string} source */
  #keep(token, source) {
    if (token.type === 'def') this.#links[token.tag] ??= { href: token.href, title: token.title };
    const shows = token.type !== 'def' && token.type !== 'space';
    const start = this.#list?.from ?? this.#base;
    this.#base += token.raw.length;
    this.#frozen.push({
      raw: source.slice(start, this.#base),
      node: shows ? /** @type {HTMLElement} */ (this.#part.children[this.#child]) : undefined,
      links: this.#known,
      loose: this.#list?.loose ?? isLoose(token),
    });
    if (shows) this.#child += 1;
    if (this.#child === PART) {
      const rest = [...this.#part.children].slice(PART);
      this.#part = partOf(this.#root, this.#root.children.length);
      this.#part.append(...rest);
      this.#child = 0;
    }
    this.#list = undefined;
  }

  /** Keeps all items but two: whether blank lines set them apart is seen between two. @param {Tokens.List} token @param {string} source */
  #keepItems(token, source) {
    const loose = token.loose || (this.#list?.loose ?? false);
    if (token.items.length < 4 || this.#whole === this.#base) return;
    const done = token.items.slice(0, -2);
    const length = done.reduce((sum, item) => sum + item.raw.length, 0);
    if (done.map((item) => item.raw).join('') !== source.slice(this.#base, this.#base + length)) return;
    const node = /** @type {HTMLElement} */ (this.#part.children[this.#child]);
    const { from, items, mark } = this.#list ?? { from: this.#base, items: 0, mark: bullet(token.raw) };
    this.#list = { from, node, items: items + done.length, loose, ordered: token.ordered, mark };
    this.#base += length;
  }

  /**
   * The list in the tail, with its complete items as they are.
   *
   * @param {Tokens.List} token the rest of it
   * @param {Renderer} renderer
   */
  #continue(token, renderer) {
    const list = /** @type {OpenList} */ (this.#list);
    if (token.loose && !list.loose) {
      // The items before were shown close together; this happens once in a list at most.
      for (const item of itemsOf(list.node).slice(0, list.items)) loosen(item);
      list.loose = true;
    }
    const fresh = token.items.map((item) => renderer.item(item, list.loose));
    list.node = setItems(list.node, list.items, fresh);
    return list.node;
  }

  /** @param {string} marker @param {string} source */
  #open(marker, source) {
    const code = this.#part.children[this.#child]?.querySelector('code');
    if (!code) return;
    code.replaceChildren();
    const body = source.indexOf('\n', this.#base) + 1;
    this.#fence = { body, shown: body, marker, flow: new TextFlow(code, 'span') };
    this.#feed(source);
  }

  /** Adds to the open block of code. @param {string} source @returns {boolean} whether it is still open */
  #feed(source) {
    const fence = /** @type {Fence} */ (this.#fence);
    const line = Math.max(source.lastIndexOf('\n', fence.shown - 1) + 1, fence.body);
    const rest = source.slice(line);
    if (new RegExp(`^ {0,3}${fence.marker}[~\`]* *\\n`, 'm').test(rest)) {
      this.#fence = undefined;
      return false;
    }
    // What may become the end of the block is not shown, and neither is the line break before it.
    const held = /\n?(?: {0,3}[`~]* *)?$/.exec(rest)?.[0].length ?? 0;
    const end = Math.max(source.length - held, fence.shown);
    fence.flow.append(source.slice(fence.shown, end));
    fence.shown = end;
    return true;
  }
}

/** The part of this number, made if it is the next one. @param {HTMLElement} root @param {number} index */
function partOf(root, index) {
  const part = root.children[index];
  if (part instanceof HTMLElement) return part;
  const made = element('div');
  root.append(made);
  return made;
}

/** Line breaks as Markdown's lexer makes them, with every place in the text where it was. @param {string} text */
function unixLines(text) {
  return text.includes('\r') ? text.replace(/\r\n/g, ' \n').replace(/\r/g, '\n') : text;
}

/** @param {Token} token */
function isLoose(token) {
  return token.type === 'list' && Boolean(token.loose);
}

/** What makes an item belong to a list: its bullet, or what follows its number. @param {string} raw */
function bullet(raw) {
  return /^ {0,3}\d*([-+*.)])/.exec(raw)?.[1] ?? '';
}

/** @param {Token | undefined} token @param {{ordered: boolean, mark: string}} list */
function continues(token, list) {
  return token?.type === 'list' && token.ordered === list.ordered && bullet(token.raw) === list.mark;
}

/** @param {Element} item */
function loosen(item) {
  if (item.firstElementChild?.localName === 'p') return;
  const prose = [...item.childNodes].filter((node) => !(node instanceof HTMLElement && /^(UL|OL|DIV|BLOCKQUOTE|H\d|HR)$/.test(node.tagName)));
  item.className = '';
  item.prepend(element('p', '', ...prose));
}

/** The fence of a block of code that has no end yet. @param {Token | undefined} token */
function openFence(token) {
  if (token?.type !== 'code') return undefined;
  const [line, marker] = /^(`{3,}|~{3,})[^\n]*\n/.exec(token.raw) ?? [];
  if (line === undefined) return undefined;
  return new RegExp(`^ {0,3}${marker}[~\`]* *$`, 'm').test(token.raw.slice(line.length)) ? undefined : marker;
}

/**
 * The text without an end that may yet turn out to be markup, and with open emphasis closed: what is
 * incomplete looks from the start as it will in the end.
 *
 * @param {string} tail
 */
function closeOpenMarkup(tail) {
  let text = tail;
  const lines = text.split('\n');
  const last = lines.at(-1) ?? '';
  // A fence, a bullet, a line under a heading, the start of a number.
  if (/^\s*(?:`{3}|~{3})[^\n]*$|^[\s>]*(?:[-=*_#+`~|:\s]*|\d{1,9}[.)]?\s*)$/.test(last)) {
    if (isFenced(lines.slice(0, -1))) return text;
    lines.pop();
    // The line break stays with the lines before, which may need it.
    text = text.slice(0, text.length - last.length);
  }
  // The head of a table, until the line below it says that it is one.
  const full = lines.filter((line, index) => index < lines.length - 1 || line !== '');
  let rows = 0;
  while (rows < full.length && full.at(-1 - rows)?.startsWith('|')) rows += 1;
  if (rows === 1) return text.slice(0, text.lastIndexOf(full.at(-1) ?? ''));
  if (isFenced(lines)) return text;
  return closeEmphasis(text);
}

/** @param {string[]} lines @returns {boolean} whether the last one stands in a block of code */
function isFenced(lines) {
  let fence = '';
  for (const line of lines) {
    const [, found = ''] = /^\s*(?:[-+*>]\s+|\d+[.)]\s+)*(`{3,}|~{3,})/.exec(line) ?? [];
    if (fence === '') fence = found;
    else if (found !== '' && found.startsWith(fence)) fence = '';
  }
  return fence !== '';
}

/** @param {string} text */
function closeEmphasis(text) {
  const start = text.lastIndexOf('\n', text.length - 1) + 1;
  const paragraph = text.lastIndexOf('\n\n') + 1;
  let line = text
    .slice(start)
    .replace(/(?:\\|&#?\w{0,10}|!|[*_~`]+|<(?:https?:|mailto:)[^\s>]{0,400})$/, '')
    .replace(/!?\[[^\]\n]{0,120}(?:\](?:\([^)\n]{0,2000})?)?$/, '');
  if (line.trim() === '' || /^\s*(?:[-+*>]|\d+[.)])\s*$/.test(line)) return text.slice(0, start);
  const scanned = text.slice(paragraph, start) + line;
  /** @type {string[]} */
  const open = [];
  for (const { 0: run, index } of scanned.matchAll(/`+|\*{1,3}|~~|\\[\s\S]/g)) {
    if (run.startsWith('\\')) continue;
    const ticks = open.at(-1)?.startsWith('`');
    if (open.at(-1) === run) open.pop();
    else if (ticks) continue;
    else if (/^\S/.test(scanned.slice(index + run.length)) && (run.startsWith('`') || !/[A-Za-z0-9]/.test(scanned[index - 1] ?? ''))) open.push(run);
  }
  if (open.length === 0 || open.length > 3) return text.slice(0, start) + line;
  line = line.trimEnd();
  return text.slice(0, start) + line + open.reverse().join('');
}
