// Answers that outlive their connections, in Chromium against the real local AWS: what a person sees when the network
// goes, when the page is loaded again, when there are two windows, and when they stop an answer.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from './support/browser.mjs';
import { answer, connected, send, useChat } from './support/chat.mjs';
import { FrameGate } from './support/frames.mjs';
import { comeBack } from './support/relay.mjs';

/** @import { Page } from 'playwright-core' */

/** The numbers from 1, as `/tokens` says them. @param {number} count */
const numbers = (count) => Array.from({ length: count }, (_, index) => index + 1).join(' ');
/** @param {string | undefined} text */
const words = (text) => text?.trim().split(/\s+/).join(' ');
/** @param {Page} page */
const joinButton = (page) => page.getByRole('button', { name: 'Continue here' });
/** What can be done with the answers. @param {Page} page */
const actionsOf = (page) =>
  page.locator('.agent .turn-actions button').evaluateAll((all) => all.map((one) => one.ariaLabel ?? one.textContent));
/** @param {Page} page */
const reconnecting = (page) => page.locator('article.agent').getByText(/^(?:Reconnecting|Loading the answer)…$/);
/** @param {Page} page */
const stopButton = (page) => page.getByRole('button', { name: 'Stop' });

/** What a page says that does not know what kind of agent answers. @param {Page} page */
const stoppedHere = (page) =>
  page
    .locator('.foot')
    .getByText(/^Stopped here\. The agent itself may go on/)
    .first();

/** Waits for text of the last answer. @param {Page} page @param {number} [length] so much of it, in UTF-16 units */
const someText = (page, length = 10) =>
  page.waitForFunction(
    (length) => ([...document.querySelectorAll('article.agent .body')].at(-1)?.textContent ?? '').length > length,
    length,
  );

/** A page that loses its connection waits half a second, so that it can be seen. @param {Page} page */
const waitsHalfASecond = (page) => page.addInitScript(() => (Math.random = () => 1));
/** And here for days, unless the network comes back. @param {Page} page */
const waitsForDays = (page) => page.addInitScript(() => (Math.random = () => 1_000_000));

/** Notes what a screen reader reads out. */
function hearkens() {
  /** @type {(string | null)[]} */
  const heard = [];
  Object.assign(window, { heard });
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes)
      if (target instanceof Element && target.id === 'status')
        heard.push(...[...addedNodes].map((node) => node.textContent));
  }).observe(document, { childList: true, subtree: true });
}

/** @param {ReturnType<typeof useChat>} chat */
function network({ endpoint, output }) {
  const count = (/** @type {RegExp} */ pattern) => output().match(pattern)?.length ?? 0;
  const counts = () => ({
    connections: count(/gateway +connected/g),
    prompts: count(/agent +invoked/g),
    freed: count(/the caller left/g),
  });
  const holes = () => count(/fault +swallow/g);
  return {
    counts,
    /** How many connections have become black holes. */
    holes,

    /** Waits until so many more are counted than there were. @param {keyof ReturnType<typeof counts>} what @param {ReturnType<typeof counts>} before @param {number} [more] */
    async until(what, before, more = 1) {
      await eventually(() => counts()[what] >= before[what] + more);
    },

    /** Waits until a connection becomes a black hole, or the answer is whole. @param {Page} page @param {number} before how many were holes */
    async holeOrEnd(page, before) {
      const whole = page.locator('article.agent[aria-busy="false"]');
      // Whoever gets the end of an answer is posted nothing more, so the connection is no hole.
      await eventually(async () => holes() > before || (await whole.count()) > 0);
      return holes() === before ? 'end' : 'hole';
    },

    /** Ends the newest connection, as API Gateway does after two hours. */
    async cut() {
      const id = [...output().matchAll(/gateway +connected +(\S+)/g)].at(-1)?.[1] ?? '';
      const response = await fetch(`${endpoint().replace('ws', 'http')}/@connections/${encodeURIComponent(id)}`, {
        method: 'DELETE',
      });
      assert.equal(response.status, 204);
    },
  };
}

