// Files that go with a prompt, in Chromium against the local AWS: chosen, dropped, pasted, in pieces, and what becomes
// of them when the connection, the relay or the file is not as it should be.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { answer, connected, promptBox, send, useChat } from './support/chat.mjs';

/** @import { Page } from 'playwright-core' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** A picture of one point. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

/** What sends files, beside the page. */
const UPLOADS = /^http:\/\/[^/]+\/upload\.js/;

const { load, open } = useChat();

/** Bytes in which no piece looks like another. @param {number} length */
function bytes(length) {
  const all = Buffer.alloc(length);
  let state = 7;
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    all[index] = state >>> 24;
  }
  return all;
}

/** @param {string} name @param {Buffer} buffer @param {string} [mimeType] */
const file = (name, buffer, mimeType = 'application/pdf') => ({ name, mimeType, buffer });

/** @param {Buffer} content */
const hash = (content) => createHash('sha256').update(content).digest('hex');

/** @param {Page} page @param {{name: string, mimeType: string, buffer: Buffer}[]} files */
async function choose(page, ...files) {
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: /^Attach files/ }).click();
  await (await chooser).setFiles(files);
}

/** @param {Page} page */
const chips = (page) => page.getByRole('list', { name: 'Files that go with the prompt' }).getByRole('listitem');
/** @param {Page} page */
const problem = (page) => page.locator('#composer-problem');

/** Waits until nothing is on its way. @param {Page} page */
async function ready(page) {
  await page
    .locator('.chip progress:visible')
    .first()
    .waitFor({ state: 'detached' })
    .catch(() => {});
  await page.waitForFunction(() =>
    [...document.querySelectorAll('.chip progress')].every((one) => one instanceof HTMLElement && one.hidden),
  );
}

/** Drops or pastes files. @param {Page} page @param {'drop' | 'paste'} type @param {{name: string, type: string, base64: string}[]} files */
const give = (page, type, ...files) =>
  page.locator('#scroller').evaluate(
    (target, { type, files }) => {
      const data = new DataTransfer();
      for (const one of files)
        data.items.add(
          new File([Uint8Array.from(atob(one.base64), (letter) => letter.charCodeAt(0))], one.name, { type: one.type }),
        );
      const init = { bubbles: true, cancelable: true };
      target.dispatchEvent(
        type === 'paste'
          ? new ClipboardEvent(type, { ...init, clipboardData: data })
          : new DragEvent(type, { ...init, dataTransfer: data }),
      );
    },
    { type, files },
  );

