// The arguments of a tool call: all that is sent, as it is sent, whatever it is.

import { button, element } from '../lib/dom.js';
import { formatTree, readJson } from '../lib/json.js';
import { TextFlow } from '../lib/text-flow.js';
import { visible } from '../lib/visible.js';
import { plural } from '../lib/words.js';

/** @import { JsonTree } from '../lib/json.js' */

/** So much of a value, and so many values, are shown before the user asks for all, in UTF-16 units. */
const MAX_SHOWN = 2_000;
const MAX_LISTED = 50;
const MAX_NAME = 200;
/** Longer ones are no longer read, and not shown whole: a browser would take seconds. */
const MAX_WHOLE = 4_000_000;

/** Empty where there are none. @param {string} json */
export function argumentList(json) {
  const tree = json.length > MAX_WHOLE ? undefined : readJson(json);
  if (tree === undefined) return json.trim() === '' ? [] : [capped('pre', json)];
  if (tree.kind !== 'object') return [capped('pre', formatTree(tree))];
  if (tree.members.length === 0) return [];
  const list = element('dl');
  const add = (/** @type {number} */ from, /** @type {number} */ to) => {
    for (const { name, value } of tree.members.slice(from, to))
      list.append(capped('dt', name, MAX_NAME), capped('dd', textOf(value)));
  };
  add(0, MAX_LISTED);
  if (tree.members.length <= MAX_LISTED) return [list];
  const more = button(
    'quiet small show-all',
    plural(tree.members.length, 'Show all of {count} argument', 'Show all {count} arguments'),
    () => {
      more.remove();
      add(MAX_LISTED, tree.members.length);
    },
  );
  return [list, more];
}

/**
 * An element with the start of a text, and a button that shows the rest.
 *
 * @template {'code' | 'dd' | 'dt' | 'pre'} Name
 * @param {Name} name
 * @param {string} text
 * @param {number} [length] of the start
 */
export function capped(name, text, length = MAX_SHOWN) {
  // A value has lines of its own; a line break in a name is none.
  const lines = name === 'dd' || name === 'pre';
  if (text.length <= length) return element(name, '', visible(text, { lines }));
  const made = element(name, '', visible(text.slice(0, length), { lines }), '… ');
  const all = button(
    'quiet small show-all',
    plural(text.length, 'Show all of {count} character', 'Show all {count} characters'),
    () => {
      made.replaceChildren();
      made.classList.add('flow');
      new TextFlow(made, 'span').append(visible(text.slice(0, MAX_WHOLE), { lines }));
      if (text.length > MAX_WHOLE)
        made.append(plural(text.length - MAX_WHOLE, '… and {count} more character', '… and {count} more characters'));
    },
  );
  made.append(all);
  return made;
}

/**
 * A string without its quotes, unless it could be taken for something else then.
 *
 * @param {JsonTree} tree
 */
function textOf(tree) {
  if (tree.kind !== 'string') return formatTree(tree);
  const { text } = tree;
  const plain = text !== '' && text.trim() === text && (text.length > 100 || readJson(text) === undefined);
  return plain ? text : JSON.stringify(text);
}
