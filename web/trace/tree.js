// The pure core of the trace viewer: the events of a turn in, a tree of steps with their times out. What an event
// means is known by the reader of its source. No DOM and no clock; all times handed out are milliseconds since the
// prompt was sent.

import { readerOf } from './readers.js';
import { plausible } from './times.js';

/** @import { AgentEvent } from '../types.d.ts' */
/** @import { Section } from './sections.js' */

/**
 * The kinds of steps.
 *
 * @typedef {'pre-processing' | 'routing' | 'rationale' | 'reasoning' | 'model' | 'knowledge-base' | 'action-group' | 'tool' | 'return-control'
 *   | 'code' | 'collaborator' | 'guardrail' | 'hook' | 'reprompt' | 'post-processing' | 'answer' | 'custom'
 *   | 'message' | 'step' | 'state' | 'event' | 'failure' | 'unknown'} Kind
 */

/**
 * `unfinished` means that the turn was stopped or interrupted before the step's end arrived.
 *
 * @typedef {'running' | 'done' | 'failed' | 'intervened' | 'unfinished'} StepStatus
 */

/** @typedef {Exclude<StepStatus, 'running'>} EndStatus */

/**
 * What the agent did at one time: an input and its output are one step.
 *
 * @typedef {object} Step
 * @property {Reader} reader
 * @property {number} id counts from 0 in the order of appearance
 * @property {Kind} kind
 * @property {string} name one line
 * @property {StepStatus} status
 * @property {string | undefined} reason why it failed, one line
 * @property {number} start
 * @property {number | undefined} end undefined while it runs
 * @property {number | undefined} duration undefined while it runs, and for what has none, such as a rationale
 * @property {number | undefined} room how long its bar can be: what was measured elsewhere can be longer than its time here
 * @property {number | undefined} total of a final response: how long the agent took for all its steps
 * @property {boolean} late whether it began or ended before it came, so that how long it took is not known
 * @property {boolean} estimated whether the times come from when the events were sent or arrived
 * @property {Tokens | undefined} tokens
 * @property {string | undefined} model the id of the model that it called
 * @property {number | undefined} firstAt of a model: when the first of its words came
 * @property {Step | undefined} parent the step that it belongs to
 * @property {Step[]} children
 * @property {AgentEvent[]} events each once, though several parts of one may be its
 * @property {{event: AgentEvent, index: number}[]} parts what it has of its events, where one event may hold several steps
 */

/** @typedef {{input: number, output: number, cacheRead?: number, cacheWrite?: number}} Tokens the input without what a cache had a part in */

/**
 * Understands the events of one source, and makes steps of them.
 *
 * @typedef {object} Reader
 * @property {(event: AgentEvent, changed: Set<Step>) => void} take adds what is new or changed, parents first
 * @property {(status: EndStatus, moment: number, changed: Set<Step>) => void} [end] closes what it knows more of than that it runs
 * @property {(step: Step) => Section[]} sectionsOf what a step opens to, at least one
 */

/** The steps of one turn. */
export class TraceTree {
  /** What the agent itself did; what belongs to one of these steps are its children. @type {Step[]} */
  steps = [];
  /** How many steps there are of each kind. @type {Map<Kind, number>} */
  kinds = new Map();
  /** How many steps there are, children included. */
  size = 0;
  modelCalls = 0;
  /** Of all model invocations. @type {Tokens} */
  tokens = { input: 0, output: 0 };
  /** The steps that used them. @type {Set<Step>} */
  calls = new Set();
  /** Those that the models did not have to read again. */
  cachedTokens = 0;
  /** Why the last model stopped, where the agent tells. @type {string | undefined} */
  stopReason;
  /** How many steps failed, in how many a guardrail or the like intervened, and how many have no end. */
  failed = 0;
  intervened = 0;
  unfinished = 0;
  /** The latest time of any step. */
  latest = 0;
  /** Steps that run. @type {Set<Step>} */
  running = new Set();
  /** When the prompt was sent, in ms since 1970, where that is known. */
  epoch;
  /** Whether what is read now came later than it was sent. A reader that knows better says so. */
  late = false;
  #origin;
  /** @type {Map<ReturnType<typeof readerOf>, Reader>} */
  #readers = new Map();

  /**
   * @param {number} origin when the prompt was sent, on the clock of the events' arrival
   * @param {number} [epoch] the same in ms since 1970, where that is known
   */
  constructor(origin, epoch) {
    this.#origin = origin;
    this.epoch = epoch;
  }

