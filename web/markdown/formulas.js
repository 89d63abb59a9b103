// Formulas. What draws them is loaded with the first one; until then, and where a formula cannot be read, it is
// shown as it was typed.

import { element } from '../lib/dom.js';
import { onDemand } from '../lib/on-demand.js';
import { t } from '../lib/words.js';
import { lateWork } from './late-work.js';

/** Longer ones stay as they were typed: one must not keep the page busy. */
const MAX_LENGTH = 1_200;
/** A longer one in the middle of a text stands by itself, so that it scrolls where it is too wide. */
const MAX_INLINE = 80;
/** So many drawings are kept: an answer that grows shows them again and again. */
const MAX_KEPT = 400;
/** More formulas of one stretch are shown as they were typed. */
export const MAX_FORMULAS = 200;
/** What a character costs: of a formula that is drawn, and of one that was drawn before. */
const STEPS = { drawn: 40, again: 8 };
/** So much is drawn at once, in the same steps. */
const SLICE = 6_000;

/** What draws one, once that is loaded. @type {((source: string, display: boolean) => Element | undefined) | undefined} */
let draw;
/** By their sources; undefined where one cannot be read. @type {Map<string, Element | undefined>} */
const drawings = new Map();
/** What was shown before it could be drawn. @type {Set<HTMLElement>} */
const waiting = new Set();
const drawWaiting = lateWork(
  onDemand('math.js'),
  function* (loaded) {
    draw = loaded.draw;
    for (const one of waiting) {
      waiting.delete(one);
      if (one.isConnected) show(one, one.dataset.formula ?? '');
      yield;
    }
  },
  // An answer that grows shows its formulas again and again: those that were replaced are not kept.
  () => {
    for (const one of waiting) if (!one.isConnected) waiting.delete(one);
  },
);

/** A formula as it was typed, to be drawn where it stands. @param {string} source with what stands around it */
export function formula(source) {
  const made = element('span', 'formula', source);
  made.dataset.formula = source;
  if (!isDisplay(source) && source.length <= MAX_INLINE) return made;
  made.classList.add('wide');
  made.tabIndex = 0;
  made.setAttribute('role', 'group');
  made.setAttribute('aria-label', t('Formula'));
  return made;
}

/** Whether two elements show the same formula. @param {Node} one @param {Node} other */
export function isSameFormula(one, other) {
  return (
    one instanceof HTMLElement &&
    other instanceof HTMLElement &&
    one.dataset.formula !== undefined &&
    one.dataset.formula === other.dataset.formula
  );
}

/** Draws formulas, at once if it is not too much. @param {HTMLElement[]} formulas @returns {number} the steps that it took */
export function drawFormulas(formulas) {
  let steps = 0;
  for (const one of formulas) {
    const { formula: source = '' } = one.dataset;
    if (drawings.has(source)) steps += STEPS.again * source.length;
    else if (draw !== undefined && steps < SLICE) steps += STEPS.drawn * source.length;
    else {
      waiting.add(one);
      continue;
    }
    show(one, source);
  }
  if (waiting.size > 0) drawWaiting();
  return steps;
}

/** @param {HTMLElement} one @param {string} source */
function show(one, source) {
  if (!drawings.has(source)) {
    const around = source.startsWith('$') && !source.startsWith('$$') ? 1 : 2;
    drawings.set(
      source,
      source.length > MAX_LENGTH ? undefined : draw?.(source.slice(around, -around), isDisplay(source)),
    );
    for (const oldest of drawings.keys()) if (drawings.size > MAX_KEPT) drawings.delete(oldest);
  }
  const drawing = drawings.get(source);
  if (drawing !== undefined) one.replaceChildren(drawing.cloneNode(true));
}

/** @param {string} source */
function isDisplay(source) {
  return source.startsWith('$$') || source.startsWith('\\[');
}
