// Links to other people's pages: which are allowed, and where they really lead.

import { element } from '../lib/dom.js';

const SCHEMES = ['http:', 'https:', 'mailto:'];
/** What cannot be seen. */
const UNSEEN = /[\p{Cc}\p{Cf}\u3164\uffa0\ufe00-\ufe0f\u115f\u1160\u034f]+/gu;
const BLANK = /[\p{Z}\s\u2800]+/gu;
/** What turns letters around. */
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/**
 * A link to somebody else's page.
 *
 * @param {string} href
 * @param {string} text
 */
export function anchor(href, text) {
  const made = element('a', '', text);
  made.href = href;
  made.target = '_blank';
  made.rel = 'noopener noreferrer nofollow';
  return made;
}

/**
 * An address that may be linked, or undefined.
 *
 * @param {string} href
 */
export function safeAddress(href) {
  if (!URL.canParse(href)) return undefined;
  const url = new URL(href);
  return SCHEMES.includes(url.protocol) ? url.href : undefined;
}

/**
 * Where an address leads, in few words.
 *
 * @param {string} href a safe one
 */
export function hostOf(href) {
  const url = new URL(href);
  return url.protocol === 'mailto:' ? decodeURIComponentOr(url.pathname) : url.host;
}

/**
 * Whether the text of a link lets a reader expect another place than it leads to: it looks like an address,
 * and is not this one, or nothing of it can be seen.
 *
 * @param {string} text as it is shown
 * @param {string} href a safe address
 */
export function isDisguised(text, href) {
  const url = new URL(href);
  if (url.username !== '' || url.password !== '' || TURNS.test(text)) return true;
  const seen = text.replace(BLANK, ' ').replace(UNSEEN, '').normalize('NFKC').trim();
  if (seen === '') return true;
  // A name in letters that look like others: what the browser goes to is written in plain ones.
  if (url.hostname.includes('xn--') && !seen.includes('xn--')) return true;
  for (const word of seen.split(/[\s<>()[\]{}"'“”‘’«»,;|]+/u).slice(0, MOST_WORDS)) {
    const claim = claimOf(word);
    if (claim !== undefined && !isPlaceOf(claim, word, url)) return true;
  }
  return false;
}

/** So many words of a link's text are looked at. */
const MOST_WORDS = 200;

/** The host that a word names. @param {string} word */
function claimOf(word) {
  const [, scheme = '', rest = ''] = /^(?:([a-z][a-z\d+.-]*):[/\\]*)?(.*)$/is.exec(word) ?? [];
  if (scheme !== '' && /^mailto$/i.test(scheme)) return rest.split('?')[0]?.toLowerCase();
  const place = rest.replace(/[/\\?#].*$/su, '');
  // With `@` in it, what stands before may be a person, or what only looks like a host.
  if (scheme === '' && /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(place)) return place.replace(/[.:!?]+$/, '').toLowerCase();
  const host = (place.split('@').at(-1) ?? '').replace(/[.:!?…]+$/u, '');
  const named =
    /^(?:[\p{L}\p{N}_-]+[.。])+(?:\p{L}{2,}|xn--[\w-]+)(?::\d+)?$/u.test(host) ||
    /^\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?$/.test(host);
  if (!named && !(/^(?:https?|ftp)$/i.test(scheme) && host !== '')) return undefined;
  return URL.canParse(`https://${host}`) ? new URL(`https://${host}`).host : host.toLowerCase();
}

/** @param {string} claim @param {string} word @param {URL} url */
function isPlaceOf(claim, word, url) {
  if (url.protocol === 'mailto:') return decodeURIComponentOr(url.pathname).toLowerCase() === claim;
  const bare = (/** @type {string} */ host) => host.replace(/^www\./, '');
  if (bare(claim) === bare(url.host)) return true;
  // A person's address at that place, or the name of a file there.
  const name = decodeURIComponentOr(url.pathname).toLowerCase().split('/').filter(Boolean);
  return !word.includes('/') && !word.includes('@') && name.includes(word.toLowerCase());
}

/** @param {string} text */
function decodeURIComponentOr(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
