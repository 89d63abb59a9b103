// The page stays small: what of it travels to a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { brotliCompress } from 'node:zlib';
import { bundle, characterNames, MATH, ON_DEMAND, SYNTAX, UPLOADS, VIEWER } from './support/bundle.mjs';

/** What comes with the first view. */
const LIMIT = 75_000;
/** What is the page's own, whenever it is loaded. */
const LIMIT_OF_OWN = 92_000;
/** What is loaded on demand: by who looks at a trace, attaches a file, sees code, sees formulas, and speaks German. @type {Record<string, number>} */
const LIMITS_ON_DEMAND = {
  [VIEWER]: 25_000,
  [UPLOADS]: 2_000,
  [SYNTAX]: 40_000,
  [MATH]: 55_000,
  'de.json': 9_000,
};
const compress = promisify(brotliCompress);

test('first view, what is loaded on demand and all of the page’s own are small, minified and compressed', async (t) => {
  /** @type {Map<string, number>} */
  const sizes = new Map();
  for (const [name, content] of await bundle()) sizes.set(name, (await compress(content)).length);
  for (const [name, size] of sizes) t.diagnostic(`${name} ${size} bytes`);
  const names = (await compress(await characterNames())).length;
  const first = [...sizes].reduce((sum, [name, size]) => (ON_DEMAND.includes(name) ? sum : sum + size), 0);
  t.diagnostic(`${first} bytes for the first view, of which HTML's names of characters are ${names}`);
  assert.ok(first <= LIMIT, `${first} bytes for the first view`);
  const own = first - names + (sizes.get(VIEWER) ?? Infinity) + (sizes.get(UPLOADS) ?? Infinity);
  t.diagnostic(`${own} bytes of its own`);
  assert.ok(own <= LIMIT_OF_OWN, `${own} bytes of its own`);
  for (const [name, limit] of Object.entries(LIMITS_ON_DEMAND)) {
    const size = sizes.get(name) ?? 0;
    assert.ok(size > 1_000 && size < limit, `${name}: ${size} bytes`);
  }
});
