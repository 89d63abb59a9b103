// The pace of the typewriter: bursts become a steady flow that never falls behind.

/** The longest time for a character; the time in which about two thirds of any backlog are shown. */
const CHARACTER_MS = 5;
const BACKLOG_MS = 250;
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/**
 * How much of a text to show, never less than a whole character as people count them.
 *
 * @param {string} text all that has come
 * @param {number} shown of it so far, in UTF-16 units
 * @param {number} elapsed since then, in ms
 */
export function reveal(text, shown, elapsed) {
  const backlog = text.length - shown;
  const due = Math.ceil(elapsed / Math.min(CHARACTER_MS, BACKLOG_MS / backlog));
  if (due >= backlog) return text.length;
  if (due < 1) return shown;
  const last = graphemes.segment(text.slice(shown, shown + due + 64)).containing(due - 1);
  return last === undefined ? text.length : shown + last.index + last.segment.length;
}
