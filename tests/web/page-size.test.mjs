// The page stays small: what of it travels to a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { brotliCompress } from 'node:zlib';
import { bundle } from './support/bundle.mjs';

const LIMIT = 75_000;
const compress = promisify(brotliCompress);

test('the page is below 75 KB, minified and compressed', async (t) => {
  const files = [...(await bundle())];
  const sizes = await Promise.all(files.map(async ([, content]) => (await compress(content)).length));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  t.diagnostic(`${total} bytes`);
  assert.ok(total < LIMIT, files.map(([name], index) => `${name} ${sizes[index]}`).join('\n'));
});
