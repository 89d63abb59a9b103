// What an agent hands to the user: what is shown is what is sent, and stays after it was answered.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { answer, connected, send, useChat } from './support/chat.mjs';
import { answers, asking, call, comeBack, FINISHED, leave, relay, text } from './support/relay.mjs';

/** @import { Page } from 'playwright-core' */

const { open } = useChat();

/** @param {Page} page */
const form = (page) => page.getByRole('form', { name: 'What the agent asks for' });
/** @param {Page} page */
const record = (page) => page.getByRole('group', { name: 'What the agent asked for' });

/** Opens a page whose agent asks to confirm a call at once. @param {string} name @param {string} json */
async function asked(name, json) {
  const page = await open({ prepare: answers([call(name, json), asking()], [text('Done.'), FINISHED]).prepare });
  await send(page, 'go');
  await answer(page);
  return page;
}

/** Names and values as they stand in the form. @param {Page} page */
const listed = (page) => form(page).locator('dl > *').allTextContents();

describe('what is confirmed is what is sent', () => {
  for (const [what, json, shown] of /** @type {[string, string, string[]][]} */ ([
    [
      'numbers beyond 2^53',
      '{"orderId":2512292042121000001,"account":9007199254740993}',
      ['orderId', '2512292042121000001', 'account', '9007199254740993'],
    ],
    [
      'numbers as they are written',
      '{"a":1.10,"b":1e400,"c":-0,"d":1E+2}',
      ['a', '1.10', 'b', '1e400', 'c', '-0', 'd', '1E+2'],
    ],
    [
      'numbers inside of lists and objects',
      '{"a":[1.10,{"b":9007199254740993}]}',
      ['a', '[\n  1.10,\n  {\n    "b": 9007199254740993\n  }\n]'],
    ],
    [
      'members of one name, and their order',
      '{"amount":1,"10":2,"2":3,"amount":1000}',
      ['amount', '1', '10', '2', '2', '3', 'amount', '1000'],
    ],
    [
      'text that could be something else',
      '{"a":"5","b":"","c":" x","d":"null","e":"[1]"}',
      ['a', '"5"', 'b', '""', 'c', '" x"', 'd', '"null"', 'e', '"[1]"'],
    ],
    [
      'letters that are turned around',
      '{"amount":"1\\u202E00.01\\u202C","\\u2067name\\u2069":"x"}',
      ['amount', '1\\u202E00.01\\u202C', '\\u2067name\\u2069', 'x'],
    ],
    [
      'letters that are not seen',
      '{"to":"ad\\u200bmin\\u00ad","no\\nte":"a\\u0000b","deep":{"\\u200f":"\\ufeff"}}',
      ['to', 'ad\\u200Bmin\\u00AD', 'no\\u000Ate', 'a\\u0000b', 'deep', '{\n  "\\u200F": "\\uFEFF"\n}'],
    ],
  ])) {
    test(`${what} are shown as they are`, async () => {
      assert.deepEqual(await listed(await asked('act', json)), shown);
    });
  }

  test('a name hides nothing, in the form, in what was decided, and in the record', async () => {
    const page = await asked('transfer\u202egnihton_od\u202c', '{}');
    const name = 'transfer\\u202Egnihton_od\\u202C';
    assert.equal(await form(page).locator('legend code').textContent(), name);
    await form(page).getByRole('button', { name: 'Confirm' }).click();
    await answer(page, 2);
    assert.equal(await page.locator('article.user .text').last().textContent(), `Confirmed: ${name}`);
    assert.equal(await record(page).locator('code').textContent(), name);
  });

  test('axe finds nothing at the records of two of them', async () => {
    const page = await open({
      prepare: answers([call('one', '{}'), asking()], [call('two', '{}'), asking()], [text('Done.'), FINISHED]).prepare,
    });
    for (const [index, words] of ['go', 'on', 'and on'].entries()) {
      await send(page, words);
      await answer(page, index + 1);
    }
    assert.equal(await record(page).count(), 2);
    await page.evaluate(await readFile(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8'));
    assert.deepEqual(await page.evaluate('axe.run(document).then(({ violations }) => violations)'), []);
  });

  test('arguments that are no object are shown whole', async () => {
    for (const [json, shown] of [
      ['[1.10, "a"]', '[\n  1.10,\n  "a"\n]'],
      ['{"a":', '{"a":'],
      ['9007199254740993', '9007199254740993'],
      ['{"a":"\u202e', '{"a":"\\u202E'],
    ]) {
      const page = await asked('act', json ?? '');
      assert.equal(await form(page).locator('pre').textContent(), shown);
      await page.close();
    }
  });
});

describe('arguments of any size and depth', () => {
  const lists = (/** @type {number} */ depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  for (const [what, json] of /** @type {[string, string][]} */ ([
    ['objects, 5,000 deep', `{"x":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_001)}`],
    ['lists, 20,000 deep', `{"x":${lists(20_000)}}`],
    ['lists without an object around them, 20,000 deep', lists(20_000)],
    ['lists that are never closed', `{"x":${'['.repeat(50_000)}`],
    ['text of 500,000 characters', JSON.stringify({ x: 'word '.repeat(100_000) })],
    ['a name of 200,000 characters', JSON.stringify({ ['n'.repeat(200_000)]: 1 })],
    [
      '20,000 arguments',
      JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`name${index}`, index]))),
    ],
  ])) {
    test(`${what} are asked about at once, and shown whole on demand`, async () => {
      const page = await asked('act', json);
      assert.ok(((await form(page).textContent()) ?? '').length < 10_000, 'only the start is there');
      await form(page)
        .getByRole('button', { name: /^Show all/ })
        .first()
        .click();
      const shown = (await form(page).textContent()) ?? '';
      const count = (/** @type {string} */ all) => all.replace(/[^\p{L}\p{N}[\]{}]/gu, '').length;
      assert.ok(count(shown) > count(json) * 0.9, `${count(shown)} of ${count(json)}`);
      await form(page).getByRole('button', { name: 'Confirm' }).click();
      assert.equal(await answer(page, 2), 'Done.');
    });
  }
});

