// What a chunk costs must not depend on how much came before. Nothing is timed here, so it holds on any
// machine: counted are the steps of reading and showing, and the nodes that change, for each chunk.
// scripts/benchmark-page measures the times.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { stylesOf } from './support/benchmark-tasks.mjs';
import { chunksOf, codeText, listText, mixedText, traceEvents } from './support/benchmark-workloads.mjs';
import { answer, send, traceSwitch, useChat } from './support/chat.mjs';
import { provideModules } from './support/modules.mjs';
import { answers, FINISHED, relay, text } from './support/relay.mjs';

/** @import { Browser, Page } from 'playwright-core' */
/** @import { Run } from './support/relay.mjs' */

const LENGTH = 64 * 1024;
/** How much more the last quarter may cost than the first: a block more or less that falls into it. */
const MAX_GROWTH = 1.25;
/** How many elements may stand in one. */
const MOST_SIBLINGS = 100;
/** How many rows of a trace may be made for one picture. */
const MOST_ROWS = 24;

/** Sums over the chunks of a quarter. @typedef {{read: number, changed: number}} Cost */

/** How many characters of an answer may be drawn first, and how many pictures it may take to draw all. */
const [MOST_AT_FIRST, MOST_PICTURES] = [1_000, 30];

/** Of how many elements a browser may work out anew how they look when some words come. */
const MOST_RESTYLED = 20;

const { open, openForAll } = useChat();

for (const withTrace of [false, true]) {
  test(`words that come change how nothing else looks${withTrace ? ', beside an open trace' : ''}`, async (t) => {
    /** @type {Run[]} */
    const runs = [];
    const page = await open({ prepare: relay((run) => runs.push(run)).prepare });
    if (withTrace) await traceSwitch(page).check();
    await send(page, 'Go on.');
    /** The text is there, with whatever comes of it. @param {string} words */
    const shown = async (words) => {
      await page.locator('.body').getByText(words).waitFor();
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
    };
    const events = withTrace ? (await traceEvents(30)).map((event) => ({ type: 'RAW', ...event })) : [];
    runs[0]?.say(...events, text(`${mixedText(8 * 1024)}\n\nThe last paragraph`));
    await shown('The last paragraph');
    const stop = await stylesOf(/** @type {Browser} */ (page.context().browser()), page);
    for (let count = 1; count <= 10; count += 1) {
      runs[0]?.say(text(` and *words${count}*,`));
      await shown(`words${count}`);
    }
    const counts = await stop();
    const all = await page.locator('*').count();
    t.diagnostic(`${counts} of ${all}`);
    assert.ok(counts.length > 0 && all > MOST_RESTYLED * 5);
    assert.ok(Math.max(...counts) <= MOST_RESTYLED, `${counts} of ${all} elements`);
  });
}