const chat = useChat();
const { open } = chat;
const { counts, cut, until } = network(chat);

describe('an answer whose connection is cut', () => {
  test('says that it is reconnecting, and goes on to its end, each time', async () => {
    const before = counts();
    const page = await open({ prepare: waitsHalfASecond });
    await page.evaluate(() => {
      /** @type {string[]} */
      const banners = [];
      Object.assign(window, { banners });
      const banner = document.querySelector('#banner');
      if (banner)
        new MutationObserver(() => banner.checkVisibility() && banners.push(banner.textContent ?? '')).observe(banner, {
          attributes: true,
        });
    });
    await send(page, '/tokens 120 20');
    for (const length of [10, 150]) {
      await someText(page, length);
      await cut();
      await reconnecting(page).waitFor();
      assert.equal(await page.locator('.pulse').isVisible(), true);
      await reconnecting(page).waitFor({ state: 'hidden' });
    }
    assert.deepEqual(await page.evaluate('window.banners'), [], 'no handshake failed');
    assert.equal(words(await answer(page)), numbers(120));
    assert.match(
      (await page.locator('article.agent .foot').textContent()) ?? '',
      /^First token after .* · complete after/,
    );
    assert.equal(await page.locator('.notes li').count(), 0);
    assert.equal(counts().prompts, before.prompts + 1);
  });

  test('that ends meanwhile is there later, with its trace', async () => {
    const page = await open({ prepare: waitsForDays });
    await page.getByRole('switch', { name: 'Trace' }).check();
    await send(page, '/tokens 60 40 20');
    await someText(page);
    const before = chat.output().match(/run ended/g)?.length ?? 0;
    await cut();
    await reconnecting(page).waitFor();
    await eventually(() => (chat.output().match(/run ended/g)?.length ?? 0) > before);
    await comeBack(page);
    assert.equal(words(await answer(page)), numbers(60));
    assert.equal(await page.locator('#traces-count').textContent(), '6');
  });

  test('and that has lost frames on the way gets them over another connection', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    await send(page, '/tokens 60 20');
    await gate.until('TEXT_MESSAGE_CHUNK');
    // They never come.
    await gate.take('TEXT_MESSAGE_CHUNK');
    gate.open();
    assert.equal(words(await answer(page)), numbers(60));
    assert.equal(await page.locator('.notes li').count(), 0);
  });

  test('is said to be incomplete where the relay does not have it any more', async () => {
    const page = await open({
      prepare: async (page) => {
        await waitsForDays(page);
        await page.addInitScript(() => {
          const send = WebSocket.prototype.send;
          // A key of another run, and so of none that is this one's.
          WebSocket.prototype.send = function (message) {
            return send.call(this, String(message).replace(/("join":\{"key":")[^"]*/, '$1nonsense'));
          };
        });
      },
    });
    await send(page, '/tokens 60 20');
    await someText(page);
    await cut();
    await reconnecting(page).waitFor();
    await comeBack(page);
    assert.match(
      (await page.locator('.failure').textContent()) ?? '',
      /^Interrupted.*What had arrived is kept; the prompt is not sent again by itself\.no_such_run$/,
    );
    assert.match(await answer(page), /^1 2 3/);
    assert.deepEqual(await actionsOf(page), ['Copy answer', 'Retry']);
  });
});