describe('what was asked and decided', () => {
  for (const [decision, words] of /** @type {[string, string][]} */ ([
    ['Confirm', 'You confirmed it.'],
    ['Deny', 'You denied it.'],
  ])) {
    test(`is there after ${decision}: in place, over a reload, in the Markdown, and on paper`, async () => {
      const page = await asked('cancel_booking', '{"booking":"B-42","fee":1.10}');
      await form(page).getByRole('button', { name: decision }).click();
      await answer(page, 2);
      const kept = `The agent asked to do this: cancel_bookingbookingB-42fee1.10${words}`;
      assert.equal(await record(page).textContent(), kept);
      await page.reload();
      await connected(page);
      assert.equal(await record(page).textContent(), kept);
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Save the conversation as Markdown' }).click();
      const markdown = await readFile(await (await download).path(), 'utf8');
      assert.match(
        markdown,
        new RegExp(
          `The agent asked to do this: cancel_booking\n\n\`\`\`json\n\\{\n  "booking": "B-42",\n  "fee": 1\\.10\n\\}\n\`\`\`\n\n${words}`,
        ),
      );
      await page.emulateMedia({ media: 'print' });
      assert.equal(await record(page).isVisible(), true);
    });
  }

  test('includes the result that was sent, whatever is in it', async () => {
    const page = await open({ prepare: answers([call('look', '{}'), FINISHED], [text('Done.'), FINISHED]).prepare });
    await send(page, 'go');
    await answer(page);
    await form(page).getByLabel('Result').fill('```\nline\u202e');
    await form(page).getByLabel('It failed').check();
    await form(page).getByRole('button', { name: 'Send result' }).click();
    await answer(page, 2);
    await page.reload();
    assert.equal(
      await record(page).textContent(),
      'The agent asked you to do this: lookYou said that it failed:```\nline\\u202E',
    );
  });
});

