// What one event of AgentCore's harness says. Its names are those of Bedrock's Converse stream and of the service model
// of bedrock-agentcore, in which everything is optional; text, reasoning and the tools that it runs come in frames of
// AG-UI. No DOM.

import { get, getList, getString, membersOf } from '../lib/json.js';

export const HARNESS = 'agentcore-harness';

/** The frames that a run of a harness is told in, beside its own events. */
const FRAMES = /^(?:TEXT_MESSAGE|TOOL_CALL|REASONING)_/;

const EVENTS = [
  'messageStart',
  'contentBlockStart',
  'contentBlockDelta',
  'contentBlockStop',
  'messageStop',
  'metadata',
  'hookEvent',
];
const EXCEPTIONS = ['internalServerException', 'validationException', 'runtimeClientError'];

/** @param {string} source of an event */
export function isFrame(source) {
  return FRAMES.test(source);
}

/**
 * The source of a value of a file, where it is an event by itself: of the stream as AWS's tools print it, or a frame.
 *
 * @param {unknown} value
 */
export function sourceOf(value) {
  const type = getString(value, 'type') ?? '';
  if (isFrame(type)) return type;
  const names = membersOf(value);
  const known = names.filter((name) => EVENTS.includes(name) || EXCEPTIONS.includes(name));
  // Much else has metadata.
  const isUsage =
    known[0] === 'metadata' &&
    names.length === 1 &&
    (get(value, 'metadata', 'usage') ?? get(value, 'metadata', 'metrics')) !== undefined;
  return isUsage || known.some((name) => name !== 'metadata') ? HARNESS : undefined;
}

/**
 * What an event of the stream holds: mostly one thing.
 *
 * @param {unknown} event
 * @returns {[name: string, body: unknown][]} at least one, `unknown` where nothing is known
 */
export function thingsIn(event) {
  const found = membersOf(event).flatMap((name) => {
    const is = EVENTS.includes(name) ? name : EXCEPTIONS.includes(name) ? 'exception' : undefined;
    return is === undefined ? [] : [/** @type {[string, unknown]} */ ([is, get(event, name)])];
  });
  return found.length > 0 ? found : [['unknown', event]];
}

/**
 * The piece of something longer that an event brings.
 *
 * @typedef {object} Piece
 * @property {'text' | 'reasoning' | 'input' | 'result' | 'other'} of
 * @property {unknown[]} values what it consists of; texts, as a rule, of which the next one goes on
 */

/**
 * @param {string} source
 * @param {unknown} event
 * @returns {Piece | undefined} undefined for what brings none
 */
export function pieceIn(source, event) {
  if (isFrame(source)) {
    const of = source.startsWith('TEXT')
      ? 'text'
      : source.startsWith('REASON')
        ? 'reasoning'
        : source === 'TOOL_CALL_RESULT'
          ? 'result'
          : 'input';
    return { of, values: [get(event, of === 'result' ? 'content' : 'delta')] };
  }
  const delta = get(event, 'contentBlockDelta', 'delta');
  if (delta === undefined) return undefined;
  const reasoning = get(delta, 'reasoningContent');
  if (reasoning !== undefined)
    return {
      of: 'reasoning',
      values: [get(reasoning, 'text') ?? (get(reasoning, 'redactedContent') === undefined ? '' : 'Redacted')],
    };
  if (get(delta, 'text') !== undefined) return { of: 'text', values: [get(delta, 'text')] };
  if (get(delta, 'toolUse') !== undefined) return { of: 'input', values: [get(delta, 'toolUse', 'input')] };
  if (get(delta, 'toolResult') === undefined) return { of: 'other', values: [] };
  return {
    of: 'result',
    values: getList(delta, 'toolResult').map((one) => get(one, 'text') ?? get(one, 'json') ?? one),
  };
}

/** A tool of a gateway is called `<target>___<tool>`. @param {string} name */
export function toolName(name) {
  return name.replace('___', ' › ');
}
