// The colours of code: what a reader sees, that nothing of the code changes, and that no code keeps the page busy.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { before, describe, test } from 'node:test';
import { languages } from '../../web/syntax.js';
import { eventually } from './support/browser.mjs';
import { answer, send, useChat } from './support/chat.mjs';
import { provideModules } from './support/modules.mjs';
import { answers, FINISHED, text } from './support/relay.mjs';

/** @import { Page } from 'playwright-core' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const FENCE = '```';
/** @param {string} language @param {string} code */
const fenced = (language, code) => text(`${FENCE}${language}\n${code}\n${FENCE}\n`);
const PYTHON = 'def area(r: float):\n    """Of a circle."""\n    return 3.14 * r  # about\n';

const { open, openForAll } = useChat();

/** @param {object[][]} said @param {Parameters<typeof open>[0]} [options] */
async function ask(said, options) {
  const page = await open({ ...options, prepare: answers(...said).prepare });
  await send(page, 'Show me');
  await answer(page);
  return page;
}

/** The colour of some of the code. @param {Page} page @param {string} words */
const colourOf = (page, words) =>
  page
    .locator('.code code span[class]')
    .getByText(words, { exact: true })
    .first()
    .evaluate((one) => getComputedStyle(one).color);

test('words of one kind have one colour, in light and dark, and enough contrast', async () => {
  const page = await ask([
    [fenced('python', PYTHON), fenced('diff', '@@ -1 +1 @@\n-old\n+new'), fenced('ts', 'type A = string;'), FINISHED],
  ]);
  await page.locator('.tok-inserted').waitFor();
  await page.locator('.tok-type').first().waitFor();
  await page.evaluate(AXE);
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    await page.emulateMedia({ colorScheme });
    const [keyword, again, name, string, comment] = await Promise.all(
      ['def', 'return', 'area', '"""Of a circle."""', '# about'].map((words) => colourOf(page, words)),
    );
    assert.equal(keyword, again);
    assert.equal(new Set([keyword, name, string, comment]).size, 4, colorScheme);
    const violations = await page.evaluate(async () =>
      /** @type {any} */ (window).axe
        .run('.code', { runOnly: 'color-contrast' })
        .then((/** @type {any} */ { violations }) => violations.map((/** @type {any} */ { id }) => id)),
    );
    assert.deepEqual(violations, [], colorScheme);
  }
});

test("with the reader's own colours, keywords and changed lines differ by their shape", async () => {
  const page = await ask([[fenced('diff', '-old\n+new'), FINISHED]], { forcedColors: 'active' });
  await page.locator('.tok-deleted').waitFor();
  assert.match(
    await page.locator('.tok-deleted').evaluate((one) => getComputedStyle(one).textDecorationLine),
    /line-through/,
  );
});

test('copies the code as it was', async () => {
  const page = await ask([[fenced('python', PYTHON), FINISHED]]);
  await page.locator('.tok-keyword').first().waitFor();
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByRole('button', { name: 'Copy the code' }).click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal((await page.evaluate(() => navigator.clipboard.readText())).trimEnd(), PYTHON.trimEnd());
});

test('code that is selected gets its colours once it is not any more', async () => {
  const page = await open({
    prepare: async (page) => {
      await answers([fenced('python', PYTHON), FINISHED]).prepare(page);
      // What colours code comes when it is selected.
      await page.route('**/syntax.js', async (route) => {
        await page.evaluate(() =>
          getSelection()?.selectAllChildren(/** @type {Element} */ (document.querySelector('.code code'))),
        );
        await route.continue();
      });
    },
  });
  await send(page, 'Show me');
  await answer(page);
  await page.waitForFunction(() => getSelection()?.toString().includes('area'));
  await page.evaluate(() =>
    import(new URL('syntax.js', document.baseURI).href).then(() => new Promise((resolve) => setTimeout(resolve, 200))),
  );
  assert.equal(await page.locator('[class^=tok-]').count(), 0);
  assert.match(await page.evaluate(() => String(getSelection())), /area/);
  await page.evaluate(() => getSelection()?.removeAllRanges());
  await page.locator('.tok-keyword').first().waitFor();
});

/** Has the attempts follow one another at once. */
const atOnce = () => (Math.random = () => 0);

