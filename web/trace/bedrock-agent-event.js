// What one trace event of a Bedrock agent says: its kind, its name, and which phase of a step it begins or ends. Names
// are those of the service model of bedrock-agent-runtime, in which everything is optional. No DOM.

import { oneLine } from '../lib/format.js';
import { get, getList, getNumber, getString, membersOf } from '../lib/json.js';
import { joined } from './phrases.js';

/** @import { Kind } from './tree.js' */

/**
 * What one trace event says of one step.
 *
 * @typedef {object} TraceInfo
 * @property {Kind} kind
 * @property {string} name one line
 * @property {'begins' | 'ends'} [phase] whether the step begins or ends with it; unset when this is all of the step
 * @property {unknown} body the innermost object
 * @property {string} [traceId] of the object that holds the body, where the body has none
 * @property {'failed' | 'intervened'} [status]
 * @property {string} [reason] why, one line
 */

/** The source of a Bedrock agent's events. */
export const AGENT = 'bedrock-agent';

/** What a body says, by the name of the member that holds it. @typedef {Record<string, (body: unknown) => Omit<TraceInfo, 'body'>>} Readings */

/** What the agent is about to do. @type {Readings} */
const INVOCATIONS = {
  knowledgeBaseLookupInput: (body) => ({ kind: 'knowledge-base', name: queryOf(body), phase: 'begins' }),
  actionGroupInvocationInput: (body) => ({
    name: actionOf(body),
    // The caller carries it out, so nothing more of it comes in this turn.
    ...(getString(body, 'executionType') === 'RETURN_CONTROL'
      ? { kind: 'return-control' }
      : { kind: 'action-group', phase: 'begins' }),
  }),
  codeInterpreterInvocationInput: (body) => ({ kind: 'code', name: lineOf(body, 'code', 'Code'), phase: 'begins' }),
  agentCollaboratorInvocationInput: (body) => ({ ...collaborator(body), phase: 'begins' }),
};

/** What came back. @type {Readings} */
const OBSERVATIONS = {
  knowledgeBaseLookupOutput: () => ({ kind: 'knowledge-base', name: 'Passages', phase: 'ends' }),
  actionGroupInvocationOutput: () => ({ kind: 'action-group', name: 'Result', phase: 'ends' }),
  codeInterpreterInvocationOutput: (body) => {
    const error =
      getString(body, 'executionError') || (get(body, 'executionTimeout') === true ? 'The code took too long' : '');
    return {
      kind: 'code',
      name: 'Output',
      phase: 'ends',
      ...(error && { status: 'failed', reason: oneLine(error) }),
    };
  },
  agentCollaboratorInvocationOutput: (body) => ({ ...collaborator(body), phase: 'ends' }),
  finalResponse: (body) => ({ kind: 'answer', name: lineOf(body, 'text', 'Final response') }),
  repromptResponse: (body) => ({ kind: 'reprompt', name: lineOf(body, 'text', 'Reprompt') }),
};

/** Members by which an object is known that was saved without what is around it, and the name that it has there. @type {[readonly string[], string][]} */
const BARE = [
  [Object.keys(INVOCATIONS), 'invocationInput'],
  [Object.keys(OBSERVATIONS), 'observation'],
  [
    ['modelInvocationInput', 'modelInvocationOutput', 'rationale', 'invocationInput', 'observation'],
    'orchestrationTrace',
  ],
  [['inputAssessments', 'outputAssessments'], 'guardrailTrace'],
  [['failureReason'], 'failureTrace'],
];

/** Where a model invocation belongs that was saved without what is around it, by its type. @type {Record<string, string>} */
const TRACE_OF_TYPE = {
  PRE_PROCESSING: 'preProcessingTrace',
  POST_PROCESSING: 'postProcessingTrace',
  ROUTING_CLASSIFIER: 'routingClassifierTrace',
};

/**
 * The TracePart of an event, `event.trace`, whose own `trace` holds the step: event.trace.trace.orchestrationTrace.
 * Other clients save the part alone, or what it holds at any depth, and the console puts several into one object.
 *
 * @param {string} source
 * @param {unknown} event
 * @returns {unknown} undefined where there is none
 */
