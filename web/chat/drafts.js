// What is typed and not sent yet: kept over a reload of the tab. A draft's name says what it is, and in which conversation.

import { membersOf, getString, parseJson } from '../lib/json.js';
import { recall, store } from '../lib/storage.js';

/** Those touched longest ago are forgotten first. */
const MAX_DRAFTS = 100;

/** @type {Map<string, string> | undefined} */
let drafts;

/** All drafts by what they are of, those touched last at the end. */
function all() {
  if (drafts === undefined) {
    const kept = parseJson(recall('tab', 'drafts') ?? '{}');
    drafts = new Map(membersOf(kept).map((name) => [name, getString(kept, name) ?? '']));
  }
  return drafts;
}

/** @param {string} name such as "prompt 1f0c…" */
export function draftOf(name) {
  return all().get(name);
}

/** @param {string} name @param {string} text an empty one forgets it */
export function keepDraft(name, text) {
  const kept = all();
  if (!kept.delete(name) && text === '') return;
  if (text !== '') kept.set(name, text);
  for (const oldest of kept.keys()) {
    if (kept.size <= MAX_DRAFTS) break;
    kept.delete(oldest);
  }
  store('tab', 'drafts', JSON.stringify(Object.fromEntries(kept)));
}

/** Forgets what is of conversations that are not there any more. @param {(thread: string) => boolean} isGone */
export function forgetDrafts(isGone) {
  for (const name of [...all().keys()]) if (isGone(name.split(' ')[1] ?? '')) keepDraft(name, '');
}