describe('where what colours code does not come', () => {
  /** Opens the page with code that gets no colours, because so many attempts fail. @param {number} failures */
  async function openWithout(failures) {
    let asked = 0;
    const page = await open({
      expected: /Failed to load resource|syntax/,
      prepare: async (page) => {
        await answers([fenced('python', PYTHON), FINISHED]).prepare(page);
        await page.addInitScript(atOnce);
        await page.clock.install();
        await page.route('**/syntax.js*', (route) => (++asked > failures ? route.continue() : route.abort()));
      },
    });
    await send(page, 'Show me');
    await answer(page);
    await eventually(() => asked >= failures);
    return { page, asked: () => asked };
  }
  const coloured = (/** @type {Page} */ page, /** @type {number} */ count) =>
    page
      .locator('article.agent')
      .nth(count - 1)
      .locator('.tok-keyword')
      .first()
      .waitFor();

  test('it is plain, and asked for again', async () => {
    const { page, asked } = await openWithout(2);
    await coloured(page, 1);
    assert.equal(asked(), 3);
  });

  test('a server that is busy is left alone for a minute; then the next code asks again', async () => {
    const { page, asked } = await openWithout(3);
    assert.equal(await page.locator('[class^=tok-]').count(), 0);
    await send(page, 'Again');
    await answer(page, 2);
    await page.clock.fastForward(30_000);
    await send(page, 'Again');
    await answer(page, 3);
    assert.equal(asked(), 3);
    await page.clock.fastForward(31_000);
    await send(page, 'Again');
    await answer(page, 4);
    for (const count of [1, 2, 3, 4]) await coloured(page, count);
    assert.equal(asked(), 4);
  });

  test('the browser asks again once it is online, without another code', async () => {
    const { page, asked } = await openWithout(3);
    await page.context().setOffline(true);
    await page.context().setOffline(false);
    await coloured(page, 1);
    assert.equal(asked(), 4);
  });
});

/** How much is read until the page may answer: so many tokens, each of a line of so many characters. */
const [MOST_TOKENS, MOST_OF_LINE] = [64, 600];

