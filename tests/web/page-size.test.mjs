// The page stays small: what of it travels to a browser.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress } from 'node:zlib';
import { build } from 'esbuild';

const WEB = fileURLToPath(new URL('../../web/', import.meta.url));
const LIMIT = 60_000;
const compress = promisify(brotliCompress);

test("the page's own code is below 60 KB, minified and compressed", async (t) => {
  const entryPoints = ['main.js', 'load.js', 'style.css'].map((name) => WEB + name);
  // Vendored code has a limit of its own.
  const { outputFiles } = await build({ entryPoints, outdir: WEB, write: false, bundle: true, minify: true, format: 'esm', target: 'esnext', external: ['*/vendor/marked.esm.js'] });
  const files = [...outputFiles.map(({ contents }) => contents), ...(await Promise.all(['index.html', 'icon.svg'].map((name) => readFile(WEB + name))))];
  const sizes = await Promise.all(files.map(async (content) => (await compress(content)).length));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  t.diagnostic(`${total} bytes`);
  assert.ok(total < LIMIT, `${total} bytes`);
});

test('vendored code is below 60 KB', async () => {
  const files = (await readdir(WEB, { recursive: true })).filter((name) => name.includes('vendor/') && !name.endsWith('.d.ts'));
  assert.ok(files.length > 0);
  const sizes = await Promise.all(files.map(async (name) => (await readFile(WEB + name)).length));
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) < LIMIT);
});
