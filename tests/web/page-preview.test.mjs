// What a citation's mark stands for, shown beside the mark, however a reader gets there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, connected, promptBox, send, useChat } from './support/chat.mjs';
import { custom, FINISHED, relay, text } from './support/relay.mjs';

/** @import { Page } from 'playwright-core' */

const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };
const { open } = useChat();

/** @param {number} page @param {string} passage @param {number} [score] */
const passage = (page, passage, score) => ({
  content: { text: passage },
  location: { s3Location: { uri: 's3://docs/folder/manual.pdf' } },
  metadata: {
    'x-amz-bedrock-kb-document-page-number': page,
    ...(score === undefined ? {} : { 'x-amz-bedrock-kb-score': score }),
  },
});
/** @param {string} words @param {...object} references */
const citation = (words, ...references) =>
  custom('bedrock.citations', {
    messageId: 'm',
    citations: [{ generatedResponsePart: { textResponsePart: { text: words } }, retrievedReferences: references }],
  });

const SAID = [
  text('The pump runs at night.\n\nIt stops at dawn.'),
  citation('The pump runs at night.', passage(7, `At night the pump runs. ${'It hums. '.repeat(60)}`, 0.8349)),
  citation('It stops at dawn.', passage(9, 'At dawn \u202eit stops.')),
];

/** @param {Parameters<typeof open>[0]} [options] @param {object[]} [said] */
async function ask(options, said = [...SAID, FINISHED]) {
  const page = await open({ ...options, prepare: relay(({ say }) => say(...said)).prepare });
  await promptBox(page).fill('When?');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('.mark').nth(1).waitFor();
  return page;
}

const preview = (/** @type {Page} */ page) => page.getByRole('tooltip');
const mark = (/** @type {Page} */ page, /** @type {number} */ number) =>
  page.getByRole('button', { name: `Source ${number}` });

/** Whether all of it is to be seen. @param {Page} page */
async function isWithin(page) {
  const box = await preview(page).boundingBox();
  const { width, height } = page.viewportSize() ?? { width: 0, height: 0 };
  return box !== null && box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height;
}

test('a mouse on a mark shows its passage, its page and its score; away from it, nothing', async () => {
  const page = await ask();
  await answer(page);
  await mark(page, 1).hover();
  await preview(page).getByText('manual.pdf, page 7').waitFor();
  const words = (await preview(page).textContent()) ?? '';
  assert.match(words, /score 0\.83 · s3:\/\/docs\/folder\/manual\.pdf/);
  // More than the list shows of it.
  assert.equal(words.match(/It hums\./g)?.length, 60);
  assert.equal(await isWithin(page), true);
  assert.equal(await mark(page, 1).getAttribute('aria-describedby'), await preview(page).getAttribute('id'));
  await mark(page, 2).hover();
  await preview(page).getByText('At dawn \\u202Eit stops.').waitFor();
  // It stays for a mouse that comes to read it.
  await preview(page).hover();
  assert.equal(await preview(page).isVisible(), true);
  await page.getByRole('heading', { name: 'Agent Relay' }).hover();
  await preview(page).waitFor({ state: 'hidden' });
});

test('the keyboard shows it too, and Escape takes it away without stopping the answer', async () => {
  const page = await ask({}, SAID);
  await page.locator('.turn.user button').last().focus();
  await page.keyboard.press('Tab');
  await preview(page).getByText('manual.pdf, page 7').waitFor();
  await page.keyboard.press('Escape');
  await preview(page).waitFor({ state: 'hidden' });
  assert.equal(await page.locator('article.agent').getAttribute('aria-busy'), 'true');
  await page.keyboard.press('Escape');
  await page.getByText('Stopped.', { exact: true }).first().waitFor();
});

test('a tap shows it, a second one leads to the list, and a tap elsewhere takes it away', async () => {
  const page = await ask(PHONE);
  await answer(page);
  await mark(page, 1).tap();
  await preview(page).getByText('manual.pdf, page 7').waitFor();
  assert.equal(await isWithin(page), true);
  assert.equal(await page.locator('.shown-source').count(), 0);
  await page.locator('.turn.user').tap();
  await preview(page).waitFor({ state: 'hidden' });
  await mark(page, 2).tap();
  await preview(page).getByText('manual.pdf, page 9').waitFor();
  await mark(page, 2).tap();
  await page.locator('.sources li:nth-child(2).shown-source').waitFor();
  await preview(page).waitFor({ state: 'hidden' });
});

