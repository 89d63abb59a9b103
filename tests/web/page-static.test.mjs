// The page on any static file server, with a config.json beside it that names the endpoint of the real
// local AWS.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { answer, connected, promptBox, send, traceSwitch, useChat } from './support/chat.mjs';
import { BUNDLE, MODULES } from './support/server.mjs';
import { serveStatically } from './support/static.mjs';

/** @import { Page } from 'playwright-core' */

const { endpoint, load } = useChat('--allowed-origins', '*');

/** @typedef {Awaited<ReturnType<typeof serveStatically>>} Server */
/** @type {Server} */
let modules;
/** @type {Server} */
let bundle;
before(async () => {
  [modules, bundle] = await Promise.all([serveStatically(MODULES), serveStatically(BUNDLE)]);
});
after(() => Promise.all([modules.stop(), bundle.stop()]));

/** Opens the page with this config.json. @param {string | undefined} config @param {Parameters<typeof load>[0]} [options] */
async function configured(config, options, server = modules) {
  await server.configure(config);
  return load({ address: server.page, socket: endpoint(), ...options });
}

for (const [form, server] of /** @type {[string, () => Server][]} */ ([
  ['as plain modules', () => modules],
  ['as the bundle', () => bundle],
])) {
  test(`connects, answers and traces on any static server, ${form}`, async () => {
    const config = {
      endpoint: endpoint(),
      allowTrace: true,
      suggestions: ['/tokens 5 200', 'A prompt of this deployment'],
    };
    const page = await configured(JSON.stringify(config), {}, server());
    await connected(page);
    const suggestions = page.getByRole('list', { name: 'Suggested prompts' }).getByRole('button');
    assert.deepEqual(await suggestions.allTextContents(), config.suggestions);
    await suggestions.first().click();
    assert.equal(await answer(page), '1 2 3 4 5');
    await send(page, '/slow 0');
    assert.match(await answer(page, 2), /turn 2 of this conversation/);
    await traceSwitch(page).check();
    await send(page, '/trace 1');
    await answer(page, 3);
    await page.locator('.step').first().waitFor();
    await page.reload();
    await connected(page);
    assert.equal(await page.locator('article.agent').count(), 3);
  });
}

test('protects itself where the server sends no policy', async () => {
  const page = await configured(JSON.stringify({ endpoint: endpoint() }), {
    expected: /TrustedHTML|require-trusted-types-for/,
  });
  await connected(page);
  const refusal = await page.evaluate(() => {
    try {
      document.createElement('p').innerHTML = '<b>x</b>';
      return 'none';
    } catch (error) {
      return String(error);
    }
  });
  assert.match(refusal, /TrustedHTML/);
});

describe('says what is missing:', () => {
  for (const [what, config, words] of /** @type {[string, string | undefined, RegExp][]} */ ([
    [
      'config.json',
      undefined,
      /\/config\.json is missing \(HTTP 404\)\. Put a file like this beside index\.html: \{"endpoint": "wss:/,
    ],
    ['JSON', 'endpoint = wss://x/y', /config\.json is not JSON\. It should look like this: \{"endpoint": "wss:/],
    ['the endpoint', '{"allowTrace": true}', /config\.json names no "endpoint"\. It should look like this:/],
    [
      'a WebSocket address',
      '{"endpoint": "https://x.example/y"}',
      /is not a WebSocket address: https:\/\/x\.example\/y\. It starts with wss:/,
    ],
  ])) {
    test(what, async () => {
      const page = await configured(config, { expected: /404/ });
      const alert = page.getByRole('alert').filter({ hasText: words });
      await alert.waitFor();
      assert.equal(await page.getByText('Not set up', { exact: true }).isVisible(), true);
      await promptBox(page).fill('hello');
      assert.equal(await page.getByRole('button', { name: 'Send' }).isDisabled(), true);
    });
  }
});

describe('an endpoint that', () => {
  // All attempts come at once.
  const prepare = (/** @type {Page} */ page) => page.addInitScript(() => (Math.random = () => 0));
  const expected = /WebSocket connection to .* failed/;

  for (const [does, address] of /** @type {[string, () => string][]} */ ([
    ['refuses the page', () => endpoint().replace(/\/local$/, '/nowhere')],
    // Nothing listens on the discard port.
    ['is not there', () => 'ws://127.0.0.1:9/local'],
  ])) {
    test(`${does} is named, and tried again`, async () => {
      const page = await configured(JSON.stringify({ endpoint: address() }), { prepare, expected, socket: address() });
      const alert = page.getByRole('alert').filter({
        hasText: /No connection to ws:.*: it does not answer, or it refuses this page\. The page keeps trying\./,
      });
      await alert.waitFor();
      assert.ok((await alert.textContent())?.includes(address()));
      await page.getByText('Reconnecting', { exact: true }).waitFor();
      await page.getByRole('button', { name: 'Try now' }).waitFor();
      assert.equal(await page.getByRole('button', { name: 'Send' }).isDisabled(), true);
    });
  }
});
