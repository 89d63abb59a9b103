// Conversations that are kept in the browser, in Chromium: the list, what comes back, what goes, and what two tabs do.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { until } from './support/browser.mjs';
import { answer, connected, promptBox, send, traceSwitch, useChat } from './support/chat.mjs';
import { answers, custom, FINISHED, relay, text } from './support/relay.mjs';
import { seed } from './support/seed.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { Run } from './support/relay.mjs' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { open } = useChat();
const echo = () => relay(({ input, say }) => say(text(`You said ${input.messages.at(-1).content}.`), FINISHED));

/** @param {Page} page */
const toggle = (page) => page.getByRole('button', { name: 'Conversations', exact: true });
/** @param {Page} page */
const drawer = (page) => page.getByRole('dialog', { name: 'Conversations' });
/** @param {Page} page */
const rows = (page) => drawer(page).getByRole('listitem');
/** @param {Page} page */
const titles = (page) => page.locator('.conversation:visible .conversation-title').allTextContents();
/** @param {Page} page @param {string} title */
const row = (page, title) => page.locator('.conversation-open', { hasText: title });
/** @param {Page} page @param {string} title @param {'Rename' | 'Delete'} name */
const press = (page, title, name) =>
  page.locator('.conversation', { hasText: title }).getByRole('button', { name }).click();
/** @param {Page} page */
const startAnew = (page) => page.getByRole('button', { name: 'New conversation' }).click();
/** @param {Page} page */
const prompts = (page) => page.locator('article.user .text').allTextContents();
/** @param {Page} page @param {string} name of the button that says yes */
const agree = (page, name) => page.locator('#question').getByRole('button', { name }).click();
/** @param {Page} page */
const thread = (page) => page.evaluate(() => sessionStorage.getItem('agent-relay.thread'));

/** Waits until so many conversations are listed. @param {Page} page @param {number} count */
const listed = (page, count) =>
  page.waitForFunction((count) => document.querySelectorAll('.conversation').length === count, count);

/** Waits until what was said is kept, or no longer. @param {Page} page @param {string} words @param {boolean} [wanted] */
const kept = (page, words, wanted = true) =>
  until(
    page,
    ({ words, wanted }) =>
      new Promise((resolve) => {
        const request = indexedDB.open('agent-relay');
        request.onsuccess = () => {
          const all = request.result.transaction('turns').objectStore('turns').getAll();
          all.onsuccess = () => {
            request.result.close();
            resolve(all.result.some(({ json }) => json.includes(words)) === wanted);
          };
        };
      }),
    { words, wanted },
  );

/** Asks in a conversation of its own. @param {Page} page @param {string} prompt */
async function ask(page, prompt) {
  await send(page, prompt);
  await answer(page);
  await kept(page, prompt);
}

/** Another tab of the same browser. @param {Page} page @param {ReturnType<typeof relay>} [scripted] */
async function tab(page, scripted) {
  const other = await page.context().newPage();
  await scripted?.prepare(other);
  await other.goto(page.url());
  await connected(other);
  return other;
}

