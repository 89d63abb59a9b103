// What an opened step of AgentCore's harness shows. No DOM.

import { oneLine, withoutMarks } from '../lib/format.js';
import { get, getString } from '../lib/json.js';
import { pieceIn } from './harness-event.js';
import { beside, note, rows, text, tokenFacts, whole } from './sections.js';
import { pretty, treeOfEvent, valueOf } from './source.js';

/** @import { Piece } from './harness-event.js' */
/** @import { Section } from './sections.js' */
/** @import { Step } from './tree.js' */

/** What there is to know of a call, and of its result. @type {[name: string, member: string][]} */
const OF_CALL = [
  ['Tool', 'name'],
  ['Server', 'serverName'],
  ['Type', 'type'],
  ['Status', 'status'],
  ['Tool use', 'toolUseId'],
];

/** What stands in the facts of a step, by where an event has it. @type {[path: string[], members: [name: string, member: string][]][]} */
const FACTS = [
  [
    [],
    [
      ['Tool', 'toolCallName'],
      ['Message', 'messageId'],
      ['Call', 'toolCallId'],
    ],
  ],
  [['messageStart'], [['Role', 'role']]],
  [['messageStop'], [['Stop reason', 'stopReason']]],
  [
    ['hookEvent'],
    [
      ['Hook', 'name'],
      ['When', 'type'],
      ['Decision', 'decision'],
      ['Reason', 'reason'],
      ['Event', 'hookEventId'],
    ],
  ],
  [
    ['metadata', 'usage'],
    [
      ['Tokens in all', 'totalTokens'],
      ['Read from the cache', 'cacheReadInputTokens'],
      ['Written to the cache', 'cacheWriteInputTokens'],
    ],
  ],
  [['metadata', 'metrics'], [['Latency in ms', 'latencyMs']]],
];

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
function factsOf(step) {
  /** @type {Map<string, string>} */
  const facts = new Map();
  for (const one of step.events) {
    const event = valueOf(treeOfEvent(one));
    for (const [path, members] of FACTS) note(facts, get(event, ...path), members);
    const start = get(event, 'contentBlockStart', 'start');
    note(facts, get(start, 'toolUse') ?? get(start, 'toolResult'), OF_CALL);
    if (getString(event, 'type') === 'TOOL_CALL_RESULT') facts.delete('Message');
  }
  // Of the harness' own tools both are one.
  if (facts.get('Call') === facts.get('Tool use')) facts.delete('Call');
  return [...facts, ...tokenFacts(step)];
}
