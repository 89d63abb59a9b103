// What one trace event of a Bedrock agent says: its kind, its name, and which phase of a step it begins or ends. Names
// are those of the service model of bedrock-agent-runtime, in which everything is optional. No DOM.

import { oneLine } from '../lib/format.js';
import { get, getList, getNumber, getString, membersOf } from '../lib/json.js';

/** @import { Kind } from './tree.js' */

/**
 * What one trace event says of one step.
 *
 * @typedef {object} TraceInfo
 * @property {Kind} kind
 * @property {string} name one line
 * @property {string} [phase] which phase of a step begins or ends with it; unset when the step has only this one
 * @property {boolean} [output] whether the phase ends with it
 * @property {unknown} body the innermost object
 * @property {string} [traceId] of the object that holds the body, where the body has none
 * @property {'failed' | 'intervened'} [status]
 * @property {string} [reason] why, one line
 */

/** What an invocation and an observation may hold. */
const INVOCATIONS = /** @type {const} */ ([
  'knowledgeBaseLookupInput',
  'actionGroupInvocationInput',
  'codeInterpreterInvocationInput',
  'agentCollaboratorInvocationInput',
]);
const OBSERVATIONS = /** @type {const} */ ([
  'knowledgeBaseLookupOutput',
  'actionGroupInvocationOutput',
  'codeInterpreterInvocationOutput',
  'agentCollaboratorInvocationOutput',
  'finalResponse',
  'repromptResponse',
]);

