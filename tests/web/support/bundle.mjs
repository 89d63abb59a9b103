// The page as it is deployed: the modules of web/ minified into few files. Usage: node bundle.mjs FOLDER; see
// scripts/bundle-page. It also makes web/syntax.js and web/math.js, the files of web/ that others
// wrote.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const WEB = fileURLToPath(new URL('../../../web/', import.meta.url));
/** What colours code, and what draws formulas: only who sees some loads it. */
export const SYNTAX = 'syntax.js';
export const MATH = 'math.js';

/** Words in other languages: only who speaks one loads them. */
const LANGUAGES = ['de.json'];
/** What saves a trace for other tools: only who asks for that loads it. */
const OTEL = 'otel.js';
/** What comes with the page, and is no part of its first view. */
export const ON_DEMAND = [SYNTAX, MATH, OTEL, ...LANGUAGES];

/**
 * Makes the files of the bundle. They depend on nothing but the files of web/ and the version of esbuild.
 *
 * @returns {Promise<Map<string, Uint8Array>>} by their names
 */
export async function bundle() {
  /** @param {string[]} entryPoints @param {string[]} external */
  const bundled = async (entryPoints, external) => {
    const { outputFiles } = await build({
      entryPoints: entryPoints.map((name) => WEB + name),
      external,
      outdir: WEB,
      write: false,
      bundle: true,
      minify: true,
      charset: 'utf8',
      format: 'esm',
      // The page is written for the browsers that run it: nothing is translated for older ones.
      target: 'esnext',
    });
    return outputFiles.map(({ path, contents }) => /** @type {const} */ ([basename(path), contents]));
  };
  // By the path that main.js imports it with, it is found beside main.js.
  const files = new Map([...(await bundled(['load.js', 'main.js', 'style.css'], [`./${OTEL}`])), ...(await bundled([`trace/${OTEL}`], []))]);
  for (const name of ['icon.svg', SYNTAX, MATH, ...LANGUAGES]) files.set(name, await readFile(WEB + name));
  const html = await readFile(`${WEB}index.html`, 'utf8');
  files.set('index.html', Buffer.from(html.replace(/<!--[^]*?-->/g, '').replace(/\n\s+/g, '\n')));
  return files;
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
            contents: (await readFile(path, 'utf8')).replace(/([=:,] ?)((?:clike|mkCSS|set|sql|words)\()/g, '$1/* @__PURE__ */ $2'),
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
  for (const name of ON_DEMAND) await writeFile(WEB + name, await onDemand(name));
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, content] of await bundle()) {
    await writeFile(join(folder, name), content);
    console.log(`${join(folder, name)}  ${content.length} bytes`);
  }
}
