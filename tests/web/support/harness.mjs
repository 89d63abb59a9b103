// What AgentCore's harness says, in both of its forms: the events of its stream, as AWS's tools print them, and the
// frames that the relay makes of a run when its trace was asked for.

/** @param {string} name @param {object} body */
export const raw = (name, body) => ({ type: 'RAW', source: 'agentcore-harness', event: { [name]: body } });

/** @param {string} id @param {string} delta */
export const said = (id, delta) => ({ type: 'TEXT_MESSAGE_CHUNK', messageId: id, role: 'assistant', delta });

/** A block of reasoning, in pieces. @param {string} id @param {...string} deltas */
export const thought = (id, ...deltas) => [
  { type: 'REASONING_START', messageId: id },
  ...deltas.map((delta) => ({ type: 'REASONING_MESSAGE_CHUNK', messageId: id, delta })),
  { type: 'REASONING_END', messageId: id },
];

/** @param {string} id @param {string} name @param {number} [index] @param {object} [more] */
export const toolStart = (id, name, index = 0, more = { type: 'tool_use' }) =>
  raw('contentBlockStart', { contentBlockIndex: index, start: { toolUse: { toolUseId: id, name, ...more } } });

/** A tool that the harness ran: the call and its result. @param {string} id @param {string} name @param {string} input @param {string} content @param {boolean} [failed] */
export const ran = (id, name, input, content, failed = false) => [
  { type: 'TOOL_CALL_CHUNK', toolCallId: id, toolCallName: name, parentMessageId: 'm', delta: input },
  {
    type: 'TOOL_CALL_RESULT',
    messageId: `result-of-${id}`,
    toolCallId: id,
    role: 'tool',
    content,
    ...(failed ? { metadata: { relay: { failed: true } } } : {}),
  },
];

export const messageStart = raw('messageStart', { role: 'assistant' });
export const resultsStart = raw('messageStart', { role: 'user' });
export const resultsStop = raw('messageStop', { stopReason: 'tool_result' });

/** @param {string} stopReason */
export const messageStop = (stopReason) => raw('messageStop', { stopReason });

/** @param {number} inputTokens @param {number} outputTokens @param {number} latencyMs @param {object} [more] */
export const metadata = (inputTokens, outputTokens, latencyMs, more = {}) =>
  raw('metadata', { usage: { inputTokens, outputTokens, ...more }, metrics: { latencyMs } });

/** @param {string} type @param {string} name @param {'allow' | 'deny'} [decision] @param {string} [reason] */
export const hook = (type, name, decision, reason) =>
  raw('hookEvent', { hookEventId: `id-of-${name}`, name, type, decision, reason });

/** A run with two calls of the model, and two tools in between of which one fails. */
export const WORK = [
  hook('before_invocation', 'audit'),
  messageStart,
  ...thought('r1', 'The customer asks about refunds. ', 'I look it up in the handbook.'),
  said('m1', 'Let me look '),
  said('m1', 'that up.'),
  toolStart('t1', 'docs___Retrieve', 2),
  toolStart('t2', 'shell', 3),
  messageStop('tool_use'),
  metadata(300, 80, 900, { totalTokens: 380, cacheReadInputTokens: 250, cacheWriteInputTokens: 10 }),
  hook('before_tool_call', 'policy', 'allow'),
  hook('before_tool_call', 'policy', 'deny', 'No shell on Fridays'),
  resultsStart,
  ...ran(
    't1',
    'docs___Retrieve',
    '{"query":"refunds","order":146312323488002033}',
    '{"results":[{"text":"Within 30 days."}]}',
  ),
  ...ran('t2', 'shell', '{"command":"ls"}', 'Denied by policy', true),
  resultsStop,
  messageStart,
  ...thought('r2', 'Thirty days it is.'),
  said('m2', 'Refunds are possible '),
  said('m2', 'within 30 days.'),
  messageStop('end_turn'),
  metadata(3000, 200, 700),
  hook('after_invocation', 'audit'),
];

/** The end of such a run. */
export const WORK_DONE = {
  type: 'RUN_FINISHED',
  usage: [{ inputTokens: 3300, outputTokens: 280, totalTokens: 3580, cachedInputTokens: 250 }],
  metadata: { relay: { stopReason: 'end_turn', stats: { chunks: 40, frames: 32 } } },
};

/** The same kind of run as the stream has it: as it was published of a real one, with reasoning, one tool and two calls of the model. */
export const STREAM = [
  { messageStart: { role: 'assistant' } },
  { contentBlockDelta: { contentBlockIndex: 1, delta: { reasoningContent: { text: 'I look ' } } } },
  { contentBlockDelta: { contentBlockIndex: 1, delta: { reasoningContent: { text: 'it up' } } } },
  { contentBlockDelta: { contentBlockIndex: 1, delta: { reasoningContent: { signature: 'c2ln' } } } },
  { contentBlockStop: { contentBlockIndex: 1 } },
  { contentBlockStart: { contentBlockIndex: 2, start: { toolUse: { toolUseId: 't1', name: 'docs___Retrieve' } } } },
  { contentBlockDelta: { contentBlockIndex: 2, delta: { toolUse: { input: '' } } } },
  { contentBlockDelta: { contentBlockIndex: 2, delta: { toolUse: { input: '{"retrievalQuery": ' } } } },
  { contentBlockDelta: { contentBlockIndex: 2, delta: { toolUse: { input: '{"text": "refunds"}}' } } } },
  { contentBlockStop: { contentBlockIndex: 2 } },
  { messageStop: { stopReason: 'tool_use' } },
  { metadata: { usage: { inputTokens: 300, outputTokens: 80 }, metrics: { latencyMs: 900 } } },
  { messageStart: { role: 'user' } },
  { contentBlockStart: { contentBlockIndex: 0, start: { toolResult: { toolUseId: 't1', status: 'success' } } } },
  { contentBlockDelta: { contentBlockIndex: 0, delta: { toolResult: [{ text: '{"retrievalResu' }] } } },
  { contentBlockDelta: { contentBlockIndex: 0, delta: { toolResult: [{ text: 'lts":[1.10]}' }] } } },
  { contentBlockStop: { contentBlockIndex: 0 } },
  { messageStop: { stopReason: 'tool_result' } },
  { messageStart: { role: 'assistant' } },
  { contentBlockDelta: { contentBlockIndex: 1, delta: { text: 'Refunds ' } } },
  { contentBlockDelta: { contentBlockIndex: 1, delta: { text: 'are possible.' } } },
  { contentBlockStop: { contentBlockIndex: 1 } },
  { messageStop: { stopReason: 'end_turn' } },
  { metadata: { usage: { inputTokens: 3000, outputTokens: 200 }, metrics: { latencyMs: 700 } } },
];
