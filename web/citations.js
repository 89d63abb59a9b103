// Bedrock's citations as a list of sources.

import { at, listAt, textAt } from './json.js';

/**
 * @typedef {object} Source
 * @property {string} label what to call it: the file's or page's name
 * @property {string} where its full address or id; empty when Bedrock gave none
 * @property {string | undefined} href only for http and https
 * @property {string} excerpt the passage that was used
 */

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
 * The sources that citations refer to, each once, in the order of their first mention.
 *
 * @param {unknown[]} citations
 * @returns {Source[]}
 */
export function sourcesOf(citations) {
  /** @type {Map<string, Source>} */
  const sources = new Map();
  for (const reference of citations.flatMap((citation) => listAt(citation, 'retrievedReferences'))) {
    const where = placeOf(at(reference, 'location'));
    const excerpt = textAt(reference, 'content', 'text') ?? '';
    const key = where === '' ? excerpt : where;
    if (!sources.has(key)) sources.set(key, { label: labelOf(where), where, href: linkOf(where), excerpt });
  }
  return [...sources.values()];
}

/** @param {unknown} location */
function placeOf(location) {
  for (const [kind, field] of PLACES) {
    const found = textAt(location, kind ?? '', field ?? '');
    if (found !== undefined) return found;
  }
  return '';
}

/** @param {string} where */
function labelOf(where) {
  if (where === '') return 'Source without an address';
  if (!URL.canParse(where)) return where;
  const url = new URL(where);
  const name = url.pathname.split('/').filter(Boolean).at(-1) ?? '';
  return name === '' ? url.host || where : decoded(name);
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
