// Formulas: what a reader sees of them, that money and names of variables stay what they are, and that no formula
// does more than be seen.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { before, describe, test } from 'node:test';
import { answer, send, useChat } from './support/chat.mjs';
import { installMarkdown, renderMarkdown } from './support/markdown.mjs';
import { answers, FINISHED, relay, text } from './support/relay.mjs';

/** @import { Page } from 'playwright-core' */

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PHONE = { viewport: { width: 360, height: 700 }, hasTouch: true, isMobile: true };
const { open, openForAll } = useChat();

/** @param {string} said @param {Parameters<typeof open>[0]} [options] */
async function ask(said, options) {
  const page = await open({ ...options, prepare: answers([text(said), FINISHED]).prepare });
  await send(page, 'Show me');
  // On a phone Enter begins a new line.
  if (options?.isMobile) await page.getByRole('button', { name: 'Send' }).tap();
  await answer(page);
  return page;
}

const SAID = `The roots are \\(x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}\\), and $e^{i\\pi} + 1 = 0$ costs $5 or $6.

$$
\\sum_{k=1}^{n} k^2 = \\frac{n(n+1)(2n+1)}{6}
$$

\\[f(x) = \\begin{cases} 1 & x > 0 \\\\ 0 & x \\le 0 \\end{cases}\\]

| where | what |
|---|---|
| $\\alpha_1$ | set \`$HOME\` and $PATH |
`;

test('formulas are drawn in all of their notations; money, variables and code stay text', async () => {
  const page = await ask(SAID);
  const formulas = page.locator('.prose math');
  await formulas.nth(4).waitFor();
  assert.equal(await formulas.count(), 5);
  // As high as a fraction is, and as wide as the answer allows.
  const box = await page.locator('.prose mfrac').first().boundingBox();
  assert.ok((box?.height ?? 0) > 20, JSON.stringify(box));
  assert.deepEqual(await formulas.evaluateAll((all) => all.map((one) => getComputedStyle(one).display)), [
    'math',
    'math',
    'block math',
    'block math',
    'math',
  ]);
  const words = (await page.locator('.prose').textContent()) ?? '';
  assert.match(words, /costs \$5 or \$6\./);
  assert.match(words, /set \$HOME and \$PATH/);
  assert.doesNotMatch(words, /\\|frac/);
  await page.evaluate(AXE);
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    await page.emulateMedia({ colorScheme });
    const violations = await page.evaluate(() =>
      /** @type {any} */ (window).axe
        .run('.prose')
        .then((/** @type {any} */ { violations }) => violations.map((/** @type {any} */ { id }) => id)),
    );
    assert.deepEqual(violations, [], colorScheme);
  }
});

test('what is copied of an answer is what was typed', async () => {
  const page = await ask(SAID, { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.locator('.prose math').first().waitFor();
  await page.getByRole('button', { name: 'Copy answer' }).click();
  await page.locator('#status').getByText('Copied.').waitFor({ state: 'attached' });
  assert.equal((await page.evaluate(() => navigator.clipboard.readText())).trimEnd(), SAID.trimEnd());
});

test('what cannot be read as a formula is shown as it was typed, with all of its backslashes', async () => {
  const page = await ask('\\(\\frac{1\\) and \\(\\nosuch * a * b\\) and \\(x^2\\)');
  await page.locator('.prose math').waitFor();
  assert.equal(await page.locator('.prose').textContent(), '\\(\\frac{1\\) and \\(\\nosuch * a * b\\) and x2');
  assert.equal(await page.locator('.prose em').count(), 0);
});

/** Has the attempts follow one another at once. */
const atOnce = () => (Math.random = () => 0);
/** The page has heard that three attempts failed. @param {Page} page */
const failedThrice = (page) =>
  new Promise((resolve) => {
    let failed = 0;
    page.on('requestfailed', () => (failed += 1) === 3 && resolve(undefined));
  });

test('where what draws them does not come, they are shown as they were typed, and drawn once the browser is online again', async () => {
  let asked = 0;
  const page = await open({
    expected: /Failed to load resource|math/,
    prepare: async (page) => {
      await answers([text('So $a_1 * b * c$ it is.'), FINISHED]).prepare(page);
      await page.addInitScript(atOnce);
      await page.route('**/math.js*', (route) => (++asked > 3 ? route.continue() : route.abort()));
    },
  });
  const failed = failedThrice(page);
  await send(page, 'Show me');
  await answer(page);
  await failed;
  assert.equal(await page.locator('.prose').textContent(), 'So $a_1 * b * c$ it is.');
  await page.context().setOffline(true);
  await page.context().setOffline(false);
  await page.locator('article.agent math').waitFor();
  assert.equal(asked, 4);
});

test('where what draws them does not come, the next one asks again after a minute', async () => {
  let asked = 0;
  const page = await open({
    expected: /Failed to load resource|math/,
    prepare: async (page) => {
      await answers([text('So $a_1 * b * c$ it is.'), FINISHED]).prepare(page);
      await page.addInitScript(atOnce);
      await page.clock.install();
      await page.route('**/math.js*', (route) => (++asked > 3 ? route.continue() : route.abort()));
    },
  });
  const failed = failedThrice(page);
  await send(page, 'Show me');
  await answer(page);
  await failed;
  await page.clock.fastForward(61_000);
  await send(page, 'Again');
  await answer(page, 2);
  await page.locator('article.agent').nth(1).locator('math').waitFor();
  await page.locator('article.agent').nth(0).locator('math').waitFor();
});

test('nothing is loaded for an answer without formulas', async () => {
  const page = await ask('It costs $5, or $6 with $HOME and C:\\(x86\\file, and `\\(x\\)`.');
  assert.deepEqual(
    await page.evaluate(
      () => performance.getEntriesByType('resource').filter(({ name }) => name.includes('math.js')).length,
    ),
    0,
  );
});

test('on a phone a wide formula scrolls by itself, by keyboard too, and the page does not', async () => {
  const wide = Array.from({ length: 30 }, (_, index) => `x_{${index}}`).join(' + ');
  const page = await ask(`See $$${wide}$$ and \\(${wide}\\) and $a_1$.`, PHONE);
  await page.locator('.prose math').nth(2).waitFor();
  assert.equal(
    await page.locator('#scroller').evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth),
    0,
  );
  const formulas = page.getByRole('group', { name: 'Formula' });
  assert.equal(await formulas.count(), 2);
  for (const index of [0, 1]) {
    const one = formulas.nth(index);
    assert.ok((await one.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)) > 100);
    await one.focus();
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction((one) => Number(one?.scrollLeft) > 0, await one.elementHandle());
  }
});

