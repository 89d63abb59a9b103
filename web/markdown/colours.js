// Colours for code that is complete. The readers of the languages are loaded with the first such code; they read
// line by line, so that the work is done in slices, and what is big, or has more colours than text, stays plain.

import { element } from '../lib/dom.js';
import { onDemand } from '../lib/on-demand.js';
import { lateWork } from './late-work.js';

/** @typedef {{languages: Map<string, any>, StringStream: new (line: string, tabSize: number, indentUnit: number) => any}} Syntax */

/** Longer code is read by nobody. */
const MAX_LENGTH = 60_000;
/** In a longer line, a reader may look at the rest of it again and again. */
const MAX_LINE = 600;
/** More of them in one block are shown without. */
const MAX_COLOURED = 2_000;

/** What the readers call things, by the class that these get. @type {[string, RegExp][]} */
const CLASSES = [
  ['tok-inserted', /\binserted\b/],
  ['tok-deleted', /\bdeleted\b/],
  ['tok-comment', /comment|\bquote\b/i],
  ['tok-name', /\b(?:def|definition|function|property|propertyName|attribute|attributeName|macroName|labelName)\b/],
  ['tok-string', /string|regexp|character|\burl\b/i],
  ['tok-keyword', /keyword|modifier|\btag(?:Name)?\b|\bself\b|\bthis\b/i],
  ['tok-number', /\b(?:number|integer|float|atom|bool|null|unit|color|literal|escape)\b/],
  ['tok-type', /\b(?:type|typeName|className|namespace|qualifier|builtin|standard)\b/],
  ['tok-meta', /\b(?:meta|processingInstruction|documentMeta|annotation|heading|header)\b/],
];
/** The same, as far as they were asked for. @type {Map<string, string>} */
const known = new Map();

/** What waits for its colours. @type {{code: HTMLElement, language: string}[]} */
const waiting = [];
const colourWaiting = lateWork(onDemand('syntax.js'), function* (/** @type {Syntax} */ syntax) {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    try {
      yield* coloured(syntax, next.code, next.language);
    } catch (error) {
      // A fault of a reader costs the colours of this code, and nothing else.
      console.warn(`The ${next.language} code could not be coloured:`, error);
    }
  }
});

/**
 * Colours code that does not change any more, in a while.
 *
 * @param {HTMLElement} code of which each child is a block of text
 * @param {string} language as the answer names it
 */
export function colour(code, language) {
  if (language === '' || (code.textContent ?? '').length > MAX_LENGTH) return;
  waiting.push({ code, language: language.toLowerCase() });
  colourWaiting();
}

/**
 * Colours code, and lets others work in between.
 *
 * @param {Syntax} syntax
 * @param {HTMLElement} code
 * @param {string} language
 * @returns {Generator<Promise<unknown> | undefined, void>} what it has to wait for, if anything
 */
export function* coloured({ languages, StringStream }, code, language) {
  const reader = languages.get(language);
  if (reader === undefined) return;
  const state = reader.startState?.(2) ?? {};
  for (const block of [...code.children]) {
    const text = block.textContent ?? '';
    const made = document.createDocumentFragment();
    let [plain, count] = ['', 0];
    for (const [line] of text.matchAll(/[^\n]*(?:\n|$)/g)) {
      const { length } = line.endsWith('\n') ? line.slice(0, -1) : line;
      if (length === 0) reader.blankLine?.(state, 2);
      if (length === 0 || length > MAX_LINE) {
        plain += line;
        continue;
      }
      const stream = new StringStream(line.slice(0, length), 2, 2);
      for (let [idle, tokens] = [0, 1]; !stream.eol() && idle < 10; tokens += 1) {
        stream.start = stream.pos;
        const name = classOf(reader.token(stream, state));
        const found = stream.current();
        idle = found === '' ? idle + 1 : 0;
        if (name === '' || found.trim() === '') plain += found;
        else {
          made.append(plain, element('span', name, found));
          plain = '';
          count += 1;
        }
        if (tokens % 64 === 0) yield;
      }
      plain += line.slice(stream.pos);
      yield;
      if (count > MAX_COLOURED) break;
    }
    if (count === 0 || count > MAX_COLOURED) continue;
    made.append(plain);
    while (isSelected(block))
      yield new Promise((resolve) => document.addEventListener('selectionchange', resolve, { once: true }));
    block.replaceChildren(made);
    yield;
  }
}

/** What is selected would not be any more. @param {Element} block */
function isSelected(block) {
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && selection.containsNode(block, true);
}

/** @param {string | null} said */
function classOf(said) {
  if (said === null || said === undefined) return '';
  let found = known.get(said);
  if (found === undefined) {
    found = CLASSES.find(([, words]) => words.test(said))?.[0] ?? '';
    known.set(said, found);
  }
  return found;
}