describe('files that go with a prompt', () => {
  test('arrive byte by byte, and stand at the prompt, also after a reload', async () => {
    const page = await open();
    const [first, second] = [bytes(100_000), Buffer.from('day,temperature\nMon,12\n')];
    await choose(page, file('report.pdf', first), file('data.csv', second, 'application/vnd.ms-excel'));
    assert.deepEqual(await chips(page).locator('.file-name').allTextContents(), ['report.pdf', 'data.csv']);
    await ready(page);
    assert.deepEqual(await chips(page).locator('.file-about').allTextContents(), [
      '100 KB · application/pdf',
      '23 bytes · text/csv',
    ]);
    await send(page, '/files');
    const said = await answer(page);
    for (const [name, type, content] of /** @type {const} */ ([
      ['report.pdf', 'application/pdf', first],
      ['data.csv', 'text/csv', second],
    ])) {
      assert.ok(said.includes(`${name}, ${type}, ${content.length} bytes, CHAT, SHA-256 ${hash(content)}`), said);
    }
    assert.equal(await chips(page).count(), 0);
    const sent = page.getByRole('list', { name: 'Files that were sent' }).getByRole('listitem');
    assert.deepEqual(await sent.allTextContents(), [
      'report.pdf100 KB · application/pdf',
      'data.csv23 bytes · text/csv',
    ]);
    await send(page, '/files');
    assert.match(await answer(page, 2), /No file came/);
    await page.reload();
    await connected(page);
    assert.equal(await sent.count(), 2);
  });

  test('are dropped anywhere and pasted, a picture with its thumbnail', async () => {
    const page = await open();
    const png = { name: 'image.png', type: 'image/png', base64: PNG.toString('base64') };
    await give(page, 'paste', png);
    await page.locator('.chip img').waitFor();
    await give(page, 'drop', png, { name: 'a.txt', type: 'text/plain', base64: btoa('hello') });
    // Two of one name would be one to the agent.
    assert.deepEqual(await chips(page).locator('.file-name').allTextContents(), ['image.png', '2-image.png', 'a.txt']);
    await ready(page);
    await send(page, '/files');
    const said = await answer(page);
    assert.ok(said.includes(`2-image.png, image/png, ${PNG.length} bytes`), said);
    assert.ok(said.includes(`a.txt, text/plain, 5 bytes, CHAT, SHA-256 ${hash(Buffer.from('hello'))}`), said);
  });

  test('are taken off by keyboard, and the focus stays beside them', async () => {
    const page = await open();
    await choose(page, file('a.pdf', bytes(10)), file('b.pdf', bytes(10)));
    await page.getByRole('button', { name: 'Remove a.pdf' }).press('Enter');
    assert.equal(await page.locator('#status').textContent(), 'a.pdf removed.');
    const remaining = page.getByRole('button', { name: 'Remove b.pdf' });
    assert.equal(await remaining.evaluate((one) => one === document.activeElement), true);
    await remaining.press('Enter');
    assert.equal(await promptBox(page).evaluate((one) => one === document.activeElement), true);
    assert.equal(await chips(page).count(), 0);
  });

  test('of some megabytes show their way, and the prompt goes once they are there', async () => {
    const page = await load();
    /** @type {(value?: unknown) => void} */
    let goOn = () => {};
    const held = new Promise((resolve) => (goOn = resolve));
    let [pieces, underWay, mostUnderWay] = [0, 0, 0];
    await page.routeWebSocket(/./, (socket) => {
      const server = socket.connectToServer();
      socket.onMessage(async (message) => {
        if (String(message).startsWith('{"upload"')) {
          mostUnderWay = Math.max(mostUnderWay, (underWay += 1));
          if ((pieces += 1) > 20) await held;
        }
        server.send(message);
      });
      server.onMessage((message) => {
        if (String(message).includes('"relay.upload"')) underWay -= 1;
        socket.send(message);
      });
    });
    await page.reload();
    await connected(page);
    const content = bytes(2_000_000);
    await choose(page, file('large.pdf', content));
    const progress = page.getByRole('progressbar', { name: 'large.pdf on its way' });
    await progress.waitFor();
    await send(page, '/files');
    await problem(page).filter({ hasText: 'The prompt goes as soon as its files are there.' }).waitFor();
    assert.equal(await page.locator('article.agent').count(), 0);
    await page.waitForFunction(() => document.querySelector('progress')?.value === 20);
    goOn();
    const said = await answer(page);
    assert.ok(said.includes(`large.pdf, application/pdf, 2000000 bytes, CHAT, SHA-256 ${hash(content)}`), said);
    assert.equal(mostUnderWay, 2, 'the relay is not flooded');
    assert.equal(await problem(page).isVisible(), false);
  });

  test('need what sends them, which comes with the first one, and the prompt waits for it', async () => {
    const page = await open();
    /** @type {() => void} */
    let goOn = () => {};
    const held = new Promise((resolve) => (goOn = () => resolve(undefined)));
    let asked = 0;
    await page.route(UPLOADS, async (route) => {
      asked += 1;
      await held;
      await route.continue();
    });
    await choose(page, file('removed.pdf', bytes(10)), file('a.pdf', bytes(50_000)));
    await send(page, '/files');
    await page.getByText('The prompt goes as soon as its files are there.').waitFor();
    await page.getByRole('button', { name: 'Remove removed.pdf' }).click();
    await promptBox(page).press('Enter');
    await page.getByText('The prompt goes as soon as its files are there.').waitFor();
    goOn();
    const said = await answer(page);
    assert.ok(said.includes(`SHA-256 ${hash(bytes(50_000))}`), said);
    assert.ok(!said.includes('removed.pdf'), said);
    assert.equal(asked, 1);
  });

  test('keep their prompt where what sends them does not come, and go when they are chosen again', async () => {
    const page = await open({ expected: /upload\.js|Failed to load resource|Failed to fetch/ });
    let isGone = true;
    await page.route(UPLOADS, (route) => (isGone ? route.abort() : route.continue()));
    await choose(page, file('a.pdf', bytes(10)));
    await send(page, '/files');
    await chips(page).getByText('The page could not load what sends files. Choose it again.').waitFor();
    await promptBox(page).press('Enter');
    assert.match((await problem(page).textContent()) ?? '', /^Could not be sent: “a\.pdf”/);
    assert.equal(await page.locator('article.user').count(), 0);
    isGone = false;
    await page.getByRole('button', { name: 'Remove a.pdf' }).click();
    await choose(page, file('a.pdf', bytes(10)));
    await ready(page);
    await promptBox(page).press('Enter');
    assert.ok((await answer(page)).includes(`SHA-256 ${hash(bytes(10))}`));
  });

  test('take the place of what failed when they are chosen again', async () => {
    const page = await open({ expected: /upload\.js|Failed to load resource|Failed to fetch/ });
    let isGone = true;
    await page.route(UPLOADS, (route) => (isGone ? route.abort() : route.continue()));
    await choose(page, file('a.pdf', bytes(10)));
    await page.locator('.chip.failed').waitFor();
    isGone = false;
    await choose(page, file('a.pdf', bytes(20)));
    await ready(page);
    await send(page, '/files');
    assert.ok((await answer(page)).includes(`a.pdf, application/pdf, 20 bytes`));
  });

  describe('whose prompt waits for them', () => {
    /** Opens a page in which files wait until they may go on. */
    const held = async () => {
      const page = await open();
      /** @type {() => void} */
      let goOn = () => {};
      const gate = new Promise((resolve) => (goOn = () => resolve(undefined)));
      await page.route(UPLOADS, async (route) => {
        await gate;
        await route.continue();
      });
      return { page, goOn };
    };
    const waits = (/** @type {Page} */ page) =>
      page.getByText('The prompt goes as soon as its files are there.').waitFor();

    test('do not send another one that was only looked at', async () => {
      const { page, goOn } = await held();
      for (const [index, prompt] of ['/tokens 1 0', '/tokens 2 0'].entries()) {
        await send(page, prompt);
        await answer(page, index + 1);
      }
      await choose(page, file('a.pdf', bytes(10)));
      for (const key of ['ArrowUp', 'Enter']) await promptBox(page).press(key);
      await waits(page);
      await promptBox(page).press('ArrowUp');
      goOn();
      await ready(page);
      assert.equal(await promptBox(page).inputValue(), '/tokens 1 0');
      assert.equal(await page.locator('article.user').count(), 2);
    });

    test('are not left behind when more are chosen: then it waits for another Enter', async () => {
      const { page, goOn } = await held();
      await choose(page, file('a.pdf', bytes(10)));
      await send(page, '/files');
      await waits(page);
      await choose(page, file('large.pdf', bytes(11_000_000)));
      goOn();
      await ready(page);
      assert.match((await problem(page).textContent()) ?? '', /large\.pdf” is too large/);
      await promptBox(page).press('Enter');
      assert.ok((await answer(page)).includes(`SHA-256 ${hash(bytes(10))}`));
    });

    test('leave the focus where it is', async () => {
      const { page, goOn } = await held();
      await send(page, 'hello');
      await answer(page);
      await choose(page, file('a.pdf', bytes(10)));
      await send(page, '/files');
      await waits(page);
      await page.getByRole('button', { name: 'Edit prompt' }).click();
      await page.keyboard.type('abc');
      goOn();
      await page.locator('article.user').nth(1).waitFor();
      await page.keyboard.type('def');
      assert.equal(await page.locator('#prompt').inputValue(), '');
      assert.equal(await page.locator('textarea:focus').inputValue(), 'helloabcdef');
    });
  });

  describe('that the relay keeps no longer', () => {
    /** Opens a page whose clock the test moves, and which sends pieces when they may go on. */
    const aged = async () => {
      const page = await load();
      await page.addInitScript(() => {
        const now = performance.now.bind(performance);
        performance.now = () => now() + Number(Reflect.get(window, 'aged') ?? 0);
      });
      const held = { isHeld: false, close: () => {}, goOn: () => {} };
      await page.routeWebSocket(/./, (socket) => {
        const server = socket.connectToServer();
        /** @type {(string | Buffer)[]} */
        const waiting = [];
        held.close = () => void socket.close();
        held.goOn = () => {
          held.isHeld = false;
          for (const message of waiting.splice(0)) server.send(message);
        };
        socket.onMessage((message) => {
          if (held.isHeld && String(message).startsWith('{"upload"')) waiting.push(message);
          else server.send(message);
        });
      });
      await page.reload();
      await connected(page);
      const age = () => page.evaluate(() => Reflect.set(window, 'aged', 51 * 60_000));
      return { page, held, age };
    };

    test('are sent once more by who asks again, however often that is pressed', async () => {
      const { page, held, age } = await aged();
      await choose(page, file('a.pdf', bytes(100_000)), file('b.pdf', bytes(10)));
      await ready(page);
      await send(page, '/files');
      await answer(page);
      await age();
      held.isHeld = true;
      for (let presses = 0; presses < 2; presses += 1) await page.getByRole('button', { name: 'Ask again' }).click();
      await page.getByText('Send or remove the files beside the prompt first.').waitFor();
      assert.equal(await promptBox(page).inputValue(), '/files');
      await page.getByRole('button', { name: 'Remove a.pdf' }).click();
      await page.getByRole('button', { name: 'Remove b.pdf' }).click();
      await promptBox(page).fill('');
      await page.getByRole('button', { name: 'Ask again' }).click();
      held.goOn();
      const said = await answer(page, 2);
      for (const length of [100_000, 10]) assert.ok(said.includes(`SHA-256 ${hash(bytes(length))}`), said);
    });

    test('do not take the place of others beside the prompt', async () => {
      const { page, age } = await aged();
      await choose(page, file('a.pdf', bytes(10)));
      await ready(page);
      await send(page, '/files');
      await answer(page);
      await age();
      await choose(page, file('b.pdf', bytes(20)));
      await page.getByRole('button', { name: 'Ask again' }).click();
      await page.getByText('Send or remove the files beside the prompt first.').waitFor();
      assert.deepEqual(await chips(page).locator('.file-name').allTextContents(), ['b.pdf']);
    });

    test('since the connection was away for long are sent once more, and the prompt goes', async () => {
      const { page, held, age } = await aged();
      await choose(page, file('a.pdf', bytes(30_000)));
      await ready(page);
      held.isHeld = true;
      await choose(page, file('b.pdf', bytes(100_000)));
      await send(page, '/files');
      await page.getByText('The prompt goes as soon as its files are there.').waitFor();
      await age();
      held.close();
      held.isHeld = false;
      const said = await answer(page);
      for (const length of [30_000, 100_000]) assert.ok(said.includes(`SHA-256 ${hash(bytes(length))}`), said);
    });
  });

  test('go on when the connection is lost on the way', async () => {
    const page = await load();
    let pieces = 0;
    await page.routeWebSocket(/./, (socket) => {
      const server = socket.connectToServer();
      socket.onMessage((message) => {
        // Every tenth is swallowed, and its connection closed.
        if (String(message).startsWith('{"upload"') && (pieces += 1) % 10 === 0) return void socket.close();
        server.send(message);
      });
    });
    await page.reload();
    await connected(page);
    const content = bytes(700_000);
    await choose(page, file('large.pdf', content));
    await ready(page);
    assert.ok(pieces > 30, `${pieces}`);
    await connected(page);
    await send(page, '/files');
    assert.ok((await answer(page)).includes(`SHA-256 ${hash(content)}`));
  });

  test('go again with the prompt that failed', async () => {
    const page = await open();
    await choose(page, file('a.pdf', bytes(50_000)));
    await ready(page);
    await send(page, '/error throttlingException 2');
    await answer(page);
    await page.getByRole('button', { name: /Retry|Try again/ }).click();
    await page.locator('article.user').nth(1).waitFor();
    assert.equal(await page.getByRole('list', { name: 'Files that were sent' }).count(), 2);
  });

  test('go again without what is typed and attached meanwhile, which stays', async () => {
    const page = await open();
    const first = bytes(50_000);
    await choose(page, file('a.pdf', first));
    await ready(page);
    await send(page, '/files');
    await answer(page);
    await promptBox(page).fill('typed');
    await choose(page, file('b.pdf', bytes(10)));
    await page.getByRole('button', { name: 'Ask again' }).click();
    const said = await answer(page, 2);
    assert.ok(said.includes(`SHA-256 ${hash(first)}`) && !said.includes('b.pdf'), said);
    assert.deepEqual(await page.locator('article.user .text').allTextContents(), ['/files', '/files']);
    assert.equal(await promptBox(page).inputValue(), 'typed');
    assert.deepEqual(await chips(page).locator('.file-name').allTextContents(), ['b.pdf']);
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.locator('article').first().waitFor({ state: 'detached' });
    await promptBox(page).fill('');
    await page.getByRole('button', { name: 'Remove b.pdf' }).click();
    await send(page, '/files');
    assert.match(await answer(page), /No file came/);
    // What has no files gets none of those beside the box.
    await choose(page, file('c.pdf', bytes(10)));
    await ready(page);
    await page.getByRole('button', { name: 'Ask again' }).click();
    assert.match(await answer(page, 2), /No file came/);
    assert.deepEqual(await chips(page).locator('.file-name').allTextContents(), ['c.pdf']);
  });

  test('go along into a new conversation with what is typed, and wait where another one is opened', async () => {
    const page = await open();
    await send(page, '/tokens 3 100');
    await answer(page);
    const content = bytes(50_000);
    await choose(page, file('a.pdf', content));
    await promptBox(page).fill('/files');
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.locator('article').first().waitFor({ state: 'detached' });
    assert.equal(await promptBox(page).inputValue(), '/files');
    await ready(page);
    await promptBox(page).press('Enter');
    assert.ok((await answer(page)).includes(`SHA-256 ${hash(content)}`));
    await choose(page, file('b.pdf', content));
    await promptBox(page).fill('about b');
    await page.getByRole('button', { name: 'Conversations', exact: true }).click();
    const go = async (/** @type {string} */ title) => {
      await page.locator('.conversation-open', { hasText: title }).click();
      await page.locator('.conversation-open[aria-current]', { hasText: title }).waitFor();
    };
    await go('/tokens');
    assert.deepEqual([await chips(page).count(), await promptBox(page).inputValue()], [0, '']);
    await go('/files');
    assert.deepEqual(await chips(page).locator('.file-name').allTextContents(), ['b.pdf']);
    assert.equal(await promptBox(page).inputValue(), 'about b');
    await ready(page);
    await send(page, '/files');
    assert.ok((await answer(page, 2)).includes(`b.pdf, application/pdf, 50000 bytes, CHAT, SHA-256 ${hash(content)}`));
  });

  test('beside a new conversation that was left come back with the next one', async () => {
    const page = await open();
    await send(page, '/tokens 3 100');
    await answer(page);
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.locator('article').first().waitFor({ state: 'detached' });
    const content = bytes(50_000);
    await choose(page, file('a.pdf', content));
    await page.getByRole('button', { name: 'Conversations', exact: true }).click();
    await page.locator('.conversation-open', { hasText: '/tokens' }).click();
    await page.locator('article').first().waitFor();
    assert.equal(await chips(page).count(), 0);
    await page.getByRole('button', { name: 'New conversation' }).click();
    assert.deepEqual(await chips(page).locator('.file-name').allTextContents(), ['a.pdf']);
    await ready(page);
    await send(page, '/files');
    assert.ok((await answer(page)).includes(`SHA-256 ${hash(content)}`));
  });

  test('stay with what is typed when the conversation is deleted that they stand in', async () => {
    const page = await open();
    await send(page, '/tokens 3 100');
    await answer(page);
    await promptBox(page).fill('/files');
    const content = bytes(50_000);
    await choose(page, file('a.pdf', content));
    await page.getByRole('button', { name: 'Conversations', exact: true }).click();
    await page.locator('.conversation').getByRole('button', { name: 'Delete' }).click();
    await page.locator('#question').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('The conversation that was open here was deleted.').waitFor();
    assert.equal(await promptBox(page).inputValue(), '/files');
    assert.deepEqual(await chips(page).locator('.file-name').allTextContents(), ['a.pdf']);
    await ready(page);
    await promptBox(page).press('Enter');
    assert.ok((await answer(page)).includes(`SHA-256 ${hash(content)}`));
  });

  test('of a new conversation that was left do not come back after a reload, and what is typed in another one does', async () => {
    const page = await open();
    const startAnew = async () => {
      await page.getByRole('button', { name: 'New conversation' }).click();
      await page.locator('article').first().waitFor({ state: 'detached' });
    };
    const goBack = async () => {
      await page.locator('.conversation-open', { hasText: '/tokens' }).click();
      await page.locator('article').first().waitFor();
    };
    await send(page, '/tokens 3 100');
    await answer(page);
    await page.getByRole('button', { name: 'Conversations', exact: true }).click();
    await startAnew();
    await promptBox(page).fill('half a thought');
    await goBack();
    await startAnew();
    // It came back, and waits once more, before one that has nothing but a file.
    assert.equal(await promptBox(page).inputValue(), 'half a thought');
    await goBack();
    await promptBox(page).fill('x');
    await startAnew();
    await promptBox(page).fill('');
    await choose(page, file('a.pdf', bytes(10)));
    await goBack();
    await page.reload();
    await connected(page);
    await promptBox(page).fill('');
    await startAnew();
    assert.deepEqual([await promptBox(page).inputValue(), await chips(page).count()], ['half a thought', 0]);
  });

  test('that the relay lost are said to be lost', async () => {
    const page = await load();
    await page.routeWebSocket(/./, (socket) => {
      const server = socket.connectToServer();
      socket.onMessage((message) => {
        if (!String(message).startsWith('{"upload"')) return void server.send(message);
        const { id, index } = JSON.parse(String(message)).upload;
        socket.send(
          JSON.stringify({
            type: 'CUSTOM',
            name: 'relay.upload',
            value: { id, index },
            metadata: { relay: { runId: id, seq: index } },
          }),
        );
      });
    });
    await page.reload();
    await connected(page);
    await choose(page, file('a.pdf', bytes(50_000)));
    await ready(page);
    await send(page, '/files');
    await page.getByText('The file "a.pdf" is not here').waitFor();
  });

  test('that the relay refuses are marked, and keep the prompt', async () => {
    const page = await load();
    await page.routeWebSocket(/./, (socket) => {
      socket.onMessage((message) => {
        const { id, index } = JSON.parse(String(message)).upload;
        socket.send(
          JSON.stringify({
            type: 'RUN_ERROR',
            code: 'invalid_request',
            message: 'No\u202e such thing.',
            metadata: { relay: { runId: id, seq: index, retryable: false } },
          }),
        );
      });
    });
    await page.reload();
    await connected(page);
    await choose(page, file('a.pdf', bytes(50_000)));
    await page.locator('.chip.failed').filter({ hasText: 'No\\u202E such thing.' }).waitFor();
    await send(page, '/files');
    await problem(page).filter({ hasText: 'Could not be sent: “a.pdf”. Remove it, or choose it again.' }).waitFor();
    assert.equal(await promptBox(page).inputValue(), '/files');
  });

  test('are not kept over a reload before they were sent, which is said', async () => {
    const page = await open();
    await choose(page, file('a.pdf', bytes(10)), file('b.pdf', bytes(10)));
    await promptBox(page).fill('draft');
    await page.reload();
    await problem(page)
      .filter({ hasText: 'Files are not kept over a reload. Choose again: “a.pdf”, “b.pdf”.' })
      .waitFor();
    assert.equal(await promptBox(page).inputValue(), 'draft');
    await page.reload();
    await connected(page);
    assert.equal(await problem(page).isVisible(), false);
  });
});