describe('the list of conversations', () => {
  test('what was begun in a new conversation comes back with the next one, also after a reload', async () => {
    const page = await open({ prepare: echo().prepare });
    await ask(page, 'first question');
    await startAnew(page);
    await promptBox(page).fill('half a thought');
    await toggle(page).click();
    await row(page, 'first question').click();
    await page.getByText('You said first question.').waitFor();
    assert.equal(await promptBox(page).inputValue(), '');
    await page.reload();
    await connected(page);
    // What is being typed goes along, and what was begun waits for another one.
    await promptBox(page).fill('another');
    await startAnew(page);
    await page.locator('article').first().waitFor({ state: 'detached' });
    assert.equal(await promptBox(page).inputValue(), 'another');
    await ask(page, 'another');
    await startAnew(page);
    await page.locator('article').first().waitFor({ state: 'detached' });
    assert.equal(await promptBox(page).inputValue(), 'half a thought');
    // It comes once.
    await ask(page, 'half a thought');
    await startAnew(page);
    await page.locator('article').first().waitFor({ state: 'detached' });
    assert.equal(await promptBox(page).inputValue(), '');
  });

  test('has those of before, with titles and times; New conversation keeps the one before, and one is opened again', async () => {
    const scripted = echo();
    const page = await open({ prepare: scripted.prepare });
    await ask(page, 'first question');
    const first = await thread(page);
    await startAnew(page);
    assert.equal(await page.locator('article').count(), 0);
    await ask(page, 'second question');
    await toggle(page).click();
    await listed(page, 2);
    assert.deepEqual(await titles(page), ['second question', 'first question']);
    assert.match((await row(page, 'first question').textContent()) ?? '', /Today, \d{1,2}:\d\d\s[AP]M$/);
    assert.equal(await row(page, 'second question').getAttribute('aria-current'), 'true');
    await row(page, 'first question').click();
    await page.getByText('You said first question.').waitFor();
    assert.deepEqual(await prompts(page), ['first question']);
    assert.equal(await row(page, 'first question').getAttribute('aria-current'), 'true');
    assert.equal(await row(page, 'second question').getAttribute('aria-current'), null);
    // It is the same session of the agent.
    await send(page, 'go on');
    await answer(page, 2);
    assert.equal(scripted.runs.at(-1)?.input.threadId, first);
    await page.reload();
    await connected(page);
    assert.deepEqual(await prompts(page), ['first question', 'go on']);
    await listed(page, 2);
    assert.deepEqual(
      await titles(page),
      ['first question', 'second question'],
      'the one that was used last comes first',
    );
  });

  test('brings back traces, files, sources and reasoning, also over a reload', async () => {
    const page = await open();
    await traceSwitch(page).check();
    await send(page, '/file');
    await answer(page);
    await send(page, '/guardrail');
    await answer(page, 2);
    const count = Number(await page.locator('#traces-count').textContent());
    await startAnew(page);
    assert.equal(await page.locator('.step').count(), 0);
    await ask(page, '/help');
    for (const again of ['opened', 'loaded']) {
      if (again === 'opened') await toggle(page).click();
      if (again === 'opened') await row(page, '/file').click();
      else await page.reload();
      await connected(page);
      await page.locator('.step-title', { hasText: 'Guardrail' }).waitFor();
      assert.equal(await page.locator('#traces-count').textContent(), String(count), again);
      await page.getByRole('combobox', { name: 'Answer' }).selectOption({ label: '1. /file' });
      await page.locator('.step-title').first().waitFor();
      await page.getByRole('button', { name: 'Show trace' }).last().click();
      await page.locator('.step-title', { hasText: 'Guardrail' }).waitFor();
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Download forecast.csv' }).click();
      assert.match(await readFile(await (await download).path(), 'utf8'), /,/);
      await page.waitForFunction(
        () => /** @type {HTMLImageElement | null} */ (document.querySelector('.preview'))?.naturalWidth,
      );
    }
  });

  test('keeps an answer, a file and passages that a tab alone has no room for', async () => {
    const citations = [
      {
        retrievedReferences: [
          { content: { text: 'p'.repeat(1_500_000) }, location: { s3Location: { uri: 's3://d/a.md' } } },
        ],
      },
    ];
    const page = await open({
      prepare: answers([
        text('word '.repeat(300_000)),
        custom('bedrock.citations', { citations }),
        custom('bedrock.file', { name: 'large.bin', type: 'a/b', bytes: 'AAAA'.repeat(500_000) }),
        FINISHED,
      ]).prepare,
    });
    await send(page, 'much');
    await answer(page);
    await kept(page, 'much');
    await page.reload();
    await connected(page);
    await answer(page);
    assert.equal((await page.locator('article.agent .body').textContent())?.match(/word /g)?.length, 300_000);
    assert.equal(await page.locator('article.agent .notes').isVisible(), false);
    assert.equal(await page.locator('.sources li').count(), 1);
    assert.match((await page.locator('.file-about').textContent()) ?? '', /1\.5 MB$/);
    assert.equal(await page.getByRole('button', { name: 'Download large.bin' }).isEnabled(), true);
  });

  test('takes over what an earlier version of the page had in the tab', async () => {
    const page = await open();
    await page.evaluate(() => {
      const turn = {
        runId: 'old',
        prompt: 'asked before the update',
        trace: true,
        answers: [],
        status: 'done',
        messages: [{ id: 'm', text: 'Old answer.', citations: [] }],
        sentAt: 0,
        endedAt: 5,
        timeOrigin: performance.timeOrigin,
      };
      addEventListener('pagehide', () => {
        sessionStorage.clear();
        sessionStorage.setItem('agent-relay.thread', 'thread-of-before');
        sessionStorage.setItem('agent-relay.turns', JSON.stringify([turn]));
      });
    });
    await page.reload();
    await page.getByText('Old answer.').waitFor();
    await toggle(page).click();
    await listed(page, 1);
    await kept(page, 'Old answer.');
    await startAnew(page);
    await row(page, 'asked before the update').click();
    await page.getByText('Old answer.').waitFor();
    assert.equal(await thread(page), 'thread-of-before');
  });

  test('renames one, and what is typed is what is shown, whatever it hides', async () => {
    const page = await open({ prepare: echo().prepare });
    await ask(page, 'a question');
    await toggle(page).click();
    await press(page, 'a question', 'Rename');
    const field = page.getByRole('textbox', { name: 'Title' });
    assert.equal(await field.inputValue(), 'a question');
    await field.fill('  my   \u202Eeman\u202C ');
    await field.press('Enter');
    await row(page, 'my \\u202Eeman\\u202C').waitFor();
    await press(page, 'my', 'Rename');
    await field.fill('not this');
    await field.press('Escape');
    assert.equal(await drawer(page).isVisible(), true, 'only the renaming was left');
    await send(page, 'more');
    await answer(page, 2);
    await page.reload();
    await connected(page);
    await listed(page, 1);
    assert.deepEqual(await titles(page), ['my \\u202Eeman\\u202C']);
  });

  test('shows hostile prompts as what they are, on one line', async () => {
    const page = await open({ prepare: echo().prepare });
    const hostile = [
      '<img src=x onerror=alert(1)><b>bold</b>',
      '\u202Egnp.exe\u202C \u200B\uFEFF',
      `${'long '.repeat(5_000)}`,
      '\n\n# heading\n\n\u2028next',
      '__proto__',
    ];
    for (const prompt of hostile) {
      await send(page, prompt);
      await answer(page);
      await startAnew(page);
    }
    await toggle(page).click();
    await listed(page, hostile.length);
    const shown = await titles(page);
    assert.deepEqual(shown.toReversed(), [
      '<img src=x onerror=alert(1)><b>bold</b>',
      '\\u202Egnp.exe\\u202C \\u200B',
      `${'long '.repeat(16).trim()}…`,
      '# heading next',
      '__proto__',
    ]);
    assert.equal(await drawer(page).locator('img, b').count(), 0);
    assert.equal(
      await page.evaluate(() => document.querySelector('#conversations-list')?.scrollWidth),
      await page.evaluate(() => document.querySelector('#conversations-list')?.clientWidth),
    );
  });

  test('has a search once there are more than ten', async () => {
    const page = await open({ locale: 'en-GB' });
    await seed(page, 10);
    await toggle(page).click();
    await listed(page, 10);
    const search = drawer(page).getByRole('searchbox', { name: 'Search the conversations' });
    assert.equal(await search.isVisible(), false);
    assert.match((await row(page, 'seeded 1').first().textContent()) ?? '', /Yesterday, \d\d:\d\d$/);
    assert.match((await row(page, 'seeded 9').textContent()) ?? '', /\d{1,2} \w{3,4} 20\d\d$/);
    await seed(page, 12);
    await page.reload();
    await connected(page);
    await listed(page, 12);
    await search.fill('SEEDED 12');
    assert.deepEqual(await titles(page), ['seeded 12']);
    await search.press('Escape');
    assert.equal(await drawer(page).isVisible(), true);
    assert.equal((await titles(page)).length, 12);
  });

  test('says of an old conversation that the agent may have forgotten it', async () => {
    const page = await open();
    await seed(page, 1, { turns: 2 });
    await toggle(page).click();
    await row(page, 'seeded 1').click();
    await page.locator('.transcript-note', { hasText: 'The agent may not remember it' }).waitFor();
    await send(page, '/slow 0');
    assert.match(await answer(page, 3), /turn 1 of this conversation/);
  });
});

