// Markdown as models write it: texts that are common in their answers and that a strict reader of Markdown
// would hide, break, or take for something else. Each is shown whole and typed out, in Chromium.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { before, describe, test } from 'node:test';
import { characterOf } from '../../web/markdown/entities.js';
import { answer, send, useChat } from './support/chat.mjs';
import { provideModules } from './support/modules.mjs';
import { installMarkdown, renderMarkdown } from './support/markdown.mjs';

/** @import { Page } from 'playwright-core' */

const FENCE = '```';

/**
 * A text, the words that are to be seen, and what must be among the elements (or must not, behind a `!`).
 *
 * @type {Record<string, Record<string, [string, string, ...string[]]>>}
 */
const KINDS = {
  'a definition that nobody refers to is not lost': {
    'a list of sources': [
      'Sources:\n\n[1]: https://a.example/one\n[2]: https://b.example/two\n',
      'Sources:[1]: https://a.example/one[2]: https://b.example/two',
      'a[href="https://a.example/one"]',
    ],
    'one of two': [
      'See [1].\n\n[1]: https://a.example/one\n[2]: https://b.example/two "T"\n',
      'See 1.[2]: https://b.example/two "T"',
      'a[href="https://a.example/one"]',
    ],
    'all of them referred to': [
      'See [1] and [the other][2].\n\n[1]: https://a.example/one\n[2]: https://b.example/two\n',
      'See 1 and the other.',
      'p[hidden]',
    ],
    'in a quote': ['> [a]: https://a.example/\n\nend', '[a]: https://a.example/end', 'blockquote a'],
    'in a list': [
      '- [a]: https://a.example/\n- [b]: https://b.example/\n',
      '[a]: https://a.example/[b]: https://b.example/',
      'li + li a',
    ],
    'the same label twice': [
      '[a]\n\n[a]: https://a.example/1\n[a]: https://a.example/2\n',
      'a[a]: https://a.example/2',
      'a[href="https://a.example/1"]',
    ],
    'referred to before and after': [
      '[a]\n\n[a]: https://a.example/1\n\n[b] [a]\n\n[b]: https://b.example/\n',
      'ab a',
      'p:last-of-type[hidden]',
    ],
    'a footnote': [
      'As said[^1].\n\n[^1]: Who said so: https://a.example/\n[^2]: https://b.example/\n',
      'As said1.1 Who said so: https://a.example/2 https://b.example/',
      'p > sup.note',
      'p.footnote + p.footnote > a',
    ],
    'a footnote before its mark, of lines, with markup': [
      '[^long]: One *two*\nthree\n\nSaid[^long] and [^other] and [^a-z].\n',
      'long One twothreeSaidlong and [^other] and [^a-z].',
      'p.footnote em',
      'p:last-child > sup',
    ],
    'a footnote in a list and in a quote': [
      '- a[^n]\n\n  [^n]: b\n\n> [^m]: c\n',
      'ann bm c',
      'li .footnote',
      'blockquote > .footnote',
    ],
    'a mark of a footnote in code, in an image, and without a text': [
      '`[^1]` ![^1] [^1]:\n\n[^1]: x\n',
      '[^1] ![^1] 1:1 x',
    ],
    'a note in brackets': [
      '[Note]: this is prose, not a definition.\n\n[TODO]: later\n',
      '[Note]: this is prose, not a definition.[TODO]: later',
    ],
  },
  'a tag alone on its line does not switch Markdown off': {
    answer: [
      '<answer>\n**Total:** 5\n- one\n- two\n</answer>\n',
      '<answer>Total: 5onetwo</answer>',
      'p + p > strong',
      'ul > li + li',
      'ul + p',
    ],
    details: [
      '<details>\n<summary>More</summary>\n\n**bold**\n</details>\n',
      '<details><summary>More</summary>bold</details>',
      'p > strong',
    ],
    'with attributes': ['<div class="x" id=y>\n# Title\n</div>\n', '<div class="x" id=y>Title</div>', 'h3'],
    'a comment': [
      '<!-- plan -->\n1. one\n2. two\n<!-- end -->\n',
      '<!-- plan -->onetwo<!-- end -->',
      'p + ol',
      'ol + p',
    ],
    pre: ['<pre>\n*a*\n</pre>\n', '<pre>a</pre>', 'em'],
    'in a list': ['- a\n\n  <note>\n  **b**\n  </note>\n- c\n', 'a<note>b</note>c', 'li strong', 'li + li'],
    script: ['<script>\nlet *a* = 1;\n\n**b**\n', '<script>let a = 1;b', 'strong'],
    'a tag in a line': ['a <b>**c**</b> d', 'a <b>c</b> d', 'strong'],
  },
  'right to left': {
    'a list': ['- פריט ראשון!\n- פריט שני: 50%.\n', 'פריט ראשון!פריט שני: 50%.', 'ul[dir=rtl] > li'],
    'a table': ['| שם | ערך |\n|---|---|\n| עברי! | מיפה. |\n', 'שםערךעברי!מיפה.', '.table[dir=rtl] td'],
    'Arabic, numbered': ['1. مرحبا\n2. ثانيا (2)\n', 'مرحباثانيا (2)', 'ol[dir=rtl]'],
    'a quote': ['> שלום, עולם!\n', 'שלום, עולם!', 'blockquote[dir=rtl]'],
    'numbers first': ['- 50% – אחוז\n', '50% – אחוז', 'ul[dir=rtl]'],
    'left to right inside': ['- פריט\n  - item\n    - פריט\n', 'פריטitemפריט', 'ul[dir=rtl] ul[dir=ltr] ul[dir=rtl]'],
    'a long list': [`${'- פריט\n'.repeat(20)}`, 'פריט'.repeat(20), '[role=list][dir=rtl] > ul + ul'],
    Thaana: ['- ދިވެހި\n', 'ދިވެހި', 'ul[dir=rtl]'],
    'left to right': ['- item\n\n> quote\n', 'itemquote', '![dir]'],
  },
  'a comparison at the head of an item is no markup': {
    'less, and at least': [
      '- < 10: cheap\n- >= 3 stars: good\n- > 25: dear\n',
      '< 10: cheap>= 3 stars: good> 25: dear',
      '!blockquote',
      'li + li + li',
    ],
    money: ['- > $5\n- >€1,000\n- > £ 5\n', '> $5>€1,000£ 5', 'li:last-child blockquote'],
    'in numbered items': ['1. > 90 %: A\n2. >=80 %: B\n3. > -5: C\n', '> 90 %: A>=80 %: B> -5: C', '!blockquote'],
    'much more': ['* >> 5\n* >~3\n', '>> 5>~3', '!blockquote'],
    'in a line of its own': ['>=3 is fine\n\n>100 ms is slow\n', '>=3 is fine>100 ms is slow', '!blockquote'],
    'a quote in an item': ['- > He said\n  > so.\n', 'He saidso.', 'li > blockquote'],
    'a quote of a number': ['> 2024 was a good year.\n', '2024 was a good year.', 'blockquote'],
  },
  'plain text stands high, low, and on a key': {
    'in a paragraph': [
      'H<sub>2</sub>O, 2<SUP>10</SUP>, <kbd>Ctrl</kbd>+<kbd>C</kbd>',
      'H2O, 210, Ctrl+C',
      'sub + sup + kbd + kbd',
    ],
    'in a cell, a heading, bold and a link': [
      '# a<sup>b</sup>\n\n| x<sub>1</sub> |\n|---|\n| **y<sub>2</sub>** [z<sup>3</sup>](https://a.example/) |\n',
      'abx1y2 z3',
      'h3 > sup',
      'th > sub',
      'strong > sub',
      'a > sup',
    ],
    'characters by name': ['<kbd>&lt;&amp;gt;</kbd>', '<&gt;', 'kbd'],
    'without an end': ['H<sub>2 O</sup> <kbd>', 'H<sub>2 O</sup> <kbd>', '!sub', '!kbd'],
    'with an attribute': [
      '<sub onclick=alert(1)>2</sub> <kbd class="primary">x</kbd>',
      '<sub onclick=alert(1)>2</sub> <kbd class="primary">x</kbd>',
      '!sub',
      '!kbd',
    ],
    'with a tag in it': [
      '<sub><img src=x onerror=alert(1)></sub>',
      '<sub><img src=x onerror=alert(1)></sub>',
      '!sub',
      '!img',
    ],
    'in code': ['`<sub>2</sub>`', '<sub>2</sub>', '!sub'],
    'no other tag': ['<mark>a</mark> <u>b</u>', '<mark>a</mark> <u>b</u>', '!mark', '!u'],
  },
  "GitHub's alerts": {
    'of each kind': [
      '> [!NOTE]\n> a\n\n> [!tip]\n> b\n\n> [!IMPORTANT]\n> c\n\n> [!WARNING]\n> d\n\n> [!CAUTION]\n>\n> - e\n',
      'NoteaTipbImportantcWarningdCautione',
      'blockquote.note > .alert-title + p',
      'blockquote.tip',
      'blockquote.important',
      'blockquote.warning',
      'blockquote.caution > ul',
    ],
    'no kind of theirs': ['> [!HACK]\n> a\n', '[!HACK]a', '!.alert', '!.alert-title'],
    'behind other text': ['> a\n> [!NOTE]\n\n[!NOTE]\n', 'a[!NOTE][!NOTE]', '!.alert'],
    'with text behind it': ['> [!NOTE] a\n', '[!NOTE] a', '!.alert'],
  },
  'formulas between dollars': {
    'in a line': [
      '$a_1 * b_2 * c$, $x$ and $$\\sum_{i} *a* _b_$$',
      'a1∗b2∗c, x and $$\\sum_{i} *a* _b_$$',
      '!em',
      '.formula > math',
      '.wide:not(:has(math))',
    ],
    'on lines': ['$$\na\n- b\n= c\n# d\n$$\n\n*end*', '$$a- b= c# d$$end', '!ul', '!h3', 'em'],
    'in a cell and in bold': ['| $a*b*c_1$ |\n|---|\n| **$x_1*y*z$** |\n', 'a∗b∗c1x1∗y∗z', 'td > strong math', '!em'],
    'no money': [
      'From $5 to *$10*, US$3_000 and **A$4**, $5*, $6*',
      'From $5 to $10, US$3_000 and A$4, $5*, $6*',
      'em',
      'strong',
    ],
    'no variables': [
      '$HOME/*a* and $PATH, `$a$`, ${x} *b* ${y}',
      '$HOME/a and $PATH, $a$, ${x} b ${y}',
      'em + code + em',
    ],
    'an end that never comes': ['$$ *a*\n\n$x_1 *b*', '$$ a$x_1 b', 'em'],
  },
  '<br> is a line break': {
    'in a cell': ['| step | do |\n|---|---|\n| 1 | open<br>close |\n', 'stepdo1openclose', 'td > br'],
    'closed, with a space, in capitals': ['a<br/>b<br />c<BR>d', 'abcd', 'br + br + br'],
    'alone on its line': ['a\n<br>\nb', 'ab', 'br'],
    'in a heading and in bold': ['# a<br>b\n\n**c<br>d**', 'abcd', 'h3 > br', 'strong > br'],
    'with a handler': ['a<br onclick=alert(1)>b', 'a<br onclick=alert(1)>b', '!br'],
    'in code': ['`a<br>b`', 'a<br>b', '!br'],
    hr: ['a<hr>b', 'a<hr>b', '!hr'],
  },
  'named characters': {
    letters: ['Client g&eacute;n&eacute;rique &amp; M&uuml;ller', 'Client générique & Müller'],
    'signs of all kinds': [
      '&alpha;&rarr;&Omega; &frac34; &nbsp;&zwj; &hearts; &NotEqualTilde; &ThickSpace;',
      'α→Ω ¾ \u00a0\u200d ♥ ≂̸ \u205f\u200a',
    ],
    'in addresses and languages': [
      `[x](https://a.example/?a=1&amp;b=&eacute;)\n\n${FENCE}c&plus;&plus;\nx\n${FENCE}\n`,
      'xc++Copyx',
      'a[href="https://a.example/?a=1&b=%C3%A9"]',
    ],
    'in a table': ['| &Aring; |\n|---|\n| &sup2; |\n', 'Å²', 'td'],
    'not in code, nor without an end': [
      '`&eacute;` &eacute &nosuch; &constructor; &__proto__;',
      '&eacute; &eacute &nosuch; &constructor; &__proto__;',
    ],
    'markup that they make is none': ['&ast;a&ast; &lt;br&gt; &grave;c&grave;', '*a* <br> `c`', '!em', '!br', '!code'],
  },
  'beside punctuation of other scripts': {
    'an address': ['见 https://a.example/x，谢谢。', '见 https://a.example/x，谢谢。', 'a[href="https://a.example/x"]'],
    'an address in brackets': [
      '（https://a.example/x）「https://b.example」、http://c.example。',
      '（https://a.example/x）「https://b.example」、http://c.example。',
      'a[href="https://a.example/x"]',
      'a[href="https://b.example/"]',
      'a[href="http://c.example/"]',
    ],
    'Arabic and Hindi': [
      'https://a.example/x، https://b.example/y। https://c.example/z؟',
      'https://a.example/x، https://b.example/y। https://c.example/z؟',
      'a[href="https://a.example/x"]',
      'a[href="https://b.example/y"]',
      'a[href="https://c.example/z"]',
    ],
    'an address in quotes': [
      '„https://a.example/x“ “https://b.example/y”',
      '„https://a.example/x“ “https://b.example/y”',
      'a[href="https://a.example/x"]',
      'a[href="https://b.example/y"]',
    ],
    'letters in an address': [
      'https://zh.example/wiki/中文 看',
      'https://zh.example/wiki/中文 看',
      'a[href="https://zh.example/wiki/%E4%B8%AD%E6%96%87"]',
    ],
    bold: ['这是**“重点”**格式。', '这是“重点”格式。', 'strong'],
    'bold, Japanese': ['これは**「重要」**です。**注意：**必ず', 'これは「重要」です。注意：必ず', 'strong + strong'],
    'bold, Korean': ['**"한국어"**는 **(주의)**입니다', '"한국어"는 (주의)입니다', 'strong + strong'],
    'bold, Thai': ['คำ**"สำคัญ"**มาก', 'คำ"สำคัญ"มาก', 'strong'],
    'emphasis and deletion': ['这是*“重点”*格式，~~（旧）~~新', '这是“重点”格式，（旧）新', 'em', 'del'],
    'a label without a space': ['**Note:**it works, **“Yes”:**no', 'Note:it works, “Yes”:no', 'strong + strong'],
    'no emphasis between brackets': [
      '(*a) and (*b), (**a) and (**b)',
      '(*a) and (*b), (**a) and (**b)',
      '!em',
      '!strong',
    ],
  },
  'backslashes that are meant': {
    'a path': ['Open C:\\path\\_x and C:\\Users\\*\\.ssh', 'Open C:\\path\\_x and C:\\Users\\*\\.ssh', '!em'],
    'a share': ['\\\\server\\share\\_new_ is it', '\\\\server\\share\\_new_ is it', '!em'],
    'a path from here': [
      'Run .\\_build\\x.ps1, ..\\_x or %APPDATA%\\_y',
      'Run .\\_build\\x.ps1, ..\\_x or %APPDATA%\\_y',
    ],
    'a path in bold and in a table': ['**C:\\_a**\n\n| p |\n|---|\n| D:\\_b |\n', 'C:\\_apD:\\_b', 'strong'],
    'a registry key': ['HKLM\\_x and HKEY_CURRENT_USER\\_y', 'HKLM\\_x and HKEY_CURRENT_USER\\_y'],
    formulas: [
      '\\(a_1 * b * c\\) and \\[x_1 = \\frac{a}{b} \\\\ y\\]',
      'a1∗b∗c and x1=aby',
      'msub + mo',
      'mfrac',
      '!em',
    ],
    'formulas on lines': ['\\[\na\n+ b\n= c\n- d\n\\]\n\nend', 'a+b=c−dend', '!ul', '!h3', '!h4'],
    'names with escapes': [
      'max\\_tokens, 2\\*3\\*4, \\# no heading, 1\\. no list',
      'max_tokens, 2*3*4, # no heading, 1. no list',
    ],
    'one bracket': ['a \\[ b and :\\(', 'a [ b and :('],
  },
  'line ends of Windows and of old Macs': {
    code: [
      `Run this:\r\n\r\n${FENCE}sh\r\necho one \\\r\n  two\r\n${FENCE}\r\n`,
      'Run this:shCopyecho one \\  two',
      'pre',
    ],
    'code by its indent': ['a\r\n\r\n    x\r\n    y\r\n\r\nb', 'aCopyxyb', 'pre'],
    'a table': ['| a | b |\r\n|---|---|\r\n| 1 | 2 |\r\n', 'ab12', 'td'],
    'a paragraph': ['one\r\ntwo\r\n\r\nthree\r\n', 'onetwothree', 'p + p'],
    'carriage returns alone': ['# a\r\rb\rc\r- d\r', 'ab\ncd', 'h3 + p + ul'],
  },
  'tables anywhere': {
    'in a list': ['- item:\n\n  | a | b |\n  |---|---|\n  | 1 | 2 |\n- next\n', 'item:ab12next', 'li td', 'li + li'],
    'in a quote': ['> | a | b |\n> |---|---|\n> | 1 | 2 |\n', 'ab12', 'blockquote td'],
    'below a line': ['Here:\n| a | b |\n|---|---|\n| 1 | 2 |\n', 'Here:ab12', 'p + .table'],
    'without bars around': ['a | b\n--- | ---\n1 | 2\n', 'ab12', 'td + td'],
    'with a bar in code': ['| a |\n|---|\n| `x \\| y` |\n', 'ax | y', 'td > code'],
    'with too few cells, and too many': [
      '| a | b |\n|---|---|\n| 1 |\n| 1 | 2 | 3 |\n',
      'ab1123',
      'td[colspan="1"], td:nth-child(2)',
    ],
    'with one column': ['| a |\n|---|\n| 1 |\n', 'a1', 'td'],
  },
  'headings do not skip a level': {
    'that begin below': ['## a\n\n#### b\n\n## c\n', 'abc', 'h3 + h4 + h3'],
    'that begin at the top': ['# a\n\n## b\n\n### c\n', 'abc', 'h3 + h4 + h5'],
    'that end higher': ['### a\n\n# b\n\n### c\n', 'abc', 'h3 + h3 + h4'],
    'that are deep': ['# a\n## b\n### c\n#### d\n##### e\n###### f\n', 'abcdef', 'h3 + h4 + h5 + h6 + h6 + h6'],
    'with lines below': ['a\n-\n\nb\n=\n\nc\n-\n', 'abc', 'h3 + h3 + h4'],
  },
};