describe('who does not see the page', () => {
  test('hears that the answer goes on, however it came back', async () => {
    const page = await open();
    await send(page, '/tokens 1000 20');
    await someText(page);
    /** What is shown and read out until the answer goes on. @param {() => Promise<unknown>} act */
    const heardOf = async (act) => {
      await page.evaluate(hearkens);
      await act();
      await page.waitForFunction(() => Reflect.get(window, 'heard')?.includes('The answer goes on.'));
      return /** @type {string[]} */ (await page.evaluate('window.heard'));
    };
    assert.deepEqual(await heardOf(() => page.evaluate(() => window.dispatchEvent(new Event('online')))), [
      'Reconnecting.',
      'Connected again.',
      'The answer goes on.',
    ]);
    await page.addInitScript(hearkens);
    await page.addInitScript(() => {
      let pictures = 0;
      const look = () => {
        const shown = document.querySelector('.thinking:not([hidden]) span:not(.pulse)')?.textContent;
        pictures =
          shown === 'Reconnecting…' && document.querySelector('#connection-text')?.textContent === 'Connected'
            ? pictures + 1
            : 0;
        // The words of an answer come with the next picture.
        if (pictures > 2) Object.assign(window, { isContradicted: true });
        if (document.querySelector('.welcome')?.checkVisibility()) Object.assign(window, { isWelcomed: true });
        requestAnimationFrame(look);
      };
      look();
    });
    assert.deepEqual(await heardOf(() => page.reload()), ['The answer goes on.']);
    assert.equal(await page.evaluate('window.isContradicted'), undefined, 'who is connected does not reconnect');
    assert.equal(await page.evaluate('window.isWelcomed'), undefined, 'there is a conversation');
    await stopButton(page).click();
  });
});

describe('a page that is loaded again in the middle of an answer', () => {
  test('shows what it had, then all of it, never less, and tells the time from the beginning', async () => {
    const before = counts();
    const page = await open();
    await page.getByRole('switch', { name: 'Trace' }).check();
    await send(page, '/tokens 100 25 20');
    await someText(page, 60);
    await page.addInitScript(() => {
      // As if it were loaded five minutes later.
      Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + 300_000 });
      /** @type {number[]} */
      const lengths = [];
      Object.assign(window, { lengths });
      new MutationObserver(() =>
        lengths.push(document.querySelector('article.agent .body')?.textContent?.length ?? 0),
      ).observe(document, { childList: true, characterData: true, subtree: true });
    });
    await page.reload();
    await page.waitForFunction(() => (document.querySelector('article.agent .body')?.textContent ?? '').length > 60);
    assert.equal(words(await answer(page)), numbers(100));
    const lengths = /** @type {number[]} */ (await page.evaluate('window.lengths.filter((length) => length > 0)'));
    assert.ok(
      lengths.every((length, index) => length >= (lengths[index - 1] ?? 60)),
      `${lengths}`,
    );
    assert.match((await page.locator('.timing').textContent()) ?? '', /complete after (?:[5-9]|\d\d) min /);
    assert.equal(counts().prompts, before.prompts + 1);
    assert.equal(await page.locator('article').count(), 2);
    assert.equal(await page.locator('#traces-count').textContent(), '10', 'also what the trace had before');
    await page.reload();
    await connected(page);
    assert.equal(words(await answer(page)), numbers(100));
  });
});