test('an answer that comes at once begins with a little, for which fonts are fetched, and is there soon', async (t) => {
  const scripted = relay(() => {});
  const page = await open({
    prepare: async (page) => {
      await scripted.prepare(page);
      await page.addInitScript(() => {
        /** What stood there in each picture. @type {number[]} */
        const lengths = [];
        Object.assign(window, { lengths });
        const look = () => {
          lengths.push(document.querySelector('article.agent .body')?.textContent?.length ?? 0);
          requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
      });
    },
  });
  await send(page, 'Everything, please.');
  await page.locator('article.agent .thinking').waitFor();
  // Some pictures without a change.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  scripted.runs[0]?.say(text(mixedText(LENGTH)), FINISHED);
  await answer(page);
  /** @type {number[]} */
  const lengths = await page.evaluate('window.lengths');
  const [first = 0, ...pictures] = new Set(lengths.filter((length) => length > 0));
  t.diagnostic(`${first}, then ${pictures}`);
  assert.ok(first < MOST_AT_FIRST, `${first} characters`);
  assert.ok(pictures.length < MOST_PICTURES, `${pictures.length} pictures`);
});

test('a picture that has taken its time already gets no text as well, and the next one does', async () => {
  const page = await open({
    prepare: async (page) => {
      await answers([text(mixedText(LENGTH)), FINISHED]).prepare(page);
      await page.addInitScript(() => {
        /** @type {number[]} */
        const lengths = [];
        Object.assign(window, { lengths });
        // Something that takes long stands before the text in each picture.
        const busy = (/** @type {number} */ begun) => {
          requestAnimationFrame(busy);
          lengths.push(document.querySelector('article.agent .body')?.textContent?.length ?? 0);
          while (performance.now() - begun < 12);
        };
        requestAnimationFrame(busy);
      });
    },
  });
  await send(page, 'Everything, please.');
  await answer(page);
  /** @type {number[]} */
  const lengths = await page.evaluate('window.lengths');
  const drawn = lengths.flatMap((length, index) => (length === (lengths[index - 1] ?? 0) ? [] : [index]));
  assert.ok(drawn.length > 5, `drawn in ${drawn}`);
  assert.ok(
    drawn.every((index) => !drawn.includes(index + 1)),
    `drawn in ${drawn}`,
  );
});

describe('in Chromium', () => {
  /** @type {Page} */
  let page;
  before(async () => {
    page = await openForAll();
    await provideModules(page);
    await page.evaluate(async () => {
      const load = (/** @type {string} */ name) => import(new URL(`modules/${name}`, document.baseURI).href);
      const [{ MarkdownStream }, { TraceView }] = await Promise.all(['markdown/stream.js', 'trace/view.js'].map(load));
      const parts = { prices: () => ({}), pane: () => undefined, collapsed: () => false, added() {}, showSource() {} };
      let read = 0;

      /** @param {HTMLElement} root @param {number} steps @param {(step: number) => unknown} take */
      const quarters = async (root, steps, take) => {
        let changed = 0;
        const count = (/** @type {MutationRecord[]} */ records) => {
          for (const { addedNodes, removedNodes } of records) changed += 1 + addedNodes.length + removedNodes.length;
        };
        const observer = new MutationObserver(count);
        observer.observe(root, { subtree: true, childList: true, characterData: true, attributes: true });
        /** @type {Cost[]} */
        const costs = Array.from({ length: 4 }, () => ({ read: 0, changed: 0 }));
        for (let step = 0; step < steps; step += 1) {
          read = changed = 0;
          await take(step);
          count(observer.takeRecords());
          const cost = costs[Math.floor((step * 4) / steps)];
          if (cost === undefined) continue;
          cost.read += read;
          cost.changed += changed;
        }
        observer.disconnect();
        return costs;
      };
      Object.assign(window, {
        /** @param {string[]} chunks */
        async grown(chunks) {
          const root = document.createElement('div');
          const stream = new MarkdownStream(root);
          let text = '';
          const costs = await quarters(root, chunks.length, (step) => {
            const before = stream.steps;
            stream.grow((text += chunks[step]));
            read += stream.steps - before;
          });
          return {
            costs,
            widest: Math.max(
              ...[root, ...root.querySelectorAll('*')].map(({ childElementCount }) => childElementCount),
            ),
          };
        },
        /** How many rows each slice adds of a trace that is there at once. @param {{source: string, event: unknown}[]} events */
        async sliced(events) {
          const turn = { prompt: '', status: 'done', events: events.map((event) => ({ at: 0, ...event })), sentAt: 0 };
          /** @type {number[]} */
          const totals = [0];
          const all = Promise.withResolvers();
          const drawn = () => {
            totals.push(view.list.querySelectorAll('.step').length);
            if (totals.at(-1) === view.tree.size) all.resolve(undefined);
          };
          const view = new TraceView(turn, { ...parts, drawn });
          view.take();
          document.querySelector('#traces-list')?.replaceChildren(view.list);
          view.draw();
          await all.promise;
          const summary = /** @type {Element} */ (view.list.querySelector('summary'));
          return {
            slices: totals.slice(1).map((total, index) => total - (totals[index] ?? 0)),
            counted: getComputedStyle(summary).counterIncrement,
          };
        },
        /** @param {{source: string, event: unknown}[]} events */
        traced(events) {
          /** @type {(value?: unknown) => void} */
          let drawn = () => {};
          const turn = { prompt: '', status: 'running', events: /** @type {unknown[]} */ ([]), sentAt: 0 };
          const view = new TraceView(turn, { ...parts, drawn: () => drawn() });
          return quarters(view.list, events.length, async (step) => {
            turn.events.push({ at: step, ...events[step] });
            view.take();
            await new Promise((resolve) => {
              drawn = resolve;
              view.draw();
            });
          });
        },
      });
    });
  });

  /** @param {Cost[]} costs @param {keyof Cost} what */
  const assertLevel = (costs, what) => {
    const [first = 0, ...others] = costs.map((cost) => cost[what]);
    assert.ok(
      others.every((cost) => cost <= first * MAX_GROWTH),
      `${what} in each quarter: ${costs.map((cost) => cost[what])}`,
    );
  };

  const texts = {
    prose: 'Words, and *more* of them, in short paragraphs.\n\n'.repeat(1400),
    'mixed Markdown': mixedText(LENGTH),
    'one list': listText(LENGTH),
    'one block of code': codeText(LENGTH),
    'one table': `| n | name | state |\n|--:|---|---|\n${'| 12 | a *name* of it | `done` |\n'.repeat(1300)}`,
    'one quote': '> Words, and *more* of them, in short paragraphs.\n>\n'.repeat(1300),
    'one item of a list': `- An item that goes on.\n\n${'  Words, and *more* of them, in short paragraphs.\n\n'.repeat(1300)}`,
    'a list in a list': `- An item with items.\n${'  - one of *them*, and `code`\n'.repeat(1500)}`,
    'definitions that nobody refers to': Array.from(
      { length: 1600 },
      (_, index) => `[d${index}]: https://a.example/${index}\n`,
    ).join(''),
  };
  for (const [name, text] of Object.entries(texts)) {
    test(`${name}: a chunk at the end costs what one at the start does`, async (t) => {
      const { costs, widest } = /** @type {{costs: Cost[], widest: number}} */ (
        await page.evaluate((chunks) => /** @type {any} */ (window).grown(chunks), chunksOf(text))
      );
      t.diagnostic(JSON.stringify({ costs, widest }));
      // Where one of a thousand siblings changes, a browser looks at them all.
      assert.ok(widest <= MOST_SIBLINGS, `${widest} elements stand in one`);
      assert.ok(costs.every(({ changed }) => changed > 0));
      assertLevel(costs, 'read');
      assertLevel(costs, 'changed');
    });
  }

  test('a trace that is there at once is drawn in small slices, and no step makes the browser count the others', async () => {
    const { slices, counted } = /** @type {{slices: number[], counted: string}} */ (
      await page.evaluate((events) => /** @type {any} */ (window).sliced(events), await traceEvents(200))
    );
    assert.ok(slices.length > 1 && slices.every((rows) => rows <= MOST_ROWS), String(slices));
    assert.equal(counted, 'none');
  });

  test('a trace: a step at the end costs what one at the start does', async (t) => {
    const events = await traceEvents(2000);
    const costs = /** @type {Cost[]} */ (
      await page.evaluate((events) => /** @type {any} */ (window).traced(events), events)
    );
    t.diagnostic(JSON.stringify(costs));
    assertLevel(costs, 'changed');
  });
});