export function partOf(source, event) {
  if (source !== AGENT) return undefined;
  const held = get(event, 'trace');
  if (get(held, 'trace') !== undefined) return held;
  if (isStep(held)) return event;
  return isStep(event) ? { .../** @type {object} */ (event), trace: event } : held;
}

/** Whether a value is what a TracePart holds, or a part of that. @param {unknown} value */
export function isStep(value) {
  return tracesIn(value).length > 0 || BARE.some(([members]) => hasAny(value, members));
}

/**
 * What an event says of each step in it: mostly one.
 *
 * @param {string} source
 * @param {unknown} event
 * @param {unknown} [part] what `partOf` gives for it
 * @returns {TraceInfo[]} at least one
 */
export function traceInfosOf(source, event, part = partOf(source, event)) {
  if (part === undefined) return [unknown(source === AGENT ? '' : source, event)];
  const held = get(part, 'trace');
  const traces = tracesIn(held);
  const union = traces.length > 0 ? held : unionOf(held);
  // What has no name that is known is still a step.
  const names = traces.length > 0 ? traces : membersOf(union).slice(0, 1);
  const found = names.flatMap((name) => {
    const inner = get(union, name);
    const all = listOf(inner).flatMap((one) => TRACES.get(name)?.(one) ?? []);
    return all.length > 0 ? all : [unknown(name, inner)];
  });
  return found.length > 0 ? found : [unknown('', undefined)];
}

/** What the members of a TracePart say. @type {Map<string, (inner: unknown) => TraceInfo[]>} */
const TRACES = new Map([
  ['preProcessingTrace', stepsOf('pre-processing')],
  ['postProcessingTrace', stepsOf('post-processing')],
  ['routingClassifierTrace', stepsOf('routing')],
  ['orchestrationTrace', stepsOf('model')],
  ['guardrailTrace', (inner) => [guardrail(inner)]],
  ['customOrchestrationTrace', (inner) => [custom(inner)]],
  ['failureTrace', (inner) => [failure(inner)]],
]);

/**
 * In the order in which an agent does it.
 *
 * @param {Kind} kind of a model invocation here
 * @returns {(inner: unknown) => TraceInfo[]}
 */
function stepsOf(kind) {
  return (inner) => [
    ...listOf(get(inner, 'modelInvocationInput')).map((body) => modelInput(kind, body)),
    ...listOf(get(inner, 'modelInvocationOutput')).map((body) => modelOutput(kind, body)),
    ...listOf(get(inner, 'rationale')).map((body) => rationale(body)),
    ...listOf(get(inner, 'invocationInput')).flatMap((input) =>
      holdings(input, INVOCATIONS, getString(input, 'invocationType') ?? 'Invocation'),
    ),
    ...listOf(get(inner, 'observation')).flatMap((seen) =>
      holdings(seen, OBSERVATIONS, getString(seen, 'type') ?? 'Observation'),
    ),
  ];
}

/**
 * What an invocation or an observation holds.
 *
 * @param {unknown} outer
 * @param {Readings} readings
 * @param {string} name for want of anything known
 * @returns {TraceInfo[]} at least one
 */
function holdings(outer, readings, name) {
  const traceId = getString(outer, 'traceId');
  const found = Object.entries(readings).flatMap(([member, read]) => {
    const body = get(outer, member);
    return body === undefined ? [] : [{ ...read(body), body, ...(traceId !== undefined && { traceId }) }];
  });
  return found.length > 0 ? found : [unknown(name, outer)];
}

/**
 * @param {Kind} kind
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function modelInput(kind, body) {
  return { kind, name: getString(body, 'foundationModel')?.split('/').at(-1) ?? 'Model', phase: 'begins', body };
}

/**
 * @param {Kind} kind
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function modelOutput(kind, body) {
  const found = /** @type {const} */ ({ kind, name: 'Response', phase: 'ends', body });
  const response = get(body, 'parsedResponse');
  if (get(response, 'isValid') !== false) return found;
  return { ...found, status: 'intervened', reason: lineOf(response, 'rationale', 'The prompt was rejected') };
}

/**
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function rationale(body) {
  return { kind: 'rationale', name: lineOf(body, 'text', 'Rationale'), body };
}

/** @param {unknown} body */
function queryOf(body) {
  const query = getString(body, 'text');
  return query === undefined ? 'Lookup' : `“${oneLine(query)}”`;
}

