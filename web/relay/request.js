// What the page sends: one AG-UI `RunAgentInput` for each prompt, and for what is asked of a run that is kept.

import { t } from '../lib/words.js';
import { speaksAgui } from './agui.js';

/** @import { AttachedFile, ToolAnswer, ToolCall, Turn } from '../types.d.ts' */

/** A browser sends a message as one WebSocket frame, and API Gateway closes the connection above 32 KB. */
export const MAX_MESSAGE_BYTES = 32 * 1024;

/** Why a prompt cannot be sent, for the user. */
export class RequestError extends Error {}

/**
 * The message that starts a run; with `answers` in place of the prompt. Of what was said before it has the `calls` that
 * it comes after, as far as there is room: an agent may still wait for their results. An agent that speaks AG-UI may know
 * nothing but what stands in the message, so for it there are the `earlier` messages, without the oldest where they are too
 * many.
 *
 * @param {{threadId: string, runId: string, messageId: string, prompt: string, trace: boolean, answers?: ToolAnswer[], calls?: ToolCall[], earlier?: object[][], files?: AttachedFile[]}} run
 * @throws {RequestError}
 */
export function runRequest({
  threadId,
  runId,
  messageId,
  prompt,
  trace,
  answers = [],
  calls = [],
  earlier = [],
  files = [],
}) {
  if (prompt.trim() === '') throw new RequestError(t('Type a prompt first.'));
  // Half a surrogate pair has no UTF-8 form, so no server could read it.
  const spoken =
    answers.length === 0
      ? [{ id: messageId, role: 'user', content: contentOf(prompt.toWellFormed(), files) }]
      : toolMessages(messageId, answers);
  const before = answersBefore(calls, answers);
  const answered = toolMessages(`${messageId}-before`, before);
  const histories =
    calls.length === 0
      ? []
      : [
          [assistantMessage(messageId, calls), ...answered],
          [
            assistantMessage(
              messageId,
              calls.map((call) => ({ ...call, arguments: '{}' })),
            ),
            ...answered,
          ],
        ];
  let bytes = 0;
  for (const history of [...(earlier.length > 0 ? earlier : histories), []]) {
    const message = JSON.stringify({
      threadId,
      runId,
      messages: [...history, ...spoken],
      ...resumption(answers),
      state: {},
      tools: [],
      context: [],
      forwardedProps: { trace },
    });
    bytes = new TextEncoder().encode(message).length;
    if (bytes <= MAX_MESSAGE_BYTES) return message;
  }
  const [whole, most, over] = [bytes, MAX_MESSAGE_BYTES, bytes - MAX_MESSAGE_BYTES];
  throw new RequestError(
    t(
      'This prompt is too long: the message would have {whole} bytes, and the gateway takes {most}. Shorten it by about {over} bytes.',
      { whole, most, over },
    ),
  );
}

/** What a user says, with files as AG-UI has them. @param {string} text @param {AttachedFile[]} files */
function contentOf(text, files) {
  if (files.length === 0) return text;
  const parts = files.map(({ name, type, upload, data }) => ({
    type: /^(?:image|audio|video)(?=\/)/.exec(type)?.[0] ?? 'document',
    source: { type: upload === undefined ? 'data' : 'file', value: upload ?? data, mimeType: type },
    metadata: { filename: name },
  }));
  return [{ type: 'text', text }, ...parts];
}

/**
 * The message that joins a run: all that it said and says behind the number `after` comes over the connection that this is
 * sent over. It has the id of the run, as what it is refused with then has.
 *
 * @param {string} threadId
 * @param {Pick<Turn, 'runId' | 'key' | 'nextSeq'>} turn
 */
export function joinRequest(threadId, { runId, key, nextSeq }) {
  return keptRunRequest(threadId, runId, { join: { key, after: nextSeq - 1 } });
}

/** The message that ends a run, wherever its frames go. @param {string} threadId @param {string} runId @param {string} key */
export function stopRequest(threadId, runId, key) {
  return keptRunRequest(threadId, runId, { stop: { key } });
}

/** @param {string} threadId @param {string} runId @param {object} forwardedProps */
function keptRunRequest(threadId, runId, forwardedProps) {
  return JSON.stringify({ threadId, runId, messages: [], state: {}, tools: [], context: [], forwardedProps });
}

/**
 * What an agent that speaks AG-UI was told and said before, as messages: all of it, and then with ever fewer turns.
 * What an edited prompt took the place of is none of it.
 *
 * @param {Turn[]} turns
 * @param {ToolAnswer[]} answers that come now
 */
export function earlierMessages(turns, answers) {
  /** @type {object[][]} */
  const histories = [];
  /** @type {object[]} */
  let messages = [];
  let length = 0;
  for (const turn of turns.filter((turn) => speaksAgui(turn) && !turn.replaced).toReversed()) {
    const now = messagesOf(turn, answers);
    length += JSON.stringify(now).length;
    if (length > MAX_MESSAGE_BYTES) break;
    messages = [...now, ...messages];
    // Results are nothing without their calls.
    if (turn.answers.length === 0) histories.unshift(messages);
  }
  return histories;
}

/** @param {Turn} turn @param {ToolAnswer[]} answers that come now */
function messagesOf(turn, answers) {
  const { runId, prompt, messages, calls } = turn;
  // An interrupted call is the agent's own.
  const asked = calls.filter(({ interrupt }) => interrupt === undefined);
  const replies = asked.flatMap(({ id, reply }) =>
    answers.some((one) => one.id === id)
      ? []
      : [typeof reply === 'object' ? reply : { id, content: 'Withdrawn', failed: true }],
  );
  return [
    ...(turn.answers.length === 0 ? [{ id: runId, role: 'user', content: prompt.toWellFormed() }] : []),
    ...messages
      .filter(({ text }) => text !== '')
      .map(({ id, text }) => ({ id, role: 'assistant', content: text.toWellFormed() })),
    ...(asked.length > 0 ? [assistantMessage(runId, asked), ...toolMessages(`${runId}-result`, replies)] : []),
  ];
}

/** @param {string} messageId @param {ToolCall[]} calls */
function assistantMessage(messageId, calls) {
  const toolCalls = calls.map(({ id, name, arguments: json }) => ({
    id,
    type: 'function',
    function: { name: name.toWellFormed(), arguments: json.toWellFormed() },
  }));
  return { id: `${messageId}-calls`, role: 'assistant', toolCalls };
}

/** What was answered in an earlier run, and is not answered again. @param {ToolCall[]} calls @param {ToolAnswer[]} answers */
function answersBefore(calls, answers) {
  const replies = calls.flatMap(({ reply }) => (typeof reply === 'object' ? [reply] : []));
  return replies.filter((reply) => !answers.some(({ id }) => id === reply.id));
}

/** @param {string} messageId @param {ToolAnswer[]} answers */
function toolMessages(messageId, answers) {
  return answers
    .filter(({ content, resume }) => content !== undefined && resume === undefined)
    .map(({ id, content = '', failed }, index) => {
      const result = content.toWellFormed();
      return {
        id: `${messageId}-${index}`,
        role: 'tool',
        toolCallId: id,
        content: result,
        ...(failed ? { error: result || 'It failed.' } : {}),
      };
    });
}

/** @param {ToolAnswer[]} answers */
function resumption(answers) {
  const decided = answers.filter(({ confirmed }) => confirmed !== undefined);
  if (decided.length === 0) return {};
  return {
    resume: decided.map(
      ({ id, confirmed, resume }) =>
        resume ?? { interruptId: id, status: confirmed ? 'resolved' : 'cancelled', payload: { confirmed } },
    ),
  };
}
