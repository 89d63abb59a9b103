// Numbers as people read them, in the language of the page.

import { number, plural, t } from './words.js';

/**
 * A span of time: `85 ms`, `1.2 s`, `2 min 5 s`.
 *
 * @param {number} ms
 * @param {number} [fraction] how many digits of a second
 */
export function duration(ms, fraction = 1) {
  if (ms < 999.5) return t('{count} ms', { count: Math.round(ms) });
  if (ms < 59_950) return t('{count} s', { count: number(ms / 1000, fraction) });
  const seconds = Math.round(ms / 1000);
  return t('{minutes} min {seconds} s', { minutes: Math.floor(seconds / 60), seconds: seconds % 60 });
}

/** A time on the clock of this machine, as ISO 8601 has it: `2026-01-02T03:04:05`. @param {Date} time */
export function localTime(time) {
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/**
 * A number of bytes: `12 bytes`, `3.4 KB`, `1.2 MB`.
 *
 * @param {number} bytes
 */
export function size(bytes) {
  if (bytes < 1000) return counted(bytes, 'byte');
  if (bytes >= 999_500) return t('{count} MB', { count: number(bytes / 1e6, 1) });
  // Three digits.
  return t('{count} KB', { count: number(bytes / 1000, bytes < 9_995 ? 2 : bytes < 99_950 ? 1 : 0) });
}

/**
 * A count with its noun: `1 chunk`, `1,204 chunks`.
 *
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export function counted(value, one, many = `${one}s`) {
  return plural(value, `{count} ${one}`, `{count} ${many}`);
}

/**
 * The start of a text on one line.
 *
 * @param {string} text
 * @param {number} [length] in UTF-16 units
 */
export function oneLine(text, length = 160) {
  // Only the start is looked at: the text may have megabytes.
  const flat = text
    .slice(0, length * 4)
    .replace(/\s+/g, ' ')
    .trim();
  const cut =
    flat.length > length
      ? flat
          .slice(0, length)
          .toWellFormed()
          .replace(/\ufffd$/, '')
      : flat;
  return cut.length < flat.length || text.length > length * 4 ? `${cut.trimEnd()}…` : cut;
}

/** The start of a text in Markdown, without the marks that a line has no use for. @param {string} markdown */
export function withoutMarks(markdown) {
  // Much more of it than is shown.
  return markdown
    .slice(0, 2000)
    .replace(/^#{1,6} |\*\*|`/gm, '')
    .replace(/(?<!\S)\*(?=\S)([^*\n]+)(?<=\S)\*/g, '$1');
}
