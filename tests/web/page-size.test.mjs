// The page stays small: what of it travels to a browser.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { brotliCompress } from 'node:zlib';
import { bundle } from './support/bundle.mjs';
import { MODULES } from './support/server.mjs';

const LIMIT = 60_000;
const compress = promisify(brotliCompress);

test("the page's own code is below 60 KB, minified and compressed", async (t) => {
  // Vendored code has a limit of its own.
  const files = [...(await bundle({ external: ['*/vendor/marked.esm.js'] }))].filter(([name]) => !name.endsWith('.txt'));
  const sizes = await Promise.all(files.map(async ([, content]) => (await compress(content)).length));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  t.diagnostic(`${total} bytes`);
  assert.ok(total < LIMIT, files.map(([name], index) => `${name} ${sizes[index]}`).join('\n'));
});

test('vendored code is below 60 KB', async () => {
  const files = (await readdir(MODULES, { recursive: true })).filter((name) => name.includes('vendor/') && !name.endsWith('.d.ts'));
  assert.ok(files.length > 0);
  const sizes = await Promise.all(files.map(async (name) => (await readFile(MODULES + name)).length));
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) < LIMIT);
});
