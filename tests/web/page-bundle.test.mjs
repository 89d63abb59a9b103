// The page as it is deployed: the bundle in dist/page, with the headers of the function.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { bundle, MATH, onDemand, SYNTAX, VIEWER } from './support/bundle.mjs';
import { answer, connected, send, traceSwitch, useChat } from './support/chat.mjs';
import { BUNDLE, MODULES, serveAsTheFunction } from './support/server.mjs';

const STALE = 'dist/page is not what web/ makes: run `scripts/bundle-page` and commit both';

test('what is checked in is what web/ makes, byte for byte', async () => {
  const made = await bundle();
  assert.deepEqual((await readdir(BUNDLE)).sort(), [...made.keys()].sort(), STALE);
  for (const [name, content] of made) assert.ok((await readFile(BUNDLE + name)).equals(content), `${name}: ${STALE}`);
});

test('what colours code and draws formulas is what its packages make, byte for byte, and has their licence', async () => {
  for (const name of [SYNTAX, MATH]) {
    const file = await readFile(MODULES + name);
    assert.ok(file.equals(await onDemand(name)), `web/${name}: ${STALE}`);
    assert.match(file.toString(), /MIT License[^]*Copyright \(c\)[^]*Permission is hereby granted/i);
  }
});

describe('in Chromium', () => {
  const { load, endpoint } = useChat('--allowed-origins', '*');
  /** @type {Awaited<ReturnType<typeof serveAsTheFunction>>} */
  let server;
  before(async () => {
    server = await serveAsTheFunction(BUNDLE, endpoint().replace(/^ws(.*)local$/, 'http$1'));
  });
  after(() => server.stop());

  const open = async () => {
    server.reset();
    const page = await load({ address: server.page, socket: endpoint() });
    await connected(page);
    return page;
  };

  test('the page is loaded with six requests, each file once', async () => {
    await open();
    // A browser asks for the icon when it has time.
    const [icons, files] = [true, false].map((icon) =>
      server.requests().filter((path) => (path === 'icon.svg') === icon),
    );
    assert.deepEqual(files?.toSorted(), ['', 'config.json', 'load.js', 'main.js', 'style.css']);
    assert.ok((icons?.length ?? 0) <= 1);
  });

  test('what colours code comes with the first code, once', async () => {
    const page = await open();
    await send(page, '/tokens 20 2000');
    await answer(page);
    assert.equal(server.requests().includes(SYNTAX), false);
    for (const turn of [2, 3]) {
      await send(page, 'hello');
      await answer(page, turn);
      await page
        .locator('article.agent')
        .nth(turn - 1)
        .locator('.code [class^=tok-]')
        .first()
        .waitFor();
    }
    assert.equal(server.requests().filter((path) => path.startsWith(SYNTAX)).length, 1);
  });

  test('the trace viewer comes with the first look at a trace, once', async () => {
    const page = await open();
    await send(page, 'hello');
    await answer(page);
    assert.equal(server.requests().includes(VIEWER), false);
    const toggle = page.getByRole('button', { name: /^Trace/ });
    await traceSwitch(page).check();
    await page.locator('.traces-scroller > .axis').waitFor({ state: 'attached' });
    for (const press of ['close', 'open']) {
      await toggle.click();
      assert.equal(await page.getByRole('complementary').isVisible(), press === 'open');
    }
    assert.deepEqual(
      server.requests().filter((path) => path.startsWith(VIEWER)),
      [VIEWER],
    );
  });

  test('connects, answers, traces, and keeps the conversation over a reload', async () => {
    const page = await open();
    await traceSwitch(page).check();
    await send(page, 'What are the limits?');
    assert.ok((await answer(page)).length > 100);
    await page.locator('.step.kind-rationale summary').first().click();
    await page.locator('.step-detail').waitFor();
    await page.reload();
    await connected(page);
    assert.equal(await page.locator('article.agent').count(), 1);
    await send(page, '/tool');
    await answer(page, 2);
    await page.getByRole('form', { name: 'What the agent asks for' }).waitFor();
  });
});
