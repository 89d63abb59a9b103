// A return of control: as a form while it can be answered, and after that as a record of what was asked and done.

import { button, element } from '../lib/dom.js';
import { parseJson } from '../lib/json.js';
import { visible } from '../lib/visible.js';
import { t } from '../lib/words.js';
import { argumentList, capped } from './arguments.js';
import { draftOf, keepDraft } from './drafts.js';

/** @import { Interrupt, ToolAnswer, ToolCall, Turn } from '../types.d.ts' */

/**
 * @param {Turn} turn
 * @param {(answers: ToolAnswer[]) => string} submit gives why they could not be sent, or an empty text
 */
export function toolForm(turn, submit) {
  if (turn.overtaken || turn.status !== 'done') return record(turn);
  const fields = turn.calls.map((call, index) => field(call, index, `call ${turn.runId} ${call.id}`));
  const form = element('form', 'tool-form', ...fields.map(({ box }) => box));
  form.setAttribute('aria-label', t('What the agent asks for'));
  const problem = element('p', 'composer-problem');
  problem.setAttribute('role', 'alert');
  problem.hidden = true;
  const send = (/** @type {boolean} */ confirmed) => {
    const misfit = confirmed ? fields.map(({ misfit }) => misfit()).find(Boolean) : undefined;
    problem.textContent = misfit ?? submit(fields.map(({ answer }) => answer(confirmed)));
    problem.hidden = problem.textContent === '';
    if (problem.hidden) for (const { forget } of fields) forget();
  };
  const onlyAsks = turn.calls.every(isQuestion);
  const buttons = turn.calls.some(({ asks }) => asks)
    ? [
        button('primary', onlyAsks ? t('Send answer') : t('Confirm'), () => send(true)),
        button('quiet', onlyAsks ? t('Decline') : t('Deny'), () => send(false)),
      ]
    : [button('primary', t('Send result'), () => send(true))];
  form.append(problem, element('div', 'tool-buttons', ...buttons));
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', () => (problem.hidden = true));
  return form;
}

/** @param {Turn} turn */
function record({ calls }) {
  const boxes = calls.map((call) =>
    element(
      'div',
      'tool-call',
      element('p', 'tool-wish', wishOf(call), capped('code', call.name, 200)),
      ...questionOf(call),
      ...argumentList(call.arguments),
      ...outcomeOf(call),
    ),
  );
  const made = element('div', 'tool-form', ...boxes);
  // No landmark: a conversation may have many.
  made.role = 'group';
  made.setAttribute('aria-label', t('What the agent asked for'));
  return made;
}

/** Whether the agent wants an answer in words, and no action. @param {ToolCall} call */
function isQuestion({ interrupt, returns }) {
  return interrupt !== undefined && returns;
}

/** @param {ToolCall} call */
function questionOf({ interrupt }) {
  return interrupt?.message === undefined
    ? []
    : [element('p', 'tool-question', visible(interrupt.message, { lines: true }))];
}

/** @param {ToolCall} call */
export function wishOf(call) {
  const { asks, returns, reply } = call;
  const now = reply === undefined;
  if (isQuestion(call)) return `${now ? t('The agent asks:') : t('The agent asked:')} `;
  if (!returns) return `${now ? t('The agent asks to do this:') : t('The agent asked to do this:')} `;
  if (asks)
    return `${now ? t('If you confirm it, the agent asks you to do this:') : t('If you confirm it, the agent asked you to do this:')} `;
  return `${now ? t('The agent asks you to do this:') : t('The agent asked you to do this:')} `;
}

/** What the user did about a call, in words. @param {ToolCall} call */
export function replyOf(call) {
  const { reply } = call;
  if (reply === undefined) return t('Not answered.');
  if (reply === 'withdrawn') return t('Withdrawn: you went on with another prompt.');
  const { confirmed, content, failed } = reply;
  if (isQuestion(call)) return content === undefined ? t('You declined.') : t('You answered:');
  const decided = confirmed === undefined ? '' : confirmed ? t('You confirmed it.') : t('You denied it.');
  const result = content === undefined ? '' : failed ? t('You said that it failed:') : t('Your result:');
  return [decided, result].filter(Boolean).join(' ');
}

/** @param {ToolCall} call */
function outcomeOf(call) {
  const { reply } = call;
  const content = typeof reply === 'object' ? reply.content : undefined;
  return [
    element('p', 'tool-outcome', replyOf(call)),
    ...(content === undefined ? [] : [content === '' ? element('pre', '', t('nothing')) : capped('pre', content)]),
  ];
}

