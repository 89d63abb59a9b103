// What an answer looks like beyond plain Markdown: footnotes, alerts, what stands high, low and on keys, colours of
// many languages, wide tables, the tip of a text that grows. Each by what a person sees or hears of it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { answer, send, useChat } from './support/chat.mjs';
import { answers, FINISHED, relay, text } from './support/relay.mjs';

/** @import { Page } from 'playwright-core' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const FENCE = '```';
const PHONE = { viewport: { width: 360, height: 700 }, hasTouch: true, isMobile: true };
const { open } = useChat();

/** @param {string} said @param {Parameters<typeof open>[0]} [options] */
async function ask(said, options) {
  const page = await open({ ...options, prepare: answers([text(said), FINISHED]).prepare });
  await send(page, 'Show me');
  // On a phone Enter begins a new line.
  if (options?.isMobile) await page.getByRole('button', { name: 'Send' }).tap();
  await answer(page);
  return page;
}

/** What axe finds in the answers. @param {Page} page */
async function faults(page) {
  await page.evaluate(AXE);
  return page.evaluate(() =>
    /** @type {any} */ (window).axe
      .run('.prose')
      .then((/** @type {any} */ { violations }) =>
        violations.map(
          (/** @type {any} */ { id, nodes }) => `${id}: ${nodes.map((/** @type {any} */ { html }) => html).join(' ')}`,
        ),
      ),
  );
}

/** What has the focus, as a screen reader names it. @param {Page} page */
const focused = (page) =>
  page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent);

describe('footnotes', () => {
  const SAID = `It rains.[^1] It is cold[^Cold], and it rains[^1] still. In a [link[^1]](https://a.example/).\n\n${'Words.\n\n'.repeat(60)}[^1]: Said *she*.\n[^cold]: Said he.\n[^lone]: Said nobody.\n`;

  test('are reached from their marks and left to them, by mouse and keyboard, with the focus', async () => {
    const page = await ask(SAID);
    const note = page.locator('.footnote').first();
    for (const [index, name, words] of /** @type {[number, string, RegExp][]} */ ([
      [0, 'Footnote 1', /Said she/],
      [1, 'Footnote 1', /Said she/],
      [0, 'Footnote Cold', /Said he/],
    ])) {
      const mark = page.getByRole('button', { name, exact: true }).nth(index);
      if (index === 0) await mark.press('Enter');
      else await mark.click();
      assert.match((await focused(page)) ?? '', words);
      await page.locator('.footnote.shown-source').waitFor();
      assert.equal(await page.locator('.shown-source').count(), 1);
      // It is to be seen, though it stands far below.
      const box = await page.locator('.footnote.shown-source').boundingBox();
      const view = await page.locator('#scroller').boundingBox();
      assert.ok(
        box !== null && view !== null && box.y >= view.y && box.y + box.height < view.y + view.height + 1,
        JSON.stringify([box, view]),
      );
      await page.keyboard.press('Tab');
      assert.equal(await focused(page), 'Back to the text');
      await page.keyboard.press('Enter');
      assert.equal(await focused(page), name);
      assert.equal(await mark.evaluate((one) => one === document.activeElement), true);
      assert.equal(await page.locator('.shown-source, .back').count(), 0);
    }
    assert.equal(await note.getByRole('button').count(), 0);
  });

  test('of one answer are not those of another, and a mark without one is text', async () => {
    const page = await open({
      prepare: answers(
        [text('One.[^1] And [^2].\n\n[^1]: First.\n'), FINISHED],
        [text('Two.[^1]\n\n[^1]: Second.\n'), FINISHED],
      ).prepare,
    });
    for (const turn of [1, 2]) {
      await send(page, 'go');
      await answer(page, turn);
    }
    assert.match((await page.locator('.prose').first().textContent()) ?? '', /And \[\^2\]\./);
    await page.getByRole('button', { name: 'Footnote 1' }).nth(1).click();
    assert.match((await focused(page)) ?? '', /Second/);
    await page.getByRole('button', { name: 'Footnote 1' }).nth(0).click();
    assert.match((await focused(page)) ?? '', /First/);
    assert.deepEqual(await faults(page), []);
  });

  test('with a name that is no ordinary one lead to their own', async () => {
    const names = ['__proto__', 'constructor', 'a"b', "it's", '日本', 'toString', '*'];
    const page = await ask(
      `${names.map((name) => `x[^${name}]`).join(' ')}\n\n${names.map((name) => `[^${name}]: About ${names.indexOf(name)}\n`).join('')}`,
    );
    for (const [index, name] of names.entries()) {
      await page.getByRole('button', { name: `Footnote ${name}`, exact: true }).click();
      assert.match((await focused(page)) ?? '', new RegExp(`About ${index}`), name);
    }
  });

  test('a mark is large enough for a finger', async () => {
    const page = await ask('As she said.[^1]\n\n[^1]: Yes.\n', PHONE);
    const box = await page.getByRole('button', { name: 'Footnote 1' }).boundingBox();
    assert.ok(box !== null && box.width >= 24 && box.height >= 24, JSON.stringify(box));
    await page.getByRole('button', { name: 'Footnote 1' }).tap();
    await page.locator('.footnote.shown-source').waitFor();
  });
});

