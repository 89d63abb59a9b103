// The pure core of the trace viewer: the events of a turn in, a tree of steps with their times out. No
// DOM and no clock; all times handed out are milliseconds since the prompt was sent.

import { get, getList, getNumber, getString } from '../lib/json.js';
import { partOf, traceInfosOf } from './event.js';

/** @import { AgentEvent } from '../types.d.ts' */
/** @import { Kind, TraceInfo } from './event.js' */

/**
 * `unfinished` means that the turn was stopped or interrupted before the step's end arrived.
 *
 * @typedef {'running' | 'done' | 'failed' | 'intervened' | 'unfinished'} StepStatus
 */

/**
 * What the agent did at one time: an input and its output are one step.
 *
 * @typedef {object} Step
 * @property {number} id counts from 0 in the order of appearance
 * @property {Kind} kind
 * @property {string} name one line
 * @property {StepStatus} status
 * @property {string | undefined} reason why it failed, one line
 * @property {number} start
 * @property {number | undefined} end undefined while it runs
 * @property {number | undefined} duration undefined while it runs, and for what has none, such as a rationale
 * @property {number | undefined} total of a final response: how long the agent took for all its steps
 * @property {boolean} estimated whether the times come from when the events were sent or arrived
 * @property {{input: number, output: number} | undefined} tokens
 * @property {Step | undefined} parent the collaborator's step that it belongs to
 * @property {Step[]} children
 * @property {AgentEvent[]} events each once, though several parts of one may be its
 * @property {{event: AgentEvent, index: number}[]} parts what it has of its events: which of the infos that are in one
 */

/**
 * One agent's steps.
 *
 * @typedef {object} Scope
 * @property {Step | undefined} owner
 * @property {Step[]} steps
 * @property {Waiting[]} waiting steps whose phase has not ended
 * @property {{step: Step, arn: string | undefined, scope: Scope}[]} collaborators
 */

/** @typedef {{phase: string, traceId: string | undefined, step: Step}} Waiting */

/** The steps of one turn. */
export class TraceTree {
  /** What the agent itself did; what its collaborators did are the children of their steps. @type {Step[]} */
  steps = [];
  /** How many steps there are of each kind. @type {Map<Kind, number>} */
  kinds = new Map();
  /** How many steps there are, children included. */
  size = 0;
  modelCalls = 0;
  /** Of all model invocations. */
  tokens = { input: 0, output: 0 };
  /** How many steps failed, and in how many a guardrail or the pre-processing intervened. */
  failed = 0;
  intervened = 0;
  /** The latest time of any step. */
  latest = 0;
  /** Steps that run. @type {Set<Step>} */
  running = new Set();
  #origin;
  /** The agent's clock at the origin, in ms since 1970, from the first event that tells it. @type {number | undefined} */
  #epoch;
  /** @type {Scope} */
  #root = { owner: undefined, steps: this.steps, waiting: [], collaborators: [] };

  /** @param {number} origin when the prompt was sent, on the clock of the events' arrival */
  constructor(origin) {
    this.#origin = origin;
  }

  /**
   * Takes the next event.
   *
   * @param {AgentEvent} event
   * @returns {Step[]} what is new or changed, parents first
   */
  add(event) {
    const part = event.source === 'bedrock-agent' ? partOf(event.event) : undefined;
    /** @type {Set<Step>} */
    const changed = new Set();
    for (const [index, info] of traceInfosOf(event.source, event.event, part).entries()) this.#take(event, index, part, info, changed);
    return [...changed];
  }

  /**
   * @param {AgentEvent} event
   * @param {number} index of the info
   * @param {unknown} part
   * @param {TraceInfo} info
   * @param {Set<Step>} changed
   */
  #take(event, index, part, info, changed) {
    const metadata = get(info.body, 'metadata');
    const moment = this.#moment(event, part, metadata);
    const scope = this.#scopeOf(part, moment, changed);
    const traceId = getString(info.body, 'traceId') ?? info.traceId;

