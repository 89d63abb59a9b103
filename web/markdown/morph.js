// Changing elements where they differ from others, so that the rest, and a selection in it, stays.

/**
 * Makes the children of an element, from one on, those of a list.
 *
 * @param {HTMLElement} parent
 * @param {number} from
 * @param {HTMLElement[]} wanted
 */
export function reconcile(parent, from, wanted) {
  for (const [index, node] of wanted.entries()) {
    const here = parent.children[from + index];
    if (here === undefined) parent.append(node);
    else if (node.parentNode === null) morph(here, node);
    else if (node.parentNode !== parent) here.before(node);
    else while (parent.children[from + index] !== node) parent.children[from + index]?.remove();
  }
  while (parent.children.length > from + wanted.length) parent.lastElementChild?.remove();
}

/**
 * Makes a node equal to another by as few changes as are easily found.
 *
 * @param {ChildNode} old
 * @param {ChildNode} fresh which is used up
 */
export function morph(old, fresh) {
  if (old instanceof Text && fresh instanceof Text) {
    if (fresh.data.startsWith(old.data)) {
      if (fresh.length > old.length) old.appendData(fresh.data.slice(old.length));
    } else old.data = fresh.data;
  } else if (old.cloneNode(false).isEqualNode(fresh.cloneNode(false))) {
    const [olds, news] = [[...old.childNodes], [...fresh.childNodes]];
    for (const [index, node] of news.entries()) {
      const here = olds[index];
      if (here) morph(here, node);
      else old.appendChild(node);
    }
    for (const extra of olds.slice(news.length)) extra.remove();
  } else old.replaceWith(fresh);
}
