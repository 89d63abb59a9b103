// The page stays small: what of it travels to a browser.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';

const WEB = fileURLToPath(new URL('../../web/', import.meta.url));
const LIMIT = 60_000;
const compress = promisify(brotliCompress);

/** All files of the page; types are for editors and never travel. */
const files = (await readdir(WEB, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile() && !entry.name.endsWith('.d.ts'))
  .map((entry) => `${entry.parentPath.slice(WEB.length)}/${entry.name}`.replace(/^\//, ''));
const vendored = files.filter((file) => file.startsWith('vendor/'));
const own = files.filter((file) => !file.startsWith('vendor/'));

test(`the page's own code is below 60 KB, each file compressed as a server sends it`, async (t) => {
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
  const sizes = await Promise.all(own.map(async (file) => (await compress(await readFile(WEB + file), options)).length));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  t.diagnostic(`${total} bytes in ${own.length} files`);
  assert.ok(own.includes('index.html') && own.includes('main.js'));
  assert.ok(total < LIMIT, `${total} bytes:\n${own.map((file, index) => `${sizes[index]} ${file}`).join('\n')}`);
});

test(`vendored code is below 60 KB`, async () => {
  assert.ok(vendored.length > 0);
  const sizes = await Promise.all(vendored.map(async (file) => (await readFile(WEB + file)).length));
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) < LIMIT);
});