    let step = info.output === true ? take(scope, info, traceId) : undefined;
    const paired = step !== undefined;
    if (step === undefined) {
      step = this.#begin(scope, info, moment);
      if (info.phase !== undefined && info.output !== true) {
        scope.waiting.push({ phase: info.phase, traceId, step });
      }
      if (info.kind === 'collaborator') enter(scope, step, getString(info.body, 'agentCollaboratorAliasArn'));
    }
    if (step.events.at(-1) !== event) step.events.push(event);
    step.parts.push({ event, index });
    if (info.phase === undefined || info.output === true) {
      this.#finish(step, info, metadata, moment, paired);
    }
    changed.add(step);

    // What fails is the step with the same trace id that has not come to its end.
    if (info.kind === 'failure') {
      for (const { step: open } of scope.waiting.filter((one) => one.traceId === traceId)) {
        this.#close(open, 'failed', moment, info.reason);
        changed.add(open);
      }
    }
  }

  /**
   * Notes that the turn is over: no event will end what still runs.
   *
   * @param {StepStatus} status what becomes of it
   * @param {number} now on the clock of the events' arrival
   * @param {string} [reason]
   * @returns {Step[]} what changed
   */
  end(status, now, reason) {
    const open = [...this.running];
    for (const step of open) this.#close(step, status, now - this.#origin, reason);
    return open;
  }

  /**
   * @param {Scope} scope
   * @param {Pick<TraceInfo, 'kind' | 'name'>} info
   * @param {number} start
   * @returns {Step}
   */
  #begin(scope, { kind, name }, start) {
    /** @type {Step} */
    const step = {
      id: this.size,
      kind,
      name,
      status: 'running',
      reason: undefined,
      start,
      end: undefined,
      duration: undefined,
      total: undefined,
      estimated: true,
      tokens: undefined,
      parent: scope.owner,
      children: [],
      events: [],
      parts: [],
    };
    scope.steps.push(step);
    this.running.add(step);
    this.size += 1;
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
    if (MODELS.has(kind)) this.modelCalls += 1;
    this.latest = Math.max(this.latest, start);
    return step;
  }

  /**
   * @param {Step} step
   * @param {TraceInfo} info
   * @param {unknown} metadata
   * @param {number} moment when the event was sent or arrived
   * @param {boolean} paired whether its phase began before
   */
  #finish(step, info, metadata, moment, paired) {
    const from = this.#sinceOrigin(get(metadata, 'startTime'));
    const to = this.#sinceOrigin(get(metadata, 'endTime'));
    const total = getNumber(metadata, 'totalTimeMs');
    const known = total ?? (from !== undefined && to !== undefined ? to - from : undefined);
    this.#close(step, info.status ?? 'done', to ?? moment, info.reason);
    const end = step.end ?? moment;
    step.estimated = known === undefined;
    if (step.kind === 'answer') {
      // What Bedrock gives it is the time of all steps before it: it has none of its own, and is where they end.
      Object.assign(step, { start: end, duration: undefined, total: getNumber(metadata, 'operationTotalTimeMs') ?? known });
    } else {
      if (known !== undefined) step.start = from ?? end - known;
      step.duration = known ?? (paired ? Math.max(end - step.start, 0) : undefined);
    }

    const usage = get(metadata, 'usage');
    if (usage === undefined) return;
    step.tokens = { input: getNumber(usage, 'inputTokens') ?? 0, output: getNumber(usage, 'outputTokens') ?? 0 };
    // A collaborator's usage would count its own model invocations twice.
    if (!MODELS.has(step.kind)) return;
    this.tokens.input += step.tokens.input;
    this.tokens.output += step.tokens.output;
  }

  /**
   * @param {Step} step
   * @param {StepStatus} status
   * @param {number} end
   * @param {string | undefined} reason
   */
  #close(step, status, end, reason) {
    this.running.delete(step);
    // A step that failed because of another event may still get an end of its own.
    if (step.status === 'failed') this.failed -= 1;
    if (step.status === 'intervened') this.intervened -= 1;
    if (status === 'failed') this.failed += 1;
    if (status === 'intervened') this.intervened += 1;
    step.status = status;
    step.reason = reason;
    step.end = end;
    step.duration = Math.max(end - step.start, 0);
    this.latest = Math.max(this.latest, end);
  }

  /**
   * The steps that an event belongs to: those of the agent at the end of its caller chain.
   *
   * @param {unknown} part
   * @param {number} moment
   * @param {Set<Step>} changed
   */
  #scopeOf(part, moment, changed) {
    const chain = getList(part, 'callerChain').map((caller) => getString(caller, 'agentAliasArn'));
    const name = getString(part, 'collaboratorName');
    let scope = this.#root;
    const callees = chain.slice(1);
    if (callees.length === 0 && name !== undefined) callees.push(undefined);
    for (const [index, arn] of callees.entries()) {
      const known = index === callees.length - 1 ? name : undefined;
      const called = scope.collaborators.filter(
        (one) => (arn !== undefined && one.arn === arn) || (known !== undefined && one.step.name === known),
      );
      let inner = (called.findLast(({ step }) => step.status === 'running') ?? called.at(-1))?.scope;
      if (inner === undefined) {
        // Its invocation was not traced, or got lost.
        const step = this.#begin(scope, { kind: 'collaborator', name: known ?? arn?.split('/').at(-2) ?? 'Collaborator' }, moment);
        scope.waiting.push({ phase: 'collaborator', traceId: undefined, step });
        inner = enter(scope, step, arn);
        changed.add(step);
      }
      scope = inner;
    }
    return scope;
  }

  /**
   * When an event was sent, or else when it arrived.
   *
   * @param {AgentEvent} event
   * @param {unknown} part
   * @param {unknown} metadata
   */
  #moment(event, part, metadata) {
    const arrived = event.at - this.#origin;
    const sent = epochOf(get(part, 'eventTime'));
    const told = sent ?? epochOf(get(metadata, 'endTime'));
    // Nothing begins before the prompt, also where a file does not say when its events arrived.
    if (told !== undefined) this.#epoch ??= Math.min(told - arrived, epochOf(get(metadata, 'startTime')) ?? Infinity);
    if (sent !== undefined && this.#epoch !== undefined) return sent - this.#epoch;
    return arrived === 0 ? this.latest : arrived;
  }

  /** @param {unknown} time */
  #sinceOrigin(time) {
    const epoch = epochOf(time);
    return epoch === undefined || this.#epoch === undefined ? undefined : epoch - this.#epoch;
  }
}

