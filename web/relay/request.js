// What the page sends: one AG-UI `RunAgentInput` for each prompt.

/** @import { ToolAnswer } from '../types.d.ts' */

/** A browser sends a message as one WebSocket frame, and API Gateway closes the connection above 32 KB. */
export const MAX_MESSAGE_BYTES = 32 * 1024;

/** Why a prompt cannot be sent, for the user. */
export class RequestError extends Error {}

/**
 * The message that starts a run; with `answers` in place of the prompt.
 *
 * @param {{threadId: string, runId: string, messageId: string, prompt: string, trace: boolean, answers?: ToolAnswer[]}} run
 * @throws {RequestError}
 */
export function runRequest({ threadId, runId, messageId, prompt, trace, answers = [] }) {
  if (prompt.trim() === '') throw new RequestError('Type a prompt first.');
  const message = JSON.stringify({
    threadId,
    runId,
    // Half a surrogate pair has no UTF-8 form, so no server could read it.
    messages: answers.length === 0 ? [{ id: messageId, role: 'user', content: prompt.toWellFormed() }] : toolMessages(messageId, answers),
    ...resumption(answers),
    state: {},
    tools: [],
    context: [],
    forwardedProps: { trace },
  });
  const bytes = new TextEncoder().encode(message).length;
  if (bytes <= MAX_MESSAGE_BYTES) return message;
  const [whole, most, over] = [bytes, MAX_MESSAGE_BYTES, bytes - MAX_MESSAGE_BYTES].map((count) => count.toLocaleString('en'));
  throw new RequestError(`This prompt is too long: the message would have ${whole} bytes, and the gateway takes ${most}. Shorten it by about ${over} bytes.`);
}

/** @param {string} messageId @param {ToolAnswer[]} answers */
function toolMessages(messageId, answers) {
  return answers
    .filter(({ content }) => content !== undefined)
    .map(({ id, content = '', failed }, index) => {
      const result = content.toWellFormed();
      return { id: `${messageId}-${index}`, role: 'tool', toolCallId: id, content: result, ...(failed ? { error: result || 'It failed.' } : {}) };
    });
}

/** @param {ToolAnswer[]} answers */
function resumption(answers) {
  const decided = answers.filter(({ confirmed }) => confirmed !== undefined);
  if (decided.length === 0) return {};
  return { resume: decided.map(({ id, confirmed }) => ({ interruptId: id, status: confirmed ? 'resolved' : 'cancelled', payload: { confirmed } })) };
}