describe('no code', () => {
  /** Code that no one writes, in each language. @type {Record<string, string>} */
  const HOSTILE = {
    numbers: '1+'.repeat(15_000),
    'numbers on lines': '1+2 "a" /* b */\n'.repeat(3_000),
    'brackets that never close': `${'([{<'.repeat(200)}\n`.repeat(40),
    'quotes that never close': `${'"\'`'.repeat(250)}\n`.repeat(40),
    'comments in comments': '/* <!-- # // """ \n'.repeat(2_000),
    templates: '${`${`a'.repeat(2_000),
    backslashes: '\\'.repeat(30_000),
    'words in a row': 'a.b.c '.repeat(5_000),
    'a long line': 'if x '.repeat(10_000),
    'deep indents': Array.from({ length: 300 }, (_, depth) => `${' '.repeat(depth)}if a:`).join('\n'),
    'blank lines': '\n'.repeat(30_000),
    'here documents': 'cat <<A <<B <<-C\n'.repeat(1_500),
    markup: '<a b="&lt;"><![CDATA[x]]></a><script>1</script>\n'.repeat(800),
    'letters that turn': '\u202e\u2066a\u0000\ud800 = 1\n'.repeat(2_000),
    __proto__: '__proto__ constructor toString = 1\n'.repeat(1_000),
  };
  /** @type {Page} */
  let page;
  before(async () => {
    page = await openForAll();
    await provideModules(page);
    await page.evaluate(async () => {
      const { coloured } = await import(new URL('modules/markdown/colours.js', document.baseURI).href);
      const syntax = await import(new URL('modules/syntax.js', document.baseURI).href);
      const { TextFlow } = await import(new URL('modules/lib/text-flow.js', document.baseURI).href);
      Object.assign(window, {
        /** @param {string} language @param {string} text */
        colouredCode(language, text) {
          const code = document.createElement('code');
          new TextFlow(code, 'span').append(text);
          let [most, longest, tokens, failed] = [0, 0, 0, ''];
          // What reads a language, which counts how often it is asked, and for how much.
          class Counted extends syntax.StringStream {
            /** @param {string} line @param {number} tab @param {number} indent */
            constructor(line, tab, indent) {
              super(line, tab, indent);
              longest = Math.max(longest, line.length);
            }
          }
          const reader = syntax.languages.get(language);
          const counting = reader && {
            ...reader,
            /** @param {unknown[]} asked */
            token(...asked) {
              tokens += 1;
              return reader.token(...asked);
            },
          };
          const work = coloured({ languages: new Map([[language, counting]]), StringStream: Counted }, code, language);
          for (let done = false; !done; tokens = 0) {
            try {
              done = work.next().done;
            } catch (error) {
              failed = String(error);
              break;
            }
            most = Math.max(most, tokens);
          }
          const wrong = [...code.querySelectorAll('span > *')].filter(
            (one) =>
              one.localName !== 'span' ||
              !/^tok-[a-z]+$/.test(one.className) ||
              one.attributes.length > 1 ||
              one.childElementCount > 0,
          ).length;
          return {
            same: code.textContent === text,
            wrong,
            most,
            longest,
            failed,
            widest: Math.max(...[...code.children].map(({ childElementCount }) => childElementCount)),
          };
        },
      });
    });
  });

  test('keeps the page busy: a line of a megabyte, or a megabyte of lines, in each language', async () => {
    for (const code of ['let a = "b" + 1; // c '.repeat(50_000), 'let a = "b" + 1; // c\n'.repeat(50_000)]) {
      const coloured = await page.evaluate(
        async ([names, code]) => {
          const { colour } = await import(new URL('modules/markdown/colours.js', document.baseURI).href);
          const { TextFlow } = await import(new URL('modules/lib/text-flow.js', document.baseURI).href);
          const block = document.createElement('code');
          new TextFlow(block, 'span').append(code);
          for (const name of names) colour(block, name);
          await new Promise((resolve) => setTimeout(resolve));
          return block.querySelectorAll('[class^=tok-]').length;
        },
        /** @type {[string[], string]} */ ([[...languages.keys(), 'constructor', '__proto__', '../../x'], code]),
      );
      // Longer than what is coloured at all.
      assert.equal(coloured, 0);
    }
    // Just below what is coloured at all, as one line, and after others.
    const line = 'let a = "b" + 1; // c '.repeat(2_600);
    for (const language of new Map([...languages].map(([name, reader]) => [reader, name])).values()) {
      const { same, wrong, longest } = await page.evaluate(
        ([language, code]) => /** @type {any} */ (window).colouredCode(language, code),
        /** @type {const} */ ([language, `${line}\nlet a;\n`]),
      );
      assert.deepEqual([same, wrong], [true, 0], language);
      assert.ok(longest <= MOST_OF_LINE, `${language}: a line of ${longest} characters is read`);
    }
  });

  for (const name of ['constructor', '__proto__', 'toString', '../../x', 'hasOwnProperty', '']) {
    test(`has colours in a language named ${JSON.stringify(name)}`, async () => {
      const { same, failed, widest } = await page.evaluate(
        (name) => /** @type {any} */ (window).colouredCode(name, 'if (a) return "b";'),
        name,
      );
      assert.deepEqual({ same, failed, widest }, { same: true, failed: '', widest: 0 });
    });
  }

  for (const [name, code] of Object.entries(HOSTILE)) {
    test(`keeps the page busy: ${name}`, async (t) => {
      const failing = [];
      for (const language of new Map([...languages].map(([name, reader]) => [reader, name])).values()) {
        const { same, wrong, most, longest, failed, widest } = await page.evaluate(
          ([language, code]) => /** @type {any} */ (window).colouredCode(language, code),
          /** @type {const} */ ([language, code]),
        );
        assert.equal(same, true, `${language}: the code has changed`);
        assert.equal(wrong, 0, language);
        assert.ok(widest <= 2_000, `${language}: ${widest} colours in one block`);
        assert.ok(most <= MOST_TOKENS, `${language}: ${most} tokens at once`);
        assert.ok(longest <= MOST_OF_LINE, `${language}: a line of ${longest} characters is read`);
        if (failed !== '') failing.push(`${language} ${failed}`);
      }
      t.diagnostic(failing.join(', '));
    });
  }
});