for (const [locale, pattern] of /** @type {[string, RegExp][]} */ ([
  ['en-US', /^Today, \d{1,2}:\d\d\s[AP]M$/],
  ['en-GB', /^Today, \d\d:\d\d$/],
  // Its dates would have words of another language.
  ['de-DE', /^Today, \d\d:\d\d$/],
])) {
  test(`times are written as the browser's country does, where it speaks the page's language: ${locale}`, async () => {
    const page = await open({ prepare: echo().prepare, locale });
    await ask(page, 'question');
    await toggle(page).click();
    await listed(page, 1);
    assert.match((await page.locator('.conversation-time').textContent()) ?? '', pattern);
    assert.match(
      (await page.locator('article time').first().textContent()) ?? '',
      new RegExp(`${pattern}`.slice(9, -1)),
    );
  });
}

describe('a conversation is deleted', () => {
  test('after a question, and is gone for good', async () => {
    const page = await open({ prepare: echo().prepare });
    for (const prompt of ['one', 'two', 'three']) {
      await ask(page, prompt);
      if (prompt !== 'three') await startAnew(page);
    }
    await toggle(page).click();
    await listed(page, 3);
    await press(page, 'two', 'Delete');
    await page.getByText('Delete “two”? It cannot be had back.').waitFor();
    await page.keyboard.press('Escape');
    assert.equal(await rows(page).count(), 3);
    await press(page, 'two', 'Delete');
    await agree(page, 'Delete');
    await listed(page, 2);
    assert.deepEqual(await titles(page), ['three', 'one']);
    assert.match(
      await page.evaluate(() => document.activeElement?.closest('.conversation')?.textContent ?? ''),
      /^one/,
      'the focus is on the next one',
    );
    // The one that is shown leaves an empty chat.
    await press(page, 'three', 'Delete');
    await agree(page, 'Delete');
    await listed(page, 1);
    assert.equal(await page.locator('article').count(), 0);
    await page.reload();
    await connected(page);
    await listed(page, 1);
    assert.equal(await page.locator('article').count(), 0);
    assert.deepEqual(await left(page), { conversations: 1, turns: 1, parts: 0 });
  });

  test('while an answer runs in another one, which goes on', async () => {
    const scripted = relay(({ say }) => say(text('Half of it')));
    const page = await open({ prepare: scripted.prepare });
    await seed(page, 2);
    await send(page, 'long');
    await page.getByText('Half of it').waitFor();
    await toggle(page).click();
    await press(page, 'seeded 1', 'Delete');
    await agree(page, 'Delete');
    await listed(page, 2);
    scripted.runs[0]?.say(text(' and the rest.'), FINISHED);
    assert.equal(await answer(page), 'Half of it and the rest.');
    assert.match((await page.locator('.timing').textContent()) ?? '', /complete after/);
  });

  test('as are all, together with what is still being answered', async () => {
    const scripted = relay(({ say }) => say(text('Half of it')));
    const page = await open({ prepare: scripted.prepare });
    await seed(page, 3);
    await send(page, 'long');
    await page.getByText('Half of it').waitFor();
    await kept(page, 'Half of it');
    await toggle(page).click();
    await listed(page, 4);
    await drawer(page).getByRole('button', { name: 'Delete all' }).click();
    await page.getByText('Delete all 4 conversations, in all tabs?').waitFor();
    await agree(page, 'Delete all');
    await listed(page, 0);
    await drawer(page).getByText('No conversation yet.').waitFor();
    assert.equal(await page.locator('article').count(), 0);
    scripted.runs[0]?.say(text(' and more'), FINISHED);
    await page.reload();
    await connected(page);
    assert.equal(await page.locator('article').count(), 0);
    assert.deepEqual(await left(page), { conversations: 0, turns: 0, parts: 0 });
  });
});

