// What several parts of the viewer do with elements.

import { button } from '../lib/dom.js';

/** Rows in a list: a list out of view is neither styled nor laid out. */
const LIST_LENGTH = 16;

/**
 * The last of the lists in a box, which has room for a row.
 *
 * @param {HTMLElement} box
 * @param {() => HTMLElement} make a new list
 */
export function listWithRoom(box, make) {
  const last = box.lastElementChild;
  return last !== null && last.childElementCount < LIST_LENGTH ? last : addList(box, make());
}

/** One more list in a box. @param {HTMLElement} box @param {HTMLElement} list */
export function addList(box, list) {
  Object.assign(list.style, { contentVisibility: 'auto', containIntrinsicSize: 'auto 40rem' });
  box.append(list);
  return list;
}

/** @param {HTMLElement} place @param {ScrollLogicalPosition} block where in the view */
export function focusIn(place, block) {
  place.focus({ preventScroll: true });
  place.scrollIntoView({ block });
}

/**
 * A button that hides an element and shows it again.
 *
 * @param {string} classes
 * @param {string} words
 * @param {HTMLElement} inside
 */
export function foldButton(classes, words, inside) {
  const fold = button(classes, words, () => {
    inside.hidden = !inside.hidden;
    fold.ariaExpanded = String(!inside.hidden);
  });
  fold.ariaExpanded = String(!inside.hidden);
  return fold;
}

/** Whether a key is pressed together with one that makes another of it. @param {KeyboardEvent} event */
export function hasModifier({ altKey, ctrlKey, metaKey }) {
  return altKey || ctrlKey || metaKey;
}

/** Has a bar show when a step was at work, in ms. @param {HTMLElement} bar @param {{from: number, to: number}} span */
export function layOut(bar, { from, to }) {
  bar.style.setProperty('--start', String(from));
  bar.style.setProperty('--took', String(to - from));
}
