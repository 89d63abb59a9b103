// What an opened step of AgentCore's harness shows. No DOM.

import { oneLine, withoutMarks } from '../lib/format.js';
import { get, getString } from '../lib/json.js';
import { pieceIn, thingsIn } from './harness-event.js';
import { beside, rows, text, whole } from './sections.js';
import { memberText, pretty, treeOfEvent, valueOf } from './source.js';

/** @import { Piece } from './harness-event.js' */
/** @import { Section } from './sections.js' */
/** @import { Step } from './tree.js' */

/**
 * @param {Step} step
 * @returns {Section[]} at least one
 */
export function sectionsOf(step) {
  if (step.kind === 'unknown')
    return step.events.map((one) => ({ title: 'Event', text: pretty(valueOf(treeOfEvent(one))) }));
  const thoughts = step.children.filter(({ kind }) => kind === 'reasoning');
  return [
    ...text('Failure', step.kind === 'failure' ? step.reason : undefined),
    ...text(
      'Reasoning',
      [step, ...thoughts]
        .map((one) => partOf(one, 'reasoning'))
        .filter(Boolean)
        .join('\n\n'),
    ),
    ...text('Text', partOf(step, 'text')),
    ...beside('in', text('Input', whole(partOf(step, 'input')))),
    ...beside('out', text(step.status === 'failed' ? 'Error' : 'Result', whole(partOf(step, 'result')))),
    ...rows('Facts', factsOf(step)),
  ];
}

/**
 * The start of a part of a step, on one line; empty where it has none.
 *
 * @param {Step} step
 * @param {Piece['of']} of
 */
export function nameOf(step, of) {
  const part = partOf(step, of);
  return oneLine(of === 'text' ? withoutMarks(part) : part);
}

/**
 * All that the events of a step bring of one part. Only what is no text is read anew, with every digit.
 *
 * @param {Step} step
 * @param {Piece['of']} of
 */
function partOf({ events }, of) {
  const pieces = events.flatMap((one) => {
    const piece = pieceIn(one.source, one.event);
    if (piece?.of !== of) return [];
    const isText = piece.values.every((value) => value === undefined || typeof value === 'string');
    return isText ? piece.values : (pieceIn(one.source, valueOf(treeOfEvent(one)))?.values ?? []);
  });
  return pieces.map((value) => (typeof value === 'string' ? value : value === undefined ? '' : pretty(value))).join('');
}

/** @param {Step} step @returns {[string, string][]} */
function factsOf({ events, tokens }) {
  /** @type {Map<string, string>} */
  const facts = new Map();
  const note = (/** @type {unknown} */ body, /** @type {[string, string][]} */ ...names) => {
    for (const [name, key] of names) {
      const value = memberText(body, key);
      if (value !== undefined && value !== '') facts.set(name, value);
    }
  };
  for (const one of events) {
    const event = valueOf(treeOfEvent(one));
    note(event, ['Tool', 'toolCallName'], ['Message', 'messageId'], ['Call', 'toolCallId']);
    for (const [thing, body] of thingsIn(event)) {
      if (thing === 'messageStart') note(body, ['Role', 'role']);
      if (thing === 'messageStop') note(body, ['Stop reason', 'stopReason']);
      if (thing === 'hookEvent')
        note(
          body,
          ['Hook', 'name'],
          ['When', 'type'],
          ['Decision', 'decision'],
          ['Reason', 'reason'],
          ['Event', 'hookEventId'],
        );
      const call = get(body, 'start', 'toolUse') ?? get(body, 'start', 'toolResult');
      note(
        call,
        ['Tool', 'name'],
        ['Server', 'serverName'],
        ['Type', 'type'],
        ['Status', 'status'],
        ['Tool use', 'toolUseId'],
      );
      if (thing === 'metadata') {
        note(
          get(body, 'usage'),
          ['Tokens in all', 'totalTokens'],
          ['Read from the cache', 'cacheReadInputTokens'],
          ['Written to the cache', 'cacheWriteInputTokens'],
        );
        note(get(body, 'metrics'), ['Latency in ms', 'latencyMs']);
      }
    }
    if (getString(event, 'type') === 'TOOL_CALL_RESULT') facts.delete('Message');
  }
  // Of the harness' own tools both are one.
  if (facts.get('Call') === facts.get('Tool use')) facts.delete('Call');
  if (tokens !== undefined) facts.set('Tokens', `${tokens.input} in, ${tokens.output} out`);
  return [...facts];
}