describe('what is typed', () => {
  const queue = (/** @type {Page} */ page) => page.getByRole('region', { name: 'Queued prompts' });

  test('and what waits stays with its conversation, and goes with it when that is deleted', async () => {
    const scripted = relay(({ input, say }) =>
      say(text('At work.'), ...(input.messages.at(-1).content === 'long' ? [] : [FINISHED])),
    );
    const page = await open({ prepare: scripted.prepare });
    await ask(page, 'short');
    await startAnew(page);
    await send(page, 'long');
    await page.getByText('At work.').waitFor();
    await send(page, 'secret that waits');
    await promptBox(page).fill('secret draft');
    await toggle(page).click();
    await row(page, 'short').click();
    await page.locator('article.user', { hasText: 'short' }).waitFor();
    assert.equal(await promptBox(page).inputValue(), '');
    assert.equal(await queue(page).isVisible(), false);
    await row(page, 'long').click();
    await queue(page).getByText('Sent when the answer is complete.').waitFor();
    assert.equal(await promptBox(page).inputValue(), 'secret draft');
    scripted.runs.find(({ input }) => input.messages.at(-1).content === 'long')?.say(FINISHED);
    await answer(page, 2);
    assert.deepEqual(await prompts(page), ['long', 'secret that waits']);
    await page.getByRole('button', { name: 'Edit prompt' }).last().click();
    await page.getByRole('textbox', { name: 'Edited prompt' }).fill('secret edit');
    await row(page, 'short').click();
    await page.locator('article.user', { hasText: 'short' }).waitFor();
    const drafts = () => page.evaluate(() => sessionStorage.getItem('agent-relay.drafts') ?? '');
    assert.match(await drafts(), /secret draft.*secret edit/);
    await press(page, 'long', 'Delete');
    await agree(page, 'Delete');
    await listed(page, 1);
    assert.doesNotMatch(await drafts(), /secret/);
  });
});

describe('with Keep nothing', () => {
  test('nothing is in the browser but what the tab has, and with it switched off again it is kept', async () => {
    const page = await open({ prepare: echo().prepare });
    await seed(page, 2);
    await ask(page, 'secret');
    await toggle(page).click();
    await listed(page, 3);
    const nothing = drawer(page).getByRole('switch', { name: 'Keep nothing' });
    await nothing.click();
    await agree(page, 'Cancel');
    await drawer(page).getByRole('switch', { name: 'Keep nothing', checked: false }).waitFor();
    await nothing.click();
    await page.getByText('The browser then forgets the 3 conversations here.').waitFor();
    await agree(page, 'Forget them');
    await drawer(page).getByText('Nothing is kept').waitFor();
    await listed(page, 1);
    assert.deepEqual(await left(page), { conversations: 0, turns: 0, parts: 0 });
    // The one that is open stays as long as the tab, over a reload as well.
    assert.deepEqual(await prompts(page), ['secret']);
    await send(page, 'another secret');
    await answer(page, 2);
    await page.reload();
    await connected(page);
    assert.deepEqual(await prompts(page), ['secret', 'another secret']);
    await startAnew(page);
    await send(page, 'third secret');
    await answer(page);
    await listed(page, 2);
    await row(page, 'secret').last().click();
    await page.getByText('You said another secret.').waitFor();
    assert.deepEqual(await left(page), { conversations: 0, turns: 0, parts: 0 });
    assert.equal(await page.evaluate(() => JSON.stringify(localStorage)).then((all) => all.includes('secret')), false);
    const other = await tab(page);
    await drawer(other).getByText('Nothing is kept').waitFor();
    assert.equal(await rows(other).count(), 0);
    await other.close();
    await nothing.click();
    await kept(page, 'third secret');
    await kept(page, 'another secret');
    await listed(page, 2);
  });
});

/** @param {Page} page */
function left(page) {
  return page.evaluate(async () => {
    const request = indexedDB.open('agent-relay');
    const database = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
    /** @type {Record<string, number>} */
    const counts = {};
    for (const name of ['conversations', 'turns', 'parts']) {
      const counted = database.transaction(name).objectStore(name).count();
      counts[name] = await new Promise((resolve) => (counted.onsuccess = () => resolve(counted.result)));
    }
    database.close();
    return counts;
  });
}

