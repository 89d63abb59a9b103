// The benchmark of the page. Usage: node benchmark-page.mjs [OPTIONS] [WORKLOAD ...]; see scripts/benchmark-page.

import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { launchBrowser, openPage } from './browser.mjs';
import { quantile, recordTasks, timeBetween } from './benchmark-tasks.mjs';
import { monotonic, startStage } from './benchmark-server.mjs';
import { HOSTILE, lettersOf, seenOf } from './hostile-markdown.mjs';
import {
  chunksOf,
  codeText,
  languagesText,
  largeEvent,
  listText,
  mixedText,
  richText,
  traceEvents,
} from './benchmark-workloads.mjs';
import { connected, send, traceSwitch } from './chat.mjs';
import { seed } from './seed.mjs';

/** @import { Browser, Page } from 'playwright-core' */
/** @import { Piece, Played, Stage } from './benchmark-server.mjs' */
/** @import { Mark, Task } from './benchmark-tasks.mjs' */

const KB = 1024;
const RATE = 400;
const STEPS = 2_000;
/** The page is left alone for so long before and after, in ms. */
const REST_MS = 1_000;
/** How much is left for what was asked of the page to be done, in ms. */
const ACTION_MS = 1_500;
/** A task that takes longer is felt. */
const LONG_MS = 50;

/**
 * One run of a workload. Times are in ms.
 *
 * @typedef {object} Figures
 * @property {number} tasks how many the main thread had
 * @property {number} p50 of the tasks' times
 * @property {number} p99
 * @property {number} max
 * @property {number} ran the longest by the processor's time: without what the machine was busy with otherwise
 * @property {number} long how many took longer than 50 ms
 * @property {number} reported how many of these the browser itself reported (`longtask`)
 * @property {number[]} quarters the main thread's processor time a chunk, in each quarter of what was sent
 * @property {number[]} scripts of that, the page's own code
 * @property {number[]} lag of what is shown behind what was sent: median, 99 of 100, worst
 * @property {number} missed share of animation frames that had no turn
 * @property {number} late how late the worst chunk was sent: the machine's noise
 * @property {Record<string, number>} phases the longest task after each thing that was asked of the page
 * @property {number} [stopped] how long a press on Stop waited for the page
 * @property {number[]} [opened] how long it took until the last turn of a conversation was shown, and until all were, from the load of the page on
 */

/**
 * @typedef {object} Workload
 * @property {string} title
 * @property {() => Promise<Piece[]> | Piece[]} pieces
 * @property {number} [rate] a second
 * @property {boolean} [trace] whether the trace is asked for, and its panel open
 * @property {boolean} [reference] whether the naive page shows it
 * @property {(page: Page, phase: Phase) => Promise<void>} [meanwhile] done while it arrives
 * @property {(page: Page, phase: Phase) => Promise<void>} [after] done once all is there
 * @property {number} [turns] a conversation of so many turns that were answered with it is there when the page is loaded
 * @property {string} [hostile] the kind of a text that must be seen as a whole in the end; the same is sent again then, and stopped
 */

/** @typedef {(name: string, action: () => Promise<unknown>) => Promise<void>} Phase */

const tracePieces = async () => [...(await traceEvents(STEPS - 1)), largeEvent(), ...chunksOf(mixedText(2 * KB))];

/** Texts that were known to keep a page busy, and others of the kind. */
const HOSTILE_NAMES = [
  'emphasis that does not pair',
  'the same in a table',
  'the same in items',
  'definitions of links',
  'references and definitions',
  'lines under lines',
  'a long table',
  'a wide table',
  'a table of empty cells',
  'emphasis at its densest',
  'code at its densest',
  'brackets in brackets',
  'quotes and lists, deep and shallow',
  'an item of many blocks',
  'blocks of code',
  'right to left, and back',
];
const hostileText = (/** @type {string} */ name, /** @type {number} */ length) => HOSTILE[name]?.(length) ?? '';