describe('a question that was overtaken', () => {
  test('is withdrawn by a new prompt, and after a reload', async () => {
    const page = await asked('act', '{"a":1}');
    await send(page, 'something else');
    await answer(page, 2);
    for (let loads = 0; loads < 2; loads += 1) {
      assert.equal(await form(page).count(), 0);
      assert.match((await record(page).textContent()) ?? '', /act.*a1Withdrawn: you went on with another prompt\.$/);
      await page.reload();
      await connected(page);
    }
  });

  test('is withdrawn by a retry of what came before it', async () => {
    const relay = answers(
      [text('x'), { type: 'RUN_ERROR', message: 'No.', code: 'internal' }],
      [call('act', '{}'), asking()],
      [text('Done.'), FINISHED],
    );
    const page = await open({ prepare: relay.prepare });
    await send(page, 'one');
    await answer(page);
    await send(page, 'two');
    await answer(page, 2);
    assert.equal(await form(page).count(), 1);
    await send(page, 'three');
    await answer(page, 3);
    assert.equal(await form(page).count(), 0);
  });

  test('cannot be answered by the Retry of a failed answer either', async () => {
    /** @type {object[][]} */
    const said = [[call('act', '{}'), asking()], [{ type: 'GATEWAY' }], [text('Else.'), FINISHED]];
    const scripted = relay(({ say, sayText }) => {
      const frames = said.shift() ?? [];
      if (said.length === 1)
        sayText(JSON.stringify({ message: 'Too Many Requests', connectionId: 'c', requestId: 'r' }));
      else say(...frames);
    });
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'go');
    await answer(page);
    await form(page).getByRole('button', { name: 'Confirm' }).click();
    await answer(page, 2);
    assert.equal(await page.getByRole('button', { name: 'Retry' }).count(), 1, 'as long as nothing else was asked');
    await send(page, 'something else');
    await answer(page, 3);
    assert.equal(await page.getByRole('button', { name: 'Retry' }).count(), 0);
  });

  test('stays open as long as nothing else is asked, with what was typed, over a reload', async () => {
    const page = await open({ prepare: answers([call('look', '{}'), FINISHED], [text('Done.'), FINISHED]).prepare });
    await send(page, 'go');
    await answer(page);
    await form(page).getByLabel('Result').fill('half a res');
    await page.reload();
    await connected(page);
    assert.equal(await form(page).getByLabel('Result').inputValue(), 'half a res');
    await form(page).getByRole('button', { name: 'Send result' }).click();
    assert.equal(await answer(page, 2), 'Done.');
  });
});

describe('an answer that cannot be sent', () => {
  test('says why at the form: too long, and without a connection, as long as there is none', async () => {
    const scripted = answers([call('look', '{}'), FINISHED], [text('Done.'), FINISHED]);
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'go');
    await answer(page);
    await form(page).getByLabel('Result').fill('x'.repeat(40_000));
    await form(page).getByRole('button', { name: 'Send result' }).click();
    await form(page)
      .getByRole('alert')
      .filter({ hasText: /too long: the message would have .* bytes/ })
      .waitFor();
    assert.equal(await page.locator('#composer-problem').isVisible(), false);
    await form(page).getByLabel('Result').fill('short');
    assert.equal(await form(page).getByRole('alert').isVisible(), false);
    await leave(page, scripted.connections.at(-1));
    await form(page).getByRole('button', { name: 'Send result' }).click();
    await form(page).getByRole('alert').filter({ hasText: 'There is no connection yet' }).waitFor();
    await comeBack(page);
    await form(page).getByRole('alert').waitFor({ state: 'hidden' });
    await form(page).getByRole('button', { name: 'Send result' }).click();
    assert.equal(await answer(page, 2), 'Done.');
  });
});