describe('where there is no room', () => {
  test('the oldest conversations go, and the list says so', async () => {
    const page = await open({ prepare: echo().prepare });
    await seed(page, 100);
    await ask(page, 'one too many');
    await toggle(page).click();
    await drawer(page).getByText('1 conversation had to go to make room.').waitFor();
    await listed(page, 100);
    assert.equal((await titles(page))[0], 'one too many');
    assert.equal((await titles(page)).at(-1), 'seeded 99');
    assert.deepEqual(await left(page), { conversations: 100, turns: 100, parts: 0 });
    // By their length as well.
    await seed(page, 4, { length: 15_000_000 });
    await send(page, 'more');
    await answer(page, 2);
    await drawer(page).getByText('97 conversations had to go to make room.').waitFor();
    assert.deepEqual(await titles(page), ['one too many', 'seeded 1', 'seeded 2', 'seeded 3']);
  });

  test('the first turns of a conversation go, and it says how many', async () => {
    const page = await open({
      prepare: answers([
        text('x'),
        custom('bedrock.file', { name: 'a.bin', type: 'a/b', bytes: 'AAAA'.repeat(2_000_000) }),
        FINISHED,
      ]).prepare,
    });
    for (const count of [1, 2, 3]) {
      await send(page, `prompt ${count}`);
      await answer(page, count);
    }
    await kept(page, 'prompt 3');
    // Room is made after it was written.
    await kept(page, 'prompt 1', false);
    await page.reload();
    await connected(page);
    assert.deepEqual(await prompts(page), ['prompt 2', 'prompt 3']);
    assert.match(
      (await page.locator('.transcript-note').textContent()) ?? '',
      /^An earlier turn of this conversation is not shown any more/,
    );
    await send(page, 'prompt 4');
    await answer(page, 3);
    await kept(page, 'prompt 4');
    await kept(page, 'prompt 2', false);
    await page.reload();
    await connected(page);
    assert.deepEqual(await prompts(page), ['prompt 3', 'prompt 4']);
    assert.match((await page.locator('.transcript-note').textContent()) ?? '', /^2 earlier turns/);
  });

  test('where the disk is full, some of the oldest go, the list says what is wrong, and the tab keeps what it can', async () => {
    const page = await open({
      async prepare(page) {
        await echo().prepare(page);
        await page.addInitScript(() => {
          const { put } = IDBObjectStore.prototype;
          IDBObjectStore.prototype.put = function (...all) {
            if (this.name === 'turns' && JSON.stringify(all).includes('too much'))
              throw new DOMException('full', 'QuotaExceededError');
            return put.apply(this, all);
          };
        });
      },
    });
    await seed(page, 5);
    await send(page, 'too much');
    await answer(page);
    await toggle(page).click();
    await drawer(page)
      .getByText('The browser could not keep everything: it has no room left. Delete conversations to make some.')
      .waitFor();
    assert.ok(Number((await left(page)).conversations) > 0);
    await page.reload();
    await connected(page);
    assert.deepEqual(await prompts(page), ['too much']);
    await page.getByText('You said too much.').waitFor();
  });

  test('where all data of the page are deleted, what is open is kept anew', async () => {
    const page = await open({ prepare: echo().prepare });
    await ask(page, 'before');
    await startAnew(page);
    await ask(page, 'open');
    await toggle(page).click();
    await listed(page, 2);
    const browser = await page.context().newCDPSession(page);
    await browser.send('Storage.clearDataForOrigin', { origin: new URL(page.url()).origin, storageTypes: 'indexeddb' });
    await listed(page, 1);
    await kept(page, 'open');
    await send(page, 'more');
    await answer(page, 2);
    await kept(page, 'more');
    await page.reload();
    await connected(page);
    assert.deepEqual(await prompts(page), ['open', 'more']);
    await listed(page, 1);
  });

  test('where the browser refuses all of it, the conversations of the tab are listed', async () => {
    const page = await open({
      async prepare(page) {
        await echo().prepare(page);
        // As Chromium does where it is told to keep no cookies.
        await page.addInitScript(() => {
          const refuse = () => {
            throw new DOMException('The request was denied.', 'SecurityError');
          };
          for (const name of ['localStorage', 'sessionStorage', 'indexedDB'])
            Object.defineProperty(window, name, { get: refuse });
          for (const name of ['request', 'query'])
            Object.defineProperty(navigator.locks, name, { value: async () => refuse() });
        });
      },
    });
    await send(page, 'first');
    await answer(page);
    await toggle(page).click();
    await startAnew(page);
    await send(page, 'second');
    await answer(page);
    await listed(page, 2);
    await drawer(page).getByText('This browser does not let the page keep anything').waitFor();
    await row(page, 'first').click();
    await page.getByText('You said first.').waitFor();
  });

  test('a page that is left while the browser still writes loses nothing', async () => {
    const page = await open({
      async prepare(page) {
        await echo().prepare(page);
        // The answer is written, and never done with.
        await page.addInitScript(() => {
          const { put } = IDBObjectStore.prototype;
          IDBObjectStore.prototype.put = function (...all) {
            const goOn = () => (this.get(['never', 0]).onsuccess = goOn);
            if (this.name === 'turns' && JSON.stringify(all).includes('You said held')) {
              goOn();
              document.documentElement.dataset.held = 'yes';
            }
            return put.apply(this, all);
          };
        });
      },
    });
    await send(page, 'held');
    await answer(page);
    await page.locator('html[data-held]').waitFor({ state: 'attached' });
    await page.reload();
    await page.getByText('You said held.').waitFor();
    assert.deepEqual(await prompts(page), ['held']);
  });

  for (const how of ['refuses', 'throws']) {
    test(`where the browser keeps nothing (it ${how}), the tab does, and the list says so`, async () => {
      const page = await open({
        async prepare(page) {
          await echo().prepare(page);
          await page.addInitScript((how) => {
            IDBFactory.prototype.open = () => {
              if (how === 'throws') throw new DOMException('no', 'SecurityError');
              const request = /** @type {any} */ ({});
              setTimeout(() => request.onerror());
              return request;
            };
          }, how);
        },
      });
      await send(page, 'one');
      await answer(page);
      await startAnew(page);
      await send(page, 'two');
      await answer(page);
      await toggle(page).click();
      await drawer(page).getByText('This browser does not let the page keep anything').waitFor();
      await listed(page, 2);
      await row(page, 'one').click();
      await page.getByText('You said one.').waitFor();
      await page.reload();
      await connected(page);
      assert.deepEqual(await prompts(page), ['one']);
    });
  }
});

