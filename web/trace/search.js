// Looking for words in a step. No DOM.

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
  return [kind, step.name, step.reason].some((text) => contains(text, needle)) || step.events.some(({ event }) => contains(event, needle));
}

/**
 * @param {unknown} value
 * @param {string} needle
 * @returns {boolean}
 */
function contains(value, needle) {
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).some(([key, member]) => contains(member, needle) || (!Array.isArray(value) && contains(key, needle)));
  }
  return value !== undefined && String(value).toLowerCase().includes(needle);
}