test('several passages behind the same words have a mark each, and each shows its own', async () => {
  const page = await ask({}, [
    text('The pump runs at night.'),
    citation(
      'The pump runs at night.',
      passage(7, 'At night the pump runs.', 0.9),
      passage(8, 'It runs from ten to six.', 0.4),
    ),
    FINISHED,
  ]);
  await answer(page);
  for (const [number, words, about] of /** @type {[number, string, RegExp][]} */ ([
    [1, 'At night the pump runs.', /page 7.*score 0\.90/],
    [2, 'It runs from ten to six.', /page 8.*score 0\.40/],
  ])) {
    await mark(page, number).hover();
    await preview(page).getByText(words).waitFor();
    assert.match((await preview(page).textContent()) ?? '', about);
    await mark(page, number).click();
    assert.match((await page.locator('.sources .shown-source').textContent()) ?? '', new RegExp(words));
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    assert.equal(await mark(page, number).evaluate((one) => one === document.activeElement), true);
  }
});

test('Up in an empty box brings back what was sent last, also after a reload', async () => {
  const page = await ask();
  await answer(page);
  await promptBox(page).press('ArrowUp');
  assert.equal(await promptBox(page).inputValue(), 'When?');
  await promptBox(page).fill('one\ntwo');
  await promptBox(page).press('ArrowUp');
  assert.equal(await promptBox(page).inputValue(), 'one\ntwo');
  await promptBox(page).fill('');
  await page.reload();
  await connected(page);
  await promptBox(page).press('ArrowUp');
  assert.equal(await promptBox(page).inputValue(), 'When?');
});

test('a table that goes on to a side has a shadow there, and only there', async () => {
  const cells = 'a cell of words |'.repeat(8);
  const page = await ask({ ...PHONE, deviceScaleFactor: 1 }, [
    ...SAID,
    text(`\n\n|${cells}\n|${'---|'.repeat(8)}\n|${cells}\n\nend`),
    FINISHED,
  ]);
  await answer(page);
  const table = page.locator('.table');
  await table.scrollIntoViewIfNeeded();
  /** How dark the table is at its sides: the sums of the pixels in a column next to each. */
  const sides = async () => {
    const shot = (await table.screenshot()).toString('base64');
    return page.evaluate(async (shot) => {
      const bytes = Uint8Array.from(atob(shot), (one) => one.charCodeAt(0));
      const picture = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
      const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
        new OffscreenCanvas(picture.width, picture.height).getContext('2d', { willReadFrequently: true })
      );
      context.drawImage(picture, 0, 0);
      const y = picture.height - 20;
      return [3, picture.width - 4].map((x) => context.getImageData(x, y, 1, 1).data[0] ?? 0);
    }, shot);
  };
  const [left = 0, right = 0] = await sides();
  assert.ok(left > 250 && right < 235, `at the start: ${left}, ${right}`);
  await table.evaluate((one) => one.scrollTo(one.scrollWidth, 0));
  const [after = 0, end = 0] = await sides();
  assert.ok(after < 235 && end > 250, `at the end: ${after}, ${end}`);
});

test('text that grows has a sign of life at its tip, until it ends', async () => {
  const scripted = relay(({ say }) => say(text('One two three.\n\n- four')));
  const page = await open({ prepare: scripted.prepare, reducedMotion: 'reduce' });
  await send(page, 'go');
  await page.getByText('four').waitFor();
  const tips = () =>
    page
      .locator('.prose')
      .evaluate((prose) =>
        [...prose.querySelectorAll('*')]
          .filter((one) => getComputedStyle(one, '::after').content === '""')
          .map((one) => one.textContent),
      );
  assert.deepEqual(await tips(), ['four']);
  scripted.runs[0]?.say(text('\n\nFive'));
  await page.getByText('Five').waitFor();
  assert.deepEqual(await tips(), ['Five']);
  scripted.runs[0]?.say(FINISHED);
  await answer(page);
  assert.deepEqual(await tips(), []);
});