describe('in the middle of an answer', () => {
  test('another conversation can be read: the answer goes on behind it, is not doubled, and is marked in the list', async () => {
    const scripted = relay(() => {});
    const page = await open({ prepare: scripted.prepare });
    await toggle(page).click();
    await send(page, 'long');
    /** @type {Run} */
    const run = /** @type {any} */ (scripted.runs[0]);
    run.say(text('One '));
    await page.getByText('One').waitFor();
    await startAnew(page);
    assert.equal(await page.locator('article').count(), 0);
    await row(page, 'long').getByText('answering').waitFor();
    run.say(text('two '));
    // In the other one something can be asked meanwhile.
    await send(page, 'short');
    scripted.runs[1]?.say(text('Yes.'), FINISHED);
    assert.equal(await answer(page), 'Yes.');
    await row(page, 'long').click();
    await page.getByText('One two').waitFor();
    run.say(text('three '));
    await page.getByText('One two three').waitFor();
    await row(page, 'short').click();
    await page.getByText('Yes.').waitFor();
    run.say(text('four.'), FINISHED);
    await row(page, 'long').getByText('new answer').waitFor();
    assert.equal(await answer(page), 'Yes.');
    await row(page, 'long').click();
    await page.getByText('One two three four.').waitFor();
    assert.equal(await page.locator('article.agent').count(), 1);
    assert.equal(await page.locator('.failure').count(), 0);
    assert.equal(scripted.runs.length, 2);
  });

  test('a page that is killed has kept what had come', async () => {
    const scripted = relay(({ say }) => say(text('Half of the answer')));
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'long');
    await page.getByText('Half of the answer').waitFor();
    await kept(page, 'Half of the answer');
    const other = await tab(page, echo());
    const session = await page.context().newCDPSession(page);
    session.send('Page.crash').catch(() => {});
    await page.waitForEvent('crash');
    await toggle(other).click();
    await row(other, 'long').click();
    await other.getByText('Half of the answer').waitFor();
    assert.match(
      (await other.locator('.failure').textContent()) ?? '',
      /^Interrupted.*left before the answer was complete/,
    );
    await other.close();
  });

  test('a reload right behind the last words loses none of them', async () => {
    const scripted = relay(() => {});
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'long');
    scripted.runs[0]?.say(text('First words.'));
    await kept(page, 'First words.');
    scripted.runs[0]?.say(text(' Last words.'));
    await page.waitForFunction(() =>
      (document.querySelector('article.agent .body')?.textContent ?? '').includes('Last words.'),
    );
    await page.reload();
    await page.getByText('First words. Last words.').waitFor();
  });
});

describe('two tabs', () => {
  test('have their lists in step: new, renamed and deleted', async () => {
    const page = await open({ prepare: echo().prepare });
    const other = await tab(page, echo());
    await toggle(other).click();
    await drawer(other).getByText('No conversation yet.').waitFor();
    await ask(page, 'mine');
    await row(other, 'mine').getByText('open in another tab').waitFor();
    await send(other, 'yours');
    await answer(other);
    await toggle(page).click();
    await row(page, 'yours').getByText('open in another tab').waitFor();
    await press(other, 'mine', 'Rename');
    await other.getByRole('textbox', { name: 'Title' }).fill('renamed');
    await other.keyboard.press('Enter');
    await row(page, 'renamed').waitFor();
    await press(other, 'renamed', 'Delete');
    await agree(other, 'Delete');
    await page.getByText('The conversation that was open here was deleted.').waitFor();
    assert.equal(await page.locator('article').count(), 0);
    await listed(page, 1);
    await send(page, 'anew');
    await answer(page);
    await row(other, 'anew').waitFor();
    await other.close();
  });

  test('ask for one that is just being opened elsewhere, and no other answer is stopped there', async () => {
    const scripted = relay(({ input, say }) =>
      say(text('At work.'), ...(input.messages.at(-1).content === 'long' ? [] : [FINISHED])),
    );
    const page = await open({ prepare: scripted.prepare });
    await ask(page, 'short');
    const id = await thread(page);
    await startAnew(page);
    await send(page, 'long');
    await page.locator('.prose', { hasText: 'At work.' }).waitFor();
    await toggle(page).click();
    await listed(page, 2);
    // While its turns are read, another tab wants it.
    await page.evaluate((id) => {
      const channel = new BroadcastChannel('agent-relay.conversations');
      const { getAll } = IDBObjectStore.prototype;
      IDBObjectStore.prototype.getAll = function (...range) {
        if (this.name === 'turns') channel.postMessage({ asked: id });
        return getAll.apply(this, range);
      };
    }, id);
    await row(page, 'short').click();
    await page.locator('article.user', { hasText: 'short' }).waitFor();
    await row(page, 'long').click();
    await page.locator('article.user', { hasText: 'long' }).waitFor();
    assert.equal(await page.getByText('Stopped here').count(), 0);
    scripted.runs.at(-1)?.say(text(' Done.'), FINISHED);
    await page.locator('.prose', { hasText: 'At work. Done.' }).waitFor();
  });

  test('say that a conversation is open in another tab until that is closed, or leaves it', async () => {
    const page = await open({ prepare: echo().prepare });
    const other = await tab(page, echo());
    await ask(other, 'theirs');
    await toggle(page).click();
    const elsewhere = row(page, 'theirs').getByText('open in another tab');
    await elsewhere.waitFor();
    await startAnew(other);
    await elsewhere.waitFor({ state: 'hidden' });
    await toggle(other).click();
    await row(other, 'theirs').click();
    await other.getByText('You said theirs.').waitFor();
    await page.reload();
    await elsewhere.waitFor();
    await other.close();
    await elsewhere.waitFor({ state: 'hidden' });
    await row(page, 'theirs').click();
    await page.getByText('You said theirs.').waitFor();
    await send(page, 'mine now');
    await answer(page, 2);
  });

  test('read one conversation, and one of them goes on with it', async () => {
    const scripted = echo();
    const page = await open({ prepare: scripted.prepare });
    await ask(page, 'shared');
    const elsewhere = echo();
    const other = await tab(page, elsewhere);
    await toggle(other).click();
    await row(other, 'shared').click();
    await other.getByText('You said shared.').waitFor();
    await other.locator('.transcript-note', { hasText: 'This conversation is open in another tab.' }).waitFor();
    await send(other, 'twice');
    await other.getByText('“Continue here” brings it to this one.').waitFor();
    assert.equal(elsewhere.runs.length, 0);
    assert.equal(await other.getByRole('button', { name: 'Edit prompt' }).count(), 0);
    // It stays so over a reload.
    await other.reload();
    await connected(other);
    await other.getByRole('button', { name: 'Continue here' }).click();
    await other.getByText('The conversation goes on here.').waitFor({ state: 'attached' });
    await page.locator('.transcript-note', { hasText: 'This conversation is open in another tab.' }).waitFor();
    await promptBox(other).fill('from here');
    await promptBox(other).press('Enter');
    await answer(other, 2);
    assert.equal(elsewhere.runs[0]?.input.threadId, await thread(page));
    await send(page, 'twice');
    await page.getByText('“Continue here” brings it to this one.').waitFor();
    await page.getByRole('button', { name: 'Edit prompt' }).click();
    await page.keyboard.press('Enter');
    await page.locator('.prompt-editor').getByText('“Continue here” brings it to this one.').waitFor();
    assert.equal(scripted.runs.length, 1);
    await page.getByRole('button', { name: 'Continue here' }).click();
    await page.getByText('You said from here.').waitFor();
    await send(page, 'and back');
    await answer(page, 3);
    assert.deepEqual(await prompts(page), ['shared', 'from here', 'and back']);
    await other.close();
  });
});

