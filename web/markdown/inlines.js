// Markdown's markup inside of a paragraph: emphasis, code, links. One pass from left to right; every
// character is looked at a bounded number of times, whatever the text says.
//
// The rules are CommonMark's, with GitHub's addresses and `~~`, but for what models write and mean otherwise:
// - `__init__` is a name, and `a*b*c` a product; tags are text, but for `<br>`, and `<sub>`, `<sup>`, `<kbd>` around
//   plain text;
// - `\(`, `\[`, `$` begin formulas, and `C:\_x` is a path: all keep what was typed;
// - where words are not set apart by spaces, emphasis needs none beside its punctuation, and an address ends
//   with the punctuation of such a script.

import { labelOf } from './blocks.js';
import { characterOf } from './entities.js';

/** @import { Definition } from './blocks.js' */

/** Where a link leads. @typedef {{href: string, title: string}} Target */
/** A run of `*`, `_`, or `~`: what of it closes and opens emphasis, and how much is left as text. @typedef {{type: 'run', at: number, end: number, char: string, left: number, length: number, opening: boolean, closing: boolean, closes: Emphasis[], opens: Emphasis[], canOpen: boolean, canClose: boolean, before: Run | undefined, after: Run | undefined}} Run */
/** @typedef {'em' | 'strong' | 'del'} Emphasis */
/** @typedef {{type: 'bracket', at: number, end: number, image: boolean, active: boolean, inner: boolean, run: Run | undefined, target: Target | undefined}} Bracket */
/** @typedef {{type: 'end', at: number, end: number, of: Bracket}} End */
/** @typedef {{type: 'text' | 'code' | 'address', at: number, end: number, text: string, href: string} | {type: 'sub' | 'sup' | 'kbd' | 'note' | 'formula', at: number, end: number, text: string} | {type: 'break', at: number, end: number}} Plain */
/** What a text is made of, in its order. @typedef {Plain | Run | Bracket | End} Inline */

/** What somebody who reads has to know of a text's surroundings, and what came of it. @typedef {{find: (label: string) => Definition | undefined, steps: number, formulas: HTMLElement[]}} Context */

