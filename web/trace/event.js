// What one trace event says: its kind, its name, and which phase of a step it begins or ends. Names are those of the
// service model of bedrock-agent-runtime, in which everything is optional. No DOM.

import { oneLine } from '../lib/format.js';
import { get, getList, getNumber, getString } from '../lib/json.js';

/**
 * The kinds of steps.
 *
 * @typedef {'pre-processing' | 'routing' | 'rationale' | 'model' | 'knowledge-base' | 'action-group' | 'return-control'
 *   | 'code' | 'collaborator' | 'guardrail' | 'reprompt' | 'post-processing' | 'answer' | 'custom' | 'failure' | 'unknown'} Kind
 */

/**
 * What one trace event says.
 *
 * @typedef {object} TraceInfo
 * @property {Kind} kind
 * @property {string} name one line
 * @property {string} [phase] which phase of a step begins or ends with this event; unset when the step has only this one
 * @property {boolean} [output] whether the phase ends with it
 * @property {unknown} body the innermost object
 * @property {'failed' | 'intervened'} [status]
 * @property {string} [reason] why, one line
 */

/**
 * @param {string} source
 * @param {unknown} event
 * @returns {TraceInfo}
 */
export function traceInfoOf(source, event) {
  const part = get(event, 'trace');
  if (source !== 'bedrock-agent' || part === undefined) return unknown(source === 'bedrock-agent' ? '' : source, event);
  // The event is a TracePart, and its own `trace` holds the one step: event.trace.trace.orchestrationTrace.
  const [name = '', inner] = entryOf(get(part, 'trace'));
  switch (name) {
    case 'preProcessingTrace':
      return modelCall('pre-processing', inner) ?? unknown(name, inner);
    case 'postProcessingTrace':
      return modelCall('post-processing', inner) ?? unknown(name, inner);
    case 'routingClassifierTrace':
      return modelCall('routing', inner) ?? orchestration(inner) ?? unknown(name, inner);
    case 'orchestrationTrace':
      return modelCall('model', inner) ?? orchestration(inner) ?? unknown(name, inner);
    case 'guardrailTrace':
      return guardrail(inner);
    case 'customOrchestrationTrace':
      return { kind: 'custom', name: oneLine(getString(inner, 'event', 'text') ?? 'Custom orchestration'), body: inner };
    case 'failureTrace':
      return failure(inner);
    default:
      return unknown(name, inner);
  }
}

/**
 * @param {Kind} kind
 * @param {unknown} inner
 * @returns {TraceInfo | undefined}
 */
function modelCall(kind, inner) {
  const input = get(inner, 'modelInvocationInput');
  if (input !== undefined) {
    return { kind, name: getString(input, 'foundationModel')?.split('/').at(-1) ?? 'Model', phase: kind, body: input };
  }
  const body = get(inner, 'modelInvocationOutput');
  if (body === undefined) return undefined;
  const found = { kind, name: 'Response', phase: kind, output: true, body };
  if (get(body, 'parsedResponse', 'isValid') !== false) return found;
  return { ...found, status: 'intervened', reason: oneLine(getString(body, 'parsedResponse', 'rationale') ?? 'The prompt was rejected') };
}

/**
 * @param {unknown} inner
 * @returns {TraceInfo | undefined}
 */
function orchestration(inner) {
  const rationale = get(inner, 'rationale');
  if (rationale !== undefined) return { kind: 'rationale', name: oneLine(getString(rationale, 'text') ?? 'Rationale'), body: rationale };
  const input = get(inner, 'invocationInput');
  if (input !== undefined) return invocation(input);
  const seen = get(inner, 'observation');
  return seen === undefined ? undefined : observation(seen);
}

/**
 * What the agent is about to do.
 *
 * @param {unknown} input
 * @returns {TraceInfo}
 */
