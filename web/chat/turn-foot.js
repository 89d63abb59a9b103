// What stands below an answer.

import { element } from '../lib/dom.js';
import { counted, duration, oneLine } from '../lib/format.js';
import { visible } from '../lib/visible.js';
import { plural, t } from '../lib/words.js';
import { anchor } from '../markdown/renderer.js';
import { stopReasonInWords } from '../relay/stop-reason.js';
import { isCut, MOVED_NOTE } from '../relay/turn.js';
import { joinButton } from './turn-actions.js';

/** @import { Failure, Source, Turn } from '../types.d.ts' */
/** @import { TurnActions } from './turn-actions.js' */

/** @param {Source[]} sources @param {(number: number) => Node[]} more what stands at the end of one */
export function sourceList(sources, more) {
  if (sources.length === 0) return undefined;
  const items = sources.map(({ label, where, href, excerpt }, index) => {
    const name = href === undefined ? element('span', '', label) : anchor(href, label);
    name.className = 'source-name';
    if (where !== '') name.title = visible(where);
    return element(
      'li',
      '',
      name,
      excerpt === '' ? '' : element('span', 'excerpt', visible(oneLine(excerpt, 220))),
      ...more(index + 1),
    );
  });
  return element(
    'section',
    'sources',
    element('h3', '', counted(sources.length, 'source')),
    element('ol', '', ...items),
  );
}

/** @param {Turn} turn @param {Failure} failure */
export function failureBox(turn, { message, code, source }) {
  const [interrupted, cut] = [turn.status === 'interrupted', isCut(turn)];
  const title = interrupted
    ? t('Interrupted')
    : cut
      ? t('The answer was cut short')
      : source === 'gateway'
        ? t('The gateway reported an error')
        : t('The agent could not finish');
  const box = element(
    'div',
    `failure${interrupted || cut ? ' interrupted' : ''}`,
    element('p', 'failure-title', title),
    // Its own advice, where it has any; Retry stands below.
    element('p', '', visible(message, { lines: true })),
    element('p', 'failure-code', element('code', '', visible(code))),
  );
  box.setAttribute('role', 'alert');
  return box;
}

/** @param {Turn} turn @param {TurnActions} turnActions */
export function movedBox(turn, turnActions) {
  return element('div', 'moved', element('p', '', t(MOVED_NOTE)), joinButton('quiet', turn, turnActions));
}

/** @param {Turn} turn */
export function timing(turn) {
  const parts = [];
  if (turn.firstTextAt !== undefined)
    parts.push(t('first token after {time}', { time: duration(turn.firstTextAt - turn.sentAt) }));
  if (turn.endedAt !== undefined) {
    const time = duration(turn.endedAt - turn.sentAt);
    parts.push(
      turn.status === 'done'
        ? t('complete after {time}', { time })
        : turn.status === 'stopped'
          ? t('stopped after {time}', { time })
          : t('ended after {time}', { time }),
    );
  }
  const { chunks, frames } = turn.stats ?? {};
  if (chunks && frames)
    parts.push(t('{chunks} in {frames}', { chunks: counted(chunks, 'chunk'), frames: counted(frames, 'frame') }));
  if (turn.usage) {
    const { input, output, cached } = turn.usage;
    parts.push(
      plural(input, '{count} token in, {output} out', '{count} tokens in, {output} out', { output }) +
        (cached > 0 ? t(', {cached} cached', { cached }) : ''),
    );
  }
  const stopReason = stopReasonInWords(turn.stopReason);
  if (stopReason !== '') parts.push(t('stop reason: {reason}', { reason: stopReason }));
  const words = parts.join(' · ');
  return element('p', 'timing', words.charAt(0).toUpperCase() + words.slice(1));
}