/** @param {ToolCall} call @param {number} index @param {string} draft what its typed values are kept as */
function field(call, index, draft) {
  const { id, name, arguments: json, asks, returns, interrupt } = call;
  const box = element(
    'fieldset',
    '',
    element('legend', '', wishOf(call), capped('code', name, 200)),
    ...questionOf(call),
    ...argumentList(json),
  );
  const choices = interrupt?.choices;
  const result =
    choices === undefined
      ? element('textarea')
      : element('select', '', ...choices.map((one) => new Option(visible(one), one)));
  if (result instanceof HTMLTextAreaElement) result.rows = 3;
  result.id = `result-${id.slice(-12)}-${index}`;
  result.value = draftOf(draft) ?? call.draft ?? choices?.[0] ?? '';
  result.addEventListener('input', () => {
    call.draft = result.value;
    keepDraft(draft, result.value);
  });
  const names = interrupt?.names ?? [];
  const label = element(
    'label',
    '',
    interrupt === undefined
      ? t('Result')
      : names.length > 1
        ? t('Answer, as JSON with {names}', { names: visible(names.join(', ')) })
        : t('Answer'),
  );
  label.htmlFor = result.id;
  const failed = element('input');
  failed.type = 'checkbox';
  failed.checked = draftOf(`${draft} failed`) !== undefined;
  failed.addEventListener('input', () => keepDraft(`${draft} failed`, failed.checked ? 'yes' : ''));
  if (returns)
    box.append(label, result, interrupt === undefined ? element('label', 'failed-switch', failed, t('It failed')) : '');
  const answer = (/** @type {boolean} */ confirmed) => ({
    id,
    ...(asks ? { confirmed } : {}),
    ...(returns && (confirmed || !asks) ? { content: result.value, failed: failed.checked } : {}),
    ...(interrupt === undefined ? {} : { resume: resumption(call, interrupt, confirmed, result.value) }),
  });
  const forget = () => ['', ' failed'].forEach((part) => keepDraft(draft + part, ''));
  return {
    box,
    answer,
    forget,
    misfit: () => (interrupt !== undefined && returns ? misfitOf(interrupt, result.value) : ''),
  };
}

/** What an answer must be, by the type that the agent gave. @param {string} type */
function misfitInWords(type) {
  switch (type) {
    case 'object':
      return t('The answer must be an object, as JSON.');
    case 'array':
      return t('The answer must be a list, as JSON.');
    case 'number':
      return t('The answer must be a number.');
    case 'integer':
      return t('The answer must be a whole number.');
  }
  return '';
}

/** Why an answer is none that the agent can take, or an empty text. @param {Interrupt} interrupt @param {string} typed */
function misfitOf({ names, type = '', choices }, typed) {
  const wanted = names.length > 1 ? 'object' : type;
  const words = choices === undefined ? misfitInWords(wanted) : '';
  const value = parseJson(typed);
  const is =
    value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value;
  return is === wanted || (is === 'integer' && wanted === 'number') ? '' : words;
}

/**
 * The answer to a question of an agent that speaks AG-UI, in the form that it asks for.
 *
 * @param {ToolCall} call
 * @param {Interrupt} interrupt
 * @param {boolean} confirmed
 * @param {string} typed
 * @returns {NonNullable<ToolAnswer['resume']>}
 */
function resumption({ returns }, { id: interruptId, names, type, choices }, confirmed, typed) {
  if (returns && !confirmed) return { interruptId, status: 'cancelled' };
  const value = !returns ? confirmed : type === 'string' || choices !== undefined ? typed : (parseJson(typed) ?? typed);
  return { interruptId, status: 'resolved', payload: names.length === 1 ? { [names[0] ?? '']: value } : value };
}

/** What the user decided, as it stands in the transcript. @param {Turn} turn @param {ToolAnswer[]} answers */
export function inWords({ calls }, answers) {
  const lines = answers.map(({ id, content, failed, confirmed }) => {
    const call = calls.find((call) => call.id === id);
    const name = visible(call?.name ?? t('the action'));
    if (call !== undefined && isQuestion(call))
      return content === undefined
        ? t('Declined: {name}', { name })
        : t('Answered: {answer}', { answer: content || t('nothing') });
    const decided =
      confirmed === undefined ? '' : confirmed ? t('Confirmed: {name}', { name }) : t('Denied: {name}', { name });
    const result =
      content === undefined
        ? ''
        : failed
          ? t('Failure of {name}: {result}', { name, result: content || t('nothing') })
          : t('Result of {name}: {result}', { name, result: content || t('nothing') });
    return [decided, result].filter(Boolean).join('\n');
  });
  return lines.join('\n');
}
