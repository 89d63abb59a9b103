// JSON with one member a line, whose objects and lists can be folded. Its text stays what it is: also to be copied.

import { element } from '../lib/dom.js';
import { parseJson } from '../lib/json.js';
import { foldButton } from './elements.js';

/** What is longer is shown as plain text: each line has elements of its own. */
const [MAX_LENGTH, MAX_LINES] = [64_000, 2000];
/** So deep objects can be folded: those in them stay with them. */
const MAX_FOLDS = 20;

/** A line: its name, if it has one, and what it holds. */
const LINE = /^(\s*)("(?:[^"\\]|\\.)*"(?=: ))?(: )?(.*)$/s;

/** Whether a text is JSON as `formatTree` writes it, and not too long. @param {string} text */
export function isFoldable(text) {
  if (text.length > MAX_LENGTH || !/^[[{]\n[^]*\n[\]}]$/.test(text)) return false;
  return text.split('\n').length <= MAX_LINES + 1 && parseJson(text) !== undefined;
}

/**
 * Writes JSON bit by bit.
 *
 * @param {HTMLElement} pre
 * @param {string} text
 */
export function* foldable(pre, text) {
  const lines = text.split('\n');
  /** Where what follows an object or a list goes. @type {HTMLElement[]} */
  const open = [];
  let place = pre;
  for (const [index, line] of lines.entries()) {
    if (/^\s*[\]}]/.test(line)) place = open.pop() ?? place;
    const [, indent = '', name = '', colon = '', value = ''] = LINE.exec(line) ?? [];
    place.append(indent);
    if (name !== '') place.append(element('span', 'json-name', name), colon);
    const bare = value.endsWith(',') ? value.slice(0, -1) : value;
    if (bare.startsWith('"')) place.append(element('span', 'json-text', bare));
    else if (/^[-\dtfn]/.test(bare)) place.append(element('span', 'json-value', bare));
    else place.append(bare);
    if (bare.length < value.length) place.append(',');
    if (/[[{]$/.test(value) && !value.startsWith('"')) {
      open.push(place);
      if (open.length <= MAX_FOLDS) {
        const inside = element('span');
        const fold = foldButton('json-fold', '', inside);
        fold.ariaLabel = `Members of ${name.slice(1, -1).slice(0, 60) || 'this'}`;
        place.append(fold, inside);
        place = inside;
      }
    }
    if (index < lines.length - 1) place.append('\n');
    if (index % 8 === 7) yield;
  }
}
