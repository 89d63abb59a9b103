// A return of control as a form.

import { button, element } from '../lib/dom.js';
import { parseJson } from '../lib/json.js';

/** @import { ToolAnswer, ToolCall } from '../types.d.ts' */

/**
 * @param {ToolCall[]} calls
 * @param {(answers: ToolAnswer[]) => boolean} submit false when they could not be sent
 */
export function toolForm(calls, submit) {
  const fields = calls.map(field);
  const form = element('form', 'tool-form', ...fields.map(({ box }) => box));
  form.setAttribute('aria-label', 'What the agent asks for');
  const send = (/** @type {boolean} */ confirmed) => {
    if (!submit(fields.map(({ answer }) => answer(confirmed)))) return;
    for (const control of form.querySelectorAll('button, textarea, input')) control.setAttribute('disabled', '');
  };
  const buttons = calls.some(({ asks }) => asks)
    ? [button('primary', 'Confirm', () => send(true)), button('quiet', 'Deny', () => send(false))]
    : [button('primary', 'Send result', () => send(true))];
  form.append(element('div', 'tool-buttons', ...buttons));
  form.addEventListener('submit', (event) => event.preventDefault());
  return form;
}

/** @param {ToolCall} call @param {number} index */
function field({ id, name, arguments: json, asks, returns }, index) {
  const wish = returns ? (asks ? 'If you confirm it, the agent asks you to do this: ' : 'The agent asks you to do this: ') : 'The agent asks to do this: ';
  const box = element('fieldset', '', element('legend', '', wish, element('code', '', name)));
  const values = parseJson(json);
  const entries = typeof values === 'object' && values !== null ? Object.entries(values) : [];
  const list = entries.flatMap(([name, value]) => [element('dt', '', name), element('dd', '', typeof value === 'string' ? value : JSON.stringify(value, null, 2))]);
  if (list.length > 0) box.append(element('dl', '', ...list));
  else if (json.trim() !== '' && json !== '{}') box.append(element('pre', '', json));

  const result = element('textarea');
  result.rows = 3;
  result.id = `result-${id.slice(-12)}-${index}`;
  const label = element('label', '', 'Result');
  label.htmlFor = result.id;
  const failed = element('input');
  failed.type = 'checkbox';
  if (returns) box.append(label, result, element('label', 'failed-switch', failed, 'It failed'));
  const answer = (/** @type {boolean} */ confirmed) => ({
    id,
    ...(asks ? { confirmed } : {}),
    ...(returns && (confirmed || !asks) ? { content: result.value, failed: failed.checked } : {}),
  });
  return { box, answer };
}
