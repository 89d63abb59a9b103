// What a step shows when it is opened, as titled sections. No DOM.

import { formatJson } from '../lib/json.js';
import { memberText, pretty } from './source.js';

/** @import { Step } from './tree.js' */

/**
 * Text as it is, or rows of names and values.
 *
 * @typedef {({title: string, text: string} | {title: string, rows: [string, string][]}) & {side?: 'in' | 'out', folded?: boolean, key?: string}} Section
 *   what goes into a tool and what comes out of it stand side by side; what is folded shows its start;
 *   a passage has the key of its citations
 */

/**
 * Nothing for an empty text.
 *
 * @param {string} title
 * @param {string | undefined} value
 * @returns {Section[]}
 */
export function text(title, value) {
  return value === undefined || value === '' ? [] : [{ title, text: value }];
}

/**
 * Nothing for an empty list.
 *
 * @param {string} title
 * @param {[string, string][]} list
 * @returns {Section[]}
 */
export function rows(title, list) {
  return list.length === 0 ? [] : [{ title, rows: list }];
}

/**
 * Notes members of an object as facts, by what they are called there: of two with one name the last.
 *
 * @param {Map<string, string>} facts
 * @param {unknown} body
 * @param {[name: string, member: string][]} members
 */
export function note(facts, body, members) {
  for (const [name, member] of members) {
    const value = memberText(body, member);
    if (value) facts.set(name, value);
  }
}

/** What a step used, where that is known. @param {Step} step @returns {[string, string][]} */
export function tokenFacts({ tokens }) {
  return tokens === undefined ? [] : [['Tokens', `${tokens.input} in, ${tokens.output} out`]];
}

/**
 * Text as it is, but JSON with one member a line.
 *
 * @param {unknown} value
 */
export function whole(value) {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') return pretty(value);
  return /^\s*[[{]/.test(value) ? formatJson(value) : value;
}

/**
 * What goes into a tool, or comes out of it.
 *
 * @param {'in' | 'out'} side
 * @param {Section[]} sections
 * @returns {Section[]}
 */
export function beside(side, sections) {
  return sections.map((section) => ({ ...section, side }));
}
