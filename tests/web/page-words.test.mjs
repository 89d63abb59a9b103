// The page in other languages: all of its words can be translated, and a language from right to left turns the layout.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { counted, duration, size } from '../../web/lib/format.js';
import { directionOf, number, plural, speak, t } from '../../web/lib/words.js';
import { answer, useChat } from './support/chat.mjs';
import { MODULES } from './support/server.mjs';
import { keys, unfindable, untranslated } from './support/words.mjs';

/** @import { Page } from 'playwright-core' */

/** @type {Record<string, string | Record<string, string>>} */
const german = JSON.parse(await readFile(`${MODULES}de.json`, 'utf8'));

describe('the words of the interface', () => {
  test('are all given to the functions that translate them', async () => {
    assert.deepEqual(await untranslated(), [], 'write t(…) around them, from web/lib/words.js');
    assert.deepEqual(await unfindable(), [], 'these want a literal, so that it is found');
  });

  test('are all in the German file, and nothing else is', async () => {
    const wanted = await keys();
    assert.ok(wanted.size > 150, `${wanted.size} are found`);
    const missing = [...wanted].filter((words) => !Object.hasOwn(german, words));
    assert.deepEqual(missing, [], `web/de.json wants a translation of ${JSON.stringify(missing)}`);
    const gone = Object.keys(german).filter((words) => !wanted.has(words));
    assert.deepEqual(gone, [], `web/de.json translates what the page no longer says: ${JSON.stringify(gone)}`);
  });

  test('keep their places in German, in each form', () => {
    const places = (/** @type {string} */ words) => [...words.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
    for (const [english, translation] of Object.entries(german)) {
      const forms = typeof translation === 'string' ? { other: translation } : translation;
      assert.ok('other' in forms, english);
      for (const [category, form] of Object.entries(forms)) {
        assert.ok(form.trim() !== '', english);
        const wanted = places(english).filter((place) => category !== 'one' || place !== '{count}');
        assert.deepEqual(
          places(form).filter((place) => category !== 'one' || place !== '{count}'),
          wanted,
          english,
        );
      }
    }
  });
});

describe('words', () => {
  test('are English by themselves, with numbers and plurals', () => {
    speak('en', new Map());
    assert.equal(t('Copied'), 'Copied');
    assert.equal(t('{whole} of {most}', { whole: 1_234, most: 'all' }), '1,234 of all');
    assert.deepEqual(
      [counted(1, 'source'), counted(1_204, 'source'), counted(2, 'reply', 'replies')],
      ['1 source', '1,204 sources', '2 replies'],
    );
    assert.deepEqual(
      [duration(85), duration(1_240), duration(125_000), duration(3_000, 0)],
      ['85 ms', '1.2 s', '2 min 5 s', '3 s'],
    );
    assert.deepEqual(
      [size(1), size(3_400), size(34_000), size(340_000), size(9_999), size(1_200_000)],
      ['1 byte', '3.40 KB', '34.0 KB', '340 KB', '10.0 KB', '1.2 MB'],
    );
  });

  test('put values in as they are, whatever stands in them', () => {
    assert.equal(t('Calling {name}', { name: '{name} $& {constructor}' }), 'Calling {name} $& {constructor}');
    assert.equal(t('{constructor} {toString}', {}), '{constructor} {toString}');
  });

  test('take the forms of a language that has more of them', (context) => {
    context.after(() => speak('en', new Map()));
    speak(
      'pl',
      new Map([
        [
          '{count} sources',
          { one: '{count} źródło', few: '{count} źródła', many: '{count} źródeł', other: '{count} źródła' },
        ],
      ]),
    );
    assert.deepEqual(
      [1, 3, 5, 12, 22].map((count) => counted(count, 'source')),
      ['1 źródło', '3 źródła', '5 źródeł', '12 źródeł', '22 źródła'],
    );
    assert.equal(plural(5, '{count} frame', '{count} frames'), '5 frames', 'what is missing stays English');
    assert.equal(number(1_234.5, 1), '1234,5');
  });

  test('know from which side their language is read', () => {
    assert.deepEqual(
      ['de', 'ar', 'he-IL', 'fa', 'ur', 'az-Arab', 'az', 'dv', 'zh-TW', 'yi', 'ks-Deva'].map(directionOf),
      ['ltr', 'rtl', 'rtl', 'rtl', 'rtl', 'rtl', 'ltr', 'rtl', 'ltr', 'rtl', 'ltr'],
    );
  });
});

describe('in Chromium', () => {
  const { open: openPage, load } = useChat();

  /** Opens the page with these settings beside its own. @param {object} settings @param {import('./support/chat.mjs').OpenOptions} [options] @param {typeof load} [opener] */
  const open = (settings, options = {}, opener = load) =>
    opener({
      ...options,
      prepare: (page) =>
        page.route('**/config.json', async (route) => {
          const response = await route.fetch();
          await route.fulfill({ response, json: { .../** @type {object} */ (await response.json()), ...settings } });
        }),
    });

  test('German comes with the page: nothing of the chat is left in English', async () => {
    const page = await open({
      language: 'de-AT',
      starters: [{ title: 'Wo ist meine Bestellung?', explanation: 'Mit der Nummer', prompt: '/file' }],
      suggestions: [],
    });
    await page.getByText('Verbunden', { exact: true }).waitFor();
    assert.equal(
      await page.evaluate(() => `${document.documentElement.lang} ${document.documentElement.dir}`),
      'de-AT ltr',
    );
    await page.getByRole('heading', { name: 'Fragen Sie den Agenten' }).waitFor();
    await page.getByRole('button', { name: 'Farbschema: wie das System. Ändern' }).waitFor();
    const box = page.getByRole('textbox', { name: 'Eingabe' });
    assert.equal(await box.getAttribute('placeholder'), 'Den Agenten etwas fragen');
    await page.getByRole('button', { name: 'Wo ist meine Bestellung? Mit der Nummer' }).click();
    await answer(page);
    assert.match((await page.locator('.file-about').allTextContents()).join(' '), /CSV-Tabelle · 98 Bytes PNG-Bild/);
    await page.getByRole('button', { name: 'forecast.csv herunterladen' }).waitFor();
    await box.fill('hello');
    await page.getByRole('button', { name: 'Senden' }).click();
    await answer(page, 2);
    await page.getByRole('heading', { name: '2 Quellen' }).waitFor();
    assert.match(
      (await page.locator('.timing').last().textContent()) ?? '',
      /^Erstes Token nach (?:\d+ ms|\d,\d s) · vollständig nach \d+,\d s · \d+ Stücke in \d+ Frames$/,
    );
    await box.fill('/error throttlingException 3');
    await box.press('Enter');
    await answer(page, 3);
    await page.getByText('Der Agent konnte nicht zu Ende antworten').waitFor();
    await box.fill('/confirm');
    await box.press('Enter');
    await answer(page, 4);
    await page.getByRole('button', { name: 'Bestätigen' }).waitFor();
    await page.getByText('Der Agent möchte dies tun:').waitFor();
    const english = await page.evaluate(() => {
      const words = [];
      for (const one of document.querySelectorAll(
        'body *:not(.prose, .prose *, #traces, #traces *, article.user *, .failure p, .excerpt, .source-name, code, dt, dd, noscript)',
      )) {
        const own = [...one.childNodes]
          .filter((node) => node instanceof Text)
          .map((node) => node.data.trim())
          .join(' ');
        words.push(
          own,
          one.getAttribute('aria-label') ?? '',
          one.getAttribute('title') ?? '',
          one.getAttribute('placeholder') ?? '',
        );
      }
      return words.filter((text) =>
        /\b(the|of|to|is|are|you|your|this|for|with|answer|source|copy|conversation|send)\b/i.test(text),
      );
    });
    assert.deepEqual(english, []);
  });

  for (const [name, options] of /** @type {[string, object][]} */ ([
    ['wide', { viewport: { width: 1300, height: 800 } }],
    ['a phone', { viewport: { width: 320, height: 700 }, hasTouch: true }],
  ])) {
    test(`from right to left, the layout is turned and nothing overflows: ${name}`, async () => {
      const page = await open(
        {
          language: 'he',
          title: 'שירות לקוחות',
          greeting: 'איך אפשר לעזור?',
          strings: { Connected: 'מחובר', Send: 'שליחה', Prompt: 'הודעה' },
          footer: 'בדקו את התשובה. [פרטיות](https://example.com/p)',
        },
        options,
      );
      await page.locator('#connection[data-state="open"]').waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.dir), 'rtl');
      const left = async (/** @type {string} */ selector) => (await page.locator(selector).boundingBox())?.x ?? 0;
      const narrow = name === 'a phone';
      assert.ok((await left('.brand')) > (await left(narrow ? '#more' : '#theme')), 'the name stands at the right');
      assert.ok((await left('#send')) < (await left('#prompt')), 'the button stands at the left');
      assert.equal(await overflow(page), 0);
      await page.getByRole('textbox', { name: 'הודעה' }).fill('שלום');
      await page.getByRole('button', { name: 'שליחה' }).click();
      await answer(page);
      assert.equal(await overflow(page), 0);
      assert.ok((await left('.user')) < (await left('.agent .prose')) + 60, 'the prompt stands at the left');
      const code = page.locator('.code pre');
      assert.equal(await code.evaluate((one) => getComputedStyle(one).direction), 'ltr', 'code is read from the left');
      await page.locator('#traces-toggle').click();
      const panel = page.getByRole('complementary', { name: 'Trace' });
      assert.deepEqual(
        await panel.evaluate((one) => [one.getAttribute('lang'), getComputedStyle(one).direction]),
        ['en', 'ltr'],
        'the trace stays English',
      );
      assert.equal(await overflow(page), 0);
      if (!narrow) assert.ok(((await panel.boundingBox())?.x ?? 1) === 0, 'the panel stands at the left');
      if (!narrow) return;
      await page.locator('#traces-close').click();
      await page.locator('#more').click();
      const menu = await page.locator('#more-tools').boundingBox();
      assert.ok(menu !== null && menu.x >= 0 && menu.x + menu.width <= 320, JSON.stringify(menu));
    });
  }

  test('a name, a logo, a colour, a greeting and a line of the deployment; what is wrong stays said until it is read', async () => {
    const page = await open(
      {
        title: 'Help desk',
        logo: 'icon.svg',
        greeting: 'How can we help?',
        introduction: 'Ask about orders.',
        footer: 'May be wrong. [Privacy](https://example.com/p), [no](javascript:alert(1))',
        colours: { accent: '#ffd400' },
        telemetry: 'never',
        version: '0.2.0',
        language: 'no language',
        suggestions: ['one', 'two', 'three', 'four'],
        starters: [
          { title: 'Orders', explanation: 'With the number', prompt: 'hello' },
          { title: '<b>Returns</b>', prompt: 'three' },
        ],
      },
      { expected: /"language" in config\.json is left out/ },
    );
    await page.locator('#connection[data-state="open"]').waitFor();
    assert.equal(await page.title(), 'Help desk');
    await page.getByRole('heading', { name: 'Help desk' }).waitFor();
    assert.equal(
      await page
        .locator('.logo')
        .evaluate((/** @type {HTMLImageElement} */ image) => image.decode().then(() => image.naturalWidth > 0)),
      true,
    );
    await page.getByRole('heading', { name: 'How can we help?' }).waitFor();
    assert.equal(await page.getByText('Switch on the trace').isVisible(), false, 'the introduction is all there is');
    const footer = page.locator('#footer');
    assert.equal(await footer.textContent(), 'May be wrong. Privacy, [no](javascript:alert(1))');
    assert.deepEqual(
      await footer
        .getByRole('link')
        .evaluateAll((links) => links.map((link) => [link.getAttribute('href'), link.getAttribute('rel')])),
      [['https://example.com/p', 'noopener noreferrer nofollow']],
    );
    assert.deepEqual(
      await page
        .locator('#send')
        .evaluate((one) => [getComputedStyle(one).backgroundColor, getComputedStyle(one).color]),
      ['rgb(255, 212, 0)', 'rgb(0, 0, 0)'],
    );

    const starters = page.getByRole('list', { name: 'Suggested prompts' }).getByRole('button');
    assert.deepEqual(
      await starters.allTextContents(),
      ['OrdersWith the number', '<b>Returns</b>', 'one', 'two'],
      'a suggestion that is a starter already is none',
    );
    await page.getByRole('button', { name: 'More suggestions' }).click();
    assert.equal(await starters.count(), 5, 'all of them');
    assert.equal(await starters.nth(4).evaluate((one) => one === document.activeElement), true);

    await page.getByRole('button', { name: 'Conversations', exact: true }).click();
    await page.getByText('Agent Relay 0.2.0', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Close the conversations' }).click();

    const note = page
      .getByRole('alert')
      .filter({ hasText: '"language" in config.json is left out: it is "no language"' });
    await note.waitFor();
    await starters.first().click();
    assert.equal(await page.locator('article.user .text').textContent(), 'hello');
    await answer(page);
    assert.equal(await page.locator('.timing').count(), 0);
    assert.equal(await note.isVisible(), true);
    await page.getByRole('button', { name: 'Hide' }).click();
    assert.equal(await note.isVisible(), false);
  });

  test('how to send is said until it is known, and always to screen readers', async () => {
    const page = await openPage();
    const hint = page.getByText('Enter sends, Shift+Enter starts a new line');
    const width = async () => (await hint.boundingBox())?.width ?? 0;
    assert.ok((await width()) > 100);
    await page.locator('#prompt').fill('hello');
    await page.locator('#send').click();
    await answer(page);
    assert.ok((await width()) <= 1);
    assert.equal(await page.locator('#prompt').getAttribute('aria-describedby'), await hint.getAttribute('id'));
    await page.reload();
    await page.locator('#connection[data-state="open"]').waitFor();
    assert.ok((await width()) <= 1);
  });
});

/** By how much the page is wider than its window. @param {Page} page */
function overflow(page) {
  return page.evaluate(() =>
    Math.max(
      ...[':root', '#scroller']
        .map((selector) => document.querySelector(selector))
        .map((one) => (one ? one.scrollWidth - one.clientWidth : 0)),
    ),
  );
}
