// Where the time of a trace went: to which step each moment of it belongs, and what belongs to none. No DOM.

import { duration } from '../lib/format.js';

/** @import { Kind, Step } from './tree.js' */

/** Of more steps the sums are not made: they would take longer than a picture. */
export const MAX_SUMMED = 5000;

/** So many gaps are drawn at most: the longest ones. */
const MAX_GAPS = 100;

/**
 * @typedef {object} Spent
 * @property {{kind: Kind, took: number, count: number}[]} kinds the longest first; each moment counts once
 * @property {number} between what belongs to no step, in ms
 * @property {{from: number, to: number}[]} gaps
 * @property {Step | undefined} longest
 */

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
 * @returns {Spent}
 */
export function timeSpent(steps, total) {
  const spans = flat(steps).map(({ step, depth }) => {
    const { from, to } = spanOf(step, total);
    return { step, depth, from: Math.min(from, total), to: Math.min(to, total) };
  }).filter(({ from, to }) => to > from);
  const edges = Float64Array.from(new Set([0, total, ...spans.flatMap(({ from, to }) => [from, to])])).sort();
  const places = new Map([...edges].map((edge, index) => [edge, index]));
  /** The next stretch that belongs to nothing yet, from each one on. */
  const free = Int32Array.from(edges, (_, index) => index);
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
  for (const { step, from, to } of spans.sort((one, other) => other.depth - one.depth || other.from - one.from)) {
    const sum = kinds.get(step.kind) ?? { kind: step.kind, took: 0, count: 0 };
    kinds.set(step.kind, sum);
    sum.count += 1;
    const end = places.get(to) ?? 0;
    let own = 0;
    for (let at = freeFrom(places.get(from) ?? 0); at < end; at = freeFrom(at)) {
      own += (edges[at + 1] ?? 0) - (edges[at] ?? 0);
      free[at] = at + 1;
    }
    sum.took += own;
    if (own > most) [most, longest] = [own, step];
  }

  /** @type {{from: number, to: number}[]} */
  const gaps = [];
  let between = 0;
  for (let at = freeFrom(0); at < edges.length - 1; at = freeFrom(at)) {
    const [from, to] = [edges[at] ?? 0, edges[at + 1] ?? 0];
    const last = gaps.at(-1);
    if (last?.to === from) last.to = to;
    else gaps.push({ from, to });
    between += to - from;
    free[at] = at + 1;
  }
  return {
    kinds: [...kinds.values()].filter(({ took }) => took >= 0.5).sort((one, other) => other.took - one.took),
    between,
    gaps: gaps.sort((one, other) => other.to - other.from - (one.to - one.from)).slice(0, MAX_GAPS),
    longest,
  };
}

/** A moment in a trace, more exactly than a span: `1.25 s`. @param {number} ms */
export function moment(ms) {
  return ms >= 999.5 && ms < 59_950 ? `${(ms / 1000).toFixed(2)} s` : duration(ms);
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
  return (/** @type {number} */ ([1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9)))) * power;
}

/** All steps with how deep they stand. @param {Step[]} steps */
function flat(steps) {
  /** @type {{step: Step, depth: number}[]} */
  const all = steps.map((step) => ({ step, depth: 0 }));
  // The list grows while it is walked.
  for (const { step, depth } of all) for (const child of step.children) all.push({ step: child, depth: depth + 1 });
  return all;
}