/** @type {Record<string, Workload>} */
const WORKLOADS = {
  mixed: { title: '200 KB of mixed Markdown', pieces: () => chunksOf(mixedText(200 * KB)) },
  list: { title: 'one list of 64 KB', pieces: () => chunksOf(listText(64 * KB)) },
  code: { title: 'one block of code of 64 KB', pieces: () => chunksOf(codeText(64 * KB)) },
  languages: { title: 'blocks of code in twelve languages, 100 KB', pieces: () => chunksOf(languagesText(100 * KB)) },
  rich: { title: '64 KB with formulas, alerts and footnotes', pieces: () => chunksOf(richText(64 * KB)) },
  'rich-at-once': { title: 'the same at once', pieces: () => chunksOf(richText(64 * KB)), rate: Infinity },
  turns: {
    title: '200 turns of 3 KB, opened',
    pieces: () => [mixedText(3 * KB)],
    rate: Infinity,
    turns: 200,
  },
  trace: {
    title: 'a trace of 2,000 steps',
    pieces: tracePieces,
    trace: true,
    async after(page, phase) {
      await phase('search', () => page.locator('#traces-search').pressSequentially('Zürich', { delay: 100 }));
      await phase('leave the search', () => page.locator('#traces-search').fill(''));
      await phase('collapse all', () => page.locator('#traces-collapse').click());
      await phase('expand all', () => page.locator('#traces-collapse').click());
      await phase('open an event of 1 MB', () => openLast(page));
      await phase('the same as raw JSON', () => page.locator('#traces-raw').click());
    },
  },
  'trace-busy': {
    title: 'the same, collapsed and searched while it arrives',
    pieces: async () => {
      const pieces = await tracePieces();
      return [largeEvent(), ...pieces];
    },
    trace: true,
    async meanwhile(page, phase) {
      await phase('collapse all', () => page.locator('#traces-collapse').click());
      await phase('open an event of 1 MB', () => page.locator('#traces-list summary').first().click());
      await phase('search', () => page.locator('#traces-search').pressSequentially('Zürich', { delay: 100 }));
    },
  },
  'trace-at-once': { title: 'a trace of 2,000 steps at once', pieces: tracePieces, rate: Infinity, trace: true },
  ...Object.fromEntries(
    HOSTILE_NAMES.flatMap((name) => [
      [
        `hostile ${name}`,
        {
          title: `${name}, at once`,
          pieces: () => chunksOf(hostileText(name, 160 * KB), 8 * KB),
          rate: Infinity,
          hostile: name,
        },
      ],
      [
        `hostile ${name}, typed`,
        {
          title: `${name}, at 16 KB a second`,
          pieces: () => chunksOf(hostileText(name, 64 * KB)),
          rate: KB,
          hostile: name,
        },
      ],
    ]),
  ),
  short: { title: '24 KB of mixed Markdown', pieces: () => chunksOf(mixedText(24 * KB)) },
  reference: { title: 'the same, the naive way', pieces: () => chunksOf(mixedText(24 * KB)), reference: true },
};

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '3' }, json: { type: 'string' }, traces: { type: 'string' } },
});
const runs = Number(options.runs);
const isHostile = (/** @type {string} */ name) => WORKLOADS[name]?.hostile !== undefined;
const unknown = names.filter((name) => !(name in WORKLOADS) && name !== 'hostile');
if (unknown.length > 0 || !Number.isInteger(runs) || runs < 1) {
  console.error(
    unknown.length > 0
      ? `There is no workload ${unknown.join(', ')}. The workloads: ${Object.keys(WORKLOADS)
          .filter((name) => !isHostile(name))
          .join(', ')}, hostile`
      : '--runs takes a number from 1.',
  );
  process.exit(2);
}
if (options.traces !== undefined) await mkdir(options.traces, { recursive: true });

const browser = await launchBrowser();
const stage = await startStage();
/** @type {Record<string, Figures[]>} */
const results = {};
try {
  for (const [name, workload] of Object.entries(WORKLOADS)) {
    if (names.length > 0 ? !names.includes(name) && !(isHostile(name) && names.includes('hostile')) : isHostile(name))
      continue;
    for (let run = 1; run <= runs; run += 1) {
      console.error(`${name}, ${run} of ${runs}`);
      const path = options.traces && join(options.traces, `${name}-${run}.json`);
      (results[name] ??= []).push(await measure(browser, stage, workload, path));
    }
  }
} finally {
  await stage.stop();
  await browser.close();
}
const machine = { chromium: browser.version(), node: process.version, cores: cpus().length };
console.log(table(results));
if (options.json !== undefined)
  await writeFile(options.json, `${JSON.stringify({ machine, runs, results }, null, 1)}\n`);

/**
 * @param {Browser} browser
 * @param {Stage} stage
 * @param {Workload} workload
 * @param {string} [path]
 * @returns {Promise<Figures>}
 */
