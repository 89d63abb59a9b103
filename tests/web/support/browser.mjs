// Debian's Chromium, and pages that are watched: whatever a visitor should never see is written down.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { chromium } from 'playwright-core';

/** @import { Browser, BrowserContextOptions, Page } from 'playwright-core' */

/**
 * How long anything may take, in milliseconds, until a test is given up. It only ends what hangs: no test
 * may depend on how fast the machine is.
 */
export const TIMEOUT_MS = 120_000;
const POLL_MS = 20;

const CHROMIUM = '/usr/bin/chromium';
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function requireChromium() {
  if (!existsSync(CHROMIUM)) {
    throw new Error(
      `There is no ${CHROMIUM}. Install it: apt-get install chromium fonts-dejavu fonts-noto-color-emoji`,
    );
  }
}

/**
 * Starts the browser.
 *
 * @returns {Promise<Browser>}
 */
export async function launchBrowser() {
  requireChromium();
  return chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS, timeout: TIMEOUT_MS });
}

/**
 * Starts a browser whose tabs are hidden when another one is in front, as in real life. Those of
 * `launchBrowser` are not: Playwright tells each that it is looked at.
 */
export async function launchTabs() {
  requireChromium();
  const folder = await mkdtemp(join(tmpdir(), 'tabs-'));
  const options = [...ARGUMENTS, '--headless', '--remote-debugging-port=0', `--user-data-dir=${folder}`, 'about:blank'];
  const program = spawn(CHROMIUM, options, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(program, 'exit');
  /** @type {string} */
  const address = await new Promise((resolve, reject) => {
    let said = '';
    program.stderr.setEncoding('utf8').on('data', (text) => {
      said += text;
      const found = /DevTools listening on (ws:\S+)/.exec(said);
      if (found?.[1] !== undefined) resolve(found[1]);
    });
    program.once('exit', () => reject(new Error(`${CHROMIUM} ended:\n${said}`)));
  });
  const browser = await chromium.connectOverCDP(address, { noDefaults: true });
  const [context] = browser.contexts();
  if (context === undefined) throw new Error('The browser has no window.');
  return {
    context,
    async stop() {
      await browser.close();
      program.kill();
      await exited;
      await rm(folder, { recursive: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

/**
 * Waits until something is so.
 *
 * @param {() => unknown} condition is asked again and again, may be slow to answer
 */
export async function eventually(condition) {
  const deadline = Date.now() + TIMEOUT_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`This was never so: ${condition}`);
    await setTimeout(POLL_MS);
  }
}

/**
 * Waits until a page says yes to what it has to find out first. For `waitForFunction`, a promise of no is a yes.
 *
 * @template Argument
 * @param {Page} page
 * @param {(argument: Argument) => Promise<boolean>} asks runs in the page
 * @param {Argument} [argument]
 */
export async function until(page, asks, argument) {
  await eventually(() => page.evaluate(/** @type {any} */ (asks), argument));
}

/**
 * A page that is being watched.
 *
 * @typedef {object} Watched
 * @property {Page} page
 * @property {string[]} faults what went wrong: policy violations, console errors, exceptions, dialogs,
 *   requests to anybody else; must be empty
 * @property {() => Promise<void>} close
 */

/**
 * Opens an address in a context of its own, so that nothing is remembered from another test.
 *
 * @param {Browser} browser
 * @param {string} address
 * @param {BrowserContextOptions & {expected?: RegExp, socket?: string, prepare?: (page: Page) => Promise<unknown>}} [options]
 *   `expected` are console errors and violations that belong to the test, such as those of a connection that is refused;
 *   `socket` is the WebSocket address of a page that another server serves
 * @returns {Promise<Watched>}
 */
export async function openPage(browser, address, { expected, socket, prepare, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  return {
    ...(await visit(await context.newPage(), address, { expected, socket, prepare })),
    close: () => context.close(),
  };
}

/**
 * Opens an address in a page that is there, and watches it.
 *
 * @param {Page} page
 * @param {string} address
 * @param {{expected?: RegExp, socket?: string, prepare?: (page: Page) => Promise<unknown>}} [options] as for `openPage`
 */
export async function visit(page, address, { expected, socket = address, prepare } = {}) {
  page.setDefaultTimeout(TIMEOUT_MS);
  const origin = new URL(address).origin;
  /** @type {string[]} */
  const faults = [];
  page.on('console', (message) => {
    const words = message.text();
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    if (expected?.test(words)) return;
    faults.push(`console ${message.type()}: ${words}`);
  });
  page.on('pageerror', (error) => faults.push(`exception: ${error.stack ?? error}`));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) faults.push(`request to somebody else: ${request.url()}`);
  });
  page.on('websocket', (opened) => {
    if (new URL(opened.url()).host !== new URL(socket).host) faults.push(`WebSocket to somebody else: ${opened.url()}`);
  });
  await page.exposeFunction('reportViolation', (/** @type {string} */ words) => {
    if (!expected?.test(words)) faults.push(`policy violation: ${words}`);
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      // @ts-expect-error: exposed above.
      window.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  await prepare?.(page);
  await page.goto(address);
  return { page, faults };
}
