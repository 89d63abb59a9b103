// The page as it is deployed: the modules of web/ minified into few files. Usage: node bundle.mjs FOLDER; see
// scripts/bundle-page.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const WEB = fileURLToPath(new URL('../../../web/', import.meta.url));

/**
 * Makes the files of the bundle. They depend on nothing but the files of web/ and the version of esbuild.
 *
 * @returns {Promise<Map<string, Uint8Array>>} by their names
 */
export async function bundle() {
  const { outputFiles } = await build({
    entryPoints: ['load.js', 'main.js', 'style.css'].map((name) => WEB + name),
    outdir: WEB,
    write: false,
    bundle: true,
    minify: true,
    charset: 'utf8',
    format: 'esm',
    // The page is written for the browsers that run it: nothing is translated for older ones.
    target: 'esnext',
  });
  const files = new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]));
  for (const name of ['index.html', 'icon.svg']) files.set(name, await readFile(WEB + name));
  return files;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error('Name the folder that the bundle goes to.');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, content] of await bundle()) {
    await writeFile(join(folder, name), content);
    console.log(`${join(folder, name)}  ${content.length} bytes`);
  }
}
