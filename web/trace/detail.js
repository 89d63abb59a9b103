// What an opened step shows. No DOM.

import { formatTree } from '../lib/json.js';
import { treeOfEvent } from './source.js';

/** @import { Section } from './sections.js' */
/** @import { Step } from './tree.js' */

/**
 * @param {Step} step
 * @returns {Section[]} at least one
 */
export function sectionsOf(step) {
  return step.reader.sectionsOf(step);
}

/**
 * The JSON of a step's events.
 *
 * @param {Step} step
 */
export function jsonOf({ events }) {
  const [first, ...more] = events.map(treeOfEvent);
  return first === undefined ? '' : formatTree(more.length === 0 ? first : { kind: 'array', items: [first, ...more] });
}
