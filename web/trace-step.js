// What a trace event is about: its kind, a name, one line, and what can be counted. Everything in a
// Bedrock trace is optional, so a step that is not recognised is still a step.

import { counted, oneLine } from './format.js';
import { at, listAt, numberAt, textAt } from './json.js';

/** @import { AgentEvent } from './turn.js' */

/**
 * @typedef {'pre-processing' | 'rationale' | 'model' | 'knowledge-base' | 'action-group' | 'code' | 'collaborator'
 *   | 'observation' | 'guardrail' | 'post-processing' | 'routing' | 'custom' | 'failure' | 'unknown'} Kind
 */

/**
 * @typedef {object} Step
 * @property {Kind} kind
 * @property {string} title
 * @property {string} summary one line, may be empty
 * @property {number | undefined} durationMs
 * @property {boolean} failed
 * @property {string | undefined} collaborator the nested agent that it is about
 */

/** @typedef {{kind: Kind, title: string, summary?: string | undefined, failed?: boolean, metadata?: unknown}} Finding */

/**
 * @param {AgentEvent} event
 * @returns {Step}
 */
export function stepOf({ source, event }) {
  // The event is a TracePart, and its own `trace` holds the one step: event.trace.trace.orchestrationTrace.
  const part = at(event, 'trace');
  const finding = source === 'bedrock-agent' && part !== undefined ? inPart(at(part, 'trace')) : unknown(source === 'bedrock-agent' ? '' : source, event);
  const { kind, title, summary = '', failed = false, metadata } = finding;
  const totalMs = numberAt(metadata, 'totalTimeMs');
  return { kind, title, summary: oneLine(summary), durationMs: totalMs, failed, collaborator: textAt(part, 'collaboratorName') };
}

/**
 * @param {unknown} trace
 * @returns {Finding}
 */
function inPart(trace) {
  const [name = ''] = typeof trace === 'object' && trace !== null ? Object.keys(trace) : [];
  const inner = at(trace, name);
  switch (name) {
    case 'preProcessingTrace':
      return processing(inner, 'pre-processing', 'Pre-processing');
    case 'postProcessingTrace':
      return processing(inner, 'post-processing', 'Post-processing');
    case 'orchestrationTrace':
      return orchestration(inner) ?? unknown(name, inner);
    case 'routingClassifierTrace':
      return routing(inner) ?? unknown(name, inner);
    case 'guardrailTrace':
      return guardrail(inner);
    case 'customOrchestrationTrace':
      return { kind: 'custom', title: 'Custom orchestration', summary: textAt(inner, 'event', 'text') };
    case 'failureTrace':
      return failure(inner);
    default:
      return unknown(name === '' ? 'trace' : name, inner);
  }
}

/**
 * @param {unknown} inner
 * @param {Kind} kind
 * @param {string} title
 * @returns {Finding}
 */
function processing(inner, kind, title) {
  const output = at(inner, 'modelInvocationOutput');
  if (output === undefined) return { ...modelInput(at(inner, 'modelInvocationInput')), kind, title };
  const valid = at(output, 'parsedResponse', 'isValid');
  const verdict = valid === true ? 'accepted' : valid === false ? 'rejected' : '';
  const words = textAt(output, 'parsedResponse', 'rationale') ?? textAt(output, 'parsedResponse', 'text') ?? '';
  const summary = [verdict, words].filter(Boolean).join(': ') || usage(output);
  return { kind, title, summary, failed: valid === false, metadata: at(output, 'metadata') };
}

/**
 * @param {unknown} inner
 * @returns {Finding | undefined}
 */
function orchestration(inner) {
  if (at(inner, 'rationale') !== undefined) {
    return { kind: 'rationale', title: 'Rationale', summary: textAt(inner, 'rationale', 'text'), metadata: at(inner, 'rationale', 'metadata') };
  }
  const input = at(inner, 'modelInvocationInput');
  if (input !== undefined) return modelInput(input);
  const output = at(inner, 'modelInvocationOutput');
  if (output !== undefined) return { kind: 'model', title: 'Model response', summary: usage(output), metadata: at(output, 'metadata') };
  if (at(inner, 'invocationInput') !== undefined) return invocation(at(inner, 'invocationInput'));
  if (at(inner, 'observation') !== undefined) return observation(at(inner, 'observation'));
  return undefined;
}

/**
 * @param {unknown} inner
 * @returns {Finding | undefined}
 */
function routing(inner) {
  const found = orchestration(inner);
  return found && { ...found, kind: 'routing', title: `Routing: ${found.title.toLowerCase()}` };
}

/**
 * @param {unknown} input
 * @returns {Finding}
 */
function modelInput(input) {
  const model = textAt(input, 'foundationModel')?.split('/').at(-1);
  const text = textAt(input, 'text');
  const size = text === undefined ? undefined : counted(text.length, 'character');
  return { kind: 'model', title: 'Model invocation', summary: [model, size].filter(Boolean).join(' · ') };
}

