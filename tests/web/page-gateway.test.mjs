// What API Gateway itself says, in Chromium against the real local AWS: a user is told in plain words.
// The gateway speaks where the function does not, so the tests freeze the function's process.

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { eventually } from './support/browser.mjs';
import { answer, send, useChat } from './support/chat.mjs';
import { FrameGate } from './support/frames.mjs';

/** @import { Page } from 'playwright-core' */

/** @param {Page} page */
const failure = (page) => page.locator('.failure[role="alert"]');
/** @param {Page} page */
const retry = (page) => page.getByRole('button', { name: 'Retry' });

/**
 * What stands in place of an answer: title, reason, code and advice.
 *
 * @param {Page} page
 */
async function reported(page) {
  await failure(page).waitFor();
  assert.equal(await page.locator('article.agent').last().getAttribute('aria-busy'), 'false');
  assert.equal(await page.getByText('Thinking', { exact: true }).last().isVisible(), false);
  assert.equal(await page.getByRole('status').textContent(), 'The answer failed.');
  return (await failure(page).locator('p').allInnerTexts()).map((text) => text.replaceAll('\n', ' '));
}

/** Notes the messages that a page receives. @param {string[]} messages @returns {(page: Page) => Promise<void>} */
const listen = (messages) => async (page) =>
  void page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => messages.push(String(payload))));

/**
 * Stops and continues the function of a local AWS. It continues after each test.
 *
 * @param {() => string} output
 */
function freezer(output) {
  const signal = (/** @type {NodeJS.Signals} */ name) =>
    process.kill(Number(/function\s+started\s+process (\d+)/.exec(output())?.[1]), name);
  afterEach(() => signal('SIGCONT'));
  return { freeze: () => signal('SIGSTOP'), thaw: () => signal('SIGCONT') };
}

describe('a function that does not answer in time', () => {
  const { open, output } = useChat('--integration-timeout-ms', '3000');
  const { freeze, thaw } = freezer(output);

  test('is an error in plain words, and the answer counts when it comes all the same', async () => {
    /** @type {string[]} */
    const messages = [];
    const page = await open({ prepare: listen(messages) });
    freeze();
    await send(page, '/tokens 5 200');
    assert.deepEqual(await reported(page), [
      'The gateway reported an error',
      'Endpoint request timed out. The function did not answer in time.',
      'gateway_timeout',
    ]);
    assert.deepEqual(
      messages.map((message) => Object.keys(JSON.parse(message))),
      [['message', 'connectionId', 'requestId']],
      "the gateway's own frame",
    );
    assert.equal(await retry(page).isVisible(), true);
    assert.match((await page.locator('.timing').textContent()) ?? '', /^Ended after [\d.]+ s$/);

    thaw();
    await failure(page).waitFor({ state: 'detached' });
    assert.equal(await answer(page), '1 2 3 4 5');
    assert.deepEqual(await page.locator('.notes li').allTextContents(), [
      'The gateway reported “Endpoint request timed out. The function did not answer in time.”, but the answer came all the same.',
    ]);
    assert.equal(await retry(page).count(), 0);
    assert.match((await page.locator('.timing').textContent()) ?? '', /^First token after .* · complete after /);
  });

  test('is asked again by Retry, and each prompt has its own answer', async () => {
    const page = await open();
    freeze();
    await send(page, '/tokens 6 200');
    await reported(page);
    await retry(page).click();
    await page.locator('article.agent[aria-busy="true"]').waitFor();
    thaw();
    await answer(page, 2);
    assert.deepEqual(await page.locator('article.user .text').allTextContents(), ['/tokens 6 200', '/tokens 6 200']);
    assert.deepEqual(await page.locator('article.agent .body').allTextContents(), ['1 2 3 4 5 6', '1 2 3 4 5 6']);
    assert.equal(await page.locator('.notes li').count(), 1, 'only the first prompt was said to have no answer');
  });
});

describe('a function that cannot be run', () => {
  const { open, output } = useChat('--function-timeout-s', '3');
  const { freeze } = freezer(output);

  test('is an error in plain words', async () => {
    const page = await open();
    freeze();
    await send(page, '/tokens 5 200');
    assert.deepEqual(await reported(page), [
      'The gateway reported an error',
      'Internal server error. The function could not be run; its log says why.',
      'gateway_error',
    ]);
    assert.equal(await retry(page).isVisible(), true);
  });
});

describe('a function that is busy', () => {
  const { open, output } = useChat('--concurrency', '1');
  const { freeze, thaw } = freezer(output);

  test('is an error in plain words, and answers when it is asked again', async () => {
    const first = await open();
    const page = await open();
    freeze();
    await send(first, '/tokens 5 200');
    await eventually(() => output().includes('$default'));
    await send(page, '/tokens 6 200');
    assert.deepEqual(await reported(page), [
      'The gateway reported an error',
      'Too Many Requests. It is busy; try again in a moment.',
      'gateway_throttled',
    ]);
    thaw();
    assert.equal(await answer(first), '1 2 3 4 5');
    await retry(page).click();
    assert.equal(await answer(page, 2), '1 2 3 4 5 6');
    assert.equal(await failure(page).count(), 1, 'what was said of the first attempt stays');
  });
});

describe('whatever else the gateway says', () => {
  const { open } = useChat();
  // The local AWS never says this.
  const said = JSON.stringify({
    message: 'Forbidden',
    connectionId: 'JKJZ8fTwSQhgCIhw=',
    requestId: 'JKJaXdwwPyCgFMaA=',
  });

  test('is an error of the prompt that waits', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    await send(page, '/tokens 5 200');
    gate.deliver(said);
    assert.deepEqual(await reported(page), [
      'The gateway reported an error',
      'Forbidden. It does not let this connection send, or has no route for it; trying again does not help.',
      'gateway_forbidden',
    ]);
    assert.equal(await retry(page).count(), 0);
  });

  test('is shown above the chat where no prompt waits', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    gate.deliver(said);
    await page.getByRole('alert').filter({ hasText: 'Forbidden.' }).waitFor();
    assert.equal(await page.locator('article').count(), 0);
    gate.open();
    await send(page, '/tokens 5 200');
    assert.equal(await answer(page), '1 2 3 4 5');
    assert.equal(await page.locator('#banner').isVisible(), false);
  });
});
