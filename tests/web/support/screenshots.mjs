// The pictures of the page. Usage: node screenshots.mjs FOLDER [NAME ...]; see scripts/screenshots.

import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launchBrowser, openPage } from './browser.mjs';
import { startLocal } from './local.mjs';

/** @import { Browser, BrowserContextOptions, Page } from 'playwright-core' */

/** The README shows these; a picture that takes long to load is not looked at. */
const MAX_BYTES = 200 * 1024;
const PROMPT = 'What happens between my question and your answer?';

const HARNESS = ['--source', 'harness'];
const RUNTIME = ['--source', 'runtime'];
/** An answer that the scripted agent has no prompt for. */
const TIMELINES = ['--timelines', fileURLToPath(new URL('../fixtures', import.meta.url))];
/** @type {BrowserContextOptions} */
const PHONE = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

/**
 * @typedef {object} Picture
 * @property {BrowserContextOptions} [options]
 * @property {string[]} [source] options of the local AWS: who answers
 * @property {(page: Page) => Promise<void>} [prepare] before the page is loaded
 * @property {(page: Page) => Promise<void>} pose
 */

/** @type {Record<string, Picture>} */
const PICTURES = {
  'chat-light': {
    async pose(page) {
      await ask(page, PROMPT);
      await ended(page);
      await fromTheTop(page);
    },
  },
  'chat-dark': {
    options: { colorScheme: 'dark' },
    async pose(page) {
      await ask(page, PROMPT);
      await ended(page);
      await fromTheTop(page);
    },
  },
  formulas: {
    source: TIMELINES,
    options: { viewport: { width: 1100, height: 760 } },
    async pose(page) {
      await ask(page, '/play formulas.jsonl');
      await ended(page);
      await page.locator('.formula math').nth(3).waitFor();
      await page.locator('.code pre span').first().waitFor();
      await fromTheTop(page);
      await page.mouse.move(0, 0);
    },
  },
  conversations: {
    options: { viewport: { width: 1280, height: 720 }, deviceScaleFactor: 1.1 },
    async pose(page) {
      await page.getByRole('button', { name: 'Conversations', exact: true }).click();
      for (const prompt of [
        'Compare the plans of the team',
        'How long may an answer take?',
        'What does a turn cost?',
        PROMPT,
      ]) {
        await page.getByRole('button', { name: 'New conversation' }).click();
        await ask(page, prompt);
        await ended(page);
        await page.locator('.conversation.current', { hasText: prompt }).waitFor();
      }
      await fromTheTop(page);
      await page.mouse.move(0, 0);
    },
  },
  comparison: {
    options: { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1.1 },
    async pose(page) {
      await page.getByRole('switch', { name: 'Trace' }).check();
      // The first run of a program takes longer.
      for (const turn of [0, 1, 2]) {
        await ask(page, '/team');
        await page.locator('article.agent[aria-busy="false"]').nth(turn).waitFor();
      }
      await page.getByRole('combobox', { name: 'Compare with' }).selectOption({ index: 2 });
      await page.locator('.pairs[aria-busy="false"]').waitFor();
      await page.mouse.move(0, 0);
    },
  },
  streaming: {
    // However long a picture takes, it shows the middle of the answer.
    prepare: (page) =>
      page.routeWebSocket(/./, (socket) => {
        const server = socket.connectToServer();
        let length = 0;
        server.onMessage((message) => {
          length += JSON.parse(String(message)).delta?.length ?? 0;
          if (length < 520) socket.send(message);
        });
      }),
    async pose(page) {
      await page.getByRole('switch', { name: 'Trace' }).check();
      await ask(page, PROMPT);
      await page.waitForFunction(() => (document.querySelector('.body')?.textContent?.length ?? 0) > 380);
    },
  },
  traces: {
    options: { viewport: { width: 1100, height: 660 } },
    async pose(page) {
      await page.getByRole('switch', { name: 'Trace' }).check();
      await ask(page, PROMPT);
      await ended(page);
      await page.locator('.step.kind-rationale summary').first().click();
      await page.locator('.step-detail').waitFor();
      await page.locator('#traces-scroller').evaluate((panel) => panel.scrollTo(0, 0));
      await page.mouse.move(0, 0);
    },
  },
  narrow: {
    options: PHONE,
    async pose(page) {
      await page.getByRole('switch', { name: 'Trace' }).check();
      await ask(page, PROMPT);
      await ended(page);
      await fromTheTop(page);
    },
  },
  'harness-trace': {
    source: HARNESS,
    options: { viewport: { width: 1100, height: 900 } },
    async pose(page) {
      await page.getByRole('switch', { name: 'Trace' }).check();
      await ask(page, '/work');
      await ended(page);
      await page.locator('details.reasoning summary').first().click();
      await page.locator('.step-name').getByText('shell', { exact: true }).click();
      await page.locator('.step-detail').waitFor();
      await page.locator('#traces-scroller').evaluate((panel) => panel.scrollTo(0, 0));
      await fromTheTop(page);
      await page.mouse.move(0, 0);
    },
  },
  'harness-narrow': {
    source: HARNESS,
    options: PHONE,
    async pose(page) {
      await page.getByRole('switch', { name: 'Trace' }).check();
      await ask(page, '/work');
      await ended(page);
      await page.locator('#traces-toggle').click();
      await page.locator('.step').first().waitFor();
    },
  },
  'runtime-trace': {
    source: RUNTIME,
    options: { viewport: { width: 1100, height: 900 } },
    async pose(page) {
      await page.getByRole('switch', { name: 'Trace' }).check();
      // The first run of a program takes longer than what is to be seen.
      await ask(page, '/strands');
      await ended(page);
      await page.getByRole('button', { name: 'New conversation' }).click();
      await ask(page, '/strands');
      await ended(page);
      await page.locator('#traces-scroller').evaluate((panel) => panel.scrollTo(0, 0));
      await fromTheTop(page);
      await page.mouse.move(0, 0);
    },
  },
  tool: {
    options: { viewport: { width: 1100, height: 760 } },
    async pose(page) {
      await ask(page, '/tool api');
      await ended(page);
    },
  },
  error: {
    options: { viewport: { width: 1100, height: 520 } },
    async pose(page) {
      await ask(page, '/error throttlingException 12');
      await ended(page);
    },
  },
};