function invocation(input) {
  const lookup = get(input, 'knowledgeBaseLookupInput');
  if (lookup !== undefined) {
    const query = getString(lookup, 'text');
    return { kind: 'knowledge-base', name: query === undefined ? 'Lookup' : `“${oneLine(query)}”`, phase: 'lookup', body: lookup };
  }
  const action = get(input, 'actionGroupInvocationInput');
  if (action !== undefined) {
    const target = getString(action, 'function') ?? [getString(action, 'verb')?.toUpperCase(), getString(action, 'apiPath')].filter(Boolean).join(' ');
    const name = [getString(action, 'actionGroupName'), target].filter(Boolean).join(' › ') || 'Action';
    // The caller carries it out, so nothing more of it comes in this turn.
    if (getString(action, 'executionType') === 'RETURN_CONTROL') return { kind: 'return-control', name, body: action };
    return { kind: 'action-group', name, phase: 'action', body: action };
  }
  const code = get(input, 'codeInterpreterInvocationInput');
  if (code !== undefined) return { kind: 'code', name: oneLine(getString(code, 'code') ?? 'Code'), phase: 'code', body: code };
  const other = get(input, 'agentCollaboratorInvocationInput');
  if (other !== undefined) return { ...collaborator(other), phase: 'collaborator' };
  return unknown(getString(input, 'invocationType') ?? 'Invocation', input);
}

/**
 * What came back.
 *
 * @param {unknown} seen
 * @returns {TraceInfo}
 */
function observation(seen) {
  const lookup = get(seen, 'knowledgeBaseLookupOutput');
  if (lookup !== undefined) return { kind: 'knowledge-base', name: 'Passages', phase: 'lookup', output: true, body: lookup };
  const action = get(seen, 'actionGroupInvocationOutput');
  if (action !== undefined) return { kind: 'action-group', name: 'Result', phase: 'action', output: true, body: action };
  const body = get(seen, 'codeInterpreterInvocationOutput');
  if (body !== undefined) {
    const error = getString(body, 'executionError') || (get(body, 'executionTimeout') === true ? 'The code took too long' : '');
    return { kind: 'code', name: 'Output', phase: 'code', output: true, body, ...(error && { status: 'failed', reason: oneLine(error) }) };
  }
  const other = get(seen, 'agentCollaboratorInvocationOutput');
  if (other !== undefined) return { ...collaborator(other), phase: 'collaborator', output: true };
  const final = get(seen, 'finalResponse');
  if (final !== undefined) return { kind: 'answer', name: oneLine(getString(final, 'text') ?? 'Final response'), body: final };
  const again = get(seen, 'repromptResponse');
  if (again !== undefined) return { kind: 'reprompt', name: oneLine(getString(again, 'text') ?? 'Reprompt'), body: again };
  return unknown(getString(seen, 'type') ?? 'Observation', seen);
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
  return /** @type {const} */ ([['Input', 'inputAssessments'], ['Output', 'outputAssessments']]).flatMap(([side, key]) =>
    getList(trace, key).flatMap((one) =>
      lists.flatMap(([group, list, policy]) =>
        getList(one, group, list).map((entry) => ({
          side,
          policy,
          what: [getString(entry, 'name') ?? getString(entry, 'type'), getString(entry, 'match'), getString(entry, 'confidence')].filter(Boolean).join(' · '),
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
  return { kind: 'failure', name: 'Failure', body, status: 'failed', reason: code === undefined ? reason : `${reason} (${code})` };
}

/**
 * @param {string} name
 * @param {unknown} body
 * @returns {TraceInfo}
 */
function unknown(name, body) {
  const keys = typeof body === 'object' && body !== null ? Object.keys(body).join(', ') : '';
  return { kind: 'unknown', name: oneLine([name, keys].filter(Boolean).join(': ')) || 'Unknown event', body };
}

/**
 * The one member of a union.
 *
 * @param {unknown} union
 * @returns {[string, unknown] | []}
 */
function entryOf(union) {
  return typeof union === 'object' && union !== null ? (Object.entries(union)[0] ?? []) : [];
}