test('a formula that grows is not shown before its end, and is drawn before that of its paragraph', async () => {
  const scripted = relay(({ say }) => say(text('First $x^2$, then \\(\\frac{a')));
  const page = await open({ prepare: scripted.prepare });
  await send(page, 'go');
  await page.locator('.prose math').waitFor();
  assert.equal(await page.locator('.prose').textContent(), 'First x2, then ');
  const first = await page.locator('.prose math').elementHandle();
  scripted.runs[0]?.say(text('}{b}\\), and $'));
  await page.locator('.prose mfrac').waitFor();
  await page.waitForFunction(() =>
    /^First x2, then ab, and ?$/.test(document.querySelector('.prose')?.textContent ?? ''),
  );
  // What was drawn is not drawn again.
  assert.equal(await first?.evaluate((one) => one.isConnected), true);
  scripted.runs[0]?.say(text('5.'), FINISHED);
  await answer(page);
  assert.equal(await page.locator('.prose').textContent(), 'First x2, then ab, and $5.');
});

/** What is not to be drawn, or is drawn in vain. @type {Record<string, string>} */
const ATTACKS = {
  'a link': '\\href{javascript:alert(1)}{x} \\url{javascript:alert(1)}',
  'an image': '\\includegraphics[height=1em]{https://evil.example/x.png}',
  'markup of its own': '\\htmlClass{composer}{x}',
  'a class': '\\class{composer}{x}',
  'an id': '\\id{prompt}{x}',
  'a style': '\\style{position:fixed}{x}',
  data: '\\data{a=b}{x}',
  'a label that is an id of the page': '\\begin{equation}x\\label{prompt}\\end{equation}',
  'a number of its own': 'x \\tag{\\href{javascript:alert(1)}{1}}',
  'a reference': '\\ref{prompt} \\eqref{prompt}',
  'a colour that is an address': '\\color{url(https://evil.example/)}x',
  'a colour and a box': '\\textcolor{#c00}{x} \\colorbox{yellow}{y} \\fcolorbox{red}{blue}{z}',
  'tags in text': '\\text{<img src=x onerror=alert(1)>}',
  'names without end': '\\def\\a{\\a\\a}\\a',
  'names in names': '\\def\\a#1{#1#1#1#1#1#1#1#1#1#1}\\a{\\a{\\a{\\a{\\a{\\a{\\a{x}}}}}}}',
  'a billion of laughs':
    '\\def\\a{xxxxxxxxxx}\\def\\b{\\a\\a\\a\\a\\a\\a\\a\\a\\a\\a}\\def\\c{\\b\\b\\b\\b\\b\\b\\b\\b\\b\\b}\\def\\d{\\c\\c\\c\\c\\c\\c\\c\\c\\c\\c}\\d\\d\\d',
  'names for all': '\\gdef\\frac{x}\\global\\let\\sqrt=\\frac \\newcommand{\\alpha}{y}',
  prototypes: '\\__proto__ \\constructor \\begin{constructor}x\\end{constructor}',
  'a huge space': '\\rule{99999em}{99999em} \\hspace{99999em} \\raisebox{99999em}{x} \\kern99999pt x',
  'a huge letter': '\\Huge\\Huge\\Huge x',
  'letters that turn': '\\text{\u202eabc\u202c} \\char"202E x',
  'open braces': '{'.repeat(1_100),
  braces: `${'{'.repeat(500)}x${'}'.repeat(500)}`,
  'more braces than are read': '{'.repeat(100_000),
  'deep fractions': `${'\\frac1{'.repeat(130)}x${'}'.repeat(130)}`,
  'deep roots': `${'\\sqrt{'.repeat(150)}x${'}'.repeat(150)}`,
  'high powers': `${'x^{'.repeat(230)}x${'}'.repeat(230)}`,
  'fences in fences': `${'\\left('.repeat(60)}x${'\\right)'.repeat(60)}`,
  'text in text': `${'\\text{'.repeat(130)}x${'}'.repeat(130)}`,
  'many cells': `\\begin{matrix}${'&'.repeat(1_100)}\\end{matrix}`,
  'many columns': `\\begin{array}{${'c'.repeat(500)}}${'&'.repeat(500)}\\end{array}`,
  'many rows': `\\begin{matrix}${'\\\\'.repeat(500)}\\end{matrix}`,
  'tables in tables': `${'\\begin{matrix}'.repeat(30)}x${'\\end{matrix}'.repeat(30)}`,
  arrows: '\\xrightarrow{abc}'.repeat(60),
  braced: `${'\\overbrace{'.repeat(60)}x${'}'.repeat(60)}`,
  'a diagram': '\\begin{CD}A @>a>> B\\\\@VVbV @AAcA\\\\C @= D\\end{CD}',
  'a comment': 'x % \\end',
};

