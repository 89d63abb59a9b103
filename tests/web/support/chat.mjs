// What the browser tests share: one browser and one local AWS for all tests of a file, and what a person
// does with the page.

import assert from 'node:assert/strict';
import { after, afterEach, before } from 'node:test';
import { launchBrowser, openPage } from './browser.mjs';
import { startLocal } from './local.mjs';

/** @import { Browser, Page } from 'playwright-core' */
/** @import { Watched } from './browser.mjs' */
/** @import { Local } from './local.mjs' */

/** @typedef {Parameters<typeof openPage>[2] & {address?: string}} OpenOptions */

/**
 * Starts the browser and the local AWS before the tests of a file and ends them after. After each test its
 * pages are closed, and none may have seen anything that a visitor should never see.
 *
 * @param {...string} options of the local AWS
 */
export function useChat(...options) {
  /** @type {Browser} */
  let browser;
  /** @type {Local} */
  let local;
  /** @type {Watched[]} */
  const ofTest = [];
  /** @type {Watched[]} */
  const ofSuite = [];

  before(async () => {
    browser = await launchBrowser();
    local = await startLocal(...options);
  });
  after(async () => {
    await browser?.close();
    await local?.stop();
  });
  afterEach(async () => {
    const faults = [...ofTest, ...ofSuite].flatMap((one) => one.faults.splice(0));
    await Promise.all(ofTest.splice(0).map((one) => one.close()));
    assert.deepEqual(faults, [], 'policy violations, console errors, dialogs and foreign requests');
  });

  /**
   * @param {Watched[]} pages
   * @param {OpenOptions} options
   */
  const visit = async (pages, { address = `${local.page}/`, ...options }) => {
    const one = await openPage(browser, address, options);
    pages.push(one);
    return one.page;
  };

  return {
    /** The WebSocket address of the local AWS. */
    endpoint: () => `${local.page.replace('http', 'ws')}/local`,

    /** What the local AWS has printed so far. */
    output: () => local.output(),

    /** Opens the page for one test. @param {OpenOptions} [options] */
    load: (options = {}) => visit(ofTest, options),

    /** Opens the page for one test and waits for the connection. @param {OpenOptions} [options] */
    async open(options = {}) {
      const page = await visit(ofTest, options);
      await connected(page);
      return page;
    },

    /** The same for several tests, which leave it as they found it: to be called before them. @param {OpenOptions} [options] */
    async openForAll(options = {}) {
      const page = await visit(ofSuite, options);
      await connected(page);
      return page;
    },
  };
}

/** The letters and digits of a text, for comparing one with what Markdown made of it. @param {string} text */
export const letters = (text) => text.replace(/[^\p{L}\p{N}]/gu, '');

/** Waits for the connection, and for what was said before to be there. @param {Page} page */
export async function connected(page) {
  await page.getByText('Connected', { exact: true }).waitFor();
  // It comes with several pictures, and perhaps after the page has connected.
  await page.locator('#transcript[aria-busy="true"]').waitFor({ state: 'detached' });
}

/** @param {Page} page */
export function promptBox(page) {
  return page.getByRole('textbox', { name: 'Prompt' });
}

/** @param {Page} page */
export function traceSwitch(page) {
  return page.getByRole('switch', { name: 'Trace' });
}

/** @param {Page} page @param {string} prompt */
export async function send(page, prompt) {
  await promptBox(page).fill(prompt);
  await promptBox(page).press('Enter');
}

/**
 * Waits for the end of an answer, and of its trace where that is shown, and gives the text of the last one.
 *
 * @param {Page} page
 * @param {number} [count] which answer, from 1
 */
export async function answer(page, count = 1) {
  await page
    .locator('article.agent[aria-busy="false"]')
    .nth(count - 1)
    .waitFor();
  await page.locator('#traces-list > [aria-busy="true"]').waitFor({ state: 'detached' });
  return (await page.locator('article.agent .body').last().textContent()) ?? '';
}
