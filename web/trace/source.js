// The JSON of an event as it came: what is shown and saved keeps every digit of it, and any depth. No DOM.

import { formatTree, get, parseJson, readJson } from '../lib/json.js';

/** @import { JsonTree } from '../lib/json.js' */
/** @import { AgentEvent } from '../types.d.ts' */

/** The trees that objects and lists were made from. @type {WeakMap<object, JsonTree>} */
const trees = new WeakMap();

/**
 * An event's text.
 *
 * @param {AgentEvent} event
 */
export function textOf({ event, json, path = [] }) {
  let text = json;
  for (const name of path)
    text = text === undefined ? undefined : partsOf(text).findLast((part) => part.name === name)?.text;
  return text ?? formatTree(treeOf(event));
}

/** @param {AgentEvent} event @returns {JsonTree} */
export function treeOfEvent({ event, json, path = [] }) {
  const whole = json === undefined ? undefined : readJson(json);
  return treeAt(whole, ...path) ?? treeOf(event);
}

/**
 * What `JSON.parse` would give, of which `pretty` knows how it was written.
 *
 * @param {JsonTree} tree
 * @returns {unknown}
 */
export function valueOf(tree) {
  const box = { value: undefined };
  /** @type {{tree: JsonTree, holder: object, name: string | number}[]} */
  const rest = [{ tree, holder: box, name: 'value' }];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { tree, holder, name } = next;
    /** @type {unknown} */
    let value;
    if (tree.kind === 'object' || tree.kind === 'array') {
      const made = tree.kind === 'object' ? {} : [];
      const parts = tree.kind === 'object' ? tree.members : tree.items.map((value, name) => ({ name, value }));
      for (const part of parts.toReversed()) rest.push({ tree: part.value, holder: made, name: part.name });
      trees.set(made, tree);
      value = made;
    } else {
      value = tree.kind === 'string' ? tree.text : JSON.parse(tree.text);
    }
    // A member may be called __proto__.
    Object.defineProperty(holder, name, { value, configurable: true, enumerable: true, writable: true });
  }
  return box.value;
}

/**
 * JSON with one member a line.
 *
 * @param {unknown} value
 */
export function pretty(value) {
  return value === undefined ? 'undefined' : formatTree(treeBehind(value));
}

/** The tree that a value was made from, or one of it. @param {unknown} value */
function treeBehind(value) {
  return trees.get(/** @type {object} */ (value)) ?? treeOf(value);
}

/**
 * A member as text: a string as it is, all else as JSON on one line.
 *
 * @param {unknown} value
 * @param {string} name
 */
export function memberText(value, name) {
  const member = treeAt(treeBehind(value), name);
  if (member === undefined || (member.kind === 'literal' && member.text === 'null')) return undefined;
  return member.kind === 'string' ? member.text : formatTree(member).replace(/\n */g, ' ');
}

/**
 * The texts of an object's members, with their names, or of a list's items. Nothing is looked at but where they end.
 *
 * @param {string} text JSON
 * @returns {{name: string, text: string}[]} empty for what has no parts
 */
export function partsOf(text) {
  const parts = [];
  let at = skip(text, 0);
  const isObject = text[at] === '{';
  if (!isObject && text[at] !== '[') return [];
  for (at = skip(text, at + 1); at < text.length && text[at] !== '}' && text[at] !== ']'; at = skip(text, at)) {
    let name = '';
    if (isObject) {
      const end = endOf(text, at);
      name = String(parseJson(text.slice(at, end)));
      at = skip(text, end);
    }
    const end = endOf(text, at);
    parts.push({ name, text: text.slice(at, end) });
    at = end;
  }
  return parts;
}

/**
 * The texts of values that stand one after the other, each on a line of its own or not.
 *
 * @param {string} text
 */
export function* sequence(text) {
  for (let at = skip(text, 0), end; at < text.length; at = skip(text, end)) {
    end = endOf(text, at);
    yield { at, text: text.slice(at, end) };
  }
}

/** The first place that is neither space nor between two parts. @param {string} text @param {number} at */
function skip(text, at) {
  let here = at;
  while (' \t\n\r,:\ufeff'.includes(text[here] ?? 'x')) here += 1;
  return here;
}

/** Where a value ends. @param {string} text @param {number} at */
function endOf(text, at) {
  let depth = 0;
  for (let here = at; here < text.length; here += 1) {
    switch (text.charCodeAt(here)) {
      case 0x22: // "
        here = quoteAfter(text, here);
        if (depth === 0) return here + 1;
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth += 1;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        if (depth === 0) return here + 1;
        // Of a number, which stands last.
        if (depth < 0) return Math.max(here, at + 1);
        break;
      case 0x2c: // ,
      case 0x20:
      case 0x0a:
      case 0x0d:
      case 0x09:
        if (depth === 0) return Math.max(here, at + 1);
    }
  }
  return text.length;
}

/** The quote that ends a string. @param {string} text @param {number} start of its first quote */
function quoteAfter(text, start) {
  for (let from = start + 1; ; ) {
    const quote = text.indexOf('"', from);
    if (quote === -1) return text.length;
    let slashes = 0;
    while (text[quote - slashes - 1] === '\\' && quote - slashes > from) slashes += 1;
    if (slashes % 2 === 0) return quote;
    from = quote + 1;
  }
}

/**
 * What is found at a path of names; of two members with one name the last, as everywhere.
 *
 * @param {JsonTree | undefined} tree
 * @param {...string} path
 */
export function treeAt(tree, ...path) {
  let here = tree;
  for (const name of path)
    here = here?.kind === 'object' ? here.members.findLast((member) => member.name === name)?.value : undefined;
  return here;
}

/**
 * A tree of what has been parsed already.
 *
 * @param {unknown} value as `JSON.parse` makes it, nested to any depth
 * @returns {JsonTree}
 */
export function treeOf(value) {
  /** @type {{value: unknown, put: (tree: JsonTree) => void}[]} */
  const rest = [];
  /** @type {JsonTree} */
  let whole = { kind: 'literal', text: 'null' };
  rest.push({ value, put: (tree) => (whole = tree) });
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { value, put } = next;
    if (Array.isArray(value)) {
      /** @type {JsonTree[]} */
      const items = new Array(value.length);
      put({ kind: 'array', items });
      value.forEach((item, index) => rest.push({ value: item, put: (tree) => (items[index] = tree) }));
    } else if (typeof value === 'object' && value !== null) {
      const members = Object.keys(value).map((name) => ({ name, value: whole }));
      put({ kind: 'object', members });
      for (const member of members) rest.push({ value: get(value, member.name), put: (tree) => (member.value = tree) });
    } else if (typeof value === 'string') {
      put({ kind: 'string', text: value });
    } else {
      put({ kind: 'literal', text: JSON.stringify(value) ?? 'null' });
    }
  }
  return whole;
}
