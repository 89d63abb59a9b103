// The trace of an agent on AgentCore's runtime, or any other that speaks AG-UI: its messages, thoughts and tools, in the
// steps of which it tells, and what it says of its state. No DOM.

import { counted, oneLine, withoutMarks } from '../lib/format.js';
import { get, getList, getString, membersOf } from '../lib/json.js';
import { isOwnForm, RUNTIME } from '../relay/agui.js';
import { isFrame } from './harness-event.js';
import { resultOf, sectionsOf, textOf } from './runtime-detail.js';
import { partOf } from './runtime-event.js';

/** @import { AgentEvent } from '../types.d.ts' */
/** @import { EndStatus, Kind, Reader, Step, TraceTree } from './tree.js' */

/** @implements {Reader} */
export class RuntimeReader {
  sectionsOf = sectionsOf;
  #tree;
  /** What began last under each key. @type {Map<string, Step>} */
  #parts = new Map();

  /** @param {TraceTree} tree */
  constructor(tree) {
    this.#tree = tree;
  }

  /** @param {AgentEvent} event */
  static owns({ source, event }) {
    // What the agent hands on of another, such as the library it is made with. A frame has its type for a source.
    return (
      !/^(?:relay|bedrock|agentcore-harness$)/.test(source) && getString(event, 'type') !== source && !isFrame(source)
    );
  }

  /** The source of a value of a file, where it is an event by itself. @param {unknown} value */
  static sourceOf(value) {
    const type = getString(value, 'type') ?? '';
    // What both have is the harness', until a file turns out to be of an agent.
    return isOwnForm(type) && !/^REASONING_(?:START|END)$/.test(type) ? RUNTIME : undefined;
  }

  /** @param {AgentEvent} event @param {Set<Step>} changed */
  take(event, changed) {
    // In a file without times, one thing follows the other.
    const moment = this.#tree.arrivalOf(event) || this.#tree.latest;
    const step = this.#stepOf(event, moment);
    step.events.push(event);
    this.#close(event.event, step, moment);
    if (step.parent !== undefined) changed.add(step.parent);
    changed.add(step);
  }

  /**
   * A run that is over has calls without a result: those are the client's.
   *
   * @param {EndStatus} status
   * @param {number} moment
   * @param {Set<Step>} changed
   */
  end(status, moment, changed) {
    for (const step of [...this.#tree.running].filter(({ reader }) => reader === this)) {
      const isHandedOver = status === 'done' && step.kind === 'tool';
      step.name = nameOf(step);
      if (isHandedOver) this.#tree.turnInto(step, 'return-control');
      if (status === 'done') this.#tree.close(step, isHandedOver ? 'done' : 'unfinished', moment);
      if (isHandedOver) step.duration = undefined;
      changed.add(step);
    }
  }

  /** @param {AgentEvent} taken @param {number} moment */
  #stepOf(taken, moment) {
    const { event } = taken;
    const part = partOf(event);
    if (part === undefined) return this.#tree.begin(this, this.#around(event), ...described(taken), moment);
    const known = this.#parts.get(part.key);
    if (known !== undefined && (!part.begins || known.status === 'running')) return known;
    const step = this.#tree.begin(
      this,
      part.kind === 'step' ? undefined : this.#around(event),
      part.kind,
      oneLine(part.name),
      moment,
    );
    this.#parts.set(part.key, step);
    return step;
  }

  /** @param {unknown} event @param {Step} step @param {number} moment */
  #close(event, step, moment) {
    const part = partOf(event);
    if (part?.ends === false) return;
    const failed = part?.failed === true || get(event, 'error') !== undefined;
    step.name = nameOf(step);
    this.#tree.close(
      step,
      failed ? 'failed' : 'done',
      moment,
      failed ? oneLine(getString(event, 'message') ?? resultOf(step)) || 'It failed' : undefined,
    );
    if (part === undefined) step.duration = undefined;
  }

  /** Who an event says it is of, or else the step that is under way. @param {unknown} event */
  #around(event) {
    const subagent = this.#parts.get(`SUBAGENT ${getString(event, 'subagentRunId')}`);
    return subagent ?? [...this.#tree.running].findLast(({ reader, kind }) => reader === this && kind === 'step');
  }
}

/** What to call a step that is complete. @param {Step} step */
function nameOf(step) {
  const { kind, name } = step;
  const said = kind === 'message' ? withoutMarks(textOf(step)) : kind === 'reasoning' ? textOf(step) : name;
  return oneLine(said) || (name.endsWith('…') ? 'No text' : name);
}

/**
 * The kind and the name of what is no part of anything.
 *
 * @param {AgentEvent} taken
 * @returns {[Kind, string]}
 */
function described({ source, event }) {
  const type = getString(event, 'type') ?? '';
  const changes = () => getList(event, 'delta').map((one) => [getString(one, 'op'), getString(one, 'path')].join(' '));
  const [kind, name] = /** @type {[Kind, string]} */ (
    type === 'STATE_SNAPSHOT'
      ? ['state', 'Snapshot']
      : type === 'STATE_DELTA'
        ? ['state', changes().join(', ')]
        : type === 'MESSAGES_SNAPSHOT'
          ? ['state', counted(getList(event, 'messages').length, 'message')]
          : type === 'CUSTOM' || type.startsWith('ACTIVITY_')
            ? ['event', getString(event, 'name') ?? getString(event, 'activityType') ?? type]
            : type === 'REASONING_ENCRYPTED_VALUE'
              ? ['reasoning', 'Encrypted']
              : // The relay calls it an event where it has no type.
                [
                  'unknown',
                  (source === RUNTIME
                    ? membersOf(get(event, 'event') ?? event)
                    : [`${source}: ${membersOf(event).join(', ')}`]
                  ).join(', ') || 'Unknown event',
                ]
  );
  return [kind, oneLine(name)];
}
