// The transcript as a Markdown document.

import { localTime } from '../lib/format.js';
import { formatJson } from '../lib/json.js';
import { visible, withoutHidden } from '../lib/visible.js';
import { plural, t } from '../lib/words.js';
import { sourcesOf } from '../relay/citations.js';
import { MOVED_NOTE, stoppedNote } from '../relay/turn.js';
import { safeName } from './files.js';
import { replyOf, wishOf } from './tool-form.js';

/** @import { Conversation } from '../relay/conversation.js' */
/** @import { ToolCall, Turn } from '../types.d.ts' */

/** A conversation as a Markdown document. @param {Conversation} conversation */
export function asMarkdown({ turns, forgotten }) {
  const parts = turns.flatMap((turn) => {
    const sources = sourcesOf(turn.messages.flatMap(({ citations }) => citations));
    const listed = sources.map(
      ({ label, where }, index) => `${index + 1}. ${label}${where && where !== label ? ` (${visible(where)})` : ''}`,
    );
    return [
      `## ${t('You')}`,
      turn.replaced ? `> ${t('An edited prompt took the place of this one, or of one before it.')}` : '',
      turn.prompt,
      turn.attached?.length
        ? t('Files: {names}', { names: turn.attached.map(({ name }) => safeName(name)).join(', ') })
        : '',
      `## ${t('Agent')}`,
      ...turn.messages.map(({ text }) => text.trimEnd()),
      turn.cut ? `> ${t('Not all of this answer was kept over a reload.')}` : '',
      listed.length > 0 ? `${t('Sources:')}\n\n${listed.join('\n')}` : '',
      turn.files.length > 0
        ? t('Files: {names}', { names: turn.files.map(({ name }) => safeName(name)).join(', ') })
        : '',
      ...turn.calls.flatMap(callAsMarkdown),
      turn.failure ? `> ${visible(turn.failure.message)} (${visible(turn.failure.code)})` : '',
      turn.status === 'stopped' ? `> ${stoppedNote(turn)}` : '',
      turn.status === 'moved' ? `> ${t(MOVED_NOTE)}` : '',
    ];
  });
  const missing = forgotten > 0 ? `> ${forgottenNote(forgotten)}` : '';
  return `# ${t('Conversation with the agent')}\n\n${[missing, ...parts].filter(Boolean).join('\n\n')}\n`;
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
  return plural(
    count,
    'An earlier turn of this conversation is not shown any more: the browser had no room to keep it over the reload. The agent still knows it.',
    '{count} earlier turns of this conversation are not shown any more: the browser had no room to keep them over the reload. The agent still knows them.',
  );
}

/** What to call what is saved of a conversation: by its first prompt that was not withdrawn. @param {Turn[]} turns @param {Date} now */
export function fileName(turns, now) {
  const first = turns.find(({ replaced }) => !replaced);
  const words = withoutHidden((first?.prompt ?? '').slice(0, 200));
  const title =
    [...words.replace(/[^\p{L}\p{M}\p{N}]+/gu, '-').replace(/^-|-$/g, '')].slice(0, 40).join('').replace(/-$/, '') ||
    'conversation';
  const time = localTime(now).slice(0, 16).replace('T', '-').replace(':', '');
  return `${title}-${time}.md`;
}