describe('two windows', () => {
  test('have an answer in the one that asked last, and each can have it back', async () => {
    const before = counts();
    const page = await open();
    await send(page, '/tokens 400 20');
    await someText(page, 40);
    const opened = page.context().waitForEvent('page');
    // Like "Duplicate" in the menu of a tab, this copies what the tab stored.
    await page.evaluate(() => {
      dispatchEvent(new Event('pagehide'));
      window.open(location.href);
    });
    const copy = await opened;
    const moved = (/** @type {Page} */ one) =>
      one.locator('.moved').getByText('This answer goes on in another window.');
    await moved(copy).waitFor();
    assert.match((await copy.locator('article.agent .body').textContent()) ?? '', /^1 2 3/);
    // The first one has not lost it by that.
    await someText(page, 80);
    await joinButton(copy).click();
    await someText(copy, 100);
    await moved(page).waitFor();
    assert.equal(await page.getByRole('status').textContent(), 'This answer goes on in another window.');
    assert.match(await answer(page), /^1 2 3/);
    assert.equal(await page.getByRole('button', { name: 'Send' }).isVisible(), true);
    // Not even a reload takes it back.
    await page.reload();
    await moved(page).waitFor();
    await connected(page);
    await joinButton(page).click();
    await moved(copy).waitFor();
    await stopButton(page).click();
    assert.match(await answer(page), /^1 2 3/);
    await until('freed', before);
    assert.equal(counts().prompts, before.prompts + 1);
    await copy.close();
  });

  test('and an agent that asks for something: the one that cannot answer says where that can be done', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    await send(page, '/confirm');
    // Its end is still to come when the window is copied.
    await gate.until('RUN_STARTED');
    await page.getByText('Thinking', { exact: true }).waitFor();
    const opened = page.context().waitForEvent('page');
    await page.evaluate(() => {
      dispatchEvent(new Event('pagehide'));
      window.open(location.href);
    });
    const copy = await opened;
    await connected(copy);
    await joinButton(copy).click();
    await copy
      .locator('.foot')
      .getByText('It can be answered only in the window that this conversation is of: “Continue here” brings it there.')
      .waitFor();
    assert.match(
      (await copy.getByRole('status').textContent()) ?? '',
      /^The agent asks for something\. It can be answered only in the window/,
    );
    assert.equal(await copy.getByRole('button', { name: 'Confirm' }).count(), 0);
    gate.open();
    await page.getByRole('button', { name: 'Confirm' }).waitFor();
    await copy.close();
  });

  test('and one of them stops it: the other says so', async () => {
    const page = await open();
    await send(page, '/tokens 400 20');
    await someText(page);
    await page.evaluate(() => {
      const [{ key }] = JSON.parse(sessionStorage.getItem('agent-relay.turns') ?? '[]');
      const other = new WebSocket(`ws://${location.host}/local`);
      other.onopen = () => other.send(JSON.stringify({ stop: { key } }));
    });
    await stoppedHere(page).waitFor();
    assert.match(await answer(page), /^1 2 3/);
    assert.match((await page.locator('.timing').textContent()) ?? '', /stopped after/);
  });
});

describe('an answer that is stopped', () => {
  test('while the agent is silent ends at once, over the connection that stays, and the next one comes', async () => {
    const page = await open();
    const before = counts();
    await send(page, '/slow 600');
    await page.getByText('Thinking', { exact: true }).waitFor();
    await until('prompts', before);
    await stopButton(page).click();
    await stoppedHere(page).waitFor();
    // Right away, and once more.
    await page.keyboard.press('Escape');
    await send(page, '/tokens 40 40');
    await until('freed', before);
    assert.equal(words(await answer(page, 2)), numbers(40));
    assert.equal(await page.locator('article.agent').first().locator('.body').textContent(), '');
    assert.deepEqual(counts(), { ...before, prompts: before.prompts + 2, freed: before.freed + 1 });
  });

  test('before its first frame has come is ended by what that says', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    const before = counts();
    await send(page, '/tokens 4000 20');
    await until('prompts', before);
    await stopButton(page).click();
    await stoppedHere(page).waitFor();
    gate.open();
    await until('freed', before);
    assert.equal(await page.locator('article.agent .body').textContent(), '');
    assert.equal(counts().connections, before.connections);
  });

  test('without a connection is ended over the next one, and does not come back', async () => {
    const page = await open({ prepare: waitsForDays });
    const before = counts();
    await send(page, '/tokens 4000 20');
    await someText(page);
    await cut();
    await reconnecting(page).waitFor();
    await stopButton(page).click();
    const text = await answer(page);
    assert.equal(counts().freed, before.freed);
    await comeBack(page);
    await until('freed', before);
    await send(page, '/tokens 5 200');
    assert.equal(words(await answer(page, 2)), numbers(5));
    assert.equal(await page.locator('article.agent .body').first().textContent(), text);
  });

  test('while it is being joined keeps what it had', async () => {
    const gate = new FrameGate();
    const page = await open({ prepare: (page) => gate.guard(page) });
    const before = counts();
    await send(page, '/tokens 4000 20');
    for (let text = ''; text.length < 20; ) text += (await gate.next()).delta ?? '';
    await someText(page);
    await cut();
    await until('connections', before);
    await connected(page);
    await reconnecting(page).waitFor();
    await stopButton(page).click();
    const text = await answer(page);
    await until('freed', before);
    gate.open();
    await send(page, '/tokens 5 200');
    assert.equal(words(await answer(page, 2)), numbers(5));
    assert.equal(await page.locator('article.agent .body').first().textContent(), text);
    assert.match(
      (await page.locator('article.agent .foot').first().textContent()) ?? '',
      /^Stopped here\..*stopped after/,
    );
  });
});

