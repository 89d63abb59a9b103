// Loading the page where its server is busy.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { eventually } from './support/browser.mjs';
import { answer, connected, send, traceSwitch, useChat } from './support/chat.mjs';
import { BUNDLE, MODULES, serveAsTheFunction } from './support/server.mjs';

/** @import { Page, Route } from 'playwright-core' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const { load, endpoint } = useChat('--allowed-origins', '*');
/** What the browser says of files that do not come. */
const expected = /503|Failed to fetch dynamically imported module/;

for (const name of ['main.js', 'config.json']) {
  test(`axe finds nothing while ${name} is on its way`, async () => {
    /** @type {Route[]} */
    const held = [];
    const page = await load({ prepare: (page) => page.route(`**/${name}`, (route) => void held.push(route)) });
    await eventually(() => held.length > 0);
    await page.evaluate(AXE);
    const found = await page.evaluate(async () => {
      const { violations } = await /** @type {any} */ (window).axe.run();
      return violations.map((/** @type {any} */ { id, nodes }) => [
        id,
        ...nodes.map((/** @type {any} */ one) => one.html),
      ]);
    });
    assert.deepEqual(found, []);
    assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
    await Promise.all(held.map((route) => route.continue()));
    await connected(page);
  });
}

for (const [form, folder] of /** @type {[string, string][]} */ ([
  ['plain modules', MODULES],
  ['bundle', BUNDLE],
])) {
  describe(`the page as ${form} from a server that is busy`, () => {
    /** @type {Awaited<ReturnType<typeof serveAsTheFunction>>} */
    let server;
    before(async () => {
      server = await serveAsTheFunction(folder, endpoint().replace(/^ws(.*)local$/, 'http$1'));
    });
    after(() => server.stop());

    /** @param {Parameters<typeof load>[0]} [options] */
    const visit = (options) => load({ address: server.page, socket: endpoint(), expected, ...options });
    const message = (/** @type {Page} */ page) =>
      page.getByRole('alert').filter({ hasText: 'The page could not be loaded. The server may be busy' });

    test('asks again for the script', async () => {
      server.reset((path, times) => path === 'main.js' && times < 4);
      const page = await visit();
      await connected(page);
      const asked = server.requests().filter((path) => path.startsWith('main.js'));
      assert.equal(asked.length, 4);
      assert.equal(new Set(asked.slice(1)).size, 3, 'a browser that remembers failures asks again all the same');
      assert.equal(await message(page).count(), 0);
    });

    test('loads the trace viewer when the panel opens, and asks again for it', async () => {
      const isViewer = (/** @type {string} */ path) => /^trace(?:\/traces)?\.js/.test(path);
      server.reset((path, times) => path === 'trace.js' && times < 3);
      const page = await visit();
      await connected(page);
      assert.deepEqual(server.requests().filter(isViewer), [], 'not before');
      await traceSwitch(page).check();
      await send(page, '/trace 1');
      await answer(page);
      await page.locator('.step').waitFor();
      assert.equal(await page.locator('.step').count(), 1, 'what came while it was loaded is there, once');
      assert.equal(new Set(server.requests().filter((path) => path.startsWith('trace.js'))).size, 3);
    });

    test('says so when the trace viewer does not come, and no click is lost', async () => {
      server.reset((path) => path === 'trace.js');
      const page = await visit({ prepare: (page) => page.addInitScript(() => (Math.random = () => 0)) });
      await connected(page);
      for (const [index, prompt] of ['/guardrail', '/trace 1'].entries()) {
        if (index === 0) await traceSwitch(page).check();
        await send(page, prompt);
        await answer(page, index + 1);
      }
      const panel = page.getByRole('complementary', { name: 'Trace' });
      const problem = panel
        .getByRole('alert')
        .filter({ hasText: 'The trace viewer could not be loaded. The server may be busy' });
      await problem.waitFor();
      await page.getByRole('button', { name: 'Show trace' }).first().click();
      // It asks again by itself then.
      await problem.waitFor();
      server.reset();
      await problem.getByRole('button', { name: 'Try again' }).click();
      await page.locator('.step-title', { hasText: 'Guardrail' }).waitFor();
      assert.equal(await problem.isVisible(), false);
      assert.equal(await page.locator('#traces-answer').inputValue(), '1. /guardrail', 'the trace that was asked for');
      assert.equal(await page.locator('#traces-count').textContent(), '2');
    });

    test('says that there is no connection for the trace viewer, and loads it once there is one', async () => {
      server.reset();
      // Where the panel would hide the chat, it does not open by itself.
      const page = await visit({
        viewport: { width: 800, height: 700 },
        expected: /DISCONNECTED|Failed to fetch dynamically imported module/,
      });
      await connected(page);
      await traceSwitch(page).check();
      await send(page, '/trace 1');
      await answer(page);
      await page.context().setOffline(true);
      await page.locator('#traces-toggle').click();
      const problem = page.getByText('The trace viewer could not be loaded. There is no connection.');
      await problem.waitFor();
      assert.equal(await page.getByText('No trace yet.').isVisible(), false);
      await problem.getByRole('button', { name: 'Try again' }).click();
      await problem.waitFor();
      await page.context().setOffline(false);
      await page.locator('.step').waitFor();
      assert.equal(await problem.isVisible(), false);
    });

    for (const [name, options] of /** @type {[string, object][]} */ ([
      ['main.js', {}],
      ['load.js', { reducedMotion: 'reduce' }],
    ])) {
      test(`says so, and can be asked for again, when ${name} does not come`, async () => {
        server.reset((path) => path === name);
        // The attempts follow one another at once.
        const page = await visit({ ...options, prepare: (page) => page.addInitScript(() => (Math.random = () => 0)) });
        await message(page).waitFor();
        server.reset();
        await page.getByRole('link', { name: 'try again' }).click();
        await connected(page);
        assert.equal(await message(page).count(), 0);
      });
    }
  });
}
