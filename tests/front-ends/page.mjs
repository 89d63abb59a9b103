// What docs/connecting.md tells its readers to do: files, by their names, and commands.

import { readFile } from 'node:fs/promises';

const PAGE = new URL('../../docs/connecting.md', import.meta.url);
const markdown = await readFile(PAGE, 'utf8');

/** The part of the page below a heading, up to the next one of the same rank or a higher one. */
export function section(heading) {
  const start = markdown.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`connecting.md has no heading ${heading}`);
  const body = markdown.slice(start + heading.length + 2);
  const [rank] = /^#+/.exec(heading);
  const end = body.search(new RegExp(`^#{1,${rank.length}} `, 'm'));
  return end < 0 ? body : body.slice(0, end);
}

/** The part of the page directly below a heading, up to the next one of any rank. */
export function opening(heading) {
  const [first] = section(heading).split(/^#+ /m);
  return first;
}

/** The code blocks that have a file's name behind their language. A name that comes again goes on. */
export function files(text) {
  const found = new Map();
  for (const [, name, code] of text.matchAll(/^```(?!diff )\w+ (\S+)\n(.*?)^```$/gms)) {
    found.set(name, found.has(name) ? `${found.get(name)}\n${code}` : code);
  }
  return found;
}

/** What is exchanged in files, by their names: lines and those in their place. */
export function exchanges(text) {
  const found = new Map();
  const plain = (lines) => lines.replaceAll(/^./gm, '');
  for (const [, name, lines] of text.matchAll(/^```diff (\S+)\n(.*?)^```$/gms)) {
    const hunks = lines.matchAll(/((?:^-.*\n)+)((?:^\+.*\n)*)/gm);
    found.set(
      name,
      [...hunks].map(([, from, to]) => [plain(from), plain(to)]),
    );
  }
  return found;
}

/** The lines of the shell. */
export function commands(text) {
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, lines]) => lines.trim().split('\n'));
}

/** The packages that a command installs, by name, with their versions. */
export function installed(text) {
  const [, list] = /npm install (?:--save-exact )?([^`\n]*)/.exec(text);
  return Object.fromEntries(
    list
      .trim()
      .split(' ')
      .map((spec) => [spec.slice(0, spec.lastIndexOf('@')), spec.slice(spec.lastIndexOf('@') + 1)]),
  );
}
