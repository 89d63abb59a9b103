// The page stays small: what of it travels to a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { brotliCompress } from 'node:zlib';
import { bundle, characterNames, MATH, ON_DEMAND, SYNTAX } from './support/bundle.mjs';

/** All that was written for the page, and what of it the first view needs. */
const LIMIT = 75_000;
/** What others wrote: only those who see code load the one, and who see formulas the other. @type {Record<string, number>} */
const OF_OTHERS = { [SYNTAX]: 40_000, [MATH]: 55_000 };
const compress = promisify(brotliCompress);

test('the page is below 75 KB, minified and compressed; what colours code below 40 KB, and what draws formulas below 55 KB', async (t) => {
  /** @type {Map<string, number>} */
  const sizes = new Map();
  for (const [name, content] of await bundle()) sizes.set(name, (await compress(content)).length);
  // The names of characters are data of the HTML standard, and in main.js.
  const names = (await compress(await characterNames())).length;
  for (const [name, size] of sizes) t.diagnostic(`${name} ${size} bytes`);
  const sum = (/** @type {string[]} */ without) => [...sizes].reduce((sum, [name, size]) => (without.includes(name) ? sum : sum + size), 0);
  const own = sum(Object.keys(OF_OTHERS).concat(ON_DEMAND.filter((name) => name.endsWith('.json')))) - names;
  const first = sum(ON_DEMAND);
  t.diagnostic(`${own} bytes of its own, without ${names} of HTML's names of characters; ${first} bytes, these included, for the first view`);
  assert.ok(own <= LIMIT, `${own} bytes`);
  assert.ok(first <= LIMIT, `${first} bytes for the first view`);
  for (const [name, limit] of Object.entries(OF_OTHERS)) {
    const size = sizes.get(name) ?? 0;
    assert.ok(size > 1_000 && size < limit, `${name}: ${size} bytes`);
  }
});
