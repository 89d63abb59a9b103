// The trace of a Bedrock agent: which steps its events begin and end, and to which of several agents they belong.
// What is of no other reader is here as well, as a step that nobody knows. No DOM.

import { get, getList, getNumber, getString } from '../lib/json.js';
import { sectionsOf } from './bedrock-agent-detail.js';
import { AGENT, isStep, partOf, traceInfosOf } from './bedrock-agent-event.js';
import { plausible } from './times.js';

/** @import { AgentEvent } from '../types.d.ts' */
/** @import { TraceInfo } from './bedrock-agent-event.js' */
/** @import { Reader, Step, TraceTree } from './tree.js' */

/**
 * One agent's steps.
 *
 * @typedef {object} Scope
 * @property {Step | undefined} owner
 * @property {{traceId: string | undefined, step: Step}[]} waiting steps that have not ended
 * @property {{step: Step, arn: string | undefined, scope: Scope}[]} collaborators
 */

/** @implements {Reader} */
export class BedrockAgentReader {
  sectionsOf = sectionsOf;
  #tree;
  /** The agent's clock at the origin, in ms since 1970, from the first event that tells it. @type {number | undefined} */
  #epoch;
  #root = scopeOf(undefined);

  /** @param {TraceTree} tree */
  constructor(tree) {
    this.#tree = tree;
  }

  static owns() {
    return true;
  }

  /** The source of a value of a file, where it is an event by itself. @param {unknown} value */
  static sourceOf(value) {
    return isStep(value) ? AGENT : undefined;
  }

  /** @param {AgentEvent} event @param {Set<Step>} changed */
  take(event, changed) {
    const part = partOf(event.source, event.event);
    for (const [index, info] of traceInfosOf(event.source, event.event, part).entries())
      this.#take(event, index, part, info, changed);
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

    let step = info.phase === 'ends' ? take(scope, info, traceId) : undefined;
    const paired = step !== undefined;
    if (step === undefined) {
      step = this.#tree.begin(this, scope.owner, info.kind, info.name, moment);
      if (info.phase === 'begins') scope.waiting.push({ traceId, step });
      if (info.kind === 'collaborator') enter(scope, step, getString(info.body, 'agentCollaboratorAliasArn'));
    }
    if (step.events.at(-1) !== event) step.events.push(event);
    step.parts.push({ event, index });
    step.model ??= getString(info.body, 'foundationModel');
    if (info.phase !== 'begins') this.#finish(step, info, metadata, moment, paired);
    changed.add(step);

    // What fails is the step with the same trace id that has not come to its end.
    if (info.kind === 'failure') {
      for (const { step: open } of scope.waiting.filter((one) => one.traceId === traceId)) {
        this.#tree.close(open, 'failed', moment, info.reason);
        changed.add(open);
      }
    }
  }

  /**
   * @param {Step} step
   * @param {TraceInfo} info
   * @param {unknown} metadata
   * @param {number} moment when the event was sent or arrived
   * @param {boolean} paired whether it began before
   */
  #finish(step, info, metadata, moment, paired) {
    const from = this.#sinceOrigin(get(metadata, 'startTime'));
    const to = this.#sinceOrigin(get(metadata, 'endTime'));
    const total = plausible(getNumber(metadata, 'totalTimeMs'));
    const known = total ?? plausible(from !== undefined && to !== undefined ? to - from : undefined);
    this.#tree.close(step, info.status ?? 'done', to ?? moment, info.reason);
    const end = step.end ?? moment;
    step.estimated = known === undefined;
    if (step.kind === 'answer') {
      // What Bedrock gives it is the time of all steps before it: it has none of its own, and is where they end.
      Object.assign(step, {
        start: end,
        duration: undefined,
        total: plausible(getNumber(metadata, 'operationTotalTimeMs')) ?? known,
      });
    } else {
      if (known !== undefined) step.start = from ?? end - known;
      step.duration = known ?? (paired ? Math.max(end - step.start, 0) : undefined);
    }

    const usage = get(metadata, 'usage');
    if (usage === undefined) return;
    this.#tree.spend(step, {
      input: getNumber(usage, 'inputTokens') ?? 0,
      output: getNumber(usage, 'outputTokens') ?? 0,
    });
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
        const step = this.#tree.begin(
          this,
          scope.owner,
          'collaborator',
          known ?? arn?.split('/').at(-2) ?? 'Collaborator',
          moment,
        );
        scope.waiting.push({ traceId: undefined, step });
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
    const sent = epochOf(get(part, 'eventTime'));
    const told = sent ?? epochOf(get(metadata, 'endTime'));
    let arrived = this.#tree.arrivalOf(event);
    // Of what came late, the clocks tell better when it was, unless they are too far apart.
    if (this.#tree.late && told !== undefined && this.#tree.epoch !== undefined)
      arrived = Math.min(Math.max(told - this.#tree.epoch, 0), arrived);
    if (told !== undefined) this.#tree.late = false;
    // Nothing begins before the prompt, also where a file does not say when its events arrived.
    if (told !== undefined) this.#epoch ??= Math.min(told - arrived, epochOf(get(metadata, 'startTime')) ?? Infinity);
    const moment =
      sent === undefined || this.#epoch === undefined ? undefined : plausible(Math.max(sent - this.#epoch, 0));
    if (moment !== undefined) return moment;
    return arrived === 0 ? this.#tree.latest : arrived;
  }

  /** @param {unknown} time */
  #sinceOrigin(time) {
    const epoch = epochOf(time);
    return epoch === undefined || this.#epoch === undefined ? undefined : plausible(Math.max(epoch - this.#epoch, 0));
  }
}

/**
 * The step that ends, which is waiting no more.
 *
 * @param {Scope} scope
 * @param {TraceInfo} info
 * @param {string | undefined} traceId
 */
function take(scope, { kind, name }, traceId) {
  const index = scope.waiting.findIndex(
    (one) =>
      one.step.kind === kind &&
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
  const inner = scopeOf(step);
  scope.collaborators.push({ step, arn, scope: inner });
  return inner;
}

/** @param {Step | undefined} owner @returns {Scope} */
function scopeOf(owner) {
  return { owner, waiting: [], collaborators: [] };
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
