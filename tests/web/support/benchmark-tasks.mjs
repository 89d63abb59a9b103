// What Chromium's main thread did, from its own trace: every task, with how long it took by the clock and
// how long it really ran.

/** @import { Browser, Page } from 'playwright-core' */

const CATEGORIES = ['devtools.timeline', 'blink.user_timing', 'toplevel'];
/**
 * What says where a long task spent its time. It slows the page, so only a saved trace has it: the first one
 * makes Chromium count the whole document for every picture, 2 ms with 20,000 elements.
 */
const MORE = ['disabled-by-default-devtools.timeline', 'disabled-by-default-v8.cpu_profiler', 'v8.execute'];

/**
 * A task of the main thread, in ms; the start is of the monotonic clock.
 *
 * @typedef {{at: number, took: number, ran: number}} Task
 */

/**
 * What a page wrote down with `performance.mark`: the time in ms of the same clock.
 *
 * @typedef {{name: string, at: number, detail: unknown}} Mark
 */

/**
 * Records what the main thread of a page does.
 *
 * @param {Browser} browser
 * @param {Page} page
 * @param {string} [path] where the whole trace goes, for DevTools
 * @returns {Promise<() => Promise<{tasks: Task[], scripts: Task[], marks: Mark[]}>>} ends it
 */
export async function recordTasks(browser, page, path) {
  await browser.startTracing(page, {
    categories: path === undefined ? CATEGORIES : [...CATEGORIES, ...MORE],
    ...(path !== undefined && { path }),
  });
  await page.evaluate(() => performance.mark('recording'));
  return async () => {
    const trace = await browser.stopTracing();
    return readTrace(JSON.parse(trace.toString()).traceEvents);
  };
}

/**
 * Records how much a page has to be styled.
 *
 * @param {Browser} browser
 * @param {Page} page
 * @returns {Promise<() => Promise<number[]>>} ends it, and gives for each time of how many elements the browser worked
 *   out anew how they look
 */
export async function stylesOf(browser, page) {
  await browser.startTracing(page, { categories: CATEGORIES });
  await page.evaluate(() => performance.mark('recording'));
  return async () => {
    const trace = await browser.stopTracing();
    /** @type {TraceEvent[]} */
    const events = JSON.parse(trace.toString()).traceEvents;
    const here = ofPage(events);
    return events
      .filter((event) => event.name === 'UpdateLayoutTree' && event.ph === 'X' && here(event))
      .map(({ args }) => args.elementCount);
  };
}

/**
 * @typedef {{name: string, cat: string, ph: string, ts: number, dur?: number, tdur?: number, pid: number, tid: number, args?: any}} TraceEvent
 * @param {TraceEvent[]} events
 */
function readTrace(events) {
  const here = ofPage(events);
  const marks = events
    .filter((event) => isMark(event) && here(event))
    .map(({ name, ts, args }) => ({ name, at: ts / 1000, detail: detailOf(args) }));
  /** @type {Task[]} */
  const tasks = [];
  const all = events
    .filter((event) => event.ph === 'X' && /(?:^|::)RunTask$/.test(event.name) && here(event))
    .sort((one, other) => one.ts - other.ts);
  for (const { ts, dur = 0, tdur = dur } of all) {
    const last = tasks.at(-1);
    // The same task under the name of another category, or one inside of another.
    if (last !== undefined && (ts + dur) / 1000 <= last.at + last.took + 0.05) continue;
    tasks.push({ at: ts / 1000, took: dur / 1000, ran: tdur / 1000 });
  }
  return { tasks, scripts: scriptsOf(events.filter(here)), marks };
}

/** @param {TraceEvent} event */
function isMark({ cat, ph }) {
  return cat === 'blink.user_timing' && (ph === 'I' || ph === 'R' || ph === 'i');
}

/** Tells what the main thread of the page did. @param {TraceEvent[]} events */
function ofPage(events) {
  const ours = events.find((event) => isMark(event) && event.name === 'recording');
  if (ours === undefined) throw new Error('the trace does not tell which thread is that of the page');
  return (/** @type {TraceEvent} */ { pid, tid }) => pid === ours.pid && tid === ours.tid;
}

/**
 * The page's own code: what its functions took, without the layout that they made the browser do.
 *
 * @param {TraceEvent[]} events of one thread
 * @returns {Task[]}
 */
function scriptsOf(events) {
  /** @type {(Task & {end: number})[]} */
  const scripts = [];
  const wanted = events.filter(
    ({ ph, name, args }) =>
      ph === 'X' && (/^(?:UpdateLayoutTree|Layout)$/.test(name) || (name === 'FunctionCall' && args?.data?.url !== '')),
  );
  for (const { name, ts, dur = 0, tdur = dur } of wanted.sort((one, other) => one.ts - other.ts)) {
    const last = scripts.at(-1);
    const inside = last !== undefined && ts < last.end;
    if (name === 'FunctionCall' && !inside)
      scripts.push({ at: ts / 1000, took: dur / 1000, ran: tdur / 1000, end: ts + dur });
    else if (name !== 'FunctionCall' && inside)
      Object.assign(last, { took: last.took - dur / 1000, ran: last.ran - tdur / 1000 });
  }
  return scripts;
}

/** @param {any} args */
function detailOf(args) {
  const detail = args?.data?.detail;
  return detail === undefined ? undefined : JSON.parse(detail);
}

/** The value below which a share of all is. @param {number[]} values @param {number} share */
export function quantile(values, share) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0;
}

/** The time of the tasks between two moments. @param {Task[]} tasks @param {number} from @param {number} to @param {'took' | 'ran'} by */
export function timeBetween(tasks, from, to, by) {
  let sum = 0;
  for (const task of tasks) {
    const inside = Math.min(task.at + task.took, to) - Math.max(task.at, from);
    if (inside > 0 && task.took > 0) sum += task[by] * Math.min(inside / task.took, 1);
  }
  return sum;
}
