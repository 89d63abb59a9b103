// The words of the interface, taken from the page's sources, and those that nobody can translate.
// Usage: node words.mjs prints them as the beginning of a translation.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const WEB = fileURLToPath(new URL('../../../web/', import.meta.url));
/** What of the page speaks the language of its settings: the viewer of traces is for engineers, and stays English. */
const FOLDERS = ['', 'chat/', 'conversations/', 'lib/', 'markdown/', 'relay/', 'settings/'];
/** These speak before the settings are known, or of what is wrong with them. */
const BEFORE = ['load.js', 'settings/config.js', 'syntax.js', 'math.js'];

/** What goes to the agent, not to the user, and the name, which is the same in all languages. */
const NOT_TRANSLATED = ['It failed.', 'Agent Relay …'];

/** A string literal without places, in any quotes. */
const LITERAL = String.raw`(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")`;

/** @returns {Promise<Map<string, string>>} the sources by their names */
export async function sources() {
  /** @type {Map<string, string>} */
  const found = new Map();
  for (const folder of FOLDERS) {
    for (const name of (await readdir(join(WEB, folder))).sort()) {
      if (name.endsWith('.js') && !BEFORE.includes(folder + name))
        found.set(folder + name, onOneLine(withoutComments(await readFile(join(WEB, folder, name), 'utf8'))));
    }
  }
  return found;
}

/**
 * The keys of a translation: what `t`, `plural` and `counted` are called with, and the words of index.html.
 *
 * @returns {Promise<Set<string>>}
 */
export async function keys() {
  const all = [...(await sources()).values()];
  const text = all.join('\n');
  const found = new Set(await wordsOfDocument());
  const add = (/** @type {string | undefined} */ literal) => literal !== undefined && found.add(valueOf(literal));
  for (const [, literal] of text.matchAll(new RegExp(String.raw`\bt\(\s*(${LITERAL})`, 'g'))) add(literal);
  // A constant that is translated where it is shown.
  for (const [, name = ''] of text.matchAll(/\bt\(([A-Z][A-Z_]+)\b/g))
    add(new RegExp(String.raw`\bconst ${name} = (${LITERAL});`).exec(text)?.[1] ?? fail(`t(${name}) is no constant`));
  for (const [, , many] of text.matchAll(new RegExp(String.raw`\bplural\([^'"\`]*?(${LITERAL}),\s*(${LITERAL})`, 'g')))
    add(many);
  for (const [, one = '', many] of text.matchAll(
    new RegExp(String.raw`\bcounted\([^'"\`]*?(${LITERAL})(?:, (${LITERAL}))?\)`, 'g'),
  ))
    found.add(`{count} ${many === undefined ? `${valueOf(one)}s` : valueOf(many)}`);
  return found;
}

/** Where `t` is called with what nobody finds in the sources. */
export async function unfindable() {
  return [...(await sources())].flatMap(([file, text]) =>
    // In words.js it is made.
    file === 'lib/words.js'
      ? []
      : [...text.matchAll(new RegExp(String.raw`\bt\((?!\s*(?:${LITERAL}|[A-Z][A-Z_]+\b)).{0,60}`, 'g'))].map(
          ([call]) => `${file}: ${call}`,
        ),
  );
}

/**
 * Literals that look like words for a user and are given to none of the functions: a sentence, or a capital with words
 * behind it, or what a button is made with.
 */
export async function untranslated() {
  const taken = String.raw`(?:\bt\(\s*|\bplural\([^'"\`]*?(?:${LITERAL},\s*)?|\bcounted\([^'"\`]*?(?:${LITERAL}, )?|\bconst [A-Z_]+ = )$`;
  /** @type {string[]} */
  const found = [];
  for (const [file, text] of await sources()) {
    for (const match of text.matchAll(new RegExp(`${LITERAL}|\`(?:[^\`\\\\]|\\\\.)*\``, 'g'))) {
      const [literal] = match;
      const words = literal
        .slice(1, -1)
        .replace(/\$\{[^}]*\}/g, '…')
        .replace(/\\n/g, ' ');
      const before = text.slice(Math.max(0, match.index - 400), match.index);
      const line = before.split('\n').at(-1) ?? '';
      const looks =
        /^[A-Z][a-z’]* [\p{L}\d…“{(]/u.test(words) ||
        /^[A-Z][a-z]+[.…]$/.test(words) ||
        /^[…\p{L}][^<>=]* \p{L}[^<>=]*[.?]$/u.test(words);
      const isLabel =
        /^[A-Z][a-z]+[.:…]?$/.test(words) &&
        /(?:button\([^,]*,|'(?:aria-label|title|placeholder)',|\.(?:ariaLabel|title|placeholder) =.*|element\('\w+', '[^']*',|textContent =.*|announce\(|showConnection\([^,]*,) $|announce\($/.test(
          line,
        );
      if (!looks && !isLabel) continue;
      if (
        new RegExp(taken).test(before) ||
        /(?:new (?:Config)?Error|instanceof|case|=== |key === |console\.\w+)\(?\s*$/.test(line) ||
        NOT_TRANSLATED.includes(words)
      )
        continue;
      found.push(`${file}: ${literal.slice(0, 100)}`);
    }
  }
  return found;
}

/** The words of index.html that `translate` reaches. */
async function wordsOfDocument() {
  const html = await readFile(`${WEB}index.html`, 'utf8');
  // Without the panel, which has a language of its own, and without what stands there only until the page is loaded.
  const body = html
    .slice(html.indexOf('<body>'))
    .replace(/<aside[^]*?<\/aside>|<noscript>[^]*?<\/noscript>|<p id="not-loaded"[^]*?<\/p>|<svg[^]*?<\/svg>/g, '');
  const texts = [...body.matchAll(/>([^<]*)</g)].map(([, text = '']) => text.trim());
  const names = [...body.matchAll(/\b(?:aria-label|title|placeholder)="([^"]*)"/g)].map(([, text = '']) => text);
  return [...texts, ...names].filter((words) => /\p{L}/u.test(words) && words !== 'Agent Relay');
}

/** @param {string} literal */
function valueOf(literal) {
  return literal.slice(1, -1).replace(/\\(.)/g, '$1');
}

/** Comments would look like words. @param {string} source */
function withoutComments(source) {
  return source
    .replace(/\/\*[^]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/^import .*$/gm, '');
}

/** As if no line were too long: a call and its arguments, a constant and its value. @param {string} source */
function onOneLine(source) {
  return source
    .replace(/([([])\n\s*/g, '$1')
    .replace(/,?\n\s*([)\]])/g, '$1')
    .replace(/([,=])\n\s*/g, '$1 ')
    .replace(/\n\s*([?:]) /g, ' $1 ');
}

/** @param {string} why @returns {never} */
function fail(why) {
  throw new Error(why);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(JSON.stringify(Object.fromEntries([...(await keys())].map((words) => [words, ''])), null, 2));
  for (const one of await untranslated()) console.error(`not translated: ${one}`);
}