/** @param {unknown} body */
function actionOf(body) {
  const target =
    getString(body, 'function') ?? joined(' ', getString(body, 'verb')?.toUpperCase(), getString(body, 'apiPath'));
  return joined(' › ', getString(body, 'actionGroupName'), target) || 'Action';
}

/** @param {unknown} body @returns {Omit<TraceInfo, 'body'>} */
function collaborator(body) {
  return { kind: 'collaborator', name: getString(body, 'agentCollaboratorName') ?? 'Collaborator' };
}

/** A member on one line. @param {unknown} body @param {string} member @param {string} otherwise where there is none */
function lineOf(body, member, otherwise) {
  return oneLine(getString(body, member) ?? otherwise);
}

/**
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function custom(body) {
  return { kind: 'custom', name: lineOf(get(body, 'event'), 'text', 'Custom orchestration'), body };
}

/**
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function guardrail(body) {
  if (getString(body, 'action') !== 'INTERVENED') return { kind: 'guardrail', name: 'Nothing to object to', body };
  const found = assessmentsOf(body);
  const sides = new Set(found.map(({ side }) => side));
  const reason = oneLine(found.map(({ policy, what }) => `${policy} ${what}`).join(', '));
  return { kind: 'guardrail', name: [...sides].join(' and ') || 'Intervention', body, status: 'intervened', reason };
}

/**
 * Everything that a guardrail objected to.
 *
 * @param {unknown} trace a GuardrailTrace
 * @returns {{side: string, policy: string, what: string, action: string}[]}
 */
export function assessmentsOf(trace) {
  const lists = /** @type {const} */ ([
    ['topicPolicy', 'topics', 'topic'],
    ['contentPolicy', 'filters', 'content'],
    ['wordPolicy', 'customWords', 'word'],
    ['wordPolicy', 'managedWordLists', 'word list'],
    ['sensitiveInformationPolicy', 'piiEntities', 'sensitive'],
    ['sensitiveInformationPolicy', 'regexes', 'pattern'],
  ]);
  return /** @type {const} */ ([
    ['Input', 'inputAssessments'],
    ['Output', 'outputAssessments'],
  ]).flatMap(([side, key]) =>
    getList(trace, key).flatMap((one) =>
      lists.flatMap(([group, list, policy]) =>
        getList(one, group, list).map((entry) => ({
          side,
          policy,
          what: joined(
            ' · ',
            getString(entry, 'name') ?? getString(entry, 'type'),
            getString(entry, 'match'),
            getString(entry, 'confidence'),
          ),
          action: getString(entry, 'action') ?? '',
        })),
      ),
    ),
  );
}

/**
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function failure(body) {
  const code = getNumber(body, 'failureCode') ?? getString(body, 'failureCode');
  const reason = lineOf(body, 'failureReason', 'No reason given');
  return {
    kind: 'failure',
    name: 'Failure',
    body,
    status: 'failed',
    reason: code === undefined ? reason : `${reason} (${code})`,
  };
}

/**
 * @param {string} name
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function unknown(name, body) {
  return {
    kind: 'unknown',
    name: oneLine(joined(': ', name, membersOf(body).join(', '))) || 'Unknown event',
    body,
  };
}

/**
 * What a TracePart holds, put back around what was saved without it.
 *
 * @param {unknown} value
 * @returns {unknown}
 */
function unionOf(value) {
  let union = value;
  for (const [members, name] of BARE) {
    if (!hasAny(union, members)) continue;
    const type = listOf(get(union, 'modelInvocationInput') ?? get(union, 'modelInvocationOutput')).map((one) =>
      getString(one, 'type'),
    )[0];
    union = { [TRACE_OF_TYPE[type ?? ''] ?? name]: union };
  }
  return union;
}

/** The names of what a TracePart holds, known or not. @param {unknown} value */
function tracesIn(value) {
  return membersOf(value).filter((name) => name.endsWith('Trace') && typeof get(value, name) === 'object');
}

/** @param {unknown} value @param {readonly string[]} names */
function hasAny(value, names) {
  return names.some((name) => get(value, name) !== undefined);
}

/** One or many. @param {unknown} value @returns {unknown[]} */
function listOf(value) {
  return [value].flat().filter((one) => one !== undefined && one !== null);
}