describe('what cannot be sent is said at once', () => {
  test('too many, too large, empty', async () => {
    const page = await open();
    await choose(page, file('empty.pdf', Buffer.alloc(0)));
    await problem(page).filter({ hasText: '“empty.pdf” is empty.' }).waitFor();
    await choose(page, ...[1, 2, 3, 4, 5, 6].map((number) => file(`${number}.pdf`, bytes(10))));
    await problem(page).filter({ hasText: '“6.pdf” is one too many: at most 5 can go with a prompt.' }).waitFor();
    assert.equal(await chips(page).count(), 5);
    await page.getByRole('button', { name: 'Remove 1.pdf' }).click();
    assert.equal(await problem(page).isVisible(), false);
    await choose(page, file('large.pdf', Buffer.alloc(10 * 1024 * 1024)));
    await problem(page)
      .filter({ hasText: '“large.pdf” is too large: at most 10.5 MB together can go with a prompt.' })
      .waitFor();
    assert.equal(await chips(page).count(), 4);
  });

  test('names are only names', async () => {
    const page = await open();
    const names = [
      '../../etc/passwd',
      'inv\u202efdp.exe',
      'a\u0000b\u0007c.txt',
      '<img src=x onerror=alert(1)>.png',
      `${'x'.repeat(500)}.pdf`,
    ];
    await give(page, 'drop', ...names.map((name) => ({ name, type: 'text/html;a=<b>', base64: btoa('x') })));
    const shown = await chips(page).locator('.file-name').allTextContents();
    assert.equal(shown.length, 5);
    assert.deepEqual(shown.slice(0, 4), ['passwd', 'invfdp.exe', 'abc.txt', '_img src=x onerror=alert(1)_.png']);
    assert.ok((shown[4] ?? '').length <= 100);
    await ready(page);
    await send(page, '/files');
    const said = await answer(page);
    assert.ok(said.includes('passwd, text/html, 1 bytes'), said);
  });
});

