// The page as it is deployed: the modules of web/ minified into few files. Usage: node bundle.mjs FOLDER; see
// scripts/bundle-page. It also makes web/syntax.js and web/math.js, the files of web/ that others
// wrote.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { minify } from 'terser';

const WEB = fileURLToPath(new URL('../../../web/', import.meta.url));
/** What colours code, and what draws formulas: only who sees some loads it. */
export const SYNTAX = 'syntax.js';
export const MATH = 'math.js';

/** Words in other languages: only who speaks one loads them. */
const LANGUAGES = ['de.json'];
/** The trace viewer: only who looks at a trace loads it. */
export const VIEWER = 'trace.js';
/** What sends files: only who attaches one loads it. */
export const UPLOADS = 'upload.js';
/** Parts of the page that are loaded when they are needed. */
const PARTS = [VIEWER, UPLOADS];
/** What comes with the page, and is no part of its first view. */
export const ON_DEMAND = [SYNTAX, MATH, ...PARTS, ...LANGUAGES];
/** Where the page hands its parts what both need. */
const SHARED = 'globalThis.shared';

/** @type {import('esbuild').BuildOptions & {write: false}} */
const OPTIONS = {
  outdir: WEB,
  absWorkingDir: WEB,
  write: false,
  bundle: true,
  minify: true,
  charset: 'utf8',
  format: 'esm',
  // The page is written for the browsers that run it: nothing is translated for older ones.
  target: 'esnext',
};

/**
 * Makes the files of the bundle. They depend on nothing but the files of web/ and the versions of esbuild and terser.
 *
 * What its parts share with the rest is in the page's own file alone, and not in a third one, as esbuild would split
 * it: the page would have to wait for one request more, and to ask for two files anew where the server is busy.
 *
 * @returns {Promise<Map<string, Uint8Array>>} by their names
 */
export async function bundle() {
  const shared = await sharedNames();
  const parts = await build({
    ...OPTIONS,
    entryPoints: PARTS,
    plugins: [
      replacing((module) => {
        const names = shared.get(module);
        return names && `export const { ${[...names].join(', ')} } = ${SHARED};`;
      }),
    ],
  });
  const page = await build({
    ...OPTIONS,
    entryPoints: ['load.js', 'main.js', 'style.css'],
    plugins: [
      replacing(async (module) =>
        module === 'main.js'
          ? [
              ...[...shared].map(([from, names]) => `import { ${aliased(names, ' as ')} } from './${from}';`),
              await readFile(WEB + module, 'utf8'),
              `${SHARED} = { ${[...shared.values()].map((names) => aliased(names, ': ')).join(', ')} };`,
            ].join('\n')
          : undefined,
      ),
    ],
  });
  /** @type {Map<string, Uint8Array>} */
  const files = new Map();
  for (const { path, contents, text } of [...page.outputFiles, ...parts.outputFiles])
    files.set(basename(path), path.endsWith('.js') ? await shorten(text) : contents);
  for (const name of ['icon.svg', SYNTAX, MATH, ...LANGUAGES]) files.set(name, await readFile(WEB + name));
  const html = await readFile(`${WEB}index.html`, 'utf8');
  files.set('index.html', Buffer.from(html.replace(/<!--[^]*?-->/g, '').replace(/\n\s+/g, '\n')));
  return files;
}

/**
 * What the parts import from modules that the page has already: the names, by the module.
 *
 * @returns {Promise<Map<string, Set<string>>>}
 */
async function sharedNames() {
  const [ofPage, ofParts] = await Promise.all(
    [['main.js'], PARTS].map(async (entryPoints) => {
      const { metafile } = await build({ ...OPTIONS, entryPoints, metafile: true });
      return Object.keys(metafile.inputs);
    }),
  );
  /** @type {Map<string, Set<string>>} */
  const shared = new Map();
  for (const part of (ofParts ?? []).filter((module) => !ofPage?.includes(module))) {
    const code = await readFile(WEB + part, 'utf8');
    for (const [, clause = '', from = ''] of code.matchAll(/^import ([^']*?)(?: from )?'(\.[^']*)';$/gm)) {
      const module = join(dirname(part), from);
      if (!ofPage?.includes(module)) continue;
      const names = /^\{([\w\s,$]*)\}$/.exec(clause)?.[1]?.split(/[\s,]+/) ?? ['as'];
      // Else the part would have a module of its own, with a state of its own.
      if (names.includes('as')) throw new Error(`${part} must import names of ${module} in braces, as they are there.`);
      shared.set(module, new Set([...(shared.get(module) ?? []), ...names.filter(Boolean)]));
    }
  }
  return shared;
}

/** Other code in place of a module. @param {(module: string) => Promise<string | undefined> | string | undefined} code of it, if it is replaced @returns {import('esbuild').Plugin} */
function replacing(code) {
  return {
    name: 'replacing',
    setup({ onLoad }) {
      onLoad({ filter: /\.js$/ }, async ({ path }) => {
        const contents = await code(relative(WEB, path));
        return contents === undefined ? undefined : { contents, resolveDir: dirname(path) };
      });
    },
  };
}

/** The page may use a name for something else. @param {Set<string>} names @param {string} between */
function aliased(names, between) {
  return [...names].map((name) => `${name}${between}shared_${name}`).join(', ');
}

/**
 * What esbuild leaves is shortened once more: a tool that takes longer saves a twenty-fifth of what travels.
 *
 * @param {string} code
 */
async function shorten(code) {
  const { code: shorter } = await minify(code, { module: true, ecma: 2020, compress: { passes: 3 } });
  return Buffer.from(shorter ?? '');
}

/** HTML's names of characters, minified as in the bundle: data, of which the page is no author. @returns {Promise<Uint8Array>} */
export async function characterNames() {
  const { outputFiles } = await build({ ...OPTIONS, entryPoints: ['markdown/entities.js'] });
  return await shorten(outputFiles[0]?.text ?? '');
}

/**
 * Makes a file of the packages that it comes from, with their licence.
 *
 * @param {string} name one of those on demand
 * @returns {Promise<Uint8Array>}
 */
export async function onDemand(name) {
  const from = name === MATH ? 'temml' : '@codemirror/legacy-modes';
  const home = new URL(`../node_modules/${from}/`, import.meta.url);
  const { version } = JSON.parse(await readFile(new URL('package.json', home), 'utf8'));
  const licence = (await readFile(new URL('LICENSE', home), 'utf8')).trim();
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(name.replace('.js', '.mjs'), import.meta.url))],
    write: false,
    bundle: true,
    minify: true,
    charset: 'utf8',
    format: 'esm',
    target: 'esnext',
    plugins: [
      {
        name: 'pure languages',
        setup: ({ onLoad }) =>
          // What makes a language does nothing else, so those that nobody asked for stay out.
          onLoad({ filter: /legacy-modes\/mode\/\w+\.js$/ }, async ({ path }) => ({
            contents: (await readFile(path, 'utf8')).replace(
              /([=:,] ?)((?:clike|mkCSS|set|sql|words)\()/g,
              '$1/* @__PURE__ */ $2',
            ),
          })),
      },
    ],
    banner: { js: `// @ts-nocheck\n/*! Made by scripts/bundle-page of ${from} ${version}.\n\n${licence} */` },
  });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error('Name the folder that the bundle goes to.');
  for (const name of [SYNTAX, MATH]) await writeFile(WEB + name, await onDemand(name));
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, content] of await bundle()) {
    await writeFile(join(folder, name), content);
    console.log(`${join(folder, name)}  ${content.length} bytes`);
  }
}
