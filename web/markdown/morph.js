// Changing elements where they differ from others, so that the rest, and a selection in it, stays.

import { isSameFormula } from './formulas.js';

/**
 * Makes a node equal to another by as few changes as are easily found.
 *
 * @template {ChildNode} Fresh
 * @param {ChildNode} old
 * @param {Fresh} fresh which is used up
 * @returns {Fresh} the node that is there now
 */
export function morph(old, fresh) {
  if (old instanceof Text && fresh instanceof Text) {
    if (fresh.data.startsWith(old.data)) {
      if (fresh.length > old.length) old.appendData(fresh.data.slice(old.length));
    } else old.data = fresh.data;
  } else if (isSameFormula(old, fresh)) {
    // It may be drawn by now.
  } else if (old.cloneNode(false).isEqualNode(fresh.cloneNode(false))) {
    let here = old.firstChild;
    for (let node = fresh.firstChild; node !== null; ) {
      const next = node.nextSibling;
      if (here === null) old.appendChild(node);
      else here = morph(here, node).nextSibling;
      node = next;
    }
    while (here !== null) {
      const next = here.nextSibling;
      here.remove();
      here = next;
    }
  } else {
    old.replaceWith(fresh);
    return fresh;
  }
  return /** @type {Fresh} */ (old);
}