test('a conversation that is still being opened does not come in the place of a new one', async () => {
  const page = await open({ prepare: echo().prepare });
  await ask(page, 'shared');
  await startAnew(page);
  const other = await tab(page, echo());
  await toggle(other).click();
  await row(other, 'shared').click();
  await other.getByText('You said shared.').waitFor();
  await toggle(page).click();
  await page.locator('.conversation-time', { hasText: 'open in another tab' }).waitFor();
  // Whether it is free takes a moment to find out.
  await page.evaluate(() => {
    document.querySelector('.conversation-open')?.dispatchEvent(new MouseEvent('click'));
    document.getElementById('new-conversation')?.click();
  });
  await until(
    page,
    async () => (await navigator.locks.query()).pending?.every(({ mode }) => mode === 'shared') === true,
  );
  await send(page, 'new');
  await answer(page);
  assert.deepEqual(await prompts(page), ['new']);
  await listed(page, 2);
  assert.deepEqual(await prompts(page), ['new']);
});

describe('the drawer', () => {
  test('lies over the page on a phone: Escape and a tap beside it close it, and the focus goes back', async () => {
    const page = await open({ viewport: { width: 390, height: 700 } });
    await seed(page, 2);
    await toggle(page).click();
    await listed(page, 2);
    assert.equal(await toggle(page).getAttribute('aria-expanded'), 'true');
    await page.keyboard.press('Escape');
    await drawer(page).waitFor({ state: 'hidden' });
    // The browser tells the dialog that it is closed a little later.
    await page.locator('#conversations-toggle[aria-expanded="false"]:focus').waitFor();
    await toggle(page).click();
    await page.mouse.click(380, 400);
    await page.locator('#conversations-toggle[aria-expanded="false"]:focus').waitFor();
    await toggle(page).press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('article.user .text', { hasText: 'seeded 1, prompt 0' }).waitFor();
    assert.equal(await drawer(page).isVisible(), false);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  });

  test('stands beside the chat on a wide screen, also at the next visit, and does not stop an answer', async () => {
    const scripted = relay(({ say }) => say(text('Half of it')));
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'long');
    await page.getByText('Half of it').waitFor();
    await toggle(page).click();
    const [beside, chat] = [await drawer(page).boundingBox(), await page.locator('.chat').boundingBox()];
    assert.ok(beside && chat && beside.x + beside.width <= chat.x + 1, 'nothing is hidden');
    await page.reload();
    await connected(page);
    await drawer(page).waitFor();
    await send(page, 'again');
    await page.getByText('Half of it').nth(1).waitFor();
    await drawer(page).getByRole('button', { name: 'Close the conversations' }).focus();
    await page.keyboard.press('Escape');
    await drawer(page).waitFor({ state: 'hidden' });
    assert.equal(await page.getByRole('button', { name: 'Stop' }).isVisible(), true);
    await page.reload();
    await connected(page);
    assert.equal(await drawer(page).isVisible(), false);
  });

  for (const [name, options] of /** @type {[string, Parameters<typeof open>[0]][]} */ ([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['dark, on a phone', { colorScheme: 'dark', viewport: { width: 390, height: 700 }, hasTouch: true }],
    ['in forced colours', { forcedColors: 'active' }],
  ])) {
    test(`axe finds nothing, and every target has 24 px: ${name}`, async () => {
      const page = await open(options);
      await seed(page, 12);
      await toggle(page).click();
      await listed(page, 12);
      await row(page, 'seeded 3').click();
      await page.locator('article.user').waitFor();
      if (!(await drawer(page).isVisible())) await toggle(page).click();
      await drawer(page).evaluate((one) => Promise.all(one.getAnimations().map(({ finished }) => finished)));
      await press(page, 'seeded 2', 'Rename');
      await page.evaluate(AXE);
      const find = () =>
        page.evaluate(() =>
          /** @type {any} */ (window).axe
            .run()
            .then((/** @type {any} */ { violations }) =>
              violations.map((/** @type {any} */ { id, nodes }) => `${id} ${nodes[0].html}`),
            ),
        );
      assert.deepEqual(await find(), []);
      const small = await drawer(page)
        .locator('button:visible, input:visible')
        .evaluateAll((all) =>
          all
            .map((one) => one.closest('label') ?? one)
            .filter((one) => Math.min(one.getBoundingClientRect().width, one.getBoundingClientRect().height) < 24)
            .map(({ outerHTML }) => outerHTML),
        );
      assert.deepEqual(small, []);
      await page.keyboard.press('Escape');
      await press(page, 'seeded 3', 'Delete');
      assert.deepEqual(await find(), []);
      await agree(page, 'Cancel');
    });
  }
});