test('axe finds nothing with files beside the prompt and in it, and targets are large enough at 320 px', async () => {
  const page = await open({ viewport: { width: 320, height: 720 } });
  await choose(page, file(`${'long'.repeat(30)}.pdf`, bytes(10)), file('a.png', PNG, 'image/png'));
  await ready(page);
  await send(page, '/files');
  await answer(page);
  await choose(page, file('b.pdf', bytes(10)));
  await ready(page);
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    /** @type {{violations: {id: string, nodes: {target: unknown}[]}[]}} */
    const { violations } = await /** @type {any} */ (window).axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target)}`);
  });
  assert.deepEqual(found, []);
  const small = await page
    .locator('.composer button:visible')
    .evaluateAll((all) =>
      all.map((one) => one.getBoundingClientRect()).filter(({ width, height }) => width < 24 || height < 24),
    );
  assert.deepEqual(small, []);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
});

describe('without a table', () => {
  const { open: openWithout } = useChat('--resume-hours', '0');

  test('a small file goes in the message, and a larger one is refused before it is sent', async () => {
    const page = await openWithout();
    const content = bytes(15_000);
    await choose(page, file('small.pdf', content), file('large.pdf', bytes(30_000)));
    await problem(page)
      .filter({ hasText: '“large.pdf” is too large: at most 18.4 KB together can go with a prompt.' })
      .waitFor();
    await ready(page);
    await send(page, '/files');
    assert.ok((await answer(page)).includes(`small.pdf, application/pdf, 15000 bytes, CHAT, SHA-256 ${hash(content)}`));
  });
});