/** @param {unknown} output */
function usage(output) {
  const input = numberAt(output, 'metadata', 'usage', 'inputTokens');
  const answer = numberAt(output, 'metadata', 'usage', 'outputTokens');
  if (input === undefined && answer === undefined) return '';
  return `${counted(input ?? 0, 'token')} in, ${(answer ?? 0).toLocaleString('en')} out`;
}

/**
 * What the agent is about to do.
 *
 * @param {unknown} input
 * @returns {Finding}
 */
function invocation(input) {
  const lookup = at(input, 'knowledgeBaseLookupInput');
  if (lookup !== undefined) return { kind: 'knowledge-base', title: 'Knowledge base', summary: quoted(textAt(lookup, 'text')) };
  const action = at(input, 'actionGroupInvocationInput');
  if (action !== undefined) return { kind: 'action-group', title: 'Action group', summary: call(action) };
  const code = at(input, 'codeInterpreterInvocationInput');
  if (code !== undefined) return { kind: 'code', title: 'Code interpreter', summary: textAt(code, 'code') };
  const other = at(input, 'agentCollaboratorInvocationInput');
  if (other !== undefined) {
    const summary = [textAt(other, 'agentCollaboratorName'), textAt(other, 'input', 'text')].filter(Boolean).join(': ');
    return { kind: 'collaborator', title: 'Collaborator', summary };
  }
  return unknown('Invocation', input);
}

/** @param {unknown} action */
function call(action) {
  const target = textAt(action, 'function') ?? [textAt(action, 'verb'), textAt(action, 'apiPath')].filter(Boolean).join(' ');
  const parameters = listAt(action, 'parameters').map((entry) => `${textAt(entry, 'name') ?? '?'}: ${textAt(entry, 'value') ?? '?'}`);
  const name = [textAt(action, 'actionGroupName'), target].filter(Boolean).join(' › ');
  return parameters.length === 0 ? name : `${name} (${parameters.join(', ')})`;
}

/**
 * What came back.
 *
 * @param {unknown} seen
 * @returns {Finding}
 */
function observation(seen) {
  const finding = { kind: /** @type {Kind} */ ('observation'), title: 'Observation' };
  const lookup = at(seen, 'knowledgeBaseLookupOutput');
  if (lookup !== undefined) {
    const passages = counted(listAt(lookup, 'retrievedReferences').length, 'passage');
    return { ...finding, summary: `${passages} from the knowledge base`, metadata: at(lookup, 'metadata') };
  }
  const action = at(seen, 'actionGroupInvocationOutput');
  if (action !== undefined) return { ...finding, summary: textAt(action, 'text'), metadata: at(action, 'metadata') };
  const code = at(seen, 'codeInterpreterInvocationOutput');
  if (code !== undefined) {
    const error = textAt(code, 'executionError');
    const failed = Boolean(error) || at(code, 'executionTimeout') === true;
    return { ...finding, summary: error || (textAt(code, 'executionOutput') ?? ''), failed, metadata: at(code, 'metadata') };
  }
  const other = at(seen, 'agentCollaboratorInvocationOutput');
  if (other !== undefined) {
    const summary = [textAt(other, 'agentCollaboratorName'), textAt(other, 'output', 'text')].filter(Boolean).join(': ');
    return { ...finding, summary, metadata: at(other, 'metadata') };
  }
  const final = at(seen, 'finalResponse');
  if (final !== undefined) return { ...finding, title: 'Final response', summary: textAt(final, 'text'), metadata: at(final, 'metadata') };
  const again = at(seen, 'repromptResponse');
  if (again !== undefined) return { ...finding, title: 'Reprompt', summary: textAt(again, 'text') };
  return unknown(textAt(seen, 'type') ?? 'Observation', seen);
}

/**
 * @param {unknown} inner
 * @returns {Finding}
 */
function guardrail(inner) {
  const intervened = textAt(inner, 'action') === 'INTERVENED';
  return {
    kind: 'guardrail',
    title: 'Guardrail',
    summary: intervened ? 'Intervened' : 'Nothing to object to',
    failed: intervened,
    metadata: at(inner, 'metadata'),
  };
}

/**
 * @param {unknown} inner
 * @returns {Finding}
 */
function failure(inner) {
  const code = numberAt(inner, 'failureCode')?.toString() ?? textAt(inner, 'failureCode');
  const reason = textAt(inner, 'failureReason') ?? 'No reason given';
  return { kind: 'failure', title: 'Failure', summary: code ? `${reason} (${code})` : reason, failed: true, metadata: at(inner, 'metadata') };
}

/**
 * @param {string} name
 * @param {unknown} event
 * @returns {Finding}
 */
function unknown(name, event) {
  const keys = typeof event === 'object' && event !== null ? Object.keys(event).join(', ') : '';
  return { kind: 'unknown', title: 'Unknown event', summary: [name, keys].filter(Boolean).join(': ') };
}

/** @param {string | undefined} text */
function quoted(text) {
  return text === undefined ? undefined : `“${oneLine(text)}”`;
}