describe('no formula does more than be seen', () => {
  /** @type {Page} */
  let page;
  before(async () => {
    page = await openForAll();
    await installMarkdown(page);
  });
  const drawn = () =>
    page.locator('#transcript').evaluate((root) => ({
      depth: Math.max(
        0,
        ...[...root.querySelectorAll('math *:not(:has(*))')].map((leaf) => {
          let depth = 0;
          for (
            let one = /** @type {Element | null} */ (leaf);
            one !== null && one.localName !== 'math';
            one = one.parentElement
          )
            depth += 1;
          return depth;
        }),
      ),
      elements: root.querySelectorAll('math *').length,
    }));

  for (const [name, source] of Object.entries(ATTACKS)) {
    test(name, async () => {
      for (const around of [`\\(${source}\\)`, `\\[${source}\\]`, `$$${source}$$`]) {
        const { broken, text } = await renderMarkdown(page, around);
        assert.deepEqual(broken, []);
        const { depth, elements } = await drawn();
        assert.ok(depth < 50 && elements < 1_600, `${depth} deep, ${elements} elements`);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
        // What is not drawn is there as it was typed.
        if (elements === 0 && name !== 'a reference') assert.ok(text.endsWith(around), text);
        const ids = await page
          .locator('#transcript')
          .evaluate(
            (root) =>
              root.querySelectorAll(
                '[id], math [class*=composer], math a, math [href], math img, math [style*=position]',
              ).length,
          );
        assert.equal(ids, 0);
      }
      // Nothing is left of it for the next formula.
      const { text } = await renderMarkdown(page, '\\(\\sqrt{x} \\alpha\\)');
      assert.equal(text, 'xα');
    });
  }

  test('typed letter by letter they look as they do at once', async () => {
    for (const [name, source] of Object.entries(ATTACKS)) {
      if (source.length > 2_000) continue;
      const around = `a \\(${source}\\) b\n\n- $$${source}$$\n`;
      const whole = await renderMarkdown(page, around);
      assert.equal((await renderMarkdown(page, around, source.length > 300 ? 37 : 1)).html, whole.html, name);
    }
  });

  test('in a link they stay as they were typed, since where it leads is told by its text', async () => {
    const { text } = await renderMarkdown(page, '[\\(\\text{bank.}\\text{example}\\)](https://evil.example/)');
    assert.match(text, /^\\\(\\text\{bank\.\}\\text\{example\}\\\)/);
  });

  test('of a thousand in a paragraph two hundred are drawn', async () => {
    await renderMarkdown(page, Array.from({ length: 1_000 }, (_, index) => `$x_{${index}}$`).join(' '));
    await page.waitForFunction(() => document.querySelectorAll('#transcript math').length === 200);
  });
});
