// The trace of AgentCore's managed harness: a step for each message of its model, in which stand what the model thought,
// the tools that it called, and the hooks that were asked. No DOM.

import { oneLine } from '../lib/format.js';
import { get, getNumber, getString, membersOf } from '../lib/json.js';
import { outcomeOf, stopReasonInWords } from '../relay/stop-reason.js';
import { nameOf, sectionsOf } from './harness-detail.js';
import { HARNESS, isFrame, pieceIn, sourceOf, thingsIn, toolName } from './harness-event.js';
import { joined } from './phrases.js';
import { plausible } from './times.js';

/** @import { AgentEvent } from '../types.d.ts' */
/** @import { EndStatus, Reader, Step, TraceTree } from './tree.js' */

/** @implements {Reader} */
export class HarnessReader {
  sectionsOf = sectionsOf;
  #tree;
  /** The model's message that is being said, or was the last. @type {Step | undefined} */
  #message;
  /** When the message can have begun at the earliest: what it answers was there. */
  #earliest = 0;
  /** Whether what comes now are results of tools, which the stream has as a message of the user. */
  #hasResults = false;
  /** The id that the frames of the message have. @type {string | undefined} */
  #messageId;
  /** What began last at each index of the message: an index may come again. @type {Map<number, Step>} */
  #blocks = new Map();
  /** The tools by the ids that their calls and results have. @type {Map<string, Step>} */
  #tools = new Map();
  /** Tools whose input is still to come in a frame, where a client's call has an id that the stream does not know. @type {Set<Step>} */
  #withoutFrame = new Set();
  /** What the model thinks, by the ids of the frames. @type {Map<string, Step>} */
  #thoughts = new Map();
  /** When the event that is read arrived, and whether nobody knows: a file may not say so. */
  #now = 0;
  #untimed = false;
  /** Tools whose result was announced as a failure. @type {Set<Step>} */
  #failing = new Set();

  /** @param {TraceTree} tree */
  constructor(tree) {
    this.#tree = tree;
  }

  /** @param {AgentEvent} event */
  static owns({ source }) {
    return source === HARNESS || isFrame(source);
  }

  static sourceOf = sourceOf;

  /** @param {AgentEvent} event @param {Set<Step>} changed */
  take(event, changed) {
    const arrived = this.#tree.arrivalOf(event);
    this.#untimed = arrived === 0;
    // Then one thing follows the other.
    this.#now = arrived || this.#tree.latest;
    /** @param {Step | undefined} step */
    const give = (step) => {
      if (step === undefined) return;
      if (step.events.at(-1) !== event) step.events.push(event);
      if (step.parent !== undefined) changed.add(step.parent);
      changed.add(step);
    };
    if (isFrame(event.source)) {
      const step = this.#frame(event);
      this.#noteFirst(step);
      return give(step);
    }
    for (const [name, body] of thingsIn(event.event)) {
      const step = this.#thing(name, body, event);
      if (name.startsWith('contentBlock')) this.#noteFirst(step);
      give(step);
    }
  }

  /**
   * A run that is over has calls without a result: those that were handed to the client. What else has no end then lost it.
   *
   * @param {EndStatus} status
   * @param {number} moment
   * @param {Set<Step>} changed
   */
  end(status, moment, changed) {
    const isComplete =
      status === 'done' && this.#message?.status !== 'running' && (this.#tree.stopReason ?? 'tool_use') === 'tool_use';
    for (const step of [...this.#tree.running].filter(({ reader }) => reader === this)) {
      if (step.kind !== 'tool') step.name = summaryOf(step);
      const isHandedOver = isComplete && step.kind === 'tool' && step.parent === this.#message;
      if (isHandedOver) this.#tree.turnInto(step, 'return-control');
      if (status === 'done') this.#tree.close(step, isHandedOver ? 'done' : 'unfinished', moment);
      if (isHandedOver) step.duration = undefined;
      changed.add(step);
    }
  }

  /** The first that comes of a message, thoughts and calls included. @param {Step | undefined} step */
  #noteFirst(step) {
    const message = step?.kind === 'model' ? step : step?.parent;
    if (!this.#untimed && message?.kind === 'model' && message.status === 'running') message.firstAt ??= this.#now;
  }

  /**
   * Takes a frame.
   *
   * @param {AgentEvent} event
   * @returns {Step | undefined} the step that it belongs to
   */
  #frame({ source, event }) {
    const id = getString(event, 'messageId');
    switch (pieceIn(source, event)?.of) {
      case 'text': {
        // The start of the message got lost.
        const isOther = this.#messageId !== undefined && id !== undefined && id !== this.#messageId;
        const message = this.#speak(isOther);
        this.#messageId ??= id;
        message.name = 'Answering…';
        return message;
      }
      case 'reasoning': {
        const known = this.#thoughts.get(id ?? '');
        const step = known ?? this.#think();
        if (id !== undefined) this.#thoughts.set(id, step);
        if (source.endsWith('_END')) this.#closeThought(step);
        return step;
      }
      default:
        return this.#toolFrame(source, event);
    }
  }

