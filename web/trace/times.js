// Where the time of a trace went: to which step each moment of it belongs, and what belongs to none. No DOM.

import { duration } from '../lib/format.js';

/** @import { Kind, Step } from './tree.js' */

/** So many steps are summed up in one piece of work. */
const PIECE = 250;

/** So many gaps are drawn at most: the longest ones. */
const MAX_GAPS = 100;

/**
 * @typedef {object} Spent
 * @property {{kind: Kind, took: number, count: number}[]} kinds the longest first; each moment counts once
 * @property {number} between what belongs to no step, in ms
 * @property {{from: number, to: number}[]} gaps
 * @property {Step | undefined} longest
 */

/** No answer takes a year, in ms: what a file says beyond is no time. */
const MAX_MS = 3.2e10;

/** A time or a span, in ms, unless it cannot be one. @param {number | undefined} ms */
export function plausible(ms) {
  return ms !== undefined && ms >= 0 && ms < MAX_MS ? ms : undefined;
}

/** When a step was at work: what was measured elsewhere can be longer than its time here. @param {Step} step @param {number} now */
export function spanOf({ start, end, duration, room }, now) {
  const from = Math.max(start, 0);
  const took = end === undefined ? now - from : Math.min(duration ?? 0, room ?? Infinity);
  return { from, to: from + Math.max(took, 0) };
}

/**
 * A moment belongs to the innermost step that was at work then: a collaborator's own time is what its steps leave.
 *
 * @param {Step[]} steps
 * @param {number} total in ms, up to now where the turn is still running
 * @returns {Generator<void, Spent>} the work in short pieces: there may be a hundred thousand steps
 */
export function* timeSpent(steps, total) {
  /** The steps that took time, by how deep they stand. @type {{step: Step, from: number, to: number}[][]} */
  const levels = [];
  const edges = new Set([0, total]);
  /** @type {{step: Step, depth: number}[]} */
  const all = steps.map((step) => ({ step, depth: 0 }));
  let done = 0;
  // The list grows while it is walked.
  for (const { step, depth } of all) {
    for (const child of step.children) all.push({ step: child, depth: depth + 1 });
    const span = spanOf(step, total);
    const [from, to] = [Math.min(span.from, total), Math.min(span.to, total)];
    if (to > from) {
      (levels[depth] ??= []).push({ step, from, to });
      edges.add(from).add(to);
    }
    if ((done += 1) % PIECE === 0) yield;
  }
  const moments = Float64Array.from(edges).sort();
  yield;
  /** The next stretch that belongs to nothing yet, from each one on. */
  const free = Int32Array.from(moments, (_, index) => index);
  const freeFrom = (/** @type {number} */ index) => {
    let here = index;
    while (free[here] !== here) here = free[here] = free[free[here] ?? here] ?? here;
    return here;
  };
  /** @type {Map<Kind, {kind: Kind, took: number, count: number}>} */
  const kinds = new Map();
  /** @type {Step | undefined} */
  let longest;
  let most = 0;
  for (const level of levels.reverse()) {
    // A level that nothing took time on is a hole in the list.
    for (const { step, from, to } of level?.sort((one, other) => other.from - one.from) ?? []) {
      const sum = kinds.get(step.kind) ?? { kind: step.kind, took: 0, count: 0 };
      kinds.set(step.kind, sum);
      sum.count += 1;
      const end = placeOf(moments, to);
      let own = 0;
      for (let at = freeFrom(placeOf(moments, from)); at < end; at = freeFrom(at)) {
        own += (moments[at + 1] ?? 0) - (moments[at] ?? 0);
        free[at] = at + 1;
      }
      sum.took += own;
      if (own > most) [most, longest] = [own, step];
      if ((done += 1) % PIECE === 0) yield;
    }
  }

  /** @type {{from: number, to: number}[]} */
  const gaps = [];
  let between = 0;
  for (let at = freeFrom(0); at < moments.length - 1; at = freeFrom(at)) {
    const [from, to] = [moments[at] ?? 0, moments[at + 1] ?? 0];
    const last = gaps.at(-1);
    if (last?.to === from) last.to = to;
    else gaps.push({ from, to });
    between += to - from;
    free[at] = at + 1;
    if ((done += 1) % PIECE === 0) yield;
  }
  return {
    kinds: [...kinds.values()].filter(({ took }) => took >= 0.5).sort((one, other) => other.took - one.took),
    between,
    gaps: gaps.sort((one, other) => other.to - other.from - (one.to - one.from)).slice(0, MAX_GAPS),
    longest,
  };
}

/** How many numbers of a list in order are less than another one. @param {ArrayLike<number>} list @param {number} number */
export function placeOf(list, number) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle] ?? 0) < number) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A moment in a trace, more exactly than a span: `1.25 s`. @param {number} ms */
export function moment(ms) {
  return ms >= 999.5 && ms < 59_950 ? `${(ms / 1000).toFixed(2)} s` : duration(ms);
}

/** When a step was at work, in words. @param {{from: number, to: number}} span */
export function spanInWords({ from, to }) {
  return to > from ? `From ${moment(from)} to ${moment(to)}` : `At ${moment(from)}`;
}

/**
 * The marks of an axis: round times, few enough to be read.
 *
 * @param {number} scale how long the axis is, in ms
 * @param {number} most how many marks there can be, apart from the one at 0
 * @returns {number[]}
 */
export function ticks(scale, most) {
  if (!(scale >= 0.01) || !Number.isFinite(scale)) return [0];
  const every = stepFor(scale / most);
  return Array.from({ length: Math.floor(scale / every + 1e-9) + 1 }, (_, index) => index * every);
}

/** How clocks are divided, in seconds, up to ten hours. */
const CLOCK = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18_000, 36_000];

/** The round time that is at least so long: of more than five seconds, as on a clock. @param {number} least */
function stepFor(least) {
  const seconds = least > 5000 ? CLOCK.find((every) => every * 1000 >= least) : undefined;
  if (seconds !== undefined) return seconds * 1000;
  const power = 10 ** Math.floor(Math.log10(least));
  return /** @type {number} */ ([1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9))) * power;
}
