// What stands below an answer.

import { button, copy, element } from '../lib/dom.js';
import { counted, duration, oneLine } from '../lib/format.js';
import { visible } from '../lib/visible.js';
import { anchor } from '../markdown/renderer.js';
import { stopReasonInWords } from '../relay/stop-reason.js';
import { canJoin, isCut, MOVED_NOTE } from '../relay/turn.js';

/** @import { Failure, Source, ToolAnswer, Turn } from '../types.d.ts' */

/**
 * What a user can do with a turn.
 *
 * @typedef {object} TurnActions
 * @property {(turn: Turn) => void} retry
 * @property {() => void} goOn asks the agent to
 * @property {(turn: Turn) => void} join has the answer go on here
 * @property {(turn: Turn) => void} showTrace
 * @property {(turn: Turn, number: number) => void} showPassage shows a source in the trace
 * @property {(turn: Turn, answers: ToolAnswer[]) => string} answer gives why they could not be sent, or an empty text
 */

/** @param {Source[]} sources @param {(number: number) => Node[]} more what stands at the end of one */
export function sourceList(sources, more) {
  if (sources.length === 0) return undefined;
  const items = sources.map(({ label, where, href, excerpt }, index) => {
    const name = href === undefined ? element('span', '', label) : anchor(href, label);
    name.className = 'source-name';
    if (where !== '') name.title = visible(where);
    return element('li', '', name, excerpt === '' ? '' : element('span', 'excerpt', visible(oneLine(excerpt, 220))), ...more(index + 1));
  });
  return element('section', 'sources', element('h3', '', counted(sources.length, 'source')), element('ol', '', ...items));
}

/** @param {Turn} turn @param {Failure} failure */
export function failureBox(turn, { message, code, source }) {
  const [interrupted, cut] = [turn.status === 'interrupted', isCut(turn)];
  const title = interrupted ? 'Interrupted' : cut ? 'The answer was cut short' : source === 'gateway' ? 'The gateway reported an error' : 'The agent could not finish';
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
  return element('div', 'moved', element('p', '', MOVED_NOTE), joinButton('quiet', turn, turnActions));
}

/** @param {string} classes @param {Turn} turn @param {TurnActions} turnActions */
function joinButton(classes, turn, turnActions) {
  return button(classes, 'Continue here', () => turnActions.join(turn));
}

/** @param {Turn} turn */
export function timing(turn) {
  const parts = [];
  if (turn.firstTextAt !== undefined) parts.push(`first token after ${duration(turn.firstTextAt - turn.sentAt)}`);
  if (turn.endedAt !== undefined) {
    const words = turn.status === 'done' ? 'complete' : turn.status === 'stopped' ? 'stopped' : 'ended';
    parts.push(`${words} after ${duration(turn.endedAt - turn.sentAt)}`);
  }
  const { chunks, frames } = turn.stats ?? {};
  if (chunks && frames) parts.push(`${counted(chunks, 'chunk')} in ${counted(frames, 'frame')}`);
  if (turn.usage) {
    const { input, output, cached } = turn.usage;
    parts.push(`${counted(input, 'token')} in, ${output.toLocaleString('en')} out${cached > 0 ? `, ${cached.toLocaleString('en')} cached` : ''}`);
  }
  const stopReason = stopReasonInWords(turn.stopReason);
  if (stopReason !== '') parts.push(`stop reason: ${stopReason}`);
  const words = parts.join(' · ');
  return element('p', 'timing', words.charAt(0).toUpperCase() + words.slice(1));
}

/** @param {Turn} turn @param {TurnActions} turnActions */
export function actions(turn, turnActions) {
  const row = element('div', 'turn-actions');
  const text = turn.messages.map((message) => message.text).join('\n\n');
  const copyAnswer = button('quiet small', 'Copy answer', () => void copy(copyAnswer, text));
  if (text !== '') row.append(copyAnswer);
  if (turn.events.length > 0) row.append(button('quiet small', 'Show trace', () => turnActions.showTrace(turn)));
  if (canJoin(turn) && turn.status !== 'moved') row.append(joinButton('quiet small', turn, turnActions));
  // Answers to a question that another prompt has withdrawn are refused, whenever they come.
  const late = turn.overtaken && turn.answers.length > 0;
  const again = !late && (turn.failure?.retryable === true || turn.status === 'stopped');
  if (again) row.append(button('quiet small', 'Retry', () => turnActions.retry(turn)));
  // A conversation that is too long for the model stays so.
  const goesOn = isCut(turn) && !turn.overtaken && turn.stopReason !== 'model_context_window_exceeded';
  if (goesOn) row.append(button('quiet small', 'Continue', () => turnActions.goOn()));
  return row;
}
