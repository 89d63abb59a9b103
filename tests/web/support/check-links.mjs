// Looks at the links of all Markdown that is checked in: the files and the headings that they lead to must be there.
// Usage: node check-links.mjs

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The anchors of a page's headings, as GitHub makes them. @param {string} text */
function anchorsOf(text) {
  /** @type {Map<string, number>} */
  const seen = new Map();
  const anchors = new Set();
  for (const [, heading = ''] of withoutCode(text).matchAll(/^#{1,6} (.*)$/gm)) {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '');
    const anchor = words
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    anchors.add(count === 0 ? anchor : `${anchor}-${count}`);
  }
  return anchors;
}

/** @param {string} text */
function withoutCode(text) {
  return text.replace(/^(`{3,})[^]*?^\1$/gm, '');
}

const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' })
  .split('\n')
  .filter((name) => name && !name.includes('/fixtures/'));
let links = 0;
for (const page of pages) {
  const text = readFileSync(join(ROOT, page), 'utf8');
  for (const [, target = ''] of withoutCode(text)
    .replace(/`[^`\n]*`/g, '')
    .matchAll(/\]\(([^()\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    links += 1;
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : normalize(join(dirname(page), path));
    const isThere = existsSync(join(ROOT, file));
    const isFound =
      isThere &&
      (anchor === undefined || !file.endsWith('.md') || anchorsOf(readFileSync(join(ROOT, file), 'utf8')).has(anchor));
    if (isFound) continue;
    console.error(`${page}: ${target} leads nowhere`);
    process.exitCode = 1;
  }
}
if (links === 0) throw new Error('No link was found.');
console.log(`${links} links of ${pages.length} pages`);
