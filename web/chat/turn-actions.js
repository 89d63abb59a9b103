// The row of icons below an answer.

import { button, copy, element, iconButton } from '../lib/dom.js';
import { dates, t } from '../lib/words.js';
import { canJoin, isCut } from '../relay/turn.js';
import { voteControls } from './votes.js';

/** @import { ToolAnswer, Turn } from '../types.d.ts' */
/** @import { SendVote } from './votes.js' */

/**
 * What a user can do with a turn.
 *
 * @typedef {object} TurnActions
 * @property {boolean} tells whether times and counts stand below the turns
 * @property {(turn: Turn) => void} retry sends its prompt anew
 * @property {(turn: Turn, prompt: string) => string} edit sends another prompt in its place; gives why it could not be sent, or an empty text
 * @property {() => boolean} forgets whether the agent is told anew with each prompt what was said before it
 * @property {() => void} goOn asks the agent to
 * @property {(turn: Turn) => void} join has the answer go on here
 * @property {(turn: Turn) => void} showTrace
 * @property {(turn: Turn, number: number) => void} showPassage shows a source in the trace
 * @property {(turn: Turn, answers: ToolAnswer[]) => string} answer gives why they could not be sent, or an empty text
 * @property {SendVote | undefined} vote unless nobody wants to know
 */

export const COPY = 'M7.5 7.5h8.5v8.5H7.5zM12.5 7.5V4H4v8.5h3.5';
const AGAIN = 'M16 10a6 6 0 1 1-1.8-4.2L16 7.5M16 3.5v4h-4';
const TRACE = 'M4 5h7M4 10h12M4 15h5';

/** @param {Turn} turn @param {TurnActions} turnActions */
export function actions(turn, turnActions) {
  const row = element('div', 'turn-actions');
  const text = turn.messages.map((message) => message.text).join('\n\n');
  const copyAnswer = iconButton(t('Copy answer'), COPY, () => void copy(copyAnswer, text));
  if (text !== '') row.append(copyAnswer);
  // Answers to what an agent asked are not taken twice.
  if (turn.status === 'done' && turn.answers.length === 0)
    row.append(iconButton(t('Ask again'), AGAIN, () => turnActions.retry(turn)));
  if (turn.events.length > 0 || turn.keptEvents)
    row.append(iconButton(t('Show trace'), TRACE, () => turnActions.showTrace(turn)));
  const votes =
    turnActions.vote === undefined || text === '' || turn.elsewhere || turn.status === 'moved'
      ? undefined
      : voteControls(turn, turnActions.vote);
  row.append(...(votes?.buttons ?? []));
  if (canJoin(turn) && turn.status !== 'moved') row.append(joinButton('quiet small', turn, turnActions));
  // Answers to a question that another prompt has withdrawn are refused, whenever they come.
  const late = turn.overtaken && turn.answers.length > 0;
  const again = !late && (turn.failure?.retryable === true || turn.status === 'stopped');
  if (again) row.append(button('quiet small', t('Retry'), () => turnActions.retry(turn)));
  // A conversation that is too long for the model stays so.
  const goesOn = isCut(turn) && !turn.overtaken && turn.stopReason !== 'model_context_window_exceeded';
  if (goesOn) row.append(button('quiet small', t('Continue'), () => turnActions.goOn()));
  return { row, box: votes?.box ?? '' };
}

/** @param {string} classes @param {Turn} turn @param {TurnActions} turnActions */
export function joinButton(classes, turn, turnActions) {
  return button(classes, t('Continue here'), () => turnActions.join(turn));
}

/** The time of the day, with the date unless that is today's. @param {number | undefined} ms since 1970 */
export function clock(ms) {
  if (ms === undefined) return [];
  const time = new Date(ms);
  const isToday = time.toDateString() === new Date().toDateString();
  const made = element(
    'time',
    'clock',
    time.toLocaleString(dates(), { ...(isToday ? {} : { dateStyle: 'medium' }), timeStyle: 'short' }),
  );
  made.dateTime = time.toISOString();
  made.title = time.toLocaleString(dates(), { dateStyle: 'full', timeStyle: 'medium' });
  return [made];
}
