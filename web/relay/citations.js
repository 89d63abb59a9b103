// Bedrock's citations as a list of sources.

import { get, getList, getNumber, getString } from '../lib/json.js';
import { visible } from '../lib/visible.js';
import { t } from '../lib/words.js';

/** @import { CitationMarker, Message, Source } from '../types.d.ts' */

/** Where the passage of a document with pages was found. */
const PAGE = 'x-amz-bedrock-kb-document-page-number';
const SCORE = 'x-amz-bedrock-kb-score';

/** Where each kind of location keeps its address (RetrievalResultLocation of the Bedrock API). */
const PLACES = [
  ['s3Location', 'uri'],
  ['webLocation', 'url'],
  ['confluenceLocation', 'url'],
  ['salesforceLocation', 'url'],
  ['sharePointLocation', 'url'],
  ['kendraDocumentLocation', 'uri'],
  ['customDocumentLocation', 'id'],
  ['sqlLocation', 'query'],
];

/**
 * Each once, in the order of their first mention. Two passages of one document are two sources: whoever follows
 * a mark wants the words that the answer rests on.
 *
 * @param {unknown[]} citations
 * @returns {Source[]}
 */
export function sourcesOf(citations) {
  return [...sourcesByKey(citations).values()];
}

/** @param {unknown[]} citations @returns {Map<string, Source>} */
function sourcesByKey(citations) {
  /** @type {Map<string, Source>} */
  const sources = new Map();
  for (const reference of citations.flatMap((citation) => getList(citation, 'retrievedReferences'))) {
    const { key, ...source } = sourceOf(reference);
    if (!sources.has(key)) sources.set(key, source);
  }
  return sources;
}

/** What tells a passage from all others, be it cited in an answer or found in a trace. @param {unknown} reference */
export function keyOf(reference) {
  return sourceOf(reference).key;
}

/** The keys of the passages that a trace has. @param {{event: unknown}[]} events */
export function passageKeys(events) {
  return new Set(
    events.flatMap(({ event }) =>
      getList(
        get(event, 'trace', 'trace', 'orchestrationTrace', 'observation'),
        'knowledgeBaseLookupOutput',
        'retrievedReferences',
      ).map(keyOf),
    ),
  );
}

/** The same of each source, in their order. @param {unknown[]} citations */
export function keysOf(citations) {
  return [...sourcesByKey(citations).keys()];
}

/** @param {unknown} reference */
function sourceOf(reference) {
  const where = placeOf(get(reference, 'location'));
  const excerpt = getString(reference, 'content', 'text') ?? '';
  const page = getNumber(reference, 'metadata', PAGE);
  const score =
    getNumber(reference, 'score') ??
    getNumber(reference, 'metadata', 'score') ??
    getNumber(reference, 'metadata', SCORE);
  const label = `${visible(labelOf(where))}${page === undefined ? '' : `, page ${page}`}`;
  return { key: JSON.stringify([where, page, excerpt]), label, where, href: linkOf(where), excerpt, score };
}

/**
 * Where in a message its citations belong, with the numbers of their sources, each once at a place.
 *
 * @param {Message} message
 * @param {unknown[]} all citations of the turn, which number the sources
 * @param {boolean} [whole] whether no more text comes; else, what ends behind the text is at infinity
 * @returns {CitationMarker[]} in the order of their places
 */
export function markersOf({ text, citations }, all, whole = true) {
  const keys = [...sourcesByKey(all).keys()];
  const markers = citations.map((citation) => {
    const numbers = getList(citation, 'retrievedReferences').map(
      (reference) => keys.indexOf(sourceOf(reference).key) + 1,
    );
    return {
      at: spanEnd(text, get(citation, 'generatedResponsePart', 'textResponsePart'), whole),
      numbers,
    };
  });
  const there = new Set();
  return markers
    .sort((one, other) => one.at - other.at)
    .map(({ at, numbers }) => ({
      at,
      numbers: numbers.filter((number) => there.size < there.add(`${at} ${number}`).size),
    }));
}

/**
 * In UTF-16 units. Bedrock does not say in which units a span counts, nor whether its end is included, so
 * the cited words decide.
 *
 * @param {string} text
 * @param {unknown} part
 * @param {boolean} whole
 */
function spanEnd(text, part, whole) {
  const words = getString(part, 'text') ?? '';
  const start = getNumber(part, 'span', 'start') ?? 0;
  const end = getNumber(part, 'span', 'end') ?? text.length;
  if (words !== '') {
    for (const from of [start, unitsOf(text, start, () => 1), unitsOf(text, start, utf8Length)]) {
      if (text.startsWith(words, from)) return from + words.length;
    }
    // The nearest place, before it or behind.
    const [early, late] = [text.lastIndexOf(words, start), text.indexOf(words, start)];
    const found = late === -1 || (early !== -1 && start - early < late - start) ? early : late;
    if (found !== -1) return found + words.length;
  }
  if (!whole && end > text.length) return Infinity;
  return Math.max(
    1,
    unitsOf(text, end, () => 1),
  );
}

/**
 * @param {string} text
 * @param {number} place counted in other units
 * @param {(codePoint: number) => number} length of a character in those
 */
function unitsOf(text, place, length) {
  let [units, counted] = [0, 0];
  while (counted < place && units < text.length) {
    const code = text.codePointAt(units) ?? 0;
    units += code > 0xffff ? 2 : 1;
    counted += length(code);
  }
  return units;
}

/** @param {number} code */
function utf8Length(code) {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/** @param {unknown} location */
function placeOf(location) {
  for (const [kind, field] of PLACES) {
    const found = getString(location, kind ?? '', field ?? '');
    if (found !== undefined) return found;
  }
  return '';
}

/**
 * Only the addresses of the web are decoded and cut at `?` and `#`: in the key of an S3 object, as in an id
 * that somebody made up, `%`, `?` and `#` are characters like any other.
 *
 * @param {string} where
 */
function labelOf(where) {
  if (where === '') return t('Source without an address');
  if (where.startsWith('s3://')) return lastPart(where.slice('s3://'.length)) || where;
  if (linkOf(where) === undefined) return where;
  const { host, pathname, search } = new URL(where);
  const name = lastPart(pathname);
  return name === '' ? `${host}${decoded(search)}` : decoded(`${name}${search}`);
}

/** @param {string} path */
function lastPart(path) {
  return path.split('/').filter(Boolean).at(-1) ?? '';
}

/** @param {string} where */
function linkOf(where) {
  return URL.canParse(where) && /^https?:$/.test(new URL(where).protocol) ? where : undefined;
}

/** @param {string} name */
function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
