// The page stays small: what of it travels to a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { brotliCompress } from 'node:zlib';
import { bundle, ON_DEMAND, SYNTAX } from './support/bundle.mjs';

const LIMIT = 75_000;
/** What only those load who see code. */
const SYNTAX_LIMIT = 40_000;
const compress = promisify(brotliCompress);

test('the page is below 75 KB, minified and compressed, and what colours code below 40 KB', async (t) => {
  const all = await bundle();
  const onDemand = (await compress(all.get(SYNTAX) ?? '')).length;
  for (const name of ON_DEMAND) assert.equal(all.delete(name), true, name);
  const files = [...all];
  const sizes = await Promise.all(files.map(async ([, content]) => (await compress(content)).length));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  t.diagnostic(`${total} bytes, and ${onDemand} on demand`);
  assert.ok(onDemand < SYNTAX_LIMIT, `${onDemand} bytes`);
  assert.ok(total < LIMIT, files.map(([name], index) => `${name} ${sizes[index]}`).join('\n'));
});