/** Opens the conversation that was left. @param {Page} page @param {string} title */
async function openAgain(page, title) {
  const dialog = page.getByRole('dialog', { name: 'Conversations' });
  if (!(await dialog.isVisible())) await page.getByRole('button', { name: 'Conversations', exact: true }).click();
  await dialog.getByRole('button', { name: title }).first().click();
}

describe('a conversation that is left in the middle of an answer', () => {
  for (const [what, act] of /** @type {[string, (page: Page) => Promise<unknown>][]} */ ([
    ['over the same connection', async () => {}],
    ['over another one, as the first was cut', cut],
    ['over a reload, in an empty chat', (page) => page.reload()],
  ])) {
    test(`has all of it once, ${what}`, async () => {
      const page = await open();
      const before = counts();
      await send(page, '/tokens 150 20');
      await someText(page);
      await page.getByRole('button', { name: 'New conversation' }).click();
      assert.equal(await page.locator('article').count(), 0);
      await act(page);
      await connected(page);
      await openAgain(page, '/tokens 150 20');
      assert.equal(words(await answer(page)), numbers(150));
      assert.equal(await page.locator('article').count(), 2);
      assert.equal(await page.locator('.notes li').count(), 0);
      assert.deepEqual([counts().prompts, counts().freed], [before.prompts + 1, before.freed]);
    });
  }

  test('is stopped when it is deleted', async () => {
    const page = await open();
    const before = counts();
    await send(page, '/tokens 4000 20');
    await someText(page);
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.getByRole('button', { name: 'Conversations', exact: true }).click();
    await page.getByRole('button', { name: 'Delete /tokens 4000 20' }).click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await until('freed', before);
  });
});

describe('a connection that is a black hole', () => {
  const hole = useChat('--swallow', '1');
  const { counts, holes, holeOrEnd, until } = network(hole);

  test('is left for another one after the longest silence of the relay and some more, and the answer is whole', async () => {
    const page = await hole.open({ prepare: (page) => page.clock.install() });
    const before = counts();
    let connections = 0;
    let swallowed = holes();
    await send(page, '/tokens 200 50');
    while ((await holeOrEnd(page, swallowed)) === 'hole') {
      swallowed = holes();
      await page.clock.fastForward(35_000);
      assert.equal(counts().connections, before.connections + connections);
      await page.clock.fastForward(11_000);
      connections += 1;
      await until('connections', before, connections);
    }
    assert.ok(connections > 0);
    assert.equal(words(await answer(page)), numbers(200));
    assert.equal(counts().prompts, before.prompts + 1);
    assert.equal(await page.locator('#banner').isVisible(), false);
  });

  for (const [when, wait] of /** @type {[string, number][]} */ ([
    ['right away', 0],
    ['later', 5_000],
  ])) {
    test(`is left when nothing comes of a stop: the agent hears it over another one, and so it does a prompt that comes ${when}`, async () => {
      const page = await hole.open({ prepare: (page) => page.clock.install() });
      let swallowed = holes();
      await send(page, '/tokens 4000 20');
      await holeOrEnd(page, swallowed);
      // A connection may become a hole before the first text.
      while ((await page.locator('article.agent .body').textContent()) === '') {
        const { connections } = counts();
        swallowed = holes();
        await page.clock.fastForward(46_000);
        await holeOrEnd(page, swallowed);
        assert.equal(counts().connections, connections + 1);
      }
      const before = counts();
      await stopButton(page).click();
      const stopped = await answer(page);
      await page.clock.fastForward(wait);
      await send(page, '/tokens 2 1');
      if (wait === 0) {
        assert.deepEqual(counts(), before, 'nothing is said into the hole');
        await page.clock.fastForward(5_000);
      }
      await until('connections', before);
      await until('freed', before);
      // Of what comes of it, this connection may swallow all.
      await until('prompts', before);
      assert.equal(await page.locator('article.agent .body').first().textContent(), stopped);
      assert.deepEqual(counts(), {
        connections: before.connections + 1,
        prompts: before.prompts + 1,
        freed: before.freed + 1,
      });
    });
  }
});