async function measure(browser, stage, workload, path) {
  const { pieces, rate = RATE, trace = false, reference = false, hostile, turns, meanwhile, after } = workload;
  const ready = await pieces();
  if (turns !== undefined) return measureOpening(browser, stage, ready.join(''), turns, path);
  const { page, faults, close } = await openPage(browser, reference ? 'about:blank' : stage.page, {
    prepare: (page) => page.addInitScript(watch),
  });
  const playing = stage.play(ready, rate);
  if (!reference) await connected(page);
  if (trace) await traceSwitch(page).check();
  await page.waitForTimeout(REST_MS);
  const stop = await recordTasks(browser, page, path);
  const begin = monotonic() / 1000;
  /** @type {Phase} */
  const phase = async (name, action) => {
    await page.evaluate((name) => performance.mark('phase', { detail: name }), name);
    await action();
    await page.waitForTimeout(ACTION_MS);
  };

  if (reference) await page.goto(stage.reference);
  else await send(page, 'Go on.');
  await meanwhile?.(page, phase);
  const played = await playing;
  if (reference) await page.waitForFunction(() => document.title === 'Done', undefined, { timeout: 0, polling: 500 });
  else
    await page.waitForFunction(() => document.querySelector('article.agent[aria-busy="false"]') !== null, undefined, {
      timeout: 0,
      polling: 500,
    });
  await page.waitForTimeout(REST_MS);
  await after?.(page, phase);
  const whole = ready.join('');
  if (hostile !== undefined) {
    await assertComplete(page, hostile, whole);
    // Once more, and stopped in the middle of it.
    void stage.play(ready, rate, false);
    await page.keyboard.insertText('Go on.');
    await page.keyboard.press('Enter');
    await page.waitForTimeout(rate === Infinity ? 250 : 2_000);
    await clickStop(page);
    await page.waitForFunction(
      () => document.querySelectorAll('article.agent[aria-busy="false"]').length === 2,
      undefined,
      { polling: 500 },
    );
  }
  const { tasks, scripts, marks } = await stop();
  const wrong = reference ? [] : faults;
  await close();
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  const since = (/** @type {{at: number}} */ { at }) => at >= begin;
  return figures(ready, played, tasks.filter(since), scripts.filter(since), marks.filter(since));
}

/**
 * What it takes to show a conversation that is there when the page is loaded.
 *
 * @param {Browser} browser
 * @param {Stage} stage
 * @param {string} text what each turn was answered with
 * @param {number} turns
 * @param {string} [path]
 * @returns {Promise<Figures>}
 */
async function measureOpening(browser, stage, text, turns, path) {
  const { page, faults, close } = await openPage(browser, stage.page, { prepare: (page) => page.addInitScript(watch) });
  await connected(page);
  await seed(page, 1, { turns, text: () => text });
  // The first of two loads makes it the conversation of the tab, and has the code compiled.
  await page.evaluate(() => sessionStorage.setItem('agent-relay.thread', 'seed-1'));
  /** When the last turn was there, and when all were, in ms after the page was asked for. */
  const shown = async () => {
    const times = await page.waitForFunction(
      (turns) => {
        const count = document.querySelectorAll('article.agent[aria-busy="false"]').length;
        const kept = /** @type {{shown?: number[]}} */ (/** @type {unknown} */ (window));
        const times = (kept.shown ??= []);
        if (count > 0 && times.length === 0) times.push(performance.now());
        return count === turns && [...times, performance.now()];
      },
      turns,
      { timeout: 0 },
    );
    return /** @type {number[]} */ (await times.jsonValue());
  };
  await page.reload({ waitUntil: 'commit' });
  await shown();
  await page.waitForTimeout(REST_MS);
  const stop = await recordTasks(browser, page, path);
  const begin = monotonic() / 1000;
  await page.reload({ waitUntil: 'commit' });
  const opened = await shown();
  await page.waitForTimeout(REST_MS);
  const { tasks, scripts, marks } = await stop();
  await close();
  if (faults.length > 0) throw new Error(faults.join('\n'));
  const since = (/** @type {{at: number}} */ { at }) => at >= begin;
  return {
    ...figures([], { sentAt: [], late: 0 }, tasks.filter(since), scripts.filter(since), marks.filter(since)),
    opened,
  };
}

/** Playwright's own way to an element goes through all of them, and would count as the page's work. @param {Page} page */
async function clickStop(page) {
  const { x, y, width, height } = await page.evaluate(
    () => /** @type {DOMRect} */ (document.querySelector('#stop')?.getBoundingClientRect()),
  );
  await page.mouse.click(x + width / 2, y + height / 2);
}

/** @param {Page} page @param {string} name @param {string} source */
async function assertComplete(page, name, source) {
  const text = await page.evaluate(() => {
    performance.mark('checked');
    const copy = /** @type {HTMLElement} */ (document.querySelector('article.agent .prose')?.cloneNode(true));
    for (const node of copy.querySelectorAll('.code-bar, .typed-why, .host')) node.remove();
    return copy.textContent ?? '';
  });
  if (lettersOf(text) !== seenOf(name, source)) throw new Error(`${name}: not all of the text is shown`);
}