const MAX_PARENTHESES = 32;
const MAX_LABEL = 999;
/** Longer ones are money that was spent in one place and earned in another. */
const MAX_FORMULA = 1_000;
/** An address of a person has at most so many characters before its `@`. */
const MAX_LOCAL = 64;
const SPECIAL = /[\\\n&<![\]*_~`:@.$]/g;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
/** Scripts without spaces between words, or whose words stand next to punctuation of others. */
const UNSPACED =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{scx=Bopomofo}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}\p{scx=Tibetan}\u3000-\u303f\uff00-\uffef]/u;
const PUNCTUATION = /[\p{P}\p{S}]/u;
const SPACE = /[\s\p{Z}]/u;
/** What an address of a page is made of: no white space, quotes, or punctuation of scripts that do not set it apart. */
const ADDRESS = /(?:(?!\*\*)[^\s\p{C}<>"`“”‘’„«»‹›…、。〈-】〔-〟！（），：；？［］｛｝｡｢｣､،؛؟।॥])+/uy;
const MAIL_HOST = /[A-Za-z\d](?:[A-Za-z\d-]*[A-Za-z\d])?(?:\.[A-Za-z\d](?:[A-Za-z\d-]*[A-Za-z\d])?)+/y;
const PATH = /(?:\\[*_?[\]]|[^\s"`|<>*?\]])*/y;

/**
 * @param {string} text
 * @param {Context} context
 * @returns {Inline[]}
 */
export function readInlines(text, context) {
  return new InlineReader(text, context).read();
}

class InlineReader {
  /** @type {Inline[]} */
  #found = [];
  #text;
  #context;
  #at = 0;
  /** Where the text begins that is not among what was found yet. */
  #from = 0;
  /** @type {Run | undefined} */
  #runs;
  /** @type {Bracket[]} */
  #brackets = [];
  /** So many of them no link can be in any more. */
  #inactive = 0;
  /** Where runs of so many backticks stand. @type {Map<number, number[]> | undefined} */
  #ticks;
  /** What does not come any more. @type {Set<string>} */
  #missing = new Set();

  /** @param {string} text @param {Context} context */
  constructor(text, context) {
    this.#text = text;
    this.#context = context;
  }

  read() {
    const text = this.#text;
    this.#context.steps += text.length;
    while (this.#at < text.length) {
      SPECIAL.lastIndex = this.#at;
      const next = SPECIAL.exec(text);
      if (next === null) break;
      this.#at = next.index;
      this.#context.steps += 1;
      this.#special(next[0]);
    }
    this.#at = text.length;
    this.#flush();
    this.#emphasis(undefined);
    return this.#found;
  }

  /** @param {string} char */
  #special(char) {
    switch (char) {
      case '\\':
        return this.#backslash();
      case '\n':
        return this.#lineEnd();
      case '&':
        return this.#entity();
      case '<':
        return this.#tag();
      case '!':
        if (this.#text[this.#at + 1] === '[') return this.#open(2);
        break;
      case '[':
        return this.#open(1);
      case ']':
        return this.#close();
      case '`':
        return this.#code();
      case '$':
        return this.#formula();
      case ':':
        return this.#address();
      case '.':
        return this.#address('www');
      case '@':
        return this.#mail();
      default:
        return this.#run(char);
    }
    this.#at += 1;
  }

  /** Puts what was gone through among what was found. */
  #flush() {
    if (this.#at > this.#from)
      this.#put({
        type: 'text',
        at: this.#from,
        end: this.#at,
        text: this.#text.slice(this.#from, this.#at),
        href: '',
      });
    this.#from = this.#at;
  }

  /** @param {Inline} inline from here on @param {Inline[]} [found] */
  #put(inline, found = this.#found) {
    found.push(inline);
    this.#at = this.#from = inline.end;
  }

  /** Text that was typed otherwise. @param {string} said @param {number} length */
  #say(said, length) {
    this.#flush();
    this.#put({ type: 'text', at: this.#at, end: this.#at + length, text: said, href: '' });
  }

  #backslash() {
    const [text, at] = [this.#text, this.#at];
    const next = text[at + 1] ?? '';
    if (next === '\n') {
      this.#flush();
      return this.#put({ type: 'break', at, end: at + 2 });
    }
    const path = this.#path();
    if (path > at) return void (this.#at = path);
    if (next === '(' || next === '[') {
      const close = next === '(' ? '\\)' : '\\]';
      const end = this.#missing.has(close) ? -1 : text.indexOf(close, at + 2);
      if (end !== -1) return this.#putFormula(end + 2);
      this.#missing.add(close);
    }
    if (ESCAPABLE.test(next)) this.#say(next, 2);
    else this.#at += 1;
  }

  /** @param {number} end */
  #putFormula(end) {
    this.#flush();
    this.#put({ type: 'formula', at: this.#at, end, text: this.#text.slice(this.#at, end) });
  }

  /** A formula between dollars, as far as it is that: in prose, a dollar is money, or the name of a variable. */
  #formula() {
    const [text, at] = [this.#text, this.#at];
    const mark = text[at + 1] === '$' ? '$$' : '$';
    const begin = at + mark.length;
    // In a stretch of dollars, each is looked at once.
    if (text[begin] === '$') {
      while (text[this.#at] === '$') this.#at += 1;
      return;
    }
    const end = this.#missing.has(mark) ? -1 : text.indexOf(mark, begin);
    if (end === -1) this.#missing.add(mark);
    if (end === -1 || (mark === '$' && end - begin > MAX_FORMULA)) return void (this.#at = begin);
    this.#context.steps += end - begin;
    const inner = text.slice(begin, end);
    const isOne =
      mark === '$$' || (!/[\w$]/.test(text[at - 1] ?? '') && !/[\w$]/.test(text[end + 1] ?? '') && isFormula(inner));
    if (isOne) this.#putFormula(end + mark.length);
    else this.#at = begin;
  }

  /** Where a path of Windows ends that has its first backslash here. */
  #path() {
    const [text, at] = [this.#text, this.#at];
    const before = text.slice(Math.max(at - 24, this.#from), at);
    const drive = /(?:^|[^A-Za-z\d])(?:[A-Za-z]:|\.\.?|~|%\w{1,20}%|HK[A-Z_]{2,20})$/.test(before);
    if (!drive && !/^\\\\[\w.-]{1,64}\\[\w$*]/.test(text.slice(at, at + 70))) return at;
    // `.\[` may be the end of a sentence, and mathematics.
    if (drive && /\.$/.test(before) && !/[\w*]/.test(text[at + 1] ?? '')) return at;
    PATH.lastIndex = at;
    const end = at + (PATH.exec(text)?.[0].length ?? 0);
    this.#context.steps += end - at;
    return end;
  }

  #lineEnd() {
    const at = this.#at;
    let begin = at;
    while (begin > this.#from && this.#text[begin - 1] === ' ') begin -= 1;
    if (at - begin < 2) return void (this.#at += 1);
    this.#at = begin;
    this.#flush();
    this.#put({ type: 'break', at: begin, end: at + 1 });
  }

  #entity() {
    const [found, code, name] =
      /^&(?:#(\d{1,7}|[xX][\da-fA-F]{1,6})|([A-Za-z][A-Za-z\d]{1,31}));/.exec(
        this.#text.slice(this.#at, this.#at + 35),
      ) ?? [];
    const said = code === undefined ? characterOf(name ?? '') : numbered(code);
    if (found === undefined || said === undefined) this.#at += 1;
    else this.#say(said, found.length);
  }

  #tag() {
    const [text, at] = [this.#text, this.#at];
    const next = text[at + 1] ?? '';
    if (text.startsWith('<!--', at) && !this.#missing.has('-->')) {
      const end = text.indexOf('-->', at + 4);
      if (end === -1) this.#missing.add('-->');
      else return void (this.#at = end + 3);
    }
    if (!/[A-Za-z/\d]/.test(next)) return void (this.#at += 1);
    TAG.lastIndex = at;
    const [found = ''] = TAG.exec(text) ?? [];
    this.#context.steps += found.length;
    if (found === '' || !found.endsWith('>')) return void (this.#at += 1);
    const inner = found.slice(1, -1);
    const address = /^[A-Za-z][A-Za-z\d+.-]{1,31}:\S*$/.test(inner)
      ? inner
      : /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w.-]+$/.test(inner)
        ? `mailto:${inner}`
        : '';
    if (address !== '') {
      this.#flush();
      return this.#put({ type: 'address', at, end: at + found.length, text: inner, href: address });
    }
    if (/^br\s*\/?$/i.test(inner)) {
      this.#flush();
      return this.#put({ type: 'break', at, end: at + found.length });
    }
    const [whole, name, said] = /^<(sub|sup|kbd)>([^<>[\]\n`]{1,200})<\/\1>/i.exec(text.slice(at, at + 220)) ?? [];
    if (whole !== undefined && name !== undefined && said !== undefined) {
      this.#context.steps += whole.length;
      this.#flush();
      return this.#put({
        type: /** @type {'sub'} */ (name.toLowerCase()),
        at,
        end: at + whole.length,
        text: unescaped(said),
      });
    }
    this.#at += /^\/?[A-Za-z][\w:.-]*(?:\s|\/?$)/.test(inner) ? found.length : 1;
  }

  /** @param {number} length */
  #open(length) {
    this.#flush();
    NOTE.lastIndex = this.#at;
    const [whole, note] = length === 1 && this.#text[this.#at + 1] === '^' ? (NOTE.exec(this.#text) ?? []) : [];
    if (whole !== undefined && note !== undefined && this.#context.find(labelOf(`^${note}`)) !== undefined) {
      return this.#put({ type: 'note', at: this.#at, end: this.#at + whole.length, text: note });
    }
    const [at, end] = [this.#at, this.#at + length];
    for (let index = this.#brackets.length - 1; index >= 0 && this.#brackets[index]?.inner === false; index -= 1)
      /** @type {Bracket} */ (this.#brackets[index]).inner = true;
    /** @type {Bracket} */
    const bracket = {
      type: 'bracket',
      at,
      end,
      image: length === 2,
      active: true,
      inner: false,
      run: this.#runs,
      target: undefined,
    };
    this.#brackets.push(bracket);
    this.#put(bracket);
  }

  #close() {
    const at = this.#at;
    const open = this.#brackets.pop();
    this.#inactive = Math.min(this.#inactive, this.#brackets.length);
    if (open === undefined || !open.active) return void (this.#at += 1);
    this.#flush();
    const found = this.#target(open);
    if (found === undefined) return void (this.#at = at + 1);
    open.target = found.target;
    this.#emphasis(open.run);
    this.#put({ type: 'end', at, end: found.end, of: open });
    if (open.image) return;
    // No link stands in another one.
    for (let index = this.#brackets.length - 1; index >= this.#inactive; index -= 1) {
      const outer = /** @type {Bracket} */ (this.#brackets[index]);
      outer.active &&= outer.image;
    }
    this.#inactive = this.#brackets.length;
  }

  /** Where the brackets that close here lead. @param {Bracket} open @returns {{target: Target, end: number} | undefined} */
  #target(open) {
    const [text, at] = [this.#text, this.#at];
    if (text[at + 1] === '(') {
      const found = inlineTarget(text, at + 2, this.#context);
      if (found !== undefined) return found;
    }
    let [label, end] = ['', at + 1];
    if (text[at + 1] === '[') {
      const length = /^\[((?:[^[\]\\]|\\.){0,999})\]/s.exec(text.slice(at + 1, at + MAX_LABEL + 3));
      this.#context.steps += length?.[0].length ?? 1;
      if (length !== null) {
        label = length[1] ?? '';
        end += length[0].length;
      }
    }
    if (label === '') {
      if (open.inner || at - open.end > MAX_LABEL) return undefined;
      label = text.slice(open.end, at);
      this.#context.steps += label.length;
    }
    if (label.trim() === '' || label.startsWith('^')) return undefined;
    const known = this.#context.find(labelOf(label));
    return known && { target: known, end };
  }

  #code() {
    const [text, at] = [this.#text, this.#at];
    this.#ticks ??= ticksOf(text);
    let end = at + 1;
    while (text[end] === '`') end += 1;
    const places = this.#ticks.get(end - at) ?? [];
    while (places.length > 0 && (places[0] ?? 0) < end) places.shift();
    const close = places.shift();
    if (close === undefined) return void (this.#at = end);
    const inner = text.slice(end, close).replaceAll('\n', ' ');
    const padded = inner.startsWith(' ') && inner.endsWith(' ') && inner.trim() !== '';
    this.#flush();
    this.#put({ type: 'code', at, end: close + end - at, text: padded ? inner.slice(1, -1) : inner, href: '' });
  }

  /** An address of a page that has its first colon, or its first point, here. @param {string} [scheme] */
  #address(scheme = '') {
    const [text, at] = [this.#text, this.#at];
    const before = text.slice(Math.max(at - 6, this.#from), at);
    const [, name = ''] =
      (scheme === '' ? /(?:^|[^A-Za-z\d])(https?)$/i : /(?:^|[^A-Za-z\d_.-])(www)$/i).exec(before) ?? [];
    const begin = at - name.length;
    if (name === '' || (scheme === '' && !text.startsWith('://', at))) return void (this.#at += 1);
    ADDRESS.lastIndex = at + (scheme === '' ? 3 : 1);
    let [found = ''] = ADDRESS.exec(text) ?? [];
    this.#context.steps += found.length;
    if (this.#brackets.length > 0 && found.includes(']')) found = found.slice(0, found.indexOf(']'));
    found = withoutEnd(found);
    const end = at + (scheme === '' ? 3 : 1) + found.length;
    const whole = text.slice(begin, end);
    const href = scheme === '' ? whole : `http://${whole}`;
    if (!/^[\p{L}\p{N}[]/u.test(found) || !URL.canParse(href)) return void (this.#at += 1);
    this.#at = begin;
    this.#flush();
    this.#put({ type: 'address', at: begin, end, text: whole, href });
  }

  #mail() {
    const [text, at] = [this.#text, this.#at];
    let begin = at;
    while (begin > this.#from && at - begin < MAX_LOCAL && /[\w.+-]/.test(text[begin - 1] ?? '')) begin -= 1;
    while (begin < at && !/[A-Za-z\d]/.test(text[begin] ?? '')) begin += 1;
    MAIL_HOST.lastIndex = at + 1;
    const [host] = MAIL_HOST.exec(text) ?? [];
    this.#context.steps += at - begin + (host?.length ?? 0);
    if (begin === at || host === undefined || host.length > 255 || !/\.[A-Za-z]{2,}$/.test(host))
      return void (this.#at += 1);
    this.#at = begin;
    this.#flush();
    const end = at + 1 + host.length;
    const whole = text.slice(begin, end);
    this.#put({ type: 'address', at: begin, end, text: whole, href: `mailto:${whole}` });
  }

  /** @param {string} char */
  #run(char) {
    const [text, at] = [this.#text, this.#at];
    let end = at + 1;
    while (text[end] === char) end += 1;
    this.#context.steps += end - at;
    const length = end - at;
    const { canOpen, canClose, opening, closing } = flanks(text, at, end, char);
    const usable = char === '~' ? length === 2 : char === '_' ? length === 1 : true;
    if (!usable || (!canOpen && !canClose)) return void (this.#at = end);
    this.#flush();
    /** @type {Run} */
    const run = {
      type: 'run',
      at,
      end,
      char,
      left: length,
      length,
      opening,
      closing,
      closes: [],
      opens: [],
      canOpen,
      canClose,
      before: this.#runs,
      after: undefined,
    };
    if (this.#runs) this.#runs.after = run;
    this.#runs = run;
    this.#put(run);
  }

  /** Pairs the runs behind one. @param {Run | undefined} bottom */
  #emphasis(bottom) {
    /** Where no opening run stands below, for each kind of closing one. @type {Map<string, number>} */
    const floors = new Map();
    let closer = this.#runs;
    while (closer !== undefined && closer.before !== bottom) closer = closer.before;
    while (closer !== undefined) {
      this.#context.steps += 1;
      if (!closer.canClose) {
        closer = closer.after;
        continue;
      }
      const kind = `${closer.char}${closer.opening}${closer.length % 3}`;
      const floor = floors.get(kind) ?? 0;
      let opener = closer.before;
      while (opener !== undefined && opener !== bottom && opener.at >= floor && !pairs(opener, closer)) {
        opener = opener.before;
        this.#context.steps += 1;
      }
      if (opener === undefined || opener === bottom || opener.at < floor) {
        floors.set(kind, closer.at);
        const { after } = closer;
        if (!closer.canOpen) this.#drop(closer);
        closer = after;
        continue;
      }
      const used = closer.char === '~' || (closer.left >= 2 && opener.left >= 2) ? 2 : 1;
      const name = closer.char === '~' ? 'del' : used === 2 ? 'strong' : 'em';
      opener.opens.unshift(name);
      closer.closes.push(name);
      opener.left -= used;
      closer.left -= used;
      // What stands between the two is no emphasis any more.
      opener.after = closer;
      closer.before = opener;
      if (opener.left === 0) this.#drop(opener);
      if (closer.left > 0) continue;
      const { after } = closer;
      this.#drop(closer);
      closer = after;
    }
    this.#runs = bottom;
    if (bottom) bottom.after = undefined;
  }

  /** @param {Run} run */
  #drop(run) {
    if (run.before) run.before.after = run.after;
    if (run.after) run.after.before = run.before;
    else this.#runs = run.before;
  }
}

/** Whether what stands between two single dollars is a formula. @param {string} inner */
export function isFormula(inner) {
  return !/^\s|\s$|\n/.test(inner) && (/[\\^_={}]/.test(inner) || /^[A-Za-z]$/.test(inner));
}

const NOTE = /\[\^([^\s[\]]{1,60})\]/y;
const TAG = /<[^<>\n]*>?/y;

/** @param {Run} opener @param {Run} closer */
function pairs(opener, closer) {
  if (opener.char !== closer.char || !opener.canOpen) return false;
  const either = opener.closing || closer.opening;
  return !either || closer.length % 3 === 0 || (opener.length + closer.length) % 3 !== 0;
}

/**
 * Whether a run may begin emphasis, and end it.
 *
 * @param {string} text
 * @param {number} at
 * @param {number} end
 * @param {string} char
 */
function flanks(text, at, end, char) {
  const before = characterBefore(text, at);
  const after = end < text.length ? String.fromCodePoint(text.codePointAt(end) ?? 32) : ' ';
  const [spaceBefore, spaceAfter] = [isSpace(before), isSpace(after)];
  const [markBefore, markAfter] = [isPunctuation(before), isPunctuation(after)];
  const left = !spaceAfter && (!markAfter || spaceBefore || markBefore || isUnspaced(before));
  const right = !spaceBefore && (!markBefore || spaceAfter || markAfter || isUnspaced(after));
  const sides = { opening: left, closing: right };
  if (char === '_')
    return { ...sides, canOpen: left && (!right || markBefore), canClose: right && (!left || markAfter) };
  if (char === '~') return { ...sides, canOpen: left, canClose: right };
  // A word does not begin behind a letter; a label may end without a space: `**Note:**it`.
  return {
    ...sides,
    canOpen: left && !/[A-Za-z\d]/.test(before),
    canClose: right || (end - at === 2 && /[:.,;!?%)\]"'”’]/.test(before) && /[\p{L}\p{N}]/u.test(after)),
  };
}

/** @param {string} char */
function isUnspaced(char) {
  return char > '~' && UNSPACED.test(char);
}

/** @param {string} char */
function isSpace(char) {
  return char <= ' ' || (char > '~' && SPACE.test(char));
}

/** @param {string} char */
function isPunctuation(char) {
  if (char > '~') return PUNCTUATION.test(char);
  return char > ' ' && !((char >= 'a' && char <= 'z') || (char >= 'A' && char <= 'Z') || (char >= '0' && char <= '9'));
}

/** @param {string} text @param {number} at */
function characterBefore(text, at) {
  if (at === 0) return ' ';
  const code = text.charCodeAt(at - 1);
  const pair = code >= 0xdc00 && code < 0xe000 && at > 1;
  return pair ? text.slice(at - 2, at) : text.slice(at - 1, at);
}

/** @param {string} text */
function ticksOf(text) {
  /** @type {Map<number, number[]>} */
  const ticks = new Map();
  for (const { 0: run, index } of text.matchAll(/`+/g)) {
    const places = ticks.get(run.length);
    if (places) places.push(index);
    else ticks.set(run.length, [index]);
  }
  return ticks;
}

/**
 * The address, and the title, of a link.
 *
 * @param {string} text
 * @param {number} from behind the parenthesis
 * @param {Context} context
 * @returns {{target: Target, end: number} | undefined}
 */
function inlineTarget(text, from, context) {
  const begin = skipSpace(text, from);
  let at = begin;
  let href = '';
  if (text[at] === '<') {
    for (at += 1; at < text.length && text[at] !== '>'; at += 1) {
      if (text[at] === '\n' || text[at] === '<') return undefined;
      if (text[at] === '\\') at += 1;
    }
    if (at >= text.length) return undefined;
    href = text.slice(begin + 1, at);
    at += 1;
  } else {
    let depth = 0;
    for (; at < text.length; at += 1) {
      const char = text[at] ?? '';
      if (char <= ' ') break;
      if (char === '\\') at += 1;
      else if (char === '(' && (depth += 1) > MAX_PARENTHESES) return undefined;
      else if (char === ')' && (depth -= 1) < 0) break;
    }
    if (depth > 0) return undefined;
    at = Math.min(at, text.length);
    href = text.slice(begin, at);
  }
  context.steps += at - from;
  let end = skipSpace(text, at);
  let title = '';
  const quote = text[end] ?? '';
  if (end > at && (quote === '"' || quote === "'" || quote === '(')) {
    const close = quote === '(' ? ')' : quote;
    const start = end + 1;
    for (end = start; end < text.length && text[end] !== close; end += 1) {
      if (quote === '(' && text[end] === '(') return undefined;
      if (text[end] === '\\') end += 1;
    }
    context.steps += end - start;
    title = text.slice(start, end);
    end = skipSpace(text, end + 1);
  }
  return text[end] === ')' ? { target: { href: unescaped(href), title }, end: end + 1 } : undefined;
}

/** @param {string} text @param {number} at */
function skipSpace(text, at) {
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\t') at += 1;
  return at;
}

/** @param {string} text that was typed, an address for instance */
export function unescaped(text) {
  return text
    .replace(/\\([!-/:-@[-`{-~])/g, '$1')
    .replace(
      /&(?:#(\d{1,7}|[xX][\da-fA-F]{1,6})|([A-Za-z][A-Za-z\d]{1,31}));/g,
      (typed, code, name) => (code === undefined ? characterOf(name) : numbered(code)) ?? typed,
    );
}

/** @param {string} code decimal, or hexadecimal behind an x */
function numbered(code) {
  const value = /^x/i.test(code) ? parseInt(code.slice(1), 16) : Number(code);
  return value === 0 || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)
    ? '\ufffd'
    : String.fromCodePoint(value);
}

/** An address without the punctuation of the sentence around it. @param {string} address */
function withoutEnd(address) {
  let end = address.length;
  let open = 0;
  for (const char of address) open += char === '(' ? 1 : char === ')' ? -1 : 0;
  for (; end > 0; end -= 1) {
    const char = address[end - 1] ?? '';
    if (char === ')' && open < 0) open += 1;
    else if (char === ';') {
      const entity = /&[A-Za-z\d]{1,31};$/.exec(address.slice(Math.max(end - 34, 0), end));
      if (entity) end -= entity[0].length - 1;
    } else if (!/[?!.,:*_~']/.test(char)) break;
  }
  return address.slice(0, end);
}