/** Links, with what is to be seen of them. @type {Record<string, [string, string, number?]>} */
const LINKS = {
  'another address': ['[https://bank.example](https://evil.example/)', 'https://bank.example (evil.example)'],
  'another host': ['[bank.example](https://evil.example/bank.example.html)', 'bank.example (evil.example)'],
  'an address among words': [
    '[Go to www.bank.example now](https://evil.example)',
    'Go to www.bank.example now (evil.example)',
  ],
  'a part of the true host': [
    '[good.example](https://good.example.evil.example/)',
    'good.example (good.example.evil.example)',
  ],
  'a user that looks like a host': [
    'https://good.example@evil.example',
    'https://good.example@evil.example (evil.example)',
  ],
  'a user and a password': ['[the site](https://user:pass@evil.example/)', 'the site (evil.example)'],
  'letters that look like others': [
    '[https://bаnk.example](https://bаnk.example/)',
    'https://bаnk.example (xn--bnk-6cd.example)',
  ],
  'a wide point': ['[good。example](https://evil.example/)', 'good。example (evil.example)'],
  'text turned around': [
    '[\u202eelpmaxe.live//:sptth](https://evil.example/)',
    '\u202eelpmaxe.live//:sptth (evil.example)',
  ],
  'letters that cannot be seen': [
    '[bank\u200b.exam\u00adple](https://evil.example/)',
    'bank\u200b.exam\u00adple (evil.example)',
  ],
  'another person': ['[help@bank.example](mailto:thief@evil.example)', 'help@bank.example (thief@evil.example)'],
  'a number for a host': ['[10.0.0.1](https://evil.example/)', '10.0.0.1 (evil.example)'],
  'code and bold': ['[**`bank.example`**](https://evil.example/)', 'bank.example (evil.example)'],
  'an image': ['![https://bank.example](https://evil.example/x.png)', 'https://bank.example (evil.example)'],
  'a reference': ['[bank.example][e]\n\n[e]: https://evil.example/', 'bank.example (evil.example)'],
  nothing: ['[](https://evil.example/x)', 'evil.example'],
  spaces: ['[\u00a0 &nbsp;](https://evil.example/x)', 'evil.example'],
  'what cannot be seen': ['[\u200b\u2060](https://evil.example/x)', '\u200b\u2060 (evil.example)'],
  'a mail to nobody named': ['[](mailto:ada@a.example)', 'ada@a.example'],
  'an image in a link': ['[![img](https://a.example/a.png)](https://b.example/)', 'img'],
  'an address in a link': ['[see https://b.example/x here](https://b.example/)', 'see https://b.example/x here'],
  'a link in a link': ['[a [b](https://b.example/) c](https://c.example/)', '[a b c](https://c.example/)', 2],
  'its own address': [
    '[https://a.example/x](https://a.example/x) [www.a.example](https://a.example/) [a.example](https://www.a.example/y)',
    'https://a.example/x www.a.example a.example',
    3,
  ],
  'the name of a file': [
    '[README.md](https://a.example/b/README.md), [Node.js](https://a.example/Node.js)',
    'README.md, Node.js',
    2,
  ],
  words: ['[the guide, e.g. 3.14 or v1.2](https://a.example/)', 'the guide, e.g. 3.14 or v1.2'],
};