/** Members by which an object is known that was saved without what is around it, and the name that it has there. @type {[readonly string[], string][]} */
const BARE = [
  [INVOCATIONS, 'invocationInput'],
  [OBSERVATIONS, 'observation'],
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
 * @param {unknown} event
 * @returns {unknown} undefined where there is none
 */
export function partOf(event) {
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
export function traceInfosOf(source, event, part = source === 'bedrock-agent' ? partOf(event) : undefined) {
  if (part === undefined) return [unknown(source === 'bedrock-agent' ? '' : source, event)];
  const held = get(part, 'trace');
  const traces = tracesIn(held);
  const union = traces.length > 0 ? held : unionOf(held);
  // What has no name that is known is still a step.
  const names = traces.length > 0 ? traces : membersOf(union).slice(0, 1);
  const found = names.flatMap((name) => {
    const inner = get(union, name);
    const all = listOf(inner).flatMap((one) => infosIn(name, one));
    return all.length > 0 ? all : [unknown(name, inner)];
  });
  return found.length > 0 ? found : [unknown('', undefined)];
}

/**
 * @param {string} name
 * @param {unknown} inner
 * @returns {TraceInfo[]}
 */
function infosIn(name, inner) {
  switch (name) {
    case 'preProcessingTrace':
      return stepsIn('pre-processing', inner);
    case 'postProcessingTrace':
      return stepsIn('post-processing', inner);
    case 'routingClassifierTrace':
      return stepsIn('routing', inner);
    case 'orchestrationTrace':
      return stepsIn('model', inner);
    case 'guardrailTrace':
      return [guardrail(inner)];
    case 'customOrchestrationTrace':
      return [
        { kind: 'custom', name: oneLine(getString(inner, 'event', 'text') ?? 'Custom orchestration'), body: inner },
      ];
    case 'failureTrace':
      return [failure(inner)];
    default:
      return [];
  }
}

/**
 * In the order in which an agent does it.
 *
 * @param {Kind} kind of a model invocation here
 * @param {unknown} inner
 * @returns {TraceInfo[]}
 */
function stepsIn(kind, inner) {
  return [
    ...listOf(get(inner, 'modelInvocationInput')).map((input) => modelInput(kind, input)),
    ...listOf(get(inner, 'modelInvocationOutput')).map((output) => modelOutput(kind, output)),
    ...listOf(get(inner, 'rationale')).map(rationale),
    ...listOf(get(inner, 'invocationInput')).flatMap((input) =>
      holdings(input, INVOCATIONS, invocation, 'invocationType'),
    ),
    ...listOf(get(inner, 'observation')).flatMap((seen) => holdings(seen, OBSERVATIONS, observation, 'type')),
  ];
}

/**
 * What an invocation or an observation holds.
 *
 * @template {string} Name
 * @param {unknown} outer
 * @param {readonly Name[]} names
 * @param {(name: Name, body: unknown) => TraceInfo} read
 * @param {string} type where its type stands, for want of anything known
 * @returns {TraceInfo[]} at least one
 */
function holdings(outer, names, read, type) {
  const traceId = getString(outer, 'traceId');
  const found = names
    .filter((name) => get(outer, name) !== undefined)
    .map((name) => {
      const info = read(name, get(outer, name));
      if (traceId !== undefined) info.traceId = traceId;
      return info;
    });
  return found.length > 0
    ? found
    : [unknown(getString(outer, type) ?? (type === 'type' ? 'Observation' : 'Invocation'), outer)];
}

/**
 * @param {Kind} kind
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function modelInput(kind, body) {
  return { kind, name: getString(body, 'foundationModel')?.split('/').at(-1) ?? 'Model', phase: kind, body };
}

/**
 * @param {Kind} kind
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function modelOutput(kind, body) {
  const found = { kind, name: 'Response', phase: kind, output: true, body };
  if (get(body, 'parsedResponse', 'isValid') !== false) return found;
  return {
    ...found,
    status: 'intervened',
    reason: oneLine(getString(body, 'parsedResponse', 'rationale') ?? 'The prompt was rejected'),
  };
}

/**
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function rationale(body) {
  return { kind: 'rationale', name: oneLine(getString(body, 'text') ?? 'Rationale'), body };
}

/**
 * What the agent is about to do.
 *
 * @param {typeof INVOCATIONS[number]} name
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function invocation(name, body) {
  switch (name) {
    case 'knowledgeBaseLookupInput': {
      const query = getString(body, 'text');
      return {
        kind: 'knowledge-base',
        name: query === undefined ? 'Lookup' : `“${oneLine(query)}”`,
        phase: 'lookup',
        body,
      };
    }
    case 'actionGroupInvocationInput': {
      const target =
        getString(body, 'function') ??
        [getString(body, 'verb')?.toUpperCase(), getString(body, 'apiPath')].filter(Boolean).join(' ');
      const called = [getString(body, 'actionGroupName'), target].filter(Boolean).join(' › ') || 'Action';
      // The caller carries it out, so nothing more of it comes in this turn.
      if (getString(body, 'executionType') === 'RETURN_CONTROL') return { kind: 'return-control', name: called, body };
      return { kind: 'action-group', name: called, phase: 'action', body };
    }
    case 'codeInterpreterInvocationInput':
      return { kind: 'code', name: oneLine(getString(body, 'code') ?? 'Code'), phase: 'code', body };
    case 'agentCollaboratorInvocationInput':
      return { ...collaborator(body), phase: 'collaborator' };
  }
}

/**
 * What came back.
 *
 * @param {typeof OBSERVATIONS[number]} name
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function observation(name, body) {
  switch (name) {
    case 'knowledgeBaseLookupOutput':
      return { kind: 'knowledge-base', name: 'Passages', phase: 'lookup', output: true, body };
    case 'actionGroupInvocationOutput':
      return { kind: 'action-group', name: 'Result', phase: 'action', output: true, body };
    case 'codeInterpreterInvocationOutput': {
      const error =
        getString(body, 'executionError') || (get(body, 'executionTimeout') === true ? 'The code took too long' : '');
      return {
        kind: 'code',
        name: 'Output',
        phase: 'code',
        output: true,
        body,
        ...(error && { status: 'failed', reason: oneLine(error) }),
      };
    }
    case 'agentCollaboratorInvocationOutput':
      return { ...collaborator(body), phase: 'collaborator', output: true };
    case 'finalResponse':
      return { kind: 'answer', name: oneLine(getString(body, 'text') ?? 'Final response'), body };
    case 'repromptResponse':
      return { kind: 'reprompt', name: oneLine(getString(body, 'text') ?? 'Reprompt'), body };
  }
}

/**
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function collaborator(body) {
  return { kind: 'collaborator', name: getString(body, 'agentCollaboratorName') ?? 'Collaborator', body };
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
          what: [
            getString(entry, 'name') ?? getString(entry, 'type'),
            getString(entry, 'match'),
            getString(entry, 'confidence'),
          ]
            .filter(Boolean)
            .join(' · '),
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
  const reason = oneLine(getString(body, 'failureReason') ?? 'No reason given');
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
    name: oneLine([name, membersOf(body).join(', ')].filter(Boolean).join(': ')) || 'Unknown event',
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
  return isObject(value)
    ? Object.keys(value).filter((name) => name.endsWith('Trace') && isObject(get(value, name)))
    : [];
}

/** @param {unknown} value @returns {value is object} */
function isObject(value) {
  return typeof value === 'object' && value !== null;
}

/** @param {unknown} value @param {readonly string[]} names */
function hasAny(value, names) {
  return names.some((name) => get(value, name) !== undefined);
}

/** One or many. @param {unknown} value @returns {unknown[]} */
function listOf(value) {
  return value === undefined ? [] : Array.isArray(value) ? value.filter((one) => one !== null) : [value];
}