/** Runs inside the page, before its own code: notes long tasks, clicks, animation frames, and how far the text is. */
function watch() {
  const noteClick = (/** @type {Event} */ event) =>
    performance.mark('clicked', { detail: performance.now() - event.timeStamp });
  window.addEventListener('click', noteClick, true);
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) performance.mark('long', { detail: duration });
  }).observe({ type: 'longtask' });
  let looked = 0;
  const look = (/** @type {number} */ now) => {
    requestAnimationFrame(look);
    performance.mark('frame');
    if (now - looked < 100) return;
    looked = now;
    // From the end, so that it costs the same however long the text is.
    const text = document.querySelector('.prose');
    if (text === null) return;
    const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
    for (
      let node = /** @type {Node | null} */ (last(text));
      node !== null && text.contains(node);
      node = walker.previousNode()
    ) {
      walker.currentNode = node;
      const [number] = node instanceof Text ? (node.data.slice(-400).match(/\bn\d+\b(?=.)(?!.*\bn\d+\b.)/s) ?? []) : [];
      if (number === undefined) continue;
      performance.mark('shown', { detail: Number(number.slice(1)) });
      return;
    }
  };
  const last = (/** @type {Node} */ node) => {
    let inner = node;
    while (inner.lastChild !== null) inner = inner.lastChild;
    return inner;
  };
  requestAnimationFrame(look);
}

/**
 * @param {Piece[]} pieces
 * @param {Played} played
 * @param {Task[]} all
 * @param {Task[]} scripts
 * @param {Mark[]} marks
 * @returns {Figures}
 */
function figures(pieces, { sentAt, late }, all, scripts, marks) {
  // Looking at the text is no work of the page's.
  const checked = marks.filter(({ name }) => name === 'checked');
  const tasks = all.filter((task) => !checked.some(({ at }) => at >= task.at && at <= task.at + task.took));
  const times = tasks.map(({ took }) => took);
  const sent = sentAt.map((at) => at / 1000);
  const [first = 0, end = 0] = [sent[0], sent.at(-1)];

  // Where the text of each number ends, and when it was sent.
  /** @type {Map<number, number>} */
  const numberSent = new Map();
  let tail = '';
  for (const [index, piece] of pieces.entries()) {
    if (typeof piece !== 'string') continue;
    tail = (tail + piece).slice(-64);
    for (const [, number] of tail.matchAll(/\bn(\d+)\b(?=[\s\S])/g))
      if (!numberSent.has(Number(number))) numberSent.set(Number(number), sent[index] ?? 0);
  }
  // A text is behind by as long as the first number that it lacks has been there.
  const lag = marks
    .filter(({ name, at }) => name === 'shown' && at <= end)
    .map(({ at, detail }) => Math.max(at - (numberSent.get(Number(detail) + 1) ?? at), 0));

  // The naive page reads chunks long after they were sent, so it says itself when it has read them.
  const read = marks.filter(({ name }) => name === 'chunk').map(({ at }) => at);
  const at = read.length > 0 ? read : sent;
  const edges = [0, 1, 2, 3, 4].map(
    (quarter) => at[Math.min(Math.round((at.length * quarter) / 4), at.length - 1)] ?? 0,
  );
  const quarterly = (/** @type {Task[]} */ work) =>
    edges.slice(1).map((to, quarter) => timeBetween(work, edges[quarter] ?? 0, to, 'ran') / (at.length / 4));

  const last = Math.max(end, at.at(-1) ?? 0);
  const frames = marks.filter(({ name, at }) => name === 'frame' && at >= first && at <= last).map(({ at }) => at);
  const wanted = (last - first) / (1000 / 60);

  /** @type {Record<string, number>} */
  const phases = {};
  const starts = marks.filter(({ name }) => name === 'phase');
  for (const [index, { at, detail }] of starts.entries()) {
    const until = starts[index + 1]?.at ?? Infinity;
    phases[String(detail)] = Math.max(
      ...tasks.filter((task) => task.at >= at && task.at < until).map(({ took }) => took),
    );
  }
  return {
    tasks: times.length,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    max: Math.max(...times),
    ran: Math.max(...tasks.map(({ ran }) => ran)),
    long: times.filter((took) => took > LONG_MS).length,
    reported: marks.filter(({ name }) => name === 'long').length,
    quarters: quarterly(tasks),
    scripts: quarterly(scripts),
    lag: [quantile(lag, 0.5), quantile(lag, 0.99), Math.max(...lag, 0)],
    missed: wanted < 30 ? 0 : Math.max(1 - frames.length / wanted, 0),
    late,
    phases,
    stopped: Math.max(...marks.filter(({ name }) => name === 'clicked').map(({ detail }) => Number(detail))),
  };
}