describe('alerts', () => {
  const KINDS = ['Note', 'Tip', 'Important', 'Warning', 'Caution'];
  const SAID = `${KINDS.map((kind) => `> [!${kind.toUpperCase()}]\n> Words with *weight*.\n>\n> - one\n>   1. two\n>\n> ${FENCE}js\n> let a = 1;\n> ${FENCE}\n`).join('\n')}\n- an item\n  > [!tip]\n  > In a list.\n\n> [!OTHER]\n> A quote.\n`;

  test('of five kinds have their title, a colour of their own and whatever stands in them, in light and dark', async () => {
    const page = await ask(SAID);
    await page.locator('.alert .tok-keyword').nth(4).waitFor();
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme });
      const looks = await page.locator('.prose > div > .alert, .prose .part > .alert').evaluateAll((all) =>
        all.map((one) => {
          const title = /** @type {Element} */ (one.querySelector('.alert-title'));
          return {
            title: title.textContent,
            colour: getComputedStyle(title).color,
            bar: getComputedStyle(one).borderInlineStartColor,
            inner: ['em', 'ul ol li', 'pre'].every((selector) => one.querySelector(selector) !== null),
          };
        }),
      );
      assert.deepEqual(
        looks.map(({ title }) => title),
        KINDS,
      );
      assert.equal(new Set(looks.map(({ colour }) => colour)).size, KINDS.length);
      assert.ok(
        looks.every(({ colour, bar, inner }) => colour === bar && inner),
        JSON.stringify(looks),
      );
      assert.deepEqual(await faults(page), [], colorScheme);
    }
    assert.equal(await page.locator('li .alert.tip').textContent(), 'TipIn a list.');
    assert.equal(await page.locator('blockquote:not(.alert)').textContent(), '[!OTHER]\nA quote.');
  });

  test("are told apart by their titles where the colours are the reader's own", async () => {
    const page = await ask(SAID, { forcedColors: 'active' });
    for (const kind of KINDS) await page.locator('.alert-title').getByText(kind, { exact: true }).first().waitFor();
    assert.deepEqual(await faults(page), []);
  });
});

test('what stands high, low and on keys looks so, in links and tables too, and what is not balanced is text', async () => {
  const page = await ask(
    'H<sub>2</sub>O, x<sup>2</sup>, <kbd>Ctrl</kbd>+<kbd>C</kbd>\n\n| a<sub>1</sub> | [x<sup>3</sup>](https://a.example/) |\n|---|---|\n| <kbd>Tab</kbd> | <sub>open |\n\n<sup>a<sub>b</sub></sup> and </kbd> and <kbd onclick="x">y</kbd>\n',
  );
  const prose = page.locator('.prose');
  const place = async (/** @type {string} */ selector) =>
    await prose
      .locator(selector)
      .first()
      .evaluate((one) => {
        const range = document.createRange();
        range.selectNodeContents(/** @type {Node} */ (one.parentNode));
        const [own, line] = [one.getBoundingClientRect(), range.getBoundingClientRect()];
        return { own: (own.top + own.bottom) / 2, line: (line.top + line.bottom) / 2 };
      });
  const [sub, sup] = [await place('td sub, th sub'), await place('a sup')];
  assert.ok(sub.own > sub.line && sup.own < sup.line, JSON.stringify({ sub, sup }));
  assert.equal(await prose.locator('a sup').textContent(), '3');
  assert.deepEqual(await prose.locator('kbd').allTextContents(), ['Ctrl', 'C', 'Tab']);
  assert.notEqual(
    await prose
      .locator('kbd')
      .first()
      .evaluate((one) => getComputedStyle(one).borderTopStyle),
    'none',
  );
  const words = (await prose.textContent()) ?? '';
  for (const typed of ['<sub>open', '<sup>ab</sup>', 'and </kbd> and', '<kbd onclick="x">y</kbd>'])
    assert.ok(words.includes(typed), `${typed}: ${words}`);
  assert.deepEqual(await faults(page), []);
});