/** Two of them are too long for their markup. */
const LONG = 'word-'.repeat(1_650);
const TOO_LONG = 'This paragraph is too long for its markup, so it is shown as it was typed.';

/** Texts with the place of a citation at `^`, or at `‸` where that is theirs, and what comes of it, the mark being `[1]`. @type {Record<string, [string, string, string?]>} */
const MARKS = {
  'in the middle of a word': ['Alp^ha beta', 'Alpha[1] beta'],
  'between words': ['Alpha^ beta', 'Alpha[1] beta'],
  'in the middle of a contraction': ["don^'t go", "don't[1] go"],
  'in the middle of a number': ['about 3.^14 of it', 'about 3.14[1] of it'],
  'in the middle of a character': ['family 👨‍👩^‍👧 here', 'family 👨‍👩‍👧[1] here'],
  'between a letter and its accent': ['cafe^\u0301 au', 'cafe\u0301[1] au'],
  'in the middle of a name': ['max_to^kens is', 'max_tokens[1] is'],
  'between two words of Chinese': ['中文^句子', '中文[1]句子'],
  'in a link': ['see [the gu^ide](https://a.example/) now', 'see the guide[1] now', '!a .mark'],
  'in the address of a link': ['see [the guide](https://a.ex^ample/) now', 'see the guide[1] now', '!a .mark'],
  'in code': ['run `npm inst^all x` now', 'run npm install x[1] now', '!code .mark'],
  'behind a block of code': [`${FENCE}js\nlet a;\n${FENCE}^\n\nend`, 'js[1]Copylet a;end', '.code-bar .mark'],
  'in a block of code': [`${FENCE}\nlet^ a;\nlet b;\n${FENCE}\n\nend`, '[1]Copylet a;\nlet b;end', '.code-bar .mark'],
  'behind code by its indent': ['a\n\n    let a;^\n\nend', 'a[1]Copylet a;end', '.code-bar .mark'],
  'in a cell': ['| a | b |\n|---|---|\n| one^ | two |\n', 'abone[1]two', 'td:first-child > .mark'],
  'behind a table': ['| a |\n|---|\n| \\|x |\n^\nend', 'a|x[1]end', 'td > .mark'],
  'at the begin of a table': [' ^a | b\n-|-\n', '[1]ab', 'th:first-child > .mark'],
  'in an item': ['- one\n- tw^o\n- three', 'onetwo[1]three', 'li:nth-child(2) .mark'],
  'in a task': ['- [x] do^ne\n- more', '☑ done[1]more', 'li:first-child .mark'],
  'in bold': ['**one t^wo** three', 'one two[1] three', 'strong > .mark'],
  'behind a heading': ['# Title^\n\ntext', 'Title[1]text', 'h3 > .mark'],
  'in a second line of a quote': ['> one\n> tw^o\n\nend', 'one\ntwo[1]end', 'blockquote .mark'],
  'behind characters by name': ['a &amp; b^ c', 'a & b[1] c'],
  'in a formula': ['so $x^‸2$ it is', 'so x2[1] it is', '!math .mark'],
  'behind a formula on lines': ['$$\nx_1\n$$^\n\nend', 'x1[1]end', 'p > .mark'],
  'in an alert': ['> [!NOTE]\n> ca^re\n\nend', 'Notecare[1]end', '.alert > p > .mark'],
  'in the title of an alert': ['> [!NO^TE]\n> care', 'Note[1]care', '.alert-title > .mark'],
  'in a footnote': ['a[^1]\n\n[^1]: wo‸rds\n', 'a11 words[1]', '.footnote > .mark'],
  'in the mark of a footnote': ['see[^1‸] it\n\n[^1]: b\n', 'see1[1] it1 b', '!.note .mark'],
  'on a key': ['press <kbd>Ct^rl</kbd> now', 'press Ctrl[1] now', '!kbd .mark'],
  'in a character by name': ['a &am^p; b', 'a &[1] b'],
  'behind a line that ends the answer': ['Words.\n\n---\n^', 'Words.[1]', 'p > .mark'],
  'in a line that begins it': ['--^-\n\nWords.', '[1]Words.', 'p > .mark'],
  'behind links that are defined at the end': ['See [a].\n\n[a]: https://a.example/\n^', 'See a.[1]', 'p > .mark'],
  'in links that nobody refers to': ['Words.\n\n[a]: https://a.ex^ample/', 'Words.[1][a]: https://a.example/'],
  'in links that begin the answer': ['[a]: https://a.ex^ample/\n\nSee [a].', '[1]See a.', 'p > .mark'],
  'behind links and a line': [
    'Words.\n\n[a]: https://a.example/\n\n---\n^\nend',
    'Words.[1][a]: https://a.example/end',
  ],
  'in a paragraph too long for its markup': [
    `Words.\n\n${LONG}^${LONG}\n\nend`,
    `Words.${TOO_LONG}${LONG}${LONG}[1]end`,
    '.typed > .flow-marks > .mark',
  ],
  'behind one that ends the answer': [`${LONG}${LONG}\n^`, `${TOO_LONG}${LONG}${LONG}[1]`],
  'in a heading too long for its markup': [
    `# ${LONG}^${LONG}\n\nend`,
    `This has too much markup, so it is shown as it was typed.${LONG}${LONG}[1]end`,
    'h3 > .mark',
  ],
};