/** What counts as a model invocation. @type {ReadonlySet<Kind>} */
const MODELS = new Set(/** @type {const} */ (['pre-processing', 'routing', 'model', 'post-processing']));

/**
 * The step whose phase ends, which is waiting no more.
 *
 * @param {Scope} scope
 * @param {TraceInfo} info
 * @param {string | undefined} traceId
 */
function take(scope, { phase, kind, name }, traceId) {
  const index = scope.waiting.findIndex(
    (one) =>
      one.phase === phase &&
      (kind !== 'collaborator' || one.step.name === name) &&
      (one.traceId === undefined || traceId === undefined || one.traceId === traceId),
  );
  return index === -1 ? undefined : scope.waiting.splice(index, 1)[0]?.step;
}

/**
 * @param {Scope} scope
 * @param {Step} step
 * @param {string | undefined} arn
 * @returns {Scope}
 */
function enter(scope, step, arn) {
  const inner = { owner: step, steps: step.children, waiting: [], collaborators: [] };
  scope.collaborators.push({ step, arn, scope: inner });
  return inner;
}

/**
 * A time in ms since 1970: ISO 8601 as on the wire, or seconds as some clients save it.
 *
 * @param {unknown} time
 */
function epochOf(time) {
  if (typeof time === 'number' && Number.isFinite(time)) return time < 1e11 ? time * 1000 : time;
  const parsed = typeof time === 'string' ? Date.parse(time) : NaN;
  return Number.isNaN(parsed) ? undefined : parsed;
}
