// Lists of any length. A change in a list makes a browser look at all of its items, so a long list stands
// in parts: lists that count on where the one before ends, and that are announced as one.

import { element } from '../lib/dom.js';
import { reconcile } from './morph.js';

/** So many items, or blocks of an answer, stand in one part: a change in one makes the browser look at those of its part only. */
export const PART = 16;

/**
 * A list of items.
 *
 * @param {'ul' | 'ol'} name
 * @param {number} start what the first item counts
 * @param {HTMLElement[]} items
 */
export function listOf(name, start, items) {
  const list = element(name);
  if (list instanceof HTMLOListElement && start !== 1) list.start = start;
  return setItems(list, 0, items);
}

/**
 * Makes the items of a list, from one on, those given.
 *
 * @param {HTMLElement} list
 * @param {number} from
 * @param {HTMLElement[]} items
 * @returns {HTMLElement} the list, which may be another element now
 */
export function setItems(list, from, items) {
  const end = from + items.length;
  const whole = setApart(list, end > PART);
  if (!isApart(whole)) {
    reconcile(whole, from, items);
    return whole;
  }
  for (const item of items) item.setAttribute('role', 'listitem');
  for (let at = from; at < end; at += PART - (at % PART)) {
    reconcile(partAt(whole, Math.floor(at / PART)), at % PART, items.slice(at - from, at - from + PART - (at % PART)));
  }
  while (whole.children.length > Math.ceil(end / PART)) whole.lastElementChild?.remove();
  return whole;
}

/** @param {HTMLElement} list */
export function itemsOf(list) {
  return isApart(list) ? [...list.children].flatMap((part) => [...part.children]) : [...list.children];
}

/** @param {Element} list */
function isApart(list) {
  return list.localName === 'div';
}

/**
 * @param {HTMLElement} list
 * @param {boolean} apart whether it is to stand in parts
 * @returns {HTMLElement}
 */
function setApart(list, apart) {
  if (isApart(list) === apart) return list;
  const part = /** @type {HTMLElement} */ (apart ? list : list.firstElementChild);
  const whole = apart ? element('div', 'items') : part;
  list.replaceWith(whole);
  if (apart) {
    whole.setAttribute('role', 'list');
    whole.append(part);
  }
  for (const one of [part, ...part.children]) {
    if (apart) one.setAttribute('role', one === part ? 'none' : 'listitem');
    else one.removeAttribute('role');
  }
  return whole;
}

/** The part of this number, made if it is the next one. @param {HTMLElement} whole @param {number} index */
function partAt(whole, index) {
  const known = whole.children[index];
  if (known instanceof HTMLElement) return known;
  const made = /** @type {HTMLElement} */ (whole.lastElementChild?.cloneNode());
  if (made instanceof HTMLOListElement) made.start += PART;
  whole.append(made);
  return made;
}