/**
 * The row of the large event is the last of its kind: scrolled to, then opened.
 *
 * @param {Page} page
 */
async function openLast(page) {
  await page.locator('#traces-list > div > :last-child > :last-child > details > summary').click();
}

/** @param {Record<string, Figures[]>} results */
function table(results) {
  const tasks = [
    [
      'workload',
      'tasks',
      'p50',
      'p99',
      'longest',
      'longest by processor time',
      'above 50 ms',
      'lag p50 · p99',
      'frames missed',
    ],
  ];
  const growth = [['workload', 'all work', 'last ÷ first', 'page’s own code', 'last ÷ first']];
  const ms = (/** @type {number} */ value) =>
    `${value < 1 ? value.toFixed(2) : value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
  for (const [name, runs] of Object.entries(results)) {
    const middle = (/** @type {(figures: Figures) => number} */ of) => quantile(runs.map(of), 0.5);
    const worst = (/** @type {(figures: Figures) => number} */ of) => Math.max(...runs.map(of));
    tasks.push([
      WORKLOADS[name]?.title ?? name,
      middle(({ tasks }) => tasks).toLocaleString('en'),
      ms(middle(({ p50 }) => p50)),
      ms(middle(({ p99 }) => p99)),
      runs.map(({ max }) => ms(max)).join(' · '),
      ms(worst(({ ran }) => ran)),
      runs.map(({ long }) => long).join(' · '),
      WORKLOADS[name]?.trace
        ? '–'
        : `${ms(middle(({ lag }) => lag[0] ?? 0))} · ${ms(middle(({ lag }) => lag[1] ?? 0))}`,
      `${(middle(({ missed }) => missed) * 100).toFixed(1)} %`,
    ]);
    const quarters = (/** @type {(figures: Figures) => number[]} */ of) => {
      const times = [0, 1, 2, 3].map((quarter) => middle((figures) => of(figures)[quarter] ?? 0));
      return [times.map((time) => time.toFixed(2)).join(' · '), ((times[3] ?? 0) / (times[0] || 1)).toFixed(2)];
    };
    if (WORKLOADS[name]?.rate === undefined)
      growth.push([
        WORKLOADS[name]?.title ?? name,
        ...quarters(({ quarters }) => quarters),
        ...quarters(({ scripts }) => scripts),
      ]);
  }
  const hostile = [['text', 'longest', 'longest by processor time', 'above 50 ms', 'Stop waited']];
  for (const [name, runs] of Object.entries(results)) {
    if (!isHostile(name)) continue;
    tasks.splice(
      tasks.findIndex(([title]) => title === WORKLOADS[name]?.title),
      1,
    );
    hostile.push([
      WORKLOADS[name]?.title ?? name,
      runs.map(({ max }) => ms(max)).join(' · '),
      ms(Math.max(...runs.map(({ ran }) => ran))),
      runs.map(({ long }) => long).join(' · '),
      runs.map(({ stopped }) => ms(stopped ?? 0)).join(' · '),
    ]);
  }
  const phases = Object.entries(results).flatMap(([name, runs]) =>
    Object.keys(runs[0]?.phases ?? {}).map((phase) => [
      WORKLOADS[name]?.title ?? name,
      phase,
      runs.map((figures) => ms(figures.phases[phase] ?? 0)).join(' · '),
    ]),
  );
  const opened = Object.entries(results)
    .filter(([name]) => WORKLOADS[name]?.turns !== undefined)
    .map(([name, runs]) => [
      WORKLOADS[name]?.title ?? name,
      ...[0, 1].map((which) => runs.map(({ opened }) => ms(opened?.[which] ?? 0)).join(' · ')),
    ]);
  return [
    tasks,
    hostile,
    growth,
    [['workload', 'the last turn shown after', 'all of it'], ...opened],
    [['workload', 'asked of the page', 'longest task'], ...phases],
  ]
    .filter((rows) => rows.length > 1)
    .map((rows) =>
      [rows[0] ?? [], (rows[0] ?? []).map((_, index) => (index === 0 ? '---' : '---:')), ...rows.slice(1)]
        .map((cells) => `| ${cells.join(' | ')} |`)
        .join('\n'),
    )
    .join('\n\n');
}
