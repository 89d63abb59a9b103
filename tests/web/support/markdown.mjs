// Markdown by itself, in the page and under its policy: what comes of a text that is there at once, and of one
// that is typed out.

import { provideModules } from './modules.mjs';

/** @import { Page } from 'playwright-core' */

/**
 * What came of a text.
 *
 * @typedef {object} Rendered
 * @property {string} html
 * @property {string} text
 * @property {string} before what was shown before the end was there
 * @property {string[]} shots what was shown after each step before
 * @property {string[]} broken elements and attributes that Markdown never makes
 */

/** Where citations stand. @typedef {{at: number, numbers: number[]}} Marker */

/** Has formulas drawn at once from now on, so that a text looks the same whole and typed. @param {Page} page */
export async function loadFormulas(page) {
  await provideModules(page);
  await page.evaluate(async () => {
    const { MarkdownStream } = await import(new URL('modules/markdown/stream.js', document.baseURI).href);
    const first = document.createElement('div');
    document.querySelector('#transcript')?.append(first);
    const drawn = new Promise((resolve) =>
      new MutationObserver((_, observer) => first.querySelector('math') && resolve(observer.disconnect())).observe(
        first,
        { subtree: true, childList: true },
      ),
    );
    new MarkdownStream(first).finish('$$x$$');
    await drawn;
    first.remove();
  });
}

/** Prepares a page for `renderMarkdown`. @param {Page} page */
export async function installMarkdown(page) {
  await loadFormulas(page);
  await page.evaluate(async () => {
    const { MarkdownStream } = await import(new URL('modules/markdown/stream.js', document.baseURI).href);
    const allowed = new Set(
      'H3 H4 H5 H6 P A EM STRONG DEL CODE PRE BR HR BLOCKQUOTE UL OL LI TABLE THEAD TBODY TR TH TD DIV SPAN BUTTON SUB SUP KBD'.split(
        ' ',
      ),
    );
    const math = new Set(
      'math mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none'.split(
        ' ',
      ),
    );
    const attributes = new Set(
      'class href target rel start tabindex role aria-label type dir hidden colspan data-source data-note data-formula'.split(
        ' ',
      ),
    );
    const classes = new Set([
      '',
      'formula',
      'formula wide',
      'code',
      'code-bar',
      'quiet copy-code',
      'table',
      'left',
      'center',
      'right',
      'task',
      'items',
      'flow',
      'line',
      'part',
      'host',
      'typed',
      'typed-why',
      'definitions',
      'mark',
      'flow-marks',
      'footnote',
      'line footnote',
      'note',
      'note-mark',
      'alert-title',
      ...['note', 'tip', 'important', 'warning', 'caution'].map((kind) => `alert ${kind}`),
    ]);
    Object.assign(window, {
      /** @param {string} text @param {number} step @param {Marker[]} markers @param {boolean} early */
      rendered(text, step, markers, early) {
        const root = document.createElement('div');
        document.querySelector('#transcript')?.replaceChildren(root);
        const stream = new MarkdownStream(root);
        const seen = [];
        for (let end = step; end < text.length; end += step) {
          stream.grow(
            text.slice(0, end),
            markers.filter(({ at }) => early || at <= end),
          );
          if (text.length < 5000) seen.push(root.cloneNode(true));
        }
        const before = root.textContent;
        stream.finish(text, markers);
        const broken = [];
        for (const node of [...seen, root].flatMap((one) => [.../** @type {Element} */ (one).querySelectorAll('*')])) {
          if (math.has(node.localName) && node.namespaceURI === 'http://www.w3.org/1998/Math/MathML') continue;
          if (!allowed.has(node.tagName)) broken.push(node.tagName);
          for (const { name, value } of node.attributes) {
            if (!attributes.has(name)) broken.push(`${node.tagName} ${name}`);
            if (name === 'href' && !/^(?:https?|mailto):/.test(value)) broken.push(value);
            if (name === 'class' && !classes.has(value)) broken.push(`class ${value}`);
          }
          if (node.tagName === 'A' && node.getAttribute('rel') !== 'noopener noreferrer nofollow') broken.push('rel');
        }
        const shots = seen.map((one) => one.textContent ?? '');
        return { html: root.innerHTML, text: root.textContent, before, shots, broken: [...new Set(broken)] };
      },
    });
  });
}

/**
 * Shows a text in the page.
 *
 * @param {Page} page
 * @param {string} text
 * @param {number} [step] how many characters come at once
 * @param {Marker[]} [markers]
 * @param {boolean} [early] whether all of them are known before their text is reached
 * @returns {Promise<Rendered>}
 */
export function renderMarkdown(page, text, step = Infinity, markers = [], early = false) {
  return page.evaluate(
    ([text, step, markers, early]) => /** @type {any} */ (window).rendered(text, step, markers, early),
    /** @type {const} */ ([text, step, markers, early]),
  );
}
