// The transcript: saved over a reload of the tab, and as a Markdown document.

import { formatJson, get, getList, getNumber, getString, parseJson } from '../lib/json.js';
import { recall, store } from '../lib/storage.js';
import { visible } from '../lib/visible.js';
import { sourcesOf } from '../relay/citations.js';
import { Fragments } from '../relay/fragments.js';
import { awaitJoin, endTurn, isOpen, MOVED_NOTE, newTurn, overtake, stoppedNote } from '../relay/turn.js';
import { fileSize, safeName } from './files.js';
import { replyOf, wishOf } from './tool-form.js';

/** @import { Conversation } from '../relay/conversation.js' */
/** @import { ToolCall, Turn } from '../types.d.ts' */

/** Browsers keep about five million characters for a tab; the oldest turns are forgotten first. */
const MAX_LENGTH = 1_000_000;
/** Longer files are only named after a reload. */
const MAX_FILE_LENGTH = 100_000;
/** Where there is no room for the passages of an answer, their beginnings are kept. */
const MAX_PASSAGE_LENGTH = 300;
/** What a turn has besides its texts. */
const MIN_LENGTH = 10_000;

/** Saves the turns for the next load of this tab, without their traces. @param {Conversation} conversation */
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

/** A turn as JSON, whole or as much of it as there is room for. @param {number} room @param {Turn} turn */
function savedIn(room, turn) {
  const files = turn.files.map((file) => (file.bytes.length > MAX_FILE_LENGTH ? { ...file, bytes: '', dropped: fileSize(file) } : file));
  const kept = { ...turn, files, events: [], reasoning: [], openCalls: [], fragments: undefined, timeOrigin: performance.timeOrigin };
  const whole = JSON.stringify(kept);
  if (whole.length <= room) return whole;

  const messages = turn.messages.map((message) => ({ ...message, citations: message.citations.map(shortened) }));
  const short = { ...kept, messages, files: files.map((file) => (file.bytes === '' ? file : { ...file, bytes: '', dropped: fileSize(file) })), cut: true };
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

/** Whether there is a conversation of the last visit of this tab. */
export function hasSavedTurns() {
  return getList({ turns: parseJson(recall('tab', 'turns') ?? '[]') }, 'turns').length > 0;
}

/** Loads the turns of the last visit of this tab. @param {Conversation} conversation */
export function loadTurns(conversation) {
  conversation.forgotten = getNumber({ count: parseJson(recall('tab', 'forgotten') ?? '0') }, 'count') ?? 0;
  conversation.turns = getList({ turns: parseJson(recall('tab', 'turns') ?? '[]') }, 'turns').flatMap((value) => {
    const [runId, prompt] = [getString(value, 'runId'), getString(value, 'prompt')];
    if (runId === undefined || prompt === undefined) return [];
    /** @type {Turn} */
    const turn = { ...newTurn({ runId, prompt, trace: false }, 0), .../** @type {object} */ (value), fragments: new Fragments(), restored: true, resumedAt: undefined };
    // Its times go on, on the clock of this load.
    const earlier = (getNumber(value, 'timeOrigin') ?? performance.timeOrigin) - performance.timeOrigin;
    turn.sentAt += earlier;
    for (const name of /** @type {const} */ (['firstTextAt', 'endedAt'])) if (turn[name] !== undefined) turn[name] += earlier;
    turn.joins = 0;
    if (!isOpen(turn)) return [turn];
    if (turn.key !== undefined) awaitJoin(turn);
    else {
      const message = 'The page was left before the answer was complete. What had arrived is kept; the prompt is not sent again by itself.';
      // When that was is not known.
      endTurn(turn, 'interrupted', undefined, { message, code: 'page_left', retryable: true, source: 'connection' });
    }
    return [turn];
  });
  for (const [index, turn] of conversation.turns.entries()) {
    for (const earlier of conversation.turns.slice(0, index)) overtake(earlier, turn.answers);
  }
}

/** A conversation as a Markdown document. @param {Conversation} conversation */
export function asMarkdown({ turns, forgotten }) {
  const parts = turns.flatMap((turn) => {
    const sources = sourcesOf(turn.messages.flatMap(({ citations }) => citations));
    const listed = sources.map(({ label, where }, index) => `${index + 1}. ${label}${where && where !== label ? ` (${visible(where)})` : ''}`);
    return [
      '## You',
      turn.prompt,
      turn.attached?.length ? `Files: ${turn.attached.map(({ name }) => safeName(name)).join(', ')}` : '',
      '## Agent',
      ...turn.messages.map(({ text }) => text.trimEnd()),
      turn.cut ? '> Not all of this answer was kept over a reload.' : '',
      listed.length > 0 ? `Sources:\n\n${listed.join('\n')}` : '',
      turn.files.length > 0 ? `Files: ${turn.files.map(({ name }) => safeName(name)).join(', ')}` : '',
      ...turn.calls.flatMap(callAsMarkdown),
      turn.failure ? `> ${visible(turn.failure.message)} (${visible(turn.failure.code)})` : '',
      turn.status === 'stopped' ? `> ${stoppedNote(turn)}` : '',
      turn.status === 'moved' ? `> ${MOVED_NOTE}` : '',
    ];
  });
  const missing = forgotten > 0 ? `> ${forgottenNote(forgotten)}` : '';
  return `# Conversation with the agent\n\n${[missing, ...parts].filter(Boolean).join('\n\n')}\n`;
}

/** What was asked for, and what the user did about it. @param {ToolCall} call */
function callAsMarkdown(call) {
  const content = typeof call.reply === 'object' ? call.reply.content : undefined;
  return [
    `${wishOf(call)}${visible(call.name)}`,
    visible(call.interrupt?.message ?? '', { lines: true }),
    call.arguments.trim() === '' || call.arguments === '{}' ? '' : fenced('json', formatJson(call.arguments)),
    replyOf(call),
    content === undefined ? '' : fenced('', content),
  ];
}

/** A block of code, whatever is in it. @param {string} language @param {string} text */
function fenced(language, text) {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${visible(text, { lines: true })}\n${fence}`;
}

/** @param {number} count of the turns that are not there any more */
export function forgottenNote(count) {
  return `${count === 1 ? 'An earlier turn' : `${count.toLocaleString('en')} earlier turns`} of this conversation ${count === 1 ? 'is' : 'are'} not shown any more: the browser had no room to keep ${count === 1 ? 'it' : 'them'} over the reload. The agent still knows ${count === 1 ? 'it' : 'them'}.`;
}

/** What to call what is saved of a conversation. @param {Turn[]} turns @param {Date} now */
export function fileName(turns, now) {
  const words = safeName((turns[0]?.prompt ?? '').slice(0, 200).replace(/[/\\]/g, ' '));
  const title = [...words.replace(/[^\p{L}\p{M}\p{N}]+/gu, '-').replace(/^-|-$/g, '')].slice(0, 40).join('').replace(/-$/, '') || 'conversation';
  const time = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 16).replace('T', '-').replace(':', '');
  return `${title}-${time}.md`;
}