describe('the colours of code', () => {
  /** Code of a dozen languages and more, each with a keyword, a string or a value, and a comment where there is one. @type {Record<string, string>} */
  const CODE = {
    python: 'def f(x):\n    """Doc."""\n    return x  # done',
    javascript: '// done\nconst a = `x`;\nfunction f() { return null; }',
    tsx: 'type A = string;\nexport const b: A = "x";',
    rust: '// done\nfn main() -> u32 { let x = "a"; 1 }',
    go: '// done\nfunc main() { return "x" }',
    java: '// done\npublic class A { String b = "x"; }',
    'c++': '// done\nint main() { return 1; }',
    'c#': '// done\npublic class A { string b = "x"; }',
    sql: "-- done\nSELECT a FROM b WHERE c = 'x'",
    bash: '# done\nif [ "$A" ]; then echo "x"; fi',
    yaml: '# done\nname: "x"\nnumber: 1',
    json: '{"a": "x", "b": [1, true]}',
    html: '<!-- done -->\n<p class="x">y</p>',
    css: '/* done */\n.a { color: #fff; }',
    dockerfile: '# done\nFROM a:1\nRUN b',
    toml: '# done\n[a]\nb = "x"',
    ruby: '# done\ndef f\n  "x"\nend',
    kotlin: '// done\nfun main() { val a = "x" }',
    swift: '// done\nfunc f() -> Int { return 1 }',
    diff: '-old\n+new',
  };

  test('are there for a dozen languages and more, with contrast, in light and dark', async () => {
    const page = await ask(
      Object.entries(CODE)
        .map(([language, code]) => `${FENCE}${language}\n${code}\n${FENCE}\n`)
        .join('\n'),
    );
    await page.locator('.tok-inserted').waitFor();
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme });
      const blocks = await page.locator('.code').evaluateAll((all) => {
        /** @param {string} colour @returns {number[]} */
        const channels = (colour) => {
          const context = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(1, 1).getContext('2d'));
          context.fillStyle = colour;
          context.fillRect(0, 0, 1, 1);
          return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
        };
        const luminance = (/** @type {string} */ colour) => {
          const [red = 0, green = 0, blue = 0] = channels(colour).map((one) =>
            one / 255 <= 0.04045 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4,
          );
          return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        };
        return all.map((block) => {
          let ground = /** @type {Element | null} */ (block.querySelector('pre'));
          while (ground && getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)')
            ground = ground.parentElement;
          const behind = luminance(getComputedStyle(/** @type {Element} */ (ground)).backgroundColor);
          const colours = [...block.querySelectorAll('[class^=tok-]')].map((one) => getComputedStyle(one));
          const contrasts = colours.map(({ color, backgroundColor }) => {
            const [one, other] = [
              luminance(color),
              backgroundColor === 'rgba(0, 0, 0, 0)' ? behind : luminance(backgroundColor),
            ];
            return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
          });
          return {
            language: block.querySelector('.code-bar span')?.textContent,
            kinds: new Set(colours.map(({ color }) => color)).size,
            least: Math.min(...contrasts),
          };
        });
      });
      assert.equal(blocks.length, Object.keys(CODE).length);
      for (const { language, kinds, least } of blocks) {
        assert.ok(kinds >= 2, `${language} has ${kinds} colours`);
        assert.ok(least >= 4.5, `${language} in ${colorScheme}: ${least}`);
      }
    }
    for (const [index, code] of Object.values(CODE).entries())
      assert.equal((await page.locator('.code pre').nth(index).textContent())?.trimEnd(), code);
  });

  test('are none for an unknown language, nor for a name that is none, and no other file is asked for', async () => {
    const names = ['constructor', '__proto__', '../../x', 'hasOwnProperty', 'klingon', '"onload=x', '%2e%2e/main'];
    const page = await ask(
      names.map((name) => `${FENCE}${name}\nif (a) return "b";\n${FENCE}\n`).join('\n') +
        `${FENCE}js\nlet a;\n${FENCE}\n`,
    );
    await page.locator('.tok-keyword').waitFor();
    assert.equal(await page.locator('.code:has([class^=tok-])').count(), 1);
    assert.deepEqual(await page.locator('.code-bar > span:first-child').allTextContents(), [...names, 'js']);
    const asked = await page.evaluate(() =>
      performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname),
    );
    assert.equal(asked.filter((path) => /syntax/.test(path)).length, 1);
    assert.deepEqual(
      asked.filter((path) => /klingon|proto|etc|(^|\/)x$/.test(path)),
      [],
    );
  });

  test('come when a block ends, not before, while the text goes on', async () => {
    const scripted = relay(({ say }) => say(text(`${FENCE}js\nlet a = "b";\n`)));
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'go');
    await page.locator('.code code').getByText('let a').waitFor();
    scripted.runs[0]?.say(text('let c = 1;\n'));
    await page.locator('.code code').getByText('let c').waitFor();
    assert.equal(
      await page.evaluate(
        () => performance.getEntriesByType('resource').filter(({ name }) => name.includes('syntax.js')).length,
      ),
      0,
    );
    scripted.runs[0]?.say(text(`${FENCE}\n\nAnd so on`));
    await page.locator('.tok-keyword').nth(1).waitFor();
    assert.equal(await page.locator('article.agent').getAttribute('aria-busy'), 'true');
    assert.equal(await page.locator('.code pre').textContent(), 'let a = "b";\nlet c = 1;');
  });
});

