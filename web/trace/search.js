// Looking for words in a step. No DOM.

import { textOf } from './source.js';

/** @import { Step } from './tree.js' */

/**
 * Whether a step has these words in its name, its kind, or anywhere in its events.
 *
 * @param {Step} step
 * @param {string} kind what its kind is called
 * @param {string} words in any case; nothing matches everything
 */
export function matches(step, kind, words) {
  const needle = words.trim().toLowerCase();
  if ([kind, step.name, step.reason].some((text) => text?.toLowerCase().includes(needle))) return true;
  // A number has all its digits in the text alone, and the words of a text are decoded in the value alone.
  const isNumeric = /\d/.test(needle);
  return step.events.some(
    (one) => contains(one.event, needle) || (isNumeric && textOf(one).toLowerCase().includes(needle)),
  );
}

/**
 * @param {unknown} value nested to any depth
 * @param {string} needle
 */
function contains(value, needle) {
  const rest = [value];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next !== 'object' || next === null) {
      if (
        String(next ?? '')
          .toLowerCase()
          .includes(needle)
      )
        return true;
      continue;
    }
    for (const [name, member] of Object.entries(next)) {
      if (!Array.isArray(next) && name.toLowerCase().includes(needle)) return true;
      rest.push(member);
    }
  }
  return false;
}
