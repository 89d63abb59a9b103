// Which step of one trace is which of another one: by order and by name. No DOM.

import { placeOf, spanOf } from './times.js';

/** @import { Step } from './tree.js' */

/**
 * Two steps that are each other's, or one that has none.
 *
 * @typedef {object} Pair
 * @property {Step} [one] of this trace
 * @property {Step} [other] of the one beside it
 * @property {number} depth
 * @property {Pair | undefined} above what they belong to
 * @property {number | undefined} difference how much longer this one took, in ms; undefined where that is not known
 * @property {number} own the same without the steps that belong to them
 */

/** So many steps are compared in one piece of work. */
const PIECE = 250;

/**
 * @param {Step[]} these
 * @param {Step[]} others
 * @returns {Generator<void, {pairs: Pair[], longest: Pair | undefined}>} the pairs from the top, and where most of the difference lies
 */
export function* pairsOf(these, others) {
  /** @type {Pair[]} */
  const pairs = [];
  const rest = paired(these, others, 0, undefined).reverse();
  for (let pair = rest.pop(); pair !== undefined; pair = rest.pop()) {
    pairs.push(pair);
    const inside = paired(pair.one?.children ?? [], pair.other?.children ?? [], pair.depth + 1, pair);
    for (const inner of inside.reverse()) rest.push(inner);
    if (pairs.length % PIECE === 0) yield;
  }
  /** @type {Pair | undefined} */
  let longest;
  for (const pair of pairs.toReversed()) {
    // The tools that a message calls are its own, and run after it.
    if (pair.above !== undefined && isDuring(pair.one, pair.above.one) && isDuring(pair.other, pair.above.other))
      pair.above.own -= pair.difference ?? 0;
    if (Math.abs(pair.own) > Math.abs(longest?.own ?? 0)) longest = pair;
  }
  return { pairs, longest };
}

/** Whether a step began while another one was at work. @param {Step | undefined} inner @param {Step | undefined} outer */
function isDuring(inner, outer) {
  return inner === undefined || (outer !== undefined && inner.start < outer.start + (tookOf(outer) ?? 0));
}

/** How long a step took, in ms, where that is known. @param {Step | undefined} step */
export function tookOf(step) {
  if (step === undefined) return 0;
  if (step.end === undefined || step.duration === undefined) return undefined;
  const { from, to } = spanOf(step, step.end);
  return to - from;
}

/**
 * The steps that stand beside each other, as pairs in their order.
 *
 * @param {Step[]} these
 * @param {Step[]} others
 * @param {number} depth
 * @param {Pair | undefined} above
 * @returns {Pair[]}
 */
function paired(these, others, depth, above) {
  if (these.length + others.length === 0) return [];
  /** @type {Pair[]} */
  const pairs = [];
  const add = (/** @type {Step | undefined} */ one, /** @type {Step | undefined} */ other) => {
    const [took, otherTook] = [tookOf(one), tookOf(other)];
    const difference = took === undefined || otherTook === undefined ? undefined : took - otherTook;
    pairs.push({ ...(one && { one }), ...(other && { other }), depth, above, difference, own: difference ?? 0 });
  };
  // What has another name stands between those that have the same: there the kind decides.
  inOrder(
    these,
    others,
    ({ kind, name }) => `${kind} ${name}`,
    add,
    (some, more) => {
      inOrder(
        some,
        more,
        ({ kind }) => kind,
        add,
        (left, right) => {
          for (const one of left) add(one, undefined);
          for (const other of right) add(undefined, other);
        },
      );
    },
  );
  return pairs;
}

/**
 * Goes through two lists, of which the first element with a key is the first one with it in the other list, and so on.
 * Those that would cross others are none: the most that stand in the same order are taken.
 *
 * @param {Step[]} these
 * @param {Step[]} others
 * @param {(step: Step) => string} keyOf
 * @param {(one: Step, other: Step) => void} same
 * @param {(these: Step[], others: Step[]) => void} between what stands before the next that are the same, and behind the last
 */
function inOrder(these, others, keyOf, same, between) {
  /** Where the steps of each key stand, the first one last. @type {Map<string, number[]>} */
  const places = new Map();
  for (const [place, other] of [...others.entries()].reverse()) {
    const key = keyOf(other);
    const known = places.get(key);
    if (known === undefined) places.set(key, [place]);
    else known.push(place);
  }
  const found = these.map((one) => places.get(keyOf(one))?.pop() ?? -1);

  // The longest rising sequence: where the best ones of each length end, on both sides, and what stands before.
  /** @type {number[]} */
  const ends = [];
  /** @type {number[]} */
  const lastPlaces = [];
  const before = found.map(() => -1);
  for (const [index, place] of found.entries()) {
    if (place === -1) continue;
    const length = placeOf(lastPlaces, place);
    before[index] = ends[length - 1] ?? -1;
    ends[length] = index;
    lastPlaces[length] = place;
  }
  /** @type {number[]} */
  const kept = [];
  for (let index = ends.at(-1) ?? -1; index !== -1; index = before[index] ?? -1) kept.push(index);

  let [here, there] = [0, 0];
  for (const index of kept.reverse()) {
    const [one, place] = [these[index], found[index] ?? 0];
    const other = others[place];
    if (one === undefined || other === undefined) continue;
    between(these.slice(here, index), others.slice(there, place));
    same(one, other);
    [here, there] = [index + 1, place + 1];
  }
  between(these.slice(here), others.slice(there));
}