describe('a function that is killed', () => {
  const restarting = useChat('--function', fileURLToPath(new URL('support/restarting-function', import.meta.url)));

  test('takes the rest of the answer with it: the page says so, and keeps what had arrived', async () => {
    const page = await restarting.open({ prepare: (page) => page.clock.install() });
    await send(page, '/tokens 4000 20');
    await someText(page);
    process.kill(Number(/the function is process (\d+)/.exec(restarting.output())?.[1]), 'SIGKILL');
    // Nothing closes, so only the silence tells.
    await page.clock.fastForward(46_000);
    await page.locator('.failure').waitFor();
    assert.match(
      (await page.locator('.failure').textContent()) ?? '',
      /^Interrupted.*function that carried the answer has ended.*run_lost$/,
    );
    assert.match(await answer(page), /^1 2 3/);
    assert.deepEqual(await actionsOf(page), ['Copy answer', 'Retry']);
    await send(page, '/tokens 5 200');
    assert.equal(words(await answer(page, 2)), numbers(5));
  });
});

describe('a relay that keeps no runs', () => {
  const without = useChat('--resume-hours', '0');
  const { counts, cut, until } = network(without);

  test('has an answer interrupted when its connection closes', async () => {
    const page = await without.open();
    await send(page, '/tokens 4000 20');
    await someText(page);
    await cut();
    await page.locator('.failure').waitFor();
    assert.match(
      (await page.locator('.failure').textContent()) ?? '',
      /^Interrupted.*closed before the answer was complete/,
    );
    assert.deepEqual(await actionsOf(page), ['Copy answer', 'Retry']);
    await connected(page);
    assert.equal(await page.locator('article').count(), 2);
  });

  test('has it interrupted by a reload, and does not say when that was', async () => {
    const page = await without.open();
    await send(page, '/tokens 4000 20');
    await someText(page);
    await page.reload();
    await connected(page);
    assert.match(
      (await page.locator('.failure').textContent()) ?? '',
      /^Interrupted.*left before the answer was complete/,
    );
    assert.match(await answer(page), /^1 2 3/);
    assert.match((await page.locator('.timing').textContent()) ?? '', /^First token after [\d.]+ m?s$/);
    assert.equal(await page.getByRole('button', { name: 'Retry' }).isVisible(), true);
  });

  test('has it go on behind another conversation, and a reload says that it was left', async () => {
    const page = await without.open();
    await send(page, '/tokens 4000 20');
    await someText(page);
    await page.getByRole('button', { name: 'New conversation' }).click();
    await openAgain(page, '/tokens 4000 20');
    await someText(page, 40);
    assert.equal(await page.locator('.failure').count(), 0);
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.reload();
    await connected(page);
    await openAgain(page, '/tokens 4000 20');
    assert.match(
      (await page.locator('.failure').textContent()) ?? '',
      /^Interrupted.*left before the answer was complete/,
    );
    assert.match(await answer(page), /^1 2 3/);
  });

  test('is left with the connection when it is stopped', async () => {
    const page = await without.open();
    const before = counts();
    await send(page, '/tokens 4000 20');
    await someText(page);
    await stopButton(page).click();
    await until('connections', before);
    await until('freed', before);
    await stoppedHere(page).waitFor();
  });

  test('says how many frames have not come', async () => {
    const gate = new FrameGate();
    const page = await without.open({ prepare: (page) => gate.guard(page) });
    await send(page, '/tokens 60 20');
    await gate.until('TEXT_MESSAGE_CHUNK');
    const lost = await gate.take('TEXT_MESSAGE_CHUNK');
    gate.open();
    await answer(page);
    assert.equal(
      await page.locator('.notes li').textContent(),
      `${lost.length} frame${lost.length === 1 ? '' : 's'} got lost on the way: this answer may have gaps.`,
    );
  });
});
