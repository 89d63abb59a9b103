// What the tab itself remembers over a reload: all of a conversation that is kept nowhere else, or what of it has not
// been written there yet. It is written at once, which a database is not, so it is there when the page is left.

import { fileSize } from '../chat/files.js';
import { get, getList, getNumber, getString, parseJson } from '../lib/json.js';
import { recall, store } from '../lib/storage.js';
import { recordOf } from './record.js';

/** @import { Conversation } from '../relay/conversation.js' */
/** @import { Turn } from '../types.d.ts' */

/** Browsers keep about five million characters for a tab; the oldest turns are forgotten first. */
const MAX_LENGTH = 1_000_000;
/** Longer files are only named after a reload. */
const MAX_FILE_LENGTH = 100_000;
/** Where there is no room for the passages of an answer, their beginnings are kept. */
const MAX_PASSAGE_LENGTH = 300;
/** What a turn has besides its texts. */
const MIN_LENGTH = 10_000;

/** Saves turns for the next load of this tab, without their traces. @param {Pick<Conversation, 'turns' | 'forgotten'>} conversation */
export function saveTurns({ turns, forgotten }) {
  const saved = [];
  let room = MAX_LENGTH;
  for (const turn of turns.toReversed()) {
    const text = savedIn(room, turn);
    if (text === undefined) break;
    room -= text.length;
    saved.unshift(text);
  }
  store('tab', 'turns', `[${saved.join(',')}]`);
  store('tab', 'forgotten', String(forgotten + turns.length - saved.length));
}

/** The turns that the tab remembers, as values. */
export function savedTurns() {
  return {
    values: getList({ turns: parseJson(recall('tab', 'turns') ?? '[]') }, 'turns'),
    forgotten: getNumber({ count: parseJson(recall('tab', 'forgotten') ?? '0') }, 'count') ?? 0,
  };
}

/** A turn as JSON, whole or as much of it as there is room for. @param {number} room @param {Turn} turn */
function savedIn(room, turn) {
  const files = turn.files.map((file) =>
    file.bytes.length > MAX_FILE_LENGTH ? { ...file, bytes: '', dropped: fileSize(file) } : file,
  );
  const kept = { ...recordOf(turn), files, reasoning: [] };
  const whole = JSON.stringify(kept);
  if (whole.length <= room) return whole;

  const messages = turn.messages.map((message) => ({ ...message, citations: message.citations.map(shortened) }));
  const short = {
    ...kept,
    messages,
    files: files.map((file) => (file.bytes === '' ? file : { ...file, bytes: '', dropped: fileSize(file) })),
    cut: true,
  };
  const shorter = JSON.stringify(short);
  if (shorter.length <= room) return shorter;

  // Only what is large by itself is cut, so that it does not push out all others.
  if (shorter.length < MAX_LENGTH / 2) return undefined;
  // In JSON a character is six at most.
  let left = Math.floor((Math.min(room, MAX_LENGTH / 2) - MIN_LENGTH) / 6);
  if (left <= 0) return undefined;
  const texts = messages.map(({ id, text }) => {
    const start = text.slice(0, left).toWellFormed();
    left -= start.length;
    return { id, text: start, citations: [] };
  });
  const start = JSON.stringify({ ...short, messages: texts });
  return start.length <= room ? start : undefined;
}

/** @param {unknown} citation */
function shortened(citation) {
  return {
    generatedResponsePart: get(citation, 'generatedResponsePart'),
    retrievedReferences: getList(citation, 'retrievedReferences').map((reference) => ({
      location: get(reference, 'location'),
      metadata: get(reference, 'metadata'),
      content: { text: getString(reference, 'content', 'text')?.slice(0, MAX_PASSAGE_LENGTH).toWellFormed() },
    })),
  };
}
