// A return of control as a form: what the agent wants done, and what came of it.

import { element } from './dom.js';
import { parseJson } from './json.js';

/** @import { ToolAnswer } from './request.js' */
/** @import { ToolCall } from './turn.js' */

/**
 * @param {ToolCall[]} calls
 * @param {(answers: ToolAnswer[]) => boolean} submit false when they could not be sent
 */
export function toolForm(calls, submit) {
  const form = element('form', 'tool-form');
  const decides = calls.some(({ asks }) => asks);
  const fields = calls.map((call, index) => field(call, index));
  form.append(...fields.map(({ box }) => box));
  form.setAttribute('aria-label', 'What the agent asks for');
  const send = (/** @type {boolean | undefined} */ confirmed) => {
    const sent = submit(fields.map(({ call, read }) => ({ id: call.id, ...(confirmed === false && call.asks ? {} : read()), ...(call.asks ? { confirmed } : {}) })));
    if (sent) for (const button of form.querySelectorAll('button, textarea, input')) button.setAttribute('disabled', '');
  };
  const buttons = decides ? [press('primary', 'Confirm', () => send(true)), press('quiet', 'Deny', () => send(false))] : [press('primary', 'Send result', () => send(undefined))];
  form.append(element('div', 'tool-buttons', ...buttons));
  form.addEventListener('submit', (event) => event.preventDefault());
  return form;
}

/** @param {ToolCall} call @param {number} index */
function field(call, index) {
  const box = element('fieldset', '', element('legend', '', call.asks ? 'The agent asks to do this: ' : 'The agent asks you to do this: ', element('code', '', call.name)));
  const values = parseJson(call.arguments);
  const entries = typeof values === 'object' && values !== null ? Object.entries(values) : [];
  const list = element('dl', '', ...entries.flatMap(([name, value]) => [element('dt', '', name), element('dd', '', typeof value === 'string' ? value : JSON.stringify(value))]));
  if (entries.length > 0) box.append(list);
  else if (call.arguments.trim() !== '' && call.arguments !== '{}') box.append(element('pre', '', call.arguments));
  const result = element('textarea');
  result.rows = 3;
  result.id = `result-${call.id.slice(-12)}-${index}`;
  const label = element('label', '', 'Result');
  label.htmlFor = result.id;
  const failed = element('input');
  failed.type = 'checkbox';
  const fill = [label, result, element('label', 'failed-switch', failed, 'It failed')];
  // Some agents want a result with the confirmation, and the frames do not say which.
  if (call.asks) box.append(element('details', '', element('summary', '', 'Add a result'), ...fill));
  else box.append(...fill);
  const read = () => (call.asks && result.value === '' && !failed.checked ? {} : { content: result.value, failed: failed.checked });
  return { call, box, read };
}

/** @param {string} classes @param {string} words @param {() => void} act */
export function press(classes, words, act) {
  const button = element('button', classes, words);
  button.type = 'button';
  button.addEventListener('click', act);
  return button;
}
