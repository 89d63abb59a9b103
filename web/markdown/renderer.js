// Markdown ⇒ DOM: marked's lexer reads it, and every element is made here, from the few kinds below.
// Nothing is ever parsed as HTML: tags in an answer are text.

import { element } from '../lib/dom.js';
import { TextFlow } from '../lib/text-flow.js';
import { listOf } from './long-list.js';
import { getDefaults, Lexer, Tokenizer } from './vendor/marked.esm.js';

/** @import { CitationMarker } from '../types.d.ts' */
/** @import { Token, Tokens } from './vendor/marked.esm.js' */

/** Link definitions by their label, as marked keeps them. @typedef {Record<string, {href: string, title: string | null}>} Links */

/** Deeper quotes and lists are shown as they were typed: nobody reads them, and each level is lexed again. */
const MAX_DEPTH = 12;
/** Longer stretches are shown as they were typed: they are no prose, and their markup takes long to find. */
const MAX_INLINE = 16_000;
const SCHEMES = ['http:', 'https:', 'mailto:'];
/** The named characters that models write; others stay as typed. */
const NAMED = new Map(
  Object.entries({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', reg: '®', trade: '™', hellip: '…', mdash: '—', ndash: '–', lsquo: '‘', rsquo: '’', ldquo: '“', rdquo: '”', laquo: '«', raquo: '»', bull: '•', middot: '·', times: '×', divide: '÷', deg: '°', plusmn: '±', micro: 'µ', euro: '€', pound: '£', yen: '¥', cent: '¢', sect: '§', para: '¶', larr: '←', rarr: '→', uarr: '↑', darr: '↓', harr: '↔', le: '≤', ge: '≥', ne: '≠', asymp: '≈', infin: '∞', frac12: '½', check: '✓', colon: ':', Tab: '\t', NewLine: '\n' }),
);

class TokenizerRules extends Tokenizer {
  #depth = 0;

  /** @override @param {string} src */
  blockquote(src) {
    return this.#deeper(() => super.blockquote(src));
  }

  /** @override @param {string} src */
  list(src) {
    return this.#deeper(() => super.list(src));
  }

  /** A tag is text, so it changes nothing for what follows. @override @param {string} src */
  tag(src) {
    const { inLink } = this.lexer.state;
    const found = super.tag(src);
    Object.assign(this.lexer.state, { inLink, inRawBlock: false });
    return found;
  }

  /** `a*b*c` is a product or a pattern, and `__init__` a name. @override @param {string} src @param {string} masked @param {string} [before] */
  emStrong(src, masked, before = '') {
    const run = /^(?:\*+|__+)/.exec(src)?.[0] ?? '';
    if (run.startsWith('_') || (run !== '' && /[A-Za-z0-9]$/.test(before))) return { type: 'text', raw: run, text: run };
    return super.emStrong(src, masked, before);
  }

  /** `~5` is about five. @override @param {string} src @param {string} masked @param {string} [before] */
  del(src, masked, before) {
    return src.startsWith('~~') ? super.del(src, masked, before) : undefined;
  }

  /**
   * @template Found
   * @param {() => Found} find
   */
  #deeper(find) {
    if (this.#depth >= MAX_DEPTH) return undefined;
    this.#depth += 1;
    try {
      return find();
    } finally {
      this.#depth -= 1;
    }
  }
}

class MarkdownLexer extends Lexer {
  /** @param {Links} links known from elsewhere */
  constructor(links) {
    super({ ...getDefaults(), tokenizer: new TokenizerRules() });
    Object.assign(this.tokens.links, links);
  }

  /** @override @param {string} src @param {Token[]} [tokens] */
  inline(src, tokens = []) {
    if (src.length > MAX_INLINE) tokens.push({ type: 'text', raw: src, text: src, escaped: true });
    else super.inline(src, tokens);
    return tokens;
  }
}

/**
 * The tokens of a text.
 *
 * @param {string} source with no carriage returns
 * @param {Links} [links]
 * @returns {Token[]}
 */
export function read(source, links = {}) {
  return new MarkdownLexer(links).lex(source);
}

/**
 * The blocks of a text, their inline markup not read, and all link definitions.
 *
 * @param {string} source
 */
export function outline(source) {
  const lexer = new MarkdownLexer({});
  const blocks = lexer.blockTokens(source, lexer.tokens);
  return { blocks, links: lexer.tokens.links };
}

/** Makes the elements for tokens, and puts markers where they belong. */
export class Renderer {
  #source;
  #markers;
  #cursor;

  /**
   * @param {string} source that the tokens were read from
   * @param {CitationMarker[]} [markers] in the order of their places
   * @param {number} [from] where in the source the tokens begin
   */
  constructor(source, markers = [], from = 0) {
    this.#source = source;
    this.#markers = markers.filter(({ at }) => at > from);
    this.#cursor = from;
  }

  /**
   * The element of a block, or undefined for one that shows nothing.
   *
   * @param {Token} token
   * @returns {HTMLElement | undefined}
   */
  block(token) {
    const end = this.#cursor + token.raw.length;
    const made = this.#block(token);
    // A reference behind the white space after a block still belongs to the block.
    if (made) this.#place(made, end);
    this.#cursor = end;
    return made;
  }

  /**
   * @param {Tokens.ListItem} item
   * @param {boolean} loose whether blank lines set the items of the list apart
   */
  item(item, loose) {
    const li = element('li');
    if (item.task && !loose) li.className = 'task';
    for (const token of item.tokens) {
      const prose = token.type === 'text' || token.type === 'paragraph';
      if (token.type === 'checkbox') this.#span(li, token);
      else if (prose && !loose) this.#inline(li, token);
      else if (prose) li.append(this.#inline(element('p'), token));
      else li.append(this.#block(token) ?? '');
    }
    return li;
  }

  /** @param {Token} token @returns {HTMLElement | undefined} */
  #block(token) {
    switch (token.type) {
      case 'space':
      case 'def':
        return undefined;
      case 'heading':
        // The page's own headings come before those of an answer.
        return this.#inline(element(/** @type {'h3'} */ (`h${Math.min(token.depth + 2, 6)}`)), token);
      case 'hr':
        return element('hr');
      case 'code':
        return codeBlock(token.lang ?? '', token.text);
      case 'blockquote':
        return element('blockquote', '', ...this.#blocks(token.tokens ?? []));
      case 'list':
        return this.#list(/** @type {Tokens.List} */ (token));
      case 'table':
        return this.#table(/** @type {Tokens.Table} */ (token));
      case 'html':
        return this.#leaf(element('p'), token.raw.trimEnd());
      default:
        return this.#inline(element('p'), token);
    }
  }

  /** @param {Token[]} tokens */
  #blocks(tokens) {
    return tokens.map((token) => this.#block(token)).filter((made) => made !== undefined);
  }

  /** @param {Tokens.List} token */
  #list(token) {
    return listOf(token.ordered ? 'ol' : 'ul', Number(token.start), token.items.map((item) => this.item(item, token.loose)));
  }

  /** @param {Tokens.Table} token */
  #table({ header, rows }) {
    const row = (/** @type {Tokens.TableCell[]} */ cells, /** @type {'th' | 'td'} */ name) =>
      element('tr', '', ...cells.map((cell) => this.#inline(element(name, cell.align ?? ''), { ...cell, type: 'cell', raw: '' })));
    const table = element('table', '', element('thead', '', row(header, 'th')));
    if (rows.length > 0) table.append(element('tbody', '', ...rows.map((cells) => row(cells, 'td'))));
    const frame = element('div', 'table', table);
    // It scrolls by itself where it is too wide, so the keyboard must get there.
    frame.tabIndex = 0;
    frame.setAttribute('role', 'region');
    frame.setAttribute('aria-label', 'Table');
    return frame;
  }

  /**
   * @template {HTMLElement} Parent
   * @param {Parent} parent
   * @param {Token} token whose inline tokens go into the parent
   */
  #inline(parent, token) {
    const tokens = 'tokens' in token ? token.tokens : undefined;
    if (tokens === undefined) return this.#leaf(parent, token.raw, decoded(token.text ?? token.raw));
    for (const inner of tokens) this.#span(parent, inner);
    return parent;
  }

  /** @param {HTMLElement} parent @param {Token} token */
  #span(parent, token) {
    const start = this.#markers.length > 0 ? this.#source.indexOf(token.raw, this.#cursor) : -1;
    switch (token.type) {
      case 'strong':
      case 'em':
      case 'del':
        parent.append(this.#inline(element(token.type), token));
        break;
      case 'link':
        this.#link(parent, token);
        break;
      case 'image':
        // Shown, it would tell its server who reads this, and what: the address may carry secrets.
        this.#anchor(parent, token, decoded(token.text) || 'image');
        break;
      case 'codespan':
        parent.append(this.#leaf(element('code'), token.text));
        break;
      case 'br':
        parent.append(element('br'));
        break;
      case 'checkbox':
        parent.append(token.checked ? '☑ ' : '☐ ');
        break;
      case 'text':
        if (token.tokens === undefined) this.#leaf(parent, token.raw, token.escaped ? token.raw : decoded(token.raw));
        else this.#inline(parent, token);
        break;
      default:
        this.#leaf(parent, token.raw, token.type === 'escape' ? token.text : token.raw);
    }
    if (start !== -1) {
      this.#cursor = Math.max(this.#cursor, start + token.raw.length);
      this.#place(parent, this.#cursor);
    }
  }

  /** @param {HTMLElement} parent @param {Token} token */
  #link(parent, token) {
    const link = this.#anchor(parent, token, '');
    if (link) this.#inline(link, token);
  }

  /**
   * @param {HTMLElement} parent
   * @param {Token} token
   * @param {string} text
   */
  #anchor(parent, token, text) {
    const href = safeAddress(decoded(token.href));
    // A link whose address is not allowed is shown as it was typed.
    if (href === undefined) return void this.#leaf(parent, token.raw);
    const made = anchor(href, text);
    parent.append(made);
    return made;
  }

  /**
   * Adds text, and the markers that fall into it. Lines are found one by one: inside quotes and lists, what
   * stands before them in the source is no part of the token.
   *
   * @template {HTMLElement} Parent
   * @param {Parent} parent
   * @param {string} raw
   * @param {string} [shown]
   */
  #leaf(parent, raw, shown = raw) {
    if (shown.length > MAX_INLINE) {
      const flow = element('span', 'flow');
      new TextFlow(flow, 'span').append(shown);
      parent.append(flow);
      return parent;
    }
    if (this.#markers.length === 0) return addText(parent, shown);
    const lines = raw === shown ? raw.split('\n') : [raw];
    for (const [index, line] of lines.entries()) {
      if (index > 0) addText(parent, '\n');
      const start = this.#source.indexOf(line, this.#cursor);
      let done = 0;
      if (start !== -1) this.#cursor = start + line.length;
      for (let at; start !== -1 && raw === shown && (at = this.#markers[0]?.at) !== undefined && at <= this.#cursor; ) {
        addText(parent, line.slice(done, Math.max(at - start, done)));
        done = Math.max(at - start, done);
        this.#place(parent, at);
      }
      addText(parent, raw === shown ? line.slice(done) : shown);
    }
    return parent;
  }

  /** Puts the markers up to a place of the source. @param {HTMLElement} parent @param {number} end */
  #place(parent, end) {
    while ((this.#markers[0]?.at ?? Infinity) <= end) {
      for (const number of this.#markers.shift()?.numbers ?? []) {
        const button = element('button', 'mark', String(number));
        button.type = 'button';
        button.dataset.source = String(number);
        button.setAttribute('aria-label', `Source ${number}`);
        parent.append(button);
      }
    }
  }
}

/**
 * A link to somebody else's page.
 *
 * @param {string} href
 * @param {string} text
 */
export function anchor(href, text) {
  const made = element('a', '', text);
  made.href = href;
  made.target = '_blank';
  made.rel = 'noopener noreferrer nofollow';
  return made;
}

/**
 * An address that may be linked, or undefined.
 *
 * @param {string} href
 */
export function safeAddress(href) {
  if (!URL.canParse(href)) return undefined;
  const url = new URL(href);
  return SCHEMES.includes(url.protocol) ? url.href : undefined;
}

/** @param {string} language @param {string} text */
function codeBlock(language, text) {
  const copy = element('button', 'quiet copy-code', 'Copy');
  copy.type = 'button';
  copy.setAttribute('aria-label', 'Copy the code');
  const code = element('code');
  new TextFlow(code, 'span').append(text);
  const pre = element('pre', '', code);
  pre.tabIndex = 0;
  pre.setAttribute('role', 'region');
  pre.setAttribute('aria-label', 'Code');
  return element('div', 'code', element('div', 'code-bar', element('span', '', decoded(language).split(/\s/)[0]?.slice(0, 24) ?? ''), copy), pre);
}

/**
 * Adds text to the text node at the end of an element.
 *
 * @template {HTMLElement} Parent
 * @param {Parent} parent
 * @param {string} text
 */
function addText(parent, text) {
  if (parent.lastChild instanceof Text) parent.lastChild.appendData(text);
  else if (text !== '') parent.append(text);
  return parent;
}

/** @param {string} text with HTML's named and numbered characters */
function decoded(text) {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|(\w{1,24}));/g, (typed, decimal, hexadecimal, name) => {
    if (name !== undefined) return NAMED.get(name) ?? typed;
    const code = decimal === undefined ? parseInt(hexadecimal, 16) : Number(decimal);
    return code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? '\ufffd' : String.fromCodePoint(code);
  });
}
