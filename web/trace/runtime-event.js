// The events of an agent that speaks AG-UI, as the trace has them: what each is about. No DOM.

import { getString } from '../lib/json.js';

/** @import { Kind } from './tree.js' */

/**
 * What has a beginning and an end: the first words of its events' types, the kind of its step, the members with its id and
 * with its name, and what it is called until it has one.
 *
 * @type {Record<string, {kind: Kind, id: string, name?: string, running?: string}>}
 */
const PARTS = {
  TEXT_MESSAGE: { kind: 'message', id: 'messageId', running: 'Answering…' },
  REASONING: { kind: 'reasoning', id: 'messageId', running: 'Thinking…' },
  TOOL_CALL: { kind: 'tool', id: 'toolCallId', name: 'toolCallName' },
  STEP: { kind: 'step', id: 'stepName', name: 'stepName' },
  SUBAGENT: { kind: 'collaborator', id: 'subagentRunId', name: 'name' },
};

/**
 * The part that an event begins, continues or ends.
 *
 * @param {unknown} event
 */
export function partOf(event) {
  const type = getString(event, 'type') ?? '';
  const [, of = '', phase = ''] =
    /^([A-Z]+(?:_MESSAGE|_CALL)?)_(START|STARTED|CONTENT|ARGS|CHUNK|END|FINISHED|RESULT|ERROR)$/.exec(
      type.replace('REASONING_MESSAGE', 'REASONING'),
    ) ?? [];
  const part = PARTS[of];
  if (part === undefined) return undefined;
  const id = getString(event, part.id) ?? '';
  return {
    kind: part.kind,
    key: `${of} ${id}`,
    name: getString(event, part.name ?? '') ?? part.running ?? id,
    begins: phase.startsWith('START'),
    // A tool goes on after all is said that it needs to know.
    ends: /^(?:FINISHED|RESULT|ERROR)$/.test(phase) || (phase === 'END' && of !== 'TOOL_CALL'),
    failed: phase === 'ERROR',
  };
}

/** What an event shows that is no part: its value, by the name of its member. */
export const VALUES = ['snapshot', 'delta', 'messages', 'value', 'content', 'patch'];
