// What a client of AG-UI must have after the events of a run, told by another implementation than the clients'.

import assert from 'node:assert/strict';

/** The members of events that may be null. All others are absent then. */
const NULLABLE = ['snapshot', 'value', 'event', 'result'];

/** Nothing in an event is null that clients can't take. */
export function checkValues(event) {
  for (const [name, value] of Object.entries(event))
    assert.ok(value !== null || NULLABLE.includes(name), JSON.stringify(event));
}

/** What the older schemas add to an event that does not say it. */
const DEFAULTS = { ACTIVITY_SNAPSHOT: { replace: true }, TEXT_MESSAGE_START: { role: 'assistant' } };
export const withDefaults = (event) => ({ ...DEFAULTS[event.type], ...event });

/** What of a message is compared: the same, whether a client made it of events or got it in a snapshot. */
export function normalised({ id, role, content = '', toolCalls = [], toolCallId, activityType }) {
  return {
    id,
    role,
    content,
    toolCalls: toolCalls.map((call) => ({ id: call.id, ...call.function })),
    toolCallId,
    activityType,
  };
}

/** The messages of a client that had these before. */
export function messagesAfter(before, events) {
  let messages = structuredClone(before).map(normalised);
  const message = (id, role) => {
    let found = messages.find((one) => one.id === id);
    if (!found) messages.push((found = normalised({ id, role })));
    return found;
  };
  /** A chunk begins what has not begun. */
  const begins = (type, id) => type.endsWith('_START') || (type.endsWith('_CHUNK') && id !== undefined);
  for (const event of events) {
    const { type, messageId, toolCallId, toolCallName, parentMessageId, delta = '', content } = event;
    if (/^TEXT_MESSAGE_/.test(type)) {
      if (begins(type, messageId)) message(messageId, 'assistant');
      if (delta) message(messageId).content += delta;
    }
    if (/^REASONING_MESSAGE_/.test(type)) {
      if (begins(type, messageId)) message(messageId, 'reasoning');
      if (delta) message(messageId).content += delta;
    }
    if (/^TOOL_CALL_(?:START|ARGS|CHUNK)$/.test(type)) {
      const all = messages.flatMap(({ toolCalls }) => toolCalls);
      let call = all.find(({ id }) => id === toolCallId);
      if (!call)
        message(parentMessageId ?? toolCallId, 'assistant').toolCalls.push(
          (call = { id: toolCallId, name: toolCallName, arguments: '' }),
        );
      call.arguments += delta;
    }
    if (type === 'TOOL_CALL_RESULT') Object.assign(message(messageId, 'tool'), { content, toolCallId });
    if (type === 'ACTIVITY_SNAPSHOT')
      Object.assign(message(messageId, 'activity'), {
        content: structuredClone(content),
        activityType: event.activityType,
      });
    if (type === 'ACTIVITY_DELTA') {
      const activity = message(messageId, 'activity');
      activity.content = patched(activity.content, event.patch);
    }
    if (type === 'MESSAGES_SNAPSHOT') {
      const told = structuredClone(event.messages).map(normalised);
      const spared = (role) => ['activity', 'reasoning'].includes(role) && !told.some((one) => one.role === role);
      messages = [...messages.filter(({ role }) => spared(role)), ...told];
    }
  }
  return messages;
}

/** A client that had this state before has the right one after. */
export function checkState(state, before, events) {
  const expected = stateAfter(before, events);
  // Versions before 1.0 keep what they have where it becomes null.
  assert.deepEqual(state, expected === null && state !== null ? before : expected);
}

function stateAfter(before, events) {
  let state = before;
  for (const { type, snapshot, delta } of events) {
    if (type === 'STATE_SNAPSHOT') state = structuredClone(snapshot);
    if (type === 'STATE_DELTA') state = patched(state, delta);
  }
  return state;
}

/** A value after the changes of a JSON Patch (RFC 6902), as far as they add, replace and remove. */
function patched(value, patch) {
  const root = { value: structuredClone(value) };
  for (const { op, path, value: next } of patch) {
    const names = [
      'value',
      ...path
        .split('/')
        .slice(1)
        .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~')),
    ];
    const last = names.pop();
    const holder = names.reduce((here, name) => here[name], root);
    if (!['add', 'replace', 'remove'].includes(op)) throw new Error(`a patch with ${op}`);
    if (op === 'remove' && Array.isArray(holder)) holder.splice(Number(last), 1);
    else if (op === 'remove') delete holder[last];
    else if (op === 'add' && Array.isArray(holder))
      holder.splice(last === '-' ? holder.length : Number(last), 0, structuredClone(next));
    else holder[last] = structuredClone(next);
  }
  return root.value;
}