const [folder = '.', ...names] = process.argv.slice(2);
const unknown = names.filter((name) => !(name in PICTURES));
if (unknown.length > 0) {
  console.error(`There is no picture ${unknown.join(', ')}. The pictures: ${Object.keys(PICTURES).join(', ')}`);
  process.exit(2);
}
await mkdir(folder, { recursive: true });
const browser = await launchBrowser();
try {
  for (const [name, picture] of Object.entries(PICTURES)) {
    if (names.length === 0 || names.includes(name)) await take(browser, name, picture);
  }
} finally {
  await browser.close();
}

/**
 * @param {Browser} browser
 * @param {string} name
 * @param {Picture} picture
 */
async function take(browser, name, { source = [], options, prepare, pose }) {
  // A program of its own for each picture, so that whoever answers starts to count at one.
  const local = await startLocal(...source);
  try {
    const { page, faults, close } = await openPage(browser, `${local.page}/`, {
      // Not wider than needed: the README shows a picture at some 830 px, and its text should stay legible.
      viewport: { width: 1100, height: 700 },
      deviceScaleFactor: 1.25,
      colorScheme: 'light',
      reducedMotion: 'reduce',
      ...options,
      ...(prepare ? { prepare } : {}),
    });
    await page.getByText('Connected', { exact: true }).waitFor();
    await pose(page);
    const path = join(folder, `${name}.png`);
    await page.screenshot({ path, caret: 'hide' });
    await close();
    const { size } = await stat(path);
    console.log(`${path}  ${(size / 1024).toFixed(0)} KiB`);
    if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`);
    if (size > MAX_BYTES) throw new Error(`${path} is larger than ${MAX_BYTES / 1024} KiB`);
  } finally {
    await local.stop();
  }
}

/**
 * @param {Page} page
 * @param {string} prompt
 */
async function ask(page, prompt) {
  await page.getByRole('textbox', { name: 'Prompt' }).fill(prompt);
  // On a phone Enter is a new line.
  await page.getByRole('button', { name: 'Send' }).click();
}

/** @param {Page} page */
async function ended(page) {
  await page.locator('article.agent[aria-busy="false"]').waitFor({ timeout: 60_000 });
}

/** @param {Page} page */
async function fromTheTop(page) {
  await page.locator('#scroller').evaluate((scroller) => scroller.scrollTo(0, 0));
}