  /**
   * Takes the next event.
   *
   * @param {AgentEvent} event
   * @returns {Step[]} what is new or changed, parents first
   */
  add(event) {
    const Reads = readerOf(event);
    const reader = this.#readers.get(Reads) ?? new Reads(this);
    this.#readers.set(Reads, reader);
    /** @type {Set<Step>} */
    const changed = new Set();
    this.late = event.late === true;
    reader.take(event, changed);
    this.late = false;
    return untimed(changed);
  }

  /**
   * Notes that the turn is over: no event will end what still runs.
   *
   * @param {EndStatus} status what becomes of it
   * @param {number} now on the clock of the events' arrival
   * @param {string} [reason]
   * @returns {Step[]} what changed
   */
  end(status, now, reason) {
    const moment = now - this.#origin;
    /** @type {Set<Step>} */
    const changed = new Set();
    for (const reader of this.#readers.values()) reader.end?.(status, moment, changed);
    for (const step of [...this.running]) {
      this.close(step, status, moment, reason);
      changed.add(step);
    }
    return untimed(changed);
  }

  /** Whether there are events of a source. @param {ReturnType<typeof readerOf>} reader */
  has(reader) {
    return this.#readers.has(reader);
  }

  /** When an event arrived; 0 where a file does not say so. @param {AgentEvent} event */
  arrivalOf(event) {
    return plausible(event.at - this.#origin) ?? 0;
  }

  /**
   * @param {Reader} reader
   * @param {Step | undefined} parent
   * @param {Kind} kind
   * @param {string} name
   * @param {number} start
   * @returns {Step}
   */
  begin(reader, parent, kind, name, start) {
    /** @type {Step} */
    const step = {
      reader,
      id: this.size,
      kind,
      name,
      status: 'running',
      reason: undefined,
      start,
      end: undefined,
      duration: undefined,
      room: undefined,
      total: undefined,
      late: this.late,
      estimated: true,
      tokens: undefined,
      model: undefined,
      firstAt: undefined,
      parent,
      children: [],
      events: [],
      parts: [],
    };
    (parent?.children ?? this.steps).push(step);
    this.running.add(step);
    this.size += 1;
    this.#count(kind, 1);
    if (MODELS.has(kind)) this.modelCalls += 1;
    this.latest = Math.max(this.latest, start);
    return step;
  }

  /**
   * Ends a step, or gives it another end: one that failed because of another event may still get its own.
   *
   * @param {Step} step
   * @param {EndStatus} status
   * @param {number} end
   * @param {string} [reason]
   */
  close(step, status, end, reason) {
    this.running.delete(step);
    step.late ||= this.late;
    if (step.status !== 'running' && step.status !== 'done') this[step.status] -= 1;
    if (status !== 'done') this[status] += 1;
    step.status = status;
    step.reason = reason;
    step.end = end;
    step.duration = Math.max(end - step.start, 0);
    this.latest = Math.max(this.latest, end);
  }

  /**
   * Notes what a step used. Only that of models is in the sum: what a collaborator used would count its models twice.
   *
   * @param {Step} step
   * @param {Tokens} tokens
   */
  spend(step, tokens) {
    // Fewer than none, and parts of one, are none.
    for (const [name, count] of Object.entries(tokens))
      if (!Number.isSafeInteger(count) || count < 0) tokens[/** @type {keyof Tokens} */ (name)] = 0;
    step.tokens = tokens;
    if (!MODELS.has(step.kind)) return;
    this.calls.add(step);
    this.tokens.input += tokens.input;
    this.tokens.output += tokens.output;
    this.cachedTokens += tokens.cacheRead ?? 0;
  }

  /** A step turns out to be of another kind. @param {Step} step @param {Kind} kind */
  turnInto(step, kind) {
    this.#count(step.kind, -1);
    this.#count(kind, 1);
    step.kind = kind;
  }

  /** @param {Kind} kind @param {number} more */
  #count(kind, more) {
    const count = (this.kinds.get(kind) ?? 0) + more;
    if (count === 0) this.kinds.delete(kind);
    else this.kinds.set(kind, count);
  }
}

/** Takes the spans away that only tell how late something came. @param {Set<Step>} changed */
function untimed(changed) {
  for (const step of changed) if (step.late && step.estimated && step.end !== undefined) step.duration = undefined;
  return [...changed];
}

/** What counts as a model invocation. @type {ReadonlySet<Kind>} */
const MODELS = new Set(/** @type {const} */ (['pre-processing', 'routing', 'model', 'post-processing']));
