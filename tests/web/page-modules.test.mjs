// The page's modules: which folder may import which, so that each can be read without those above it.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const WEB = fileURLToPath(new URL('../../web/', import.meta.url));

/** What a folder may import beside itself; the root, `.`, puts them all together. @type {Record<string, string[]>} */
const MAY_IMPORT = {
  '.': ['chat', 'conversations', 'lib', 'relay', 'settings', 'trace'],
  chat: ['lib', 'markdown', 'relay'],
  conversations: ['chat', 'lib', 'relay'],
  lib: [],
  markdown: ['lib'],
  relay: ['lib'],
  settings: ['lib', 'markdown'],
  trace: ['lib', 'relay'],
};

/** What each module imports. @type {Map<string, string[]>} */
const imports = new Map();
for (const file of await readdir(WEB, { recursive: true })) {
  if (!file.endsWith('.js')) continue;
  const source = await readFile(WEB + file, 'utf8');
  imports.set(
    file,
    [...source.matchAll(/^import (?:.* from )?'(\.[^']+)'/gm)].map(([, name = '']) => join(dirname(file), name)),
  );
}

test('folders import only those below them', () => {
  assert.ok(imports.size > 30);
  for (const [file, imported] of imports) {
    const folder = dirname(file);
    const allowed = MAY_IMPORT[folder];
    assert.ok(allowed !== undefined, `${folder} is not listed`);
    const wrong = imported.filter((name) => dirname(name) !== folder && !allowed.includes(dirname(name)));
    assert.deepEqual(wrong, [], `imports of ${file}`);
  }
});

test('no module imports itself through others', () => {
  const done = new Set();
  /** @param {string} file @param {string[]} path */
  const follow = (file, path) => {
    assert.ok(!path.includes(file), [...path, file].join(' → '));
    if (done.has(file)) return;
    for (const imported of imports.get(file) ?? []) follow(imported, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) follow(file, []);
});