describe('the tip of a text that grows', () => {
  /** What stands behind the last word. @param {Page} page */
  const tip = (page) =>
    page.locator('.prose').evaluate((prose) => {
      const found = [...prose.querySelectorAll('*')].find((one) => getComputedStyle(one, '::after').content === '""');
      const { animationName, display } = found
        ? getComputedStyle(found, '::after')
        : { animationName: 'none', display: 'none' };
      return { words: found?.textContent, moves: animationName !== 'none', seen: display !== 'none' };
    });

  for (const reducedMotion of /** @type {const} */ (['no-preference', 'reduce'])) {
    test(`is alive until the end, and ${reducedMotion === 'reduce' ? 'keeps still where motion is not wanted' : 'moves'}`, async () => {
      const scripted = relay(({ say }) => say(text('One two')));
      const page = await open({ prepare: scripted.prepare, reducedMotion });
      await send(page, 'go');
      await page.locator('.prose').getByText('One two').waitFor();
      assert.deepEqual(await tip(page), { words: 'One two', moves: reducedMotion !== 'reduce', seen: true });
      scripted.runs[0]?.say(FINISHED);
      await answer(page);
      assert.equal((await tip(page)).words, undefined);
    });
  }

  test('is not read out', async () => {
    const scripted = relay(({ say }) => say(text('One two')));
    const page = await open({ prepare: scripted.prepare });
    await send(page, 'go');
    await page.locator('.prose').getByText('One two').waitFor();
    const session = await page.context().newCDPSession(page);
    const { root } = await session.send('DOM.getDocument', { depth: 0 });
    const { nodeId } = await session.send('DOM.querySelector', { nodeId: root.nodeId, selector: '.prose' });
    const { nodes } = await session.send('Accessibility.queryAXTree', { nodeId });
    const names = nodes
      .filter(({ ignored, role }) => !ignored && role?.value === 'StaticText')
      .map(({ name }) => name?.value);
    assert.deepEqual(names, ['One two']);
  });
});