describe('a conversation of many short turns', () => {
  /** Opens it, and notes for each picture which prompts there are. @param {Page} page @param {string} [prompt] is sent at once */
  const opened = (page, prompt) =>
    page.evaluate(async (prompt) => {
      /** @type {string[][]} */
      const pictures = [];
      const [box, form] = [document.querySelector('#prompt'), document.querySelector('#composer')];
      /** @type {HTMLElement | null} */ (document.querySelector('.conversation-open'))?.click();
      while (pictures.at(-1)?.filter((text) => text !== prompt).length !== 100) {
        await new Promise(requestAnimationFrame);
        const prompts = [...document.querySelectorAll('article.user .text')];
        const there = prompts.map(({ textContent }) => textContent ?? '');
        if (there.length === 0) continue;
        pictures.push(there);
        if (prompt === undefined || pictures.length > 1) continue;
        /** @type {HTMLTextAreaElement} */ (box).value = prompt;
        box?.dispatchEvent(new Event('input', { bubbles: true }));
        /** @type {HTMLFormElement} */ (form).requestSubmit();
      }
      return pictures;
    }, prompt);

  const seeded = async () => {
    const page = await open();
    await seed(page, 1, { turns: 100, text: (turn) => `Answer ${turn}.` });
    await toggle(page).click();
    await listed(page, 1);
    return page;
  };

  test('is there after a few pictures', async (t) => {
    const pictures = await opened(await seeded());
    t.diagnostic(`${pictures.map(({ length }) => length)}`);
    assert.ok(pictures.length < 20, `${pictures.length} pictures`);
  });

  test('does not keep a prompt waiting that is sent meanwhile', async (t) => {
    const pictures = await opened(await seeded(), '/tokens 3 1');
    t.diagnostic(`${pictures.map(({ length }) => length)}`);
    const before = pictures.find((there) => there.includes('/tokens 3 1'))?.length ?? Infinity;
    assert.ok(before < 60, `${before} turns were drawn first`);
    const kept = Array.from({ length: 100 }, (_, turn) => `seeded 1, prompt ${turn}`);
    for (const there of pictures) {
      const whole = there.includes('/tokens 3 1') ? [...kept, '/tokens 3 1'] : kept;
      assert.deepEqual(there, whole.slice(-there.length), 'the newest are there, in their order');
    }
  });
});

describe('a conversation of 200 turns', () => {
  test('is drawn from its end, a few turns for each picture', async () => {
    const page = await open();
    await seed(page, 1, { turns: 200 });
    await toggle(page).click();
    await listed(page, 1);
    const { steps, wrong } = await page.evaluate(async () => {
      /** The prompts that are there after each step of drawing. @type {string[][]} */
      const steps = [];
      /** Whether it was said that more is to come, where that was not so. @type {string[]} */
      const wrong = [];
      const all = Promise.withResolvers();
      // It hears of what was done in one go, before anything else is.
      const observer = new MutationObserver(() => {
        const prompts = [...document.querySelectorAll('article.user .text')].map(
          ({ textContent }) => textContent ?? '',
        );
        if (prompts.length !== (steps.at(-1) ?? []).length) steps.push(prompts);
        const complete = document.querySelectorAll('article.agent[aria-busy="false"]').length;
        const says = document.querySelector('#transcript')?.ariaBusy;
        if (says !== String(complete < 200)) wrong.push(`${says} with ${complete}`);
        if (complete === 200) all.resolve(undefined);
      });
      observer.observe(/** @type {Element} */ (document.querySelector('#transcript')), {
        childList: true,
        subtree: true,
        attributeFilter: ['aria-busy'],
      });
      /** @type {HTMLElement | null} */ (document.querySelector('.conversation-open'))?.click();
      await all.promise;
      observer.disconnect();
      return { steps, wrong };
    });
    const whole = Array.from({ length: 200 }, (_, turn) => `seeded 1, prompt ${turn}`);
    for (const [index, there] of steps.entries()) {
      assert.deepEqual(there, whole.slice(200 - there.length), 'the newest are there, in their order');
      const added = there.length - (steps[index - 1]?.length ?? 0);
      assert.ok(added > 0 && added <= 8, `${added} turns were drawn at once`);
    }
    assert.deepEqual(wrong, []);
    assert.deepEqual(steps.at(-1), whole);
  });
});
