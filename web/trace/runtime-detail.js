// What an opened step of an agent that speaks AG-UI shows. No DOM.

import { get, getString } from '../lib/json.js';
import { partOf, VALUES } from './runtime-event.js';
import { beside, rows, text, whole } from './sections.js';
import { memberText, pretty, treeOfEvent, valueOf } from './source.js';

/** @import { AgentEvent } from '../types.d.ts' */
/** @import { Section } from './sections.js' */
/** @import { Step } from './tree.js' */

/** What stands in the facts of a step. @type {[string, string][]} */
const FACTS = [
  ['Step', 'stepName'],
  ['Tool', 'toolCallName'],
  ['Call', 'toolCallId'],
  ['Message', 'messageId'],
  ['Message', 'parentMessageId'],
  ['Name', 'name'],
  ['Agent', 'subagentRunId'],
  ['Event', 'type'],
  ['Activity', 'activityType'],
];

/** The pieces of text that a step consists of. @param {Step} step */
export function textOf({ events }) {
  return events.map(({ event }) => getString(event, 'delta') ?? '').join('');
}

/** What a tool gave back. @param {Step} step */
export function resultOf({ events }) {
  return events
    .map(({ event }) => (getString(event, 'type') === 'TOOL_CALL_RESULT' ? (getString(event, 'content') ?? '') : ''))
    .join('');
}

/**
 * @param {Step} step
 * @returns {Section[]} at least one
 */
export function sectionsOf(step) {
  const said = textOf(step);
  const sections = [
    ...(step.kind === 'message'
      ? text('Text', said)
      : step.kind === 'reasoning'
        ? text('Reasoning', said)
        : beside('in', text('Input', whole(said)))),
    ...beside('out', text(step.status === 'failed' ? 'Error' : 'Result', whole(resultOf(step)))),
    ...step.events.flatMap((one) => (partOf(one.event) === undefined ? text('Value', pretty(valueIn(one))) : [])),
    ...rows('Facts', factsOf(step)),
  ];
  return sections.length > 0 ? sections : [{ title: 'Event', text: '{}' }];
}

/** What an event is about, with every digit. @param {AgentEvent} event */
function valueIn(event) {
  const value = valueOf(treeOfEvent(event));
  const name = getString(value, 'type') === undefined ? undefined : VALUES.find((one) => get(value, one) !== undefined);
  return name === undefined ? value : get(value, name);
}

/** @param {Step} step @returns {[string, string][]} */
function factsOf({ kind, events }) {
  /** @type {Map<string, string>} */
  const facts = new Map();
  for (const { event } of events) {
    const hasParts = partOf(event) !== undefined;
    for (const [name, member] of FACTS) {
      const value = memberText(event, member);
      // A result is a message of its own.
      const isOther =
        (name === 'Event' && hasParts) ||
        (member === 'messageId' && kind !== 'message' && kind !== 'reasoning' && hasParts);
      if (value !== undefined && !isOther) facts.set(name, value);
    }
  }
  return [...facts];
}