  /**
   * @param {string} source
   * @param {unknown} event
   */
  #toolFrame(source, event) {
    const [id, name] = [getString(event, 'toolCallId') ?? '', getString(event, 'toolCallName')];
    let step = this.#tools.get(id);
    if (step === undefined) {
      const named = name === undefined ? undefined : toolName(name);
      step =
        [...this.#withoutFrame].find((one) => one.name === named && one.status === 'running') ??
        this.#call(this.#message, named);
      this.#tools.set(id, step);
    }
    this.#withoutFrame.delete(step);
    if (source === 'TOOL_CALL_RESULT') {
      const failed = get(event, 'metadata', 'relay', 'failed') === true || get(event, 'error') !== undefined;
      this.#answer(step, failed, getString(event, 'content'));
    }
    return step;
  }

  /**
   * Takes a part of an event of the stream.
   *
   * @param {string} name
   * @param {unknown} body
   * @param {AgentEvent} event
   * @returns {Step | undefined} the step that it belongs to
   */
  #thing(name, body, event) {
    const index = getNumber(body, 'contentBlockIndex') ?? 0;
    switch (name) {
      case 'messageStart':
        this.#hasResults = getString(body, 'role') === 'user';
        if (!this.#hasResults) return this.#speak(true);
        this.#blocks.clear();
        return undefined;
      case 'contentBlockStart':
        return this.#blockStart(index, get(body, 'start'));
      case 'contentBlockDelta':
        return this.#blockDelta(index, event);
      case 'contentBlockStop':
        return this.#blockStop(index);
      case 'messageStop':
        return this.#messageStop(getString(body, 'stopReason') ?? '');
      case 'metadata':
        return this.#metadata(body);
      case 'hookEvent':
        return this.#hook(body);
      case 'exception':
        return this.#moment(
          undefined,
          'failure',
          'Failure',
          'failed',
          oneLine(getString(body, 'message') ?? 'No reason given'),
        );
      default:
        return this.#moment(undefined, 'unknown', oneLine(membersOf(body).join(', ')) || 'Unknown event');
    }
  }

  /**
   * The message of the model that goes on, or a new one.
   *
   * @param {boolean} [anew]
   */
  #speak(anew = false) {
    const open = this.#message;
    if (open?.status === 'running') {
      if (!anew) return open;
      // Its end got lost.
      this.#closeMessage(open, 'unfinished');
    }
    this.#hasResults = false;
    this.#blocks.clear();
    this.#messageId = undefined;
    if (open !== undefined)
      this.#earliest = [open, ...open.children].reduce((latest, { end }) => Math.max(latest, end ?? 0), 0);
    this.#message = this.#tree.begin(this, undefined, 'model', 'Working…', this.#now);
    return this.#message;
  }

  #think() {
    const message = this.#speak();
    message.name = 'Reasoning…';
    return this.#tree.begin(this, message, 'reasoning', 'Thinking…', this.#now);
  }

  /** @param {Step} step */
  #closeThought(step) {
    step.name = summaryOf(step);
    this.#close(step, 'done');
  }

  /**
   * @param {Step} step
   * @param {EndStatus} status
   * @param {string} [reason]
   */
  #close(step, status, reason) {
    this.#tree.close(step, status, this.#now, reason);
    if (this.#untimed && step.duration === 0) step.duration = undefined;
  }

  /**
   * A tool runs from its call on, as far as can be seen.
   *
   * @param {Step | undefined} message
   * @param {string | undefined} name
   */
  #call(message, name = 'Tool') {
    if (message?.status === 'running') message.name = `Calling ${name}…`;
    return this.#tree.begin(this, message, 'tool', name, this.#now);
  }

  /**
   * The result of a tool is there.
   *
   * @param {Step} step
   * @param {boolean} failed
   * @param {string | undefined} content
   */
  #answer(step, failed, content) {
    this.#close(step, failed ? 'failed' : 'done', failed ? oneLine(content ?? '') || 'It failed' : undefined);
  }

  /**
   * @param {number} index
   * @param {unknown} start
   */
  #blockStart(index, start) {
    const [call, result] = [get(start, 'toolUse'), get(start, 'toolResult')];
    if (call === undefined && result === undefined) return undefined;
    const id = getString(call ?? result, 'toolUseId') ?? '';
    const known = this.#tools.get(id);
    this.#hasResults = result !== undefined;
    const step =
      (call === undefined ? known : undefined) ??
      this.#call(this.#hasResults ? this.#message : this.#speak(), toolNameIn(call));
    this.#blocks.set(index, step);
    this.#tools.set(id, step);
    if (call !== undefined) this.#withoutFrame.add(step);
    if (getString(result, 'status') === 'error') this.#failing.add(step);
    return step;
  }

  /**
   * @param {number} index
   * @param {AgentEvent} event
   */
  #blockDelta(index, { source, event }) {
    const { of } = pieceIn(source, event) ?? {};
    const block = this.#blocks.get(index);
    switch (of) {
      case 'text': {
        const message = this.#speak();
        message.name = 'Answering…';
        return message;
      }
      case 'reasoning': {
        const step = block?.kind === 'reasoning' ? block : this.#think();
        this.#blocks.set(index, step);
        return step;
      }
      case 'input':
      case 'result': {
        const step = block?.kind === 'tool' ? block : this.#call(of === 'input' ? this.#speak() : this.#message);
        this.#blocks.set(index, step);
        return step;
      }
      default:
        return block ?? this.#message;
    }
  }

  /** @param {number} index */
  #blockStop(index) {
    const step = this.#blocks.get(index);
    if (step?.kind === 'reasoning') this.#closeThought(step);
    if (step?.kind === 'tool' && this.#hasResults) this.#answer(step, this.#failing.has(step), nameOf(step, 'result'));
    return step;
  }

  /** @param {string} stopReason */
  #messageStop(stopReason) {
    if (this.#hasResults || stopReason === 'tool_result') {
      for (const [index, step] of this.#blocks) if (step.status === 'running') this.#blockStop(index);
      this.#hasResults = false;
      return undefined;
    }
    const message = this.#speak();
    const status = outcomeOf(stopReason);
    this.#tree.stopReason = stopReason;
    this.#closeMessage(message, status, status === 'done' ? undefined : stopReasonInWords(stopReason));
    this.#toolsBegin(message, this.#now);
    return message;
  }

  /** The tools that a message calls begin to work once it is complete. @param {Step} message @param {number} moment */
  #toolsBegin(message, moment) {
    for (const step of message.children) if (step.kind === 'tool' && step.status === 'running') step.start = moment;
  }

  /**
   * @param {Step} message
   * @param {EndStatus} status
   * @param {string} [reason]
   */
  #closeMessage(message, status, reason) {
    for (const step of message.children)
      if (step.kind === 'reasoning' && step.status === 'running') this.#closeThought(step);
    message.name = summaryOf(message);
    this.#close(message, status, reason);
  }

  /**
   * What a call of the model took and used: it comes after its message.
   *
   * @param {unknown} body
   */
  #metadata(body) {
    const message = this.#message?.tokens === undefined ? this.#message : undefined;
    const step = message ?? this.#moment(undefined, 'model', 'No text');
    const usage = get(body, 'usage');
    if (usage !== undefined) {
      const cacheRead = getNumber(usage, 'cacheReadInputTokens');
      const cacheWrite = getNumber(usage, 'cacheWriteInputTokens');
      this.#tree.spend(step, {
        input: getNumber(usage, 'inputTokens') ?? 0,
        output: getNumber(usage, 'outputTokens') ?? 0,
        ...(cacheRead && { cacheRead }),
        ...(cacheWrite && { cacheWrite }),
      });
    }
    const took = plausible(getNumber(body, 'metrics', 'latencyMs'));
    if (took === undefined || step.end === undefined) return step;
    if (this.#untimed) {
      step.end = step.start + took;
      this.#tree.latest = Math.max(this.#tree.latest, step.end);
      this.#toolsBegin(step, step.end);
    } else {
      // Its first word comes late, and on a slow line its last one does. But it waited for the results of the one before.
      step.start = Math.min(step.start, Math.max(step.end - took, this.#earliest));
      step.room = step.end - step.start;
    }
    Object.assign(step, { duration: took, estimated: false });
    return step;
  }

  /** @param {unknown} body */
  #hook(body) {
    const [when, decision] = [getString(body, 'type')?.replaceAll('_', ' '), getString(body, 'decision')];
    const isDenied = decision === 'deny';
    const name = joined(
      ': ',
      joined(', ', getString(body, 'name') ?? 'Hook', when),
      isDenied ? 'denied' : decision === 'allow' ? 'allowed' : decision,
    );
    // Hooks of a tool belong to the message that calls it.
    const message = when?.includes('tool') ? this.#message : undefined;
    return this.#moment(
      message,
      'hook',
      oneLine(name),
      isDenied ? 'intervened' : 'done',
      isDenied ? oneLine(getString(body, 'reason') ?? 'Denied') : undefined,
    );
  }

  /**
   * A step that is over as soon as it begins.
   *
   * @param {Step | undefined} parent
   * @param {import('./tree.js').Kind} kind
   * @param {string} name
   * @param {EndStatus} [status]
   * @param {string} [reason]
   */
  #moment(parent, kind, name, status = 'done', reason) {
    const step = this.#tree.begin(this, parent, kind, name, this.#now);
    this.#tree.close(step, status, this.#now, reason);
    step.duration = undefined;
    return step;
  }
}

/** What to call a message or a thought that is complete. @param {Step} step */
function summaryOf(step) {
  const tools = step.children.filter(({ kind }) => kind === 'tool').map(({ name }) => name);
  const calls = tools.length === 0 ? '' : `Calls ${[...new Set(tools)].join(', ')}`;
  return nameOf(step, step.kind === 'model' ? 'text' : 'reasoning') || oneLine(calls) || 'No text';
}

/** @param {unknown} call */
function toolNameIn(call) {
  const name = getString(call, 'name');
  return name === undefined ? undefined : toolName(name);
}