/** Texts of which no shot shows markup: what they are is not known until more of them is there. @type {Record<string, [string, RegExp]>} */
const HALF_TYPED = {
  'a table in a list': ['- item:\n\n  | a | b |\n  |---|---|\n  | 1 | 2 |\n- next\n', /[|]|--/],
  'a table in a quote': ['> | a | b |\n> |:--|--:|\n> | 1 | 2 |\n\nend', /[|:>]|--/],
  'a table in a quote in a list': ['- > | a | b |\n  > |---|---|\n  > | 1 | 2 |\n', /[|>]|--/],
  'a table below a line': ['Here\n| a | b |\n|---|---|\n| 1 | 2 |\n', /[|]|--/],
  'a table without bars around': ['a | b\n--- | ---\n1 | 2\n', /[|]|--/],
  'a table with Windows line ends': ['x\r\n\r\n| a | b |\r\n|---|---|\r\n| 1 | 2 |\r\n', /[|]|--/],
  'a task': ['- [ ] one\n- [x] two\n  1. [X] three\n', /[[\]]/],
  'bold in a cell, in a quote, and in Chinese': [
    '> **a b** c\n\n| **d e** |\n|---|\n| `f` **g h** |\n\n这是**“重点”**格式。',
    /[*`]/,
  ],
  'code in a list': [`1. a\n\n   ${FENCE}js\n   let a;\n   ${FENCE}\n2. b\n`, /`/],
  'a break': ['a<br>b\n<br/>c', /</],
  'a tag': ['<think>\n\nWell.\n</think>\n\nYes.', /<(?!\/?think>)/],
  'a reference and its definition': ['See [the guide][g] now.\n\n[g]: https://a.example/\n\nend', /\]:/],
  'what stands high, low, and on a key': ['H<sub>2</sub>O and <kbd>C</kbd>\n\n- 2<sup>10</sup>\n', /</],
  alerts: ['> [!NOTE]\n> Be *careful*.\n\n- a\n  > [!tip]\n  > b\n', /[[\]!>]/],
  footnotes: ['[^1]: By *her*\n[^2]: By him\n\nAs said.[^1] And[^2].\n', /[[\]:]/],
  formulas: [
    'so \\(a_1 * b\\) is\n\n\\[x * y\\] and $$\n\\frac{a}{b}\n$$\n\n$x^2 + y$, and **$2^n$**\n\n| $a_1$ |\n|---|\n| $b_1$ |\n',
    /[$\\[(^_{]|frac/,
  ],
  'lines under headings': ['> Title\n> ---\n\nOther\n===\n', /[-=>]/],
};

test("all of HTML's named characters are known", () => {
  /** @type {Record<string, string>} */
  const standard = JSON.parse(
    execFileSync('python3', ['-c', 'import html.entities, json; print(json.dumps(html.entities.html5))'], {
      encoding: 'utf8',
    }),
  );
  const names = Object.keys(standard).filter((name) => name.endsWith(';'));
  assert.equal(names.length, 2125);
  for (const name of names) assert.equal(characterOf(name.slice(0, -1)), standard[name], name);
  assert.equal(characterOf('constructor'), undefined);
});

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { open, openForAll } = useChat();

describe('in Chromium', () => {
  /** @type {Page} */
  let page;
  before(async () => {
    page = await openForAll({ permissions: ['clipboard-read', 'clipboard-write'] });
    await installMarkdown(page);
  });
  /** @param {string} selector */
  const count = (selector) => page.locator('#transcript > div').locator(selector).count();
  const unbroken = (/** @type {string} */ text) => text.replaceAll('\n', '');

  for (const [kind, cases] of Object.entries(KINDS)) {
    describe(kind, () => {
      for (const [name, [source, text, ...selectors]] of Object.entries(cases)) {
        test(name, async () => {
          const whole = await renderMarkdown(page, source);
          assert.equal(unbroken(whole.text), unbroken(text), whole.html);
          for (const selector of selectors)
            assert.equal(
              (await count(selector.replace('!', ''))) > 0,
              !selector.startsWith('!'),
              `${selector}: ${whole.html}`,
            );
          assert.deepEqual(whole.broken, []);
          for (const step of [1, 3])
            assert.equal((await renderMarkdown(page, source, step)).html, whole.html, `in steps of ${step}`);
        });
      }
    });
  }

  describe('a mark stands behind a word, and beside code, not in it', () => {
    for (const [name, [marked, text, selector]] of Object.entries(MARKS)) {
      test(name, async () => {
        const place = marked.includes('‸') ? '‸' : '^';
        const at = marked.indexOf(place);
        const source = marked.replace(place, '');
        const markers = [{ at, numbers: [1] }];
        const whole = await renderMarkdown(page, source, Infinity, markers);
        const shown = await page.locator('#transcript > div').evaluate((root) => {
          for (const mark of root.querySelectorAll('.mark')) mark.textContent = '[1]';
          return root.textContent;
        });
        assert.equal(shown, text, whole.html);
        if (selector) assert.equal((await count(selector.replace('!', ''))) > 0, !selector.startsWith('!'), whole.html);
        assert.equal(await count(':is(a, code, pre) .mark'), 0, whole.html);
        assert.deepEqual(whole.broken, []);
        for (const step of source.length > 5_000 ? [701] : [1, 4])
          for (const early of [false, true])
            assert.equal(
              (await renderMarkdown(page, source, step, markers, early)).html,
              whole.html,
              `in steps of ${step}, ${early ? 'known from the start' : 'known with its text'}`,
            );
      });
    }
  });

  describe('what is half typed is not shown', () => {
    for (const [name, [source, markup]] of Object.entries(HALF_TYPED)) {
      test(name, async () => {
        const { shots } = await renderMarkdown(page, source, 1);
        assert.ok(shots.length > 10);
        for (const shot of shots) assert.doesNotMatch(shot, markup);
      });
    }
  });

  test('the headings of an answer follow those of the page, whatever they begin with', async () => {
    const page = await open();
    await provideModules(page);
    await page.evaluate(AXE);
    await send(page, '/citations');
    await answer(page);
    for (const text of ['## a\n\n#### b\n\n# c\n', '###### a\n', 'no heading']) {
      const found = await page.evaluate(async (text) => {
        const { MarkdownStream } = await import(new URL('modules/markdown/stream.js', document.baseURI).href);
        const prose = /** @type {HTMLElement} */ (document.querySelector('article.agent .prose'));
        prose.replaceChildren();
        new MarkdownStream(prose).finish(text);
        const { violations } = await /** @type {any} */ (window).axe.run({
          runOnly: ['heading-order', 'list', 'listitem', 'empty-heading'],
        });
        return violations.map((/** @type {{id: string}} */ { id }) => id);
      }, text);
      assert.deepEqual(found, [], text);
    }
  });

  test('numbers alone are shown as they come', async () => {
    for (const text of ['1 2 3 4', '3.14 2.72', '2026: 11', '> 10 20', '- 1 2']) {
      const { shots } = await renderMarkdown(page, text, 1);
      assert.ok(shots.at(-1)?.length, text);
    }
  });

  test('code with line ends of Windows is copied as it is shown', async () => {
    for (const step of [Infinity, 1]) {
      await renderMarkdown(page, `Run this:\r\n\r\n${FENCE}sh\r\necho one \\\r\n  two\r\n\r\n${FENCE}\r\n`, step);
      await page.getByRole('button', { name: 'Copy the code' }).click();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'echo one \\\n  two\n');
    }
  });

  test('a mark that moves while much is still to be read stands once, at its new place', async () => {
    const { calls, html, whole } = await page.evaluate(async () => {
      const { MarkdownStream } = await import(new URL('modules/markdown/stream.js', document.baseURI).href);
      const [root, other] = [document.createElement('div'), document.createElement('div')];
      document.querySelector('#transcript')?.replaceChildren(root, other);
      const begin = 'One. Words.\n\nTwo.\n\n';
      const text = begin + 'More.\n\n'.repeat(400);
      const moved = [{ at: 17, numbers: [1] }];
      const stream = new MarkdownStream(root);
      stream.grow(begin, [{ at: 4, numbers: [1] }]);
      let calls = 1;
      while (!stream.finish(text, moved, 1_000)) calls += 1;
      new MarkdownStream(other).finish(text, moved);
      return { calls, html: root.innerHTML, whole: other.innerHTML };
    });
    assert.ok(calls > 3, `${calls}`);
    assert.equal(html, whole);
  });

  test('what is selected stays selected while more comes, in any block', async () => {
    const texts = [
      'One two three, *four',
      '- a\n- two\n- three',
      '> one\n> two',
      '| a |\n|---|\n| two |\n| three',
      `${FENCE}\none\ntwo`,
      '- a\n  > b\n  > 1. two',
    ];
    for (const text of texts) {
      const selected = await page.evaluate(async (text) => {
        const { MarkdownStream } = await import(new URL('modules/markdown/stream.js', document.baseURI).href);
        const root = document.createElement('div');
        document.querySelector('#transcript')?.replaceChildren(root);
        const stream = new MarkdownStream(root);
        stream.grow(text);
        const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        while (walker.nextNode() && !walker.currentNode.nodeValue?.includes('two'));
        const at = walker.currentNode.nodeValue?.indexOf('two') ?? 0;
        getSelection()?.setBaseAndExtent(walker.currentNode, at, walker.currentNode, at + 3);
        const more = ' and more\n\nof **it**\n- x\n';
        for (let end = 1; end <= more.length; end += 1) stream.grow(text + more.slice(0, end));
        stream.finish(text + more);
        return String(getSelection());
      }, text);
      assert.equal(selected, 'two', text);
    }
  });

  describe('a link shows where it leads if its text says something else', () => {
    for (const [name, [source, text, links = 1]] of Object.entries(LINKS)) {
      test(name, async () => {
        const whole = await renderMarkdown(page, source);
        assert.equal(whole.text, text, whole.html);
        assert.equal(await count('a'), links, whole.html);
        assert.equal(await count('a a'), 0);
        assert.deepEqual(whole.broken, []);
        assert.equal((await renderMarkdown(page, source, 1)).html, whole.html);
      });
    }
  });
});
