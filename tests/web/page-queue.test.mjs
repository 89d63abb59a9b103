// Prompts that are sent while an answer runs: they wait above the prompt box, and nothing goes out without a word.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { answer, connected, promptBox, send, useChat } from './support/chat.mjs';
import { asking, call, comeBack, FINISHED, leave, relay, text } from './support/relay.mjs';

/** @import { Page } from 'playwright-core' */

const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };
const AXE = await readFile(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const { open } = useChat();

const queue = (/** @type {Page} */ page) => page.getByRole('region', { name: 'Queued prompts' });
const queued = (/** @type {Page} */ page) => queue(page).locator('.queue-text').allTextContents();
const status = (/** @type {Page} */ page, /** @type {string} */ words) => queue(page).getByText(words, { exact: true });
const focused = (/** @type {Page} */ page) =>
  page.evaluate(() => document.activeElement?.id || document.activeElement?.getAttribute('aria-label'));
const prompts = (/** @type {Page} */ page) => page.locator('article.user .text').allTextContents();

/** A page whose first answer is still to end, with prompts that wait. @param {string[]} waiting @param {Parameters<typeof open>[0]} [options] */
async function withQueue(waiting, options = {}) {
  const scripted = relay(({ say }) => say(text('At work.')));
  const page = await open({ ...options, prepare: scripted.prepare });
  // On a phone, Enter alone starts a new line.
  const ask = async (/** @type {string} */ words) => {
    await promptBox(page).fill(words);
    await promptBox(page).press('Control+Enter');
  };
  await ask('first');
  await page.getByText('At work.').waitFor();
  for (const words of waiting) await ask(words);
  return { page, scripted, end: () => scripted.runs.at(-1)?.say(FINISHED) };
}

describe('a prompt sent while an answer runs', () => {
  test('waits for its end, shown so, and goes out in its order', async () => {
    const { page, scripted, end } = await withQueue(['second', 'third']);
    assert.deepEqual(await queued(page), ['second', 'third']);
    await status(page, 'Sent when the answer is complete.').waitFor();
    assert.equal(await promptBox(page).inputValue(), '');
    assert.equal(scripted.runs.length, 1);
    assert.equal(await page.getByRole('button', { name: 'Stop' }).isVisible(), true);
    end();
    await page.locator('article.user').nth(1).waitFor();
    assert.deepEqual([await prompts(page), await queued(page)], [['first', 'second'], ['third']]);
    assert.match(
      (await page.getByRole('status').textContent()) ?? '',
      /^Answer complete\. At work\. The next prompt was sent\.$/,
    );
    end();
    await page.locator('article.user').nth(2).waitFor();
    assert.equal(await queue(page).isVisible(), false);
    end();
    await answer(page, 3);
    assert.deepEqual(
      scripted.runs.map(({ input }) => input.messages.at(-1).content),
      ['first', 'second', 'third'],
    );
  });

  test('is sent by the button as well, which is there once there is something to send, also on a phone', async () => {
    const { page } = await withQueue([], PHONE);
    const button = page.getByRole('button', { name: 'Send', exact: true });
    assert.equal(await button.isVisible(), false);
    await promptBox(page).fill('second');
    assert.equal(await button.getAttribute('title'), 'Send when the answer is complete');
    await button.tap();
    assert.deepEqual(await queued(page), ['second']);
    assert.equal(await button.isVisible(), false);
    const places = await queue(page)
      .getByRole('button')
      .evaluateAll((all) =>
        all
          .filter((one) => one.checkVisibility())
          .map((one) => one.getBoundingClientRect())
          .map(({ width, height }) => Math.min(width, height)),
      );
    assert.ok(places.length === 2 && places.every((side) => side >= 24), places.join());
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  });

  test('is taken back into the box, before what is typed there, or removed, all by keyboard', async () => {
    const { page } = await withQueue(['second', 'third', 'fourth']);
    await promptBox(page).fill('typed');
    await queue(page).getByRole('button', { name: 'Edit queued prompt 2' }).press('Enter');
    assert.equal(await promptBox(page).inputValue(), 'third\n\ntyped');
    assert.equal(await focused(page), 'prompt');
    assert.deepEqual(await queued(page), ['second', 'fourth']);
    await queue(page).getByRole('button', { name: 'Remove queued prompt 1' }).press('Enter');
    assert.equal(await focused(page), 'Remove queued prompt 1');
    await page.keyboard.press('Enter');
    assert.equal(await queue(page).isVisible(), false);
    assert.equal(await focused(page), 'prompt');
  });

  test('is refused at once where it could never be sent: empty, too long, or one too many', async () => {
    const { page } = await withQueue(Array.from({ length: 10 }, (_, index) => `prompt ${index}`));
    const said = (/** @type {string | RegExp} */ words) => page.getByRole('alert').filter({ hasText: words }).waitFor();
    await promptBox(page).press('Enter');
    await said('Type a prompt first.');
    await send(page, '漢'.repeat(11_000));
    await said(/too long: the message would have/);
    await send(page, 'eleventh');
    await said('10 prompts wait already');
    assert.equal(await promptBox(page).inputValue(), 'eleventh');
    assert.equal((await queued(page)).length, 10);
    assert.ok(((await queue(page).boundingBox())?.height ?? 999) < 240, 'the list scrolls');
  });

  test('shows what is hidden in it, on one line, and is sent as it was typed', async () => {
    const words = 'pay \u202e001\u202c\n\u200b<b onclick="x">now</b>';
    const { page, scripted, end } = await withQueue([words]);
    assert.deepEqual(await queued(page), ['pay \\u202E001\\u202C \\u200B<b onclick="x">now</b>']);
    end();
    await page.locator('article.user').nth(1).waitFor();
    assert.equal(scripted.runs[1]?.input.messages.at(-1).content, words);
  });
});

describe('queued prompts stay', () => {
  test('after Stop, until the user sends them', async () => {
    const { page, scripted, end } = await withQueue(['second', 'third']);
    await page.keyboard.press('Escape');
    await status(page, 'Not sent: you stopped the answer.').waitFor();
    await connected(page);
    assert.deepEqual(await queued(page), ['second', 'third']);
    assert.equal(scripted.runs.length, 1);
    await queue(page).getByRole('button', { name: 'Send now' }).press('Enter');
    await page.locator('article.user').nth(1).waitFor();
    assert.equal(await focused(page), 'prompt');
    assert.deepEqual(await queued(page), ['third']);
    await status(page, 'Sent when the answer is complete.').waitFor();
    end();
    await page.locator('article.user').nth(2).waitFor();
    assert.equal(await queue(page).isVisible(), false);
  });

  test('after a failure', async () => {
    const { page, scripted } = await withQueue(['second']);
    scripted.runs[0]?.say({ type: 'RUN_ERROR', message: 'No.', code: 'internal' });
    await status(page, 'Not sent: the answer before it failed.').waitFor();
    assert.deepEqual([await queued(page), scripted.runs.length], [['second'], 1]);
  });

  test('when the connection drops, and say why they cannot be sent without one', async () => {
    const { page, scripted } = await withQueue(['second']);
    await leave(page, scripted.connections[0]);
    await status(page, 'Not sent: the answer before it failed.').waitFor();
    await queue(page).getByRole('button', { name: 'Send now' }).click();
    await status(page, 'There is no connection yet. Send it again once the page is connected.').waitFor();
    await comeBack(page);
    // What was in the way is over.
    await status(page, 'Not sent: the answer before it failed.').waitFor();
    await queue(page).getByRole('button', { name: 'Send now' }).click();
    await page.locator('article.user').nth(1).waitFor();
    assert.equal(await queue(page).isVisible(), false);
  });

  test('when the answer ended while another conversation was open, and say that it was left', async () => {
    const { page, scripted, end } = await withQueue(['second']);
    await page.getByRole('button', { name: 'New conversation' }).click();
    end();
    await page.getByText('An answer in another conversation has ended.').waitFor({ state: 'attached' });
    await page.getByRole('button', { name: 'Conversations', exact: true }).click();
    await page.locator('.conversation-open').click();
    await status(page, 'Not sent: the conversation was left before.').waitFor();
    assert.deepEqual([await queued(page), scripted.runs.length], [['second'], 1]);
  });

  test('over a reload, with what is being typed, and are not sent by it', async () => {
    const { page, scripted } = await withQueue(['second']);
    await promptBox(page).fill('typed');
    await page.reload();
    await connected(page);
    await status(page, 'Not sent: the conversation was left before.').waitFor();
    assert.deepEqual([await queued(page), await promptBox(page).inputValue()], [['second'], 'typed']);
    assert.equal(scripted.runs.length, 1);
  });

  test('as long as the agent asks for something, and go out once it is answered', async () => {
    const { page, scripted } = await withQueue(['second']);
    scripted.runs[0]?.say(call('act', '{}'), asking());
    await status(page, 'Waits: the agent asks you for something first.').waitFor();
    assert.equal(scripted.runs.length, 1);
    await page.getByRole('button', { name: 'Confirm' }).click();
    await page.getByText('At work.').nth(1).waitFor();
    assert.deepEqual(await queued(page), ['second']);
    scripted.runs[1]?.say(FINISHED);
    await page.locator('article.user').nth(2).waitFor();
    assert.equal(scripted.runs[2]?.input.messages.at(-1).content, 'second');
  });

  test('with the conversation that they are of, and what is being typed goes on in the new one', async () => {
    const { page, scripted } = await withQueue(['second']);
    await promptBox(page).fill('typed');
    await page.getByRole('button', { name: 'New conversation' }).click();
    assert.equal(await queue(page).isVisible(), false);
    assert.equal(await promptBox(page).inputValue(), 'typed');
    await connected(page);
    await promptBox(page).press('Enter');
    await page.getByText('At work.').waitFor();
    assert.equal(scripted.runs.at(-1)?.input.messages.at(-1).content, 'typed');
  });
});

test('they go out when an answer that lost its connection has gone on over another one', async () => {
  /** @type {import('./support/relay.mjs').Run[]} */
  const kept = [];
  const scripted = relay((run) => {
    if (run.input.forwardedProps.join === undefined) kept.push(run);
    const metadata = { relay: { key: 'k' } };
    if (kept.length === 1)
      run.say({ ...text('At work.'), metadata }, ...(run.input.forwardedProps.join === undefined ? [] : [FINISHED]));
    else run.say(text('Done.'), FINISHED);
  });
  const page = await open({ prepare: scripted.prepare });
  await send(page, 'first');
  await page.getByText('At work.').waitFor();
  await send(page, 'second');
  await leave(page, scripted.connections[0]);
  await status(page, 'Sent when the answer is complete.').waitFor();
  await comeBack(page);
  await page.locator('.prose').getByText('Done.').waitFor();
  assert.deepEqual(await prompts(page), ['first', 'second']);
  assert.equal(await queue(page).isVisible(), false);
});

test('a reader further up is not taken to the end by a queued prompt', async () => {
  const scripted = relay(({ say }) => say(text('A line.\n\n'.repeat(80))));
  const page = await open({ reducedMotion: 'reduce', prepare: scripted.prepare });
  await send(page, 'first');
  await page.locator('.prose p').nth(79).waitFor();
  await send(page, 'second');
  await page.locator('#scroller').evaluate((one) => (one.scrollTop = 100));
  await page.getByRole('button', { name: 'Jump to latest' }).waitFor();
  scripted.runs[0]?.say(FINISHED);
  await page.locator('article.user').nth(1).waitFor();
  assert.equal(await page.locator('#scroller').evaluate((one) => one.scrollTop), 100);
});

test('Up in an empty box goes through what was sent, Down comes back, and changed words stay', async () => {
  const page = await open({ prepare: relay(({ say }) => say(text('Yes.'), FINISHED)).prepare });
  for (const [index, words] of ['one', 'two\nlines', 'three'].entries()) {
    await send(page, words);
    await answer(page, index + 1);
  }
  await page.reload();
  await connected(page);
  const box = promptBox(page);
  const press = async (/** @type {string} */ key) => {
    await box.press(key);
    return box.inputValue();
  };
  assert.deepEqual(
    [await press('ArrowUp'), await press('ArrowUp'), await press('ArrowUp'), await press('ArrowUp')],
    ['three', 'two\nlines', 'one', 'one'],
  );
  assert.deepEqual(
    [await press('ArrowDown'), await press('ArrowDown'), await press('ArrowDown'), await press('ArrowDown')],
    ['two\nlines', 'three', '', ''],
  );
  await press('ArrowUp');
  assert.equal(await press('!'), 'three!');
  assert.equal(await press('ArrowUp'), 'three!');
  await box.fill('');
  assert.equal(await press('ArrowUp'), 'three');
  // Within several lines the keys move the caret.
  await press('ArrowUp');
  await box.press('ArrowLeft');
  assert.equal(await press('ArrowUp'), 'two\nlines');
});

test('axe finds nothing at the queue: waiting and held, light and dark, on a phone', async () => {
  for (const options of [{}, PHONE]) {
    const { page } = await withQueue(['second', 'third'], options);
    await page.evaluate(AXE);
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme });
      const check = async () => {
        const found = /** @type {{id: string}[]} */ (
          await page.evaluate(
            'axe.run(document).then(({ violations }) => violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html }) => html) })))',
          )
        );
        assert.deepEqual(found, []);
      };
      await check();
      await page.keyboard.press('Escape');
      await queue(page).getByRole('button', { name: 'Send now' }).waitFor();
      await check();
    }
  }
});
