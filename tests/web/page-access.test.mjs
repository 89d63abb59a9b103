// Access by code and by token, as a user sees it, and the message after a refusal.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { answer, connected, promptBox, send, useChat } from './support/chat.mjs';
import { startLocal } from './support/local.mjs';

/** @import { Page } from 'playwright-core' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const CODE = 'correct horse – battery staple';
const REFUSED = /WebSocket connection to .* failed/;

/** @param {Page} page */
const question = (page) => page.getByRole('dialog', { name: 'Access code' });

/** @param {Page} page @param {string} code */
async function enter(page, code) {
  await question(page).getByLabel('Access code').fill(code);
  await question(page).getByLabel('Access code').press('Enter');
}

describe('where a code is asked for', () => {
  const { load, output } = useChat('--access-code', CODE);

  test('the right code connects, and is kept as long as the tab', async () => {
    const page = await load();
    await question(page).waitFor();
    assert.equal(
      await question(page)
        .getByLabel('Access code')
        .evaluate((field) => field === document.activeElement),
      true,
    );
    await enter(page, CODE);
    await connected(page);
    await send(page, '/tokens 5 200');
    assert.equal(await answer(page), '1 2 3 4 5');

    await page.reload();
    await connected(page);
    assert.equal(await question(page).isVisible(), false);
    assert.equal(
      await page.evaluate(() => JSON.stringify(localStorage).includes('horse')),
      false,
      'other tabs have it',
    );
    const another = await page.context().newPage();
    await another.goto(page.url());
    await question(another).waitFor();
    await another.close();
    assert.equal(
      output().includes('horse') || output().includes('Y29ycmVjdC'),
      output().includes('Try '),
      'only the line for wscat has the code',
    );
  });

  test('a wrong code is refused with a message, and can be corrected', async () => {
    const page = await load({ expected: REFUSED });
    await question(page).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Enter the access code' }).click();
    await enter(page, 'open sesame');
    await question(page)
      .getByRole('alert')
      .filter({ hasText: 'You were not let in. Is the access code right?' })
      .waitFor();
    await page.getByText('Not let in', { exact: true }).waitFor();
    // Nothing that wakes a connection takes the words away.
    await page.evaluate(() => window.dispatchEvent(new Event('online')));
    assert.equal(await question(page).getByRole('alert').isVisible(), true);
    assert.equal(await promptBox(page).isEnabled(), true);
    await enter(page, CODE);
    await connected(page);
    assert.equal(await question(page).isVisible(), false);
    assert.equal(await promptBox(page).evaluate((box) => box === document.activeElement), true);
  });

  test('a relay that cannot be reached is not taken for a refusal', async () => {
    const local = await startLocal('--access-code', CODE);
    const prepare = (/** @type {Page} */ page) => page.addInitScript(() => (Math.random = () => 0));
    const page = await load({
      address: `${local.page}/`,
      socket: local.page,
      expected: /failed|ERR_CONNECTION_REFUSED/,
      prepare,
    });
    await question(page).waitFor();
    await local.stop();
    await enter(page, CODE);
    await page
      .getByRole('alert')
      .filter({ hasText: /No connection to ws:/ })
      .waitFor();
    assert.equal(await question(page).isVisible(), false);
  });

  test('closing the dialog shows why nothing is connected, and a way to open it again', async () => {
    const page = await load();
    await question(page).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('alert').filter({ hasText: 'asks who you are' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Send' }).isDisabled(), true);
    assert.equal(
      await page
        .locator('#connection')
        .textContent()
        .then((words) => words?.trim()),
      'Not connected',
      'nothing connects, so nothing says so',
    );
    await promptBox(page).fill('hello');
    await promptBox(page).press('Enter');
    await page.getByRole('alert').filter({ hasText: 'Enter the access code first' }).waitFor();
    assert.equal(await promptBox(page).inputValue(), 'hello');
    await page.getByRole('button', { name: 'Enter the access code' }).click();
    await question(page).waitFor();
  });

  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    test(`axe finds nothing serious, ${colorScheme}, on a phone`, async () => {
      const page = await load({ colorScheme, viewport: { width: 320, height: 640 } });
      await question(page).waitFor();
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => /** @type {any} */ (window).axe.run());
      assert.deepEqual(
        violations.filter((/** @type {any} */ { impact }) => ['serious', 'critical'].includes(impact)),
        [],
      );
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
    });
  }
});

describe('where a token is asked for', () => {
  const { load } = useChat('--oidc-issuer', 'http://127.0.0.1:9', '--oidc-audience', 'this-chat');

  test('the dialog names issuer and audience, and a refusal names the token', async () => {
    const page = await load({ expected: REFUSED });
    const dialog = page.getByRole('dialog', { name: 'Token' });
    await dialog.getByText(/a token of http:\/\/127\.0\.0\.1:9 for this-chat\./).waitFor();
    await dialog.getByLabel('Token').fill('Bearer not.a.token');
    await dialog.getByRole('button', { name: 'Connect' }).click();
    await dialog.getByRole('alert').filter({ hasText: 'Is the token right?' }).waitFor();
  });
});
