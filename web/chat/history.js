// The transcript: saved over a reload of the tab, and as a Markdown document.

import { getList, getString, parseJson } from '../lib/json.js';
import { recall, store } from '../lib/storage.js';
import { sourcesOf } from '../relay/citations.js';
import { Fragments } from '../relay/fragments.js';
import { endTurn, isOpen, newTurn } from '../relay/turn.js';

/** @import { Turn } from '../types.d.ts' */

/** Browsers keep about five million characters for a tab; the oldest turns are forgotten first. */
const MAX_LENGTH = 1_000_000;
/** Longer files are only named after a reload. */
const MAX_FILE_LENGTH = 100_000;

/** Saves the turns for the next load of this tab, without their traces. @param {Turn[]} turns */
export function saveTurns(turns) {
  const saved = [];
  let length = 0;
  for (const turn of turns.toReversed()) {
    const files = turn.files.map((file) => (file.bytes.length > MAX_FILE_LENGTH ? { ...file, bytes: '' } : file));
    const text = JSON.stringify({ ...turn, files, events: [], fragments: undefined });
    length += text.length;
    if (length > MAX_LENGTH) break;
    saved.unshift(text);
  }
  store('tab', 'turns', `[${saved.join(',')}]`);
}

/** Loads the turns of the last visit of this tab. @returns {Turn[]} */
export function loadTurns() {
  const turns = parseJson(recall('tab', 'turns') ?? '[]');
  return getList({ turns }, 'turns').flatMap((value) => {
    const [runId, prompt] = [getString(value, 'runId'), getString(value, 'prompt')];
    if (runId === undefined || prompt === undefined) return [];
    /** @type {Turn} */
    const turn = { ...newTurn({ runId, prompt, trace: false }, 0), .../** @type {object} */ (value), fragments: new Fragments() };
    if (isOpen(turn)) {
      const message = 'The page was left before the answer was complete. What had arrived is kept; the prompt is not sent again by itself.';
      endTurn(turn, 'interrupted', turn.firstTextAt ?? turn.sentAt, { message, code: 'page_left', retryable: true, source: 'connection' });
    }
    return [turn];
  });
}

/** A conversation as a Markdown document. @param {Turn[]} turns */
export function asMarkdown(turns) {
  const parts = turns.flatMap((turn) => {
    const sources = sourcesOf(turn.messages.flatMap(({ citations }) => citations));
    const listed = sources.map(({ label, where }, index) => `${index + 1}. ${label}${where && where !== label ? ` (${where})` : ''}`);
    return [
      '## You',
      turn.prompt,
      '## Agent',
      ...turn.messages.map(({ text }) => text.trimEnd()),
      listed.length > 0 ? `Sources:\n\n${listed.join('\n')}` : '',
      turn.files.length > 0 ? `Files: ${turn.files.map(({ name }) => name).join(', ')}` : '',
      turn.failure ? `> ${turn.failure.message} (${turn.failure.code})` : '',
      turn.status === 'stopped' ? '> Stopped.' : '',
    ];
  });
  return `# Conversation with the agent\n\n${parts.filter(Boolean).join('\n\n')}\n`;
}
