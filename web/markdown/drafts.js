// What to show of markup that is half typed: what is incomplete looks from the start as it will in the end,
// and what is not decided yet is not shown.

import { isFormula } from './inlines.js';

/** So much of an end is looked at: longer markup is shown half typed. */
const WINDOW = 2_400;
/** Longer formulas are shown before their end. */
const MAX_FORMULA = 300;
/** What ends a formula, by what begins it. @type {Record<string, string>} */
const ENDS = { '\\(': '\\)', '\\[': '\\]', $$: '$$', $: '$' };
/** What may yet become one behind a dollar: letters and numbers by themselves, names with a backslash, and signs. */
const OPEN_FORMULA =
  /^(?=\d*(?:[A-Za-z\\{([|^_-]|$))(?!\d+(?:[.,]\d+)*\s)(?:\\[A-Za-z]+|\\.|[A-Za-z](?![A-Za-z])|[\d\s+*/^_={}()[\].,|<>&~!':;-])*\\?$/;

/**
 * Whether nothing of a line that is not complete can be shown: a fence, a bullet, a line under a heading, the
 * start of a number.
 *
 * @param {string} line
 */
export function isUndecided(line) {
  const rest = line.slice(/^(?:[\s>]|[-+*]\s|\d{1,9}[.)]\s)*/.exec(line)?.[0].length);
  return (
    /^(?:[-=*_#+`~|:\s]*|\d{1,9}[.)]?)$/.test(rest) ||
    /^<(?:!-{0,2}|\/?(?:[A-Za-z][^<>]{0,80}>?)?)$/.test(rest) ||
    /^\[(?!\^)[^[\]\n]{2,120}(?:\](?::[ \t]*\S{0,400})?)?$|^\[[^\] xX]\]?(?::[ \t]*\S{0,400})?$|^\[\^[^\s[\]]{1,60}\]?:?[ \t]*$/.test(
      rest,
    )
  );
}

/** What to show of a row of a table that is not complete. @param {string} line */
export function draftOfRow(line) {
  return draftOf(line.endsWith('|') ? line.slice(0, -1) : line);
}

/**
 * What to show of a paragraph that may go on: without an end that may yet turn out to be markup, and with
 * open emphasis closed.
 *
 * @param {string} text
 */
export function draftOf(text) {
  if (isTask(text)) return '';
  const start = text.lastIndexOf('\n') + 1;
  const head = tableHead(text.slice(start), text.slice(0, start));
  if (head !== undefined) return draftOf(text.slice(0, head === 0 ? Math.max(start - 1, 0) : start + head).trimEnd());
  const cut = Math.max(text.length - WINDOW, start);
  const end = text
    .slice(cut)
    .replace(/(?:\\|&#?\w{0,31}|!|[*_~`]{1,80}|<\/?(?:[A-Za-z!][^\s<>]{0,400})?)$/, '')
    .replace(/<(?:sub|sup|kbd)>[^<>\n]{0,200}$/i, '')
    .replace(/(?<!\\)!?\[[^\]\n]{0,120}(?:\](?:\([^)\n]{0,2000}|\[[^\]\n]{0,120})?)?$/, '');
  const shown = withoutFormula(text.slice(0, cut) + end);
  return shown.trim() === '' ? '' : closed(shown);
}

/** Takes away a formula that has no end yet. @param {string} text */
function withoutFormula(text) {
  const start = Math.max(text.length - WINDOW, 0);
  let [open, begin] = ['', 0];
  // Code has none in it.
  for (const { 0: mark, index } of text.slice(start).matchAll(/(`+)[^`]*(?:\1|$)|\\[^]|\$\$?/g)) {
    const at = start + index;
    const dollar = mark === '$' && !/[\w$]/.test(text[at - 1] ?? '');
    if (open === '$' && mark === '$') open = !isFormula(text.slice(begin + 1, at)) && dollar ? '$' : '';
    else if (open !== '') open = mark === ENDS[open] ? '' : open;
    else if (dollar || (mark !== '$' && mark in ENDS)) open = mark;
    else continue;
    if (open === mark) begin = at;
  }
  const isHidden =
    open !== '' && text.length - begin <= MAX_FORMULA && (open !== '$' || OPEN_FORMULA.test(text.slice(begin + 1)));
  return isHidden ? text.slice(0, begin) : text;
}

/** Whether a text is the box of a task, or the beginning of one. @param {string} text */
function isTask(text) {
  return /^\[(?:[ xX](?:\][ \t]*)?)?$/.test(text);
}

/** Where a line's first bar stands, if it may be the head of a table. @param {string} line @param {string} before */
function tableHead(line, before) {
  const bar = line.indexOf('|');
  if (bar === 0) return /(?:^|\n)\|[^\n]*\n$/.test(before.slice(-WINDOW)) ? undefined : 0;
  const may = line.length < 160 && / \|(?: |$)/.test(line) && line.split('|').every((cell) => cell.length <= 40);
  return may ? bar : undefined;
}

/** @param {string} text */
function closed(text) {
  /** @type {string[]} */
  const open = [];
  for (const { 0: run, index } of text.matchAll(/`+|\*{1,3}|~~|\\[\s\S]/g)) {
    if (run.startsWith('\\')) continue;
    const ticks = open.at(-1)?.startsWith('`');
    if (open.at(-1) === run) open.pop();
    else if (ticks || open.length > 3) continue;
    else if (
      /^\S/.test(text.slice(index + run.length, index + run.length + 2)) &&
      (run.startsWith('`') || !/[A-Za-z0-9]/.test(text[index - 1] ?? ''))
    )
      open.push(run);
  }
  if (open.length === 0 || open.length > 3) return text;
  return text.trimEnd() + open.reverse().join('');
}
