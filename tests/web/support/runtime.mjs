// What agents send that speak AG-UI themselves, as the relay passes it on.

/** A message in pieces. @param {string} id @param {...string} deltas */
export const said = (id, ...deltas) => [
  { type: 'TEXT_MESSAGE_START', messageId: id, role: 'assistant' },
  ...deltas.map((delta) => ({ type: 'TEXT_MESSAGE_CONTENT', messageId: id, delta })),
  { type: 'TEXT_MESSAGE_END', messageId: id },
];

/** A thought in pieces. @param {string} id @param {...string} deltas */
export const thought = (id, ...deltas) => [
  { type: 'REASONING_START', messageId: id },
  { type: 'REASONING_MESSAGE_START', messageId: id, role: 'reasoning' },
  ...deltas.map((delta) => ({ type: 'REASONING_MESSAGE_CONTENT', messageId: id, delta })),
  { type: 'REASONING_MESSAGE_END', messageId: id },
  { type: 'REASONING_END', messageId: id },
];

/** @param {string} id @param {string} name @param {...string} pieces of its arguments */
export const called = (id, name, ...pieces) => [
  { type: 'TOOL_CALL_START', toolCallId: id, toolCallName: name },
  ...pieces.map((delta) => ({ type: 'TOOL_CALL_ARGS', toolCallId: id, delta })),
  { type: 'TOOL_CALL_END', toolCallId: id },
];

/** @param {string} id of the call @param {string} content */
export const result = (id, content) => ({
  type: 'TOOL_CALL_RESULT',
  messageId: `result-of-${id}`,
  toolCallId: id,
  role: 'tool',
  content,
});

/** @param {string} name @param {...object} frames */
export const step = (name, ...frames) => [
  { type: 'STEP_STARTED', stepName: name },
  ...frames,
  { type: 'STEP_FINISHED', stepName: name },
];

/** The end of a run with a question. @param {...object} interrupts */
export const interrupted = (...interrupts) => ({
  type: 'RUN_FINISHED',
  threadId: 't',
  runId: 'r',
  outcome: { type: 'interrupt', interrupts },
});

export const FINISHED = { type: 'RUN_FINISHED', threadId: 't', runId: 'r' };

/** All kinds of events, in an order that agents have. */
export const ALL = [
  { type: 'STATE_SNAPSHOT', snapshot: { n: 1 } },
  ...thought('r1', 'They ask ', 'for a refund.'),
  ...step(
    'researcher',
    ...said('m1', 'I look ', '**there**.'),
    { type: 'TOOL_CALL_START', toolCallId: 'c1', toolCallName: 'get_order', parentMessageId: 'm1' },
    { type: 'TOOL_CALL_START', toolCallId: 'c2', toolCallName: 'get_stock', parentMessageId: 'm1' },
    { type: 'TOOL_CALL_ARGS', toolCallId: 'c1', delta: '{"id":' },
    { type: 'TOOL_CALL_ARGS', toolCallId: 'c2', delta: '{"n":146312323488002033,' },
    { type: 'TOOL_CALL_ARGS', toolCallId: 'c1', delta: '"A"}' },
    { type: 'TOOL_CALL_ARGS', toolCallId: 'c2', delta: '"p":1.10}' },
    { type: 'TOOL_CALL_END', toolCallId: 'c1' },
    { type: 'TOOL_CALL_END', toolCallId: 'c2' },
    result('c2', '7'),
    result('c1', '{"total":12.50}'),
  ),
  {
    type: 'STATE_DELTA',
    delta: [
      { op: 'add', path: '/orders', value: [] },
      { op: 'replace', path: '/n', value: 2 },
    ],
  },
  {
    type: 'MESSAGES_SNAPSHOT',
    messages: [
      { id: 'u', role: 'user', content: 'p' },
      { id: 'm1', role: 'assistant', content: 'I look **there**.' },
    ],
  },
  { type: 'ACTIVITY_SNAPSHOT', messageId: 'a1', activityType: 'PLAN', content: { steps: ['one'] } },
  { type: 'ACTIVITY_DELTA', messageId: 'a1', activityType: 'PLAN', patch: [{ op: 'remove', path: '/steps/0' }] },
  { type: 'CUSTOM', name: 'Handoff', value: { to: ['writer'] } },
  { type: 'REASONING_ENCRYPTED_VALUE', subtype: 'message', entityId: 'r1', encryptedValue: 'c2VjcmV0' },
  { type: 'RAW', source: 'agentcore-runtime', event: { HOLOGRAM: { depth: 1 } } },
  { type: 'RAW', source: 'strands', event: { node_stop: { id: 'w' } } },
  { type: 'SUBAGENT_STARTED', subagentRunId: 's1', name: 'writer' },
  { type: 'TEXT_MESSAGE_START', messageId: 'm2', role: 'assistant', subagentRunId: 's1' },
  { type: 'TEXT_MESSAGE_CONTENT', messageId: 'm2', delta: 'Written.' },
  { type: 'TEXT_MESSAGE_END', messageId: 'm2' },
  { type: 'SUBAGENT_ERROR', subagentRunId: 's1', message: 'No ink.' },
  ...said('m3', 'Done.'),
];
