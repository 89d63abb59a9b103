// Loading the page where its server is busy.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connected, useChat } from './support/chat.mjs';
import { BUNDLE, MODULES, serveAsTheFunction } from './support/server.mjs';

/** @import { Page } from 'playwright-core' */

const { load, endpoint } = useChat('--allowed-origins', '*');
/** What the browser says of files that do not come. */
const expected = /503|Failed to fetch dynamically imported module/;

for (const [form, folder] of /** @type {[string, string][]} */ ([['plain modules', MODULES], ['bundle', BUNDLE]])) {
  describe(`the page as ${form} from a server that is busy`, () => {
    /** @type {Awaited<ReturnType<typeof serveAsTheFunction>>} */
    let server;
    before(async () => {
      server = await serveAsTheFunction(folder, endpoint().replace(/^ws(.*)local$/, 'http$1'));
    });
    after(() => server.stop());

    /** @param {Parameters<typeof load>[0]} [options] */
    const visit = (options) => load({ address: server.page, socket: endpoint(), expected, ...options });
    const message = (/** @type {Page} */ page) => page.getByRole('alert').filter({ hasText: 'The page could not be loaded. The server may be busy' });

    test('asks again for the script', async () => {
      server.reset((path, times) => path === 'main.js' && times < 4);
      const page = await visit();
      await connected(page);
      const asked = server.requests().filter((path) => path.startsWith('main.js'));
      assert.equal(asked.length, 4);
      assert.equal(new Set(asked.slice(1)).size, 3, 'a browser that remembers failures asks again all the same');
      assert.equal(await message(page).count(), 0);
    });

    for (const [name, options] of /** @type {[string, object][]} */ ([['main.js', {}], ['load.js', { reducedMotion: 'reduce' }]])) {
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
