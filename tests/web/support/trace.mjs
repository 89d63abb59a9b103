// What the browser tests see of a trace.

import { answer, send, traceSwitch } from './chat.mjs';

/** @import { Locator, Page } from 'playwright-core' */

/** Waits until the rows are those of the steps: they are drawn in slices, and after the end of the answer. @param {Page} page */
async function drawn(page) {
  await page.waitForFunction(() => document.querySelector('#traces-list [aria-busy="true"]') === null);
}

/** The rows of the trace: kind, name and status. @param {Page} page */
export async function rows(page) {
  await drawn(page);
  return page
    .locator('.step')
    .evaluateAll((steps) =>
      steps.map((step) =>
        ['title', 'name', 'status']
          .map((part) => step.querySelector(`:scope > details .step-${part}`)?.textContent)
          .join(' | '),
      ),
    );
}

/** Waits for a row. @param {Page} page @param {string} row kind, name and status, from the start */
export async function seen(page, row) {
  await page.waitForFunction(
    (row) =>
      [...document.querySelectorAll('.step > details > summary')].some((step) =>
        ['title', 'name', 'status']
          .map((part) => step.querySelector(`.step-${part}`)?.textContent)
          .join(' | ')
          .startsWith(row),
      ),
    row,
  );
}

/** One of the figures above the rows. @param {Page} page @param {string} name */
export async function total(page, name) {
  await drawn(page);
  return page
    .locator('#traces-totals div', { has: page.getByText(name, { exact: true }) })
    .locator('dd')
    .textContent();
}

/** The row with this name, opened. @param {Page} page @param {string} name */
export async function opened(page, name) {
  const step = page
    .locator('.step', { has: page.locator(':scope > details .step-name').getByText(name, { exact: true }) })
    .last();
  await step.locator('summary').first().click();
  await step.locator(':scope > details > .step-detail').waitFor();
  return step;
}

/** The sections of a step that is open: titles and texts. @param {Locator} step */
export function sections(step) {
  return step
    .locator(':scope > details > .step-detail')
    .evaluate((detail) =>
      [...detail.querySelectorAll('h3')].map(
        (title) => `${title.textContent}: ${title.nextElementSibling?.textContent}`,
      ),
    );
}

/** Asks with the trace on, and waits for all of it. @param {Page} page @param {string} prompt @param {number} [count] which answer it gets */
export async function traced(page, prompt, count = 1) {
  if (!(await traceSwitch(page).isChecked())) await traceSwitch(page).check();
  await send(page, prompt);
  const text = await answer(page, count);
  await drawn(page);
  return text;
}
