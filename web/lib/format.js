// Numbers as people read them.

/**
 * A span of time: `85 ms`, `1.2 s`, `2 min 5 s`.
 *
 * @param {number} ms
 */
export function duration(ms) {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/**
 * A number of bytes: `12 bytes`, `3.4 KB`, `1.2 MB`.
 *
 * @param {number} bytes
 */
export function size(bytes) {
  if (bytes < 1000) return counted(bytes, 'byte');
  return bytes < 999_500 ? `${(bytes / 1000).toPrecision(3)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/**
 * A count with its noun: `1 chunk`, `1,204 chunks`.
 *
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export function counted(value, one, many = `${one}s`) {
  return `${value.toLocaleString('en')} ${value === 1 ? one : many}`;
}

/**
 * The start of a text on one line.
 *
 * @param {string} text
 * @param {number} [length] in UTF-16 units
 */
export function oneLine(text, length = 160) {
  // Only the start is looked at: the text may have megabytes.
  const flat = text.slice(0, length * 4).replace(/\s+/g, ' ').trim();
  const cut = flat.length > length ? flat.slice(0, length).toWellFormed().replace(/\ufffd$/, '') : flat;
  return cut.length < flat.length || text.length > length * 4 ? `${cut.trimEnd()}…` : cut;
}

/** The start of a text in Markdown, without the marks that a line has no use for. @param {string} markdown */
export function withoutMarks(markdown) {
  // Much more of it than is shown.
  return markdown.slice(0, 2000).replace(/^#{1,6} |\*\*|`/gm, '').replace(/(?<!\S)\*(?=\S)([^*\n]+)(?<=\S)\*/g, '$1');
}
