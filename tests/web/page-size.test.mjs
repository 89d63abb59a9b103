// The page stays small: what of it travels to a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { brotliCompress } from 'node:zlib';
import { bundle, MATH, SYNTAX } from './support/bundle.mjs';

const LIMIT = 75_000;
/** What only those load who see code, and who see formulas. @type {Record<string, number>} */
const ON_DEMAND = { [SYNTAX]: 40_000, [MATH]: 55_000 };
const compress = promisify(brotliCompress);

test('the page is below 75 KB, minified and compressed; what colours code below 40 KB, and what draws formulas below 55 KB', async (t) => {
  const all = await bundle();
  for (const [name, limit] of Object.entries(ON_DEMAND)) {
    const { length } = await compress(all.get(name) ?? '');
    t.diagnostic(`${length} bytes of ${name} on demand`);
    assert.ok(length > 1_000 && length < limit, `${name}: ${length} bytes`);
    all.delete(name);
  }
  const files = [...all];
  const sizes = await Promise.all(files.map(async ([, content]) => (await compress(content)).length));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  t.diagnostic(`${total} bytes`);
  assert.ok(total < LIMIT, files.map(([name], index) => `${name} ${sizes[index]}`).join('\n'));
});
