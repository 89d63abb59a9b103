// What an opened step shows: its events as titled sections. No DOM.

import { get, getList, getNumber, getString, parseJson } from '../lib/json.js';
import { sourcesOf } from '../relay/citations.js';
import { assessmentsOf, traceInfoOf } from './event.js';

/** @import { Step } from './tree.js' */

/**
 * Text as it is, or rows of names and values.
 *
 * @typedef {{title: string, text: string} | {title: string, rows: [string, string][]}} Section
 */

/**
 * @param {Step} step
 * @returns {Section[]} at least one
 */
export function sectionsOf(step) {
  const sections = step.events.flatMap(({ source, event }) => {
    const { kind, body } = traceInfoOf(source, event);
    // What is not known is shown whole.
    return kind === 'unknown' ? [{ title: 'Event', text: pretty(event) }] : ofBody(body);
  });
  const facts = rows('Facts', factsOf(step));
  return [...sections, ...facts];
}

/**
 * The members of the inner objects have names of their own, so one list does for all kinds.
 *
 * @param {unknown} body
 * @returns {Section[]}
 */
function ofBody(body) {
  const assessments = assessmentsOf(body).map(({ side, policy, what, action }) => /** @type {[string, string]} */ ([`${side}, ${policy}`, `${what} → ${action}`]));
  const parameters = getList(body, 'parameters').map((one) => /** @type {[string, string]} */ ([getString(one, 'name') ?? '?', getString(one, 'value') ?? '?']));
  const isPrompt = get(body, 'foundationModel') !== undefined || get(body, 'promptCreationMode') !== undefined;
  return [
    ...text('Failure', getString(body, 'failureReason')),
    ...text('Reasoning', getString(body, 'reasoningContent', 'reasoningText', 'text') ?? (get(body, 'reasoningContent', 'redactedContent') === undefined ? undefined : 'Redacted')),
    ...(isPrompt ? promptOf(getString(body, 'text')) : text(get(body, 'knowledgeBaseId') === undefined ? 'Text' : 'Query', whole(get(body, 'text')))),
    ...text('Text', getString(body, 'event', 'text')),
    ...rows('Parameters', parameters),
    ...text('Request body', whole(get(body, 'requestBody', 'content'))),
    ...text('Code', getString(body, 'code')),
    ...text('Task', getString(body, 'input', 'text')),
    ...text('Results handed in', whole(get(body, 'input', 'returnControlResults'))),
    ...text('Answer', getString(body, 'output', 'text')),
    ...text('Control handed out', whole(get(body, 'output', 'returnControlPayload'))),
    ...text('Error', getString(body, 'executionError')),
    ...text('Output', getString(body, 'executionOutput')),
    ...text('Parsed response', whole(get(body, 'parsedResponse', 'text') ?? get(body, 'parsedResponse', 'rationale'))),
    ...text('Response', whole(get(body, 'rawResponse', 'content'))),
    ...getList(body, 'retrievedReferences').map(passage),
    ...rows('Assessments', assessments),
  ];
}

/**
 * The prompt of a model invocation is mostly JSON with a system prompt and messages.
 *
 * @param {string | undefined} prompt
 * @returns {Section[]}
 */
function promptOf(prompt) {
  const parsed = prompt === undefined ? undefined : parseJson(prompt);
  const messages = getList(parsed, 'messages');
  if (messages.length === 0) return text('Prompt', whole(prompt));
  return [
    ...text('System prompt', whole(get(parsed, 'system'))),
    ...messages.flatMap((message) => text(`Prompt, ${getString(message, 'role') ?? 'message'}`, whole(get(message, 'content')))),
  ];
}

/**
 * @param {unknown} reference
 * @param {number} index
 * @returns {Section}
 */
function passage(reference, index) {
  const score = getNumber(reference, 'score') ?? getNumber(reference, 'metadata', 'score') ?? getNumber(reference, 'metadata', 'x-amz-bedrock-kb-score');
  const [source] = sourcesOf([{ retrievedReferences: [reference] }]);
  const title = [`Passage ${index + 1}`, source?.label, score === undefined ? undefined : `score ${score.toFixed(3)}`].filter(Boolean).join(' · ');
  const found = getString(reference, 'content', 'text') ?? pretty(get(reference, 'content'));
  return { title, text: source === undefined || source.where === '' ? found : `${found}\n${source.where}` };
}

/**
 * @param {Step} step
 * @returns {[string, string][]}
 */
function factsOf(step) {
  /** @type {Map<string, string>} */
  const facts = new Map();
  const note = (/** @type {string} */ name, /** @type {unknown} */ value) => {
    if (value !== undefined && value !== '') facts.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  };
  for (const { source, event } of step.events) {
    const { body } = traceInfoOf(source, event);
    const part = get(event, 'trace');
    for (const [name, key] of /** @type {const} */ ([
      ['Model', 'foundationModel'],
      ['Inference', 'inferenceConfiguration'],
      ['Parser', 'parserMode'],
      ['Knowledge base', 'knowledgeBaseId'],
      ['Execution', 'executionType'],
      ['Invocation', 'invocationId'],
      ['Collaborator', 'agentCollaboratorAliasArn'],
      ['Failure code', 'failureCode'],
      ['Source', 'source'],
      ['Files', 'files'],
      ['Trace id', 'traceId'],
    ])) note(name, get(body, key));
    const metadata = get(body, 'metadata');
    note('Started', get(metadata, 'startTime'));
    note('Ended', get(metadata, 'endTime'));
    note('Request', get(metadata, 'clientRequestId'));
    if (get(metadata, 'startTime') === undefined) note('Sent', get(part, 'eventTime'));
    note('Agent', [getString(part, 'agentId'), getString(part, 'agentAliasId'), getString(part, 'agentVersion')].filter(Boolean).join(' / '));
  }
  if (step.tokens !== undefined) note('Tokens', `${step.tokens.input} in, ${step.tokens.output} out`);
  return [...facts];
}

/**
 * @param {string} title
 * @param {string | undefined} value
 * @returns {Section[]}
 */
function text(title, value) {
  return value === undefined || value === '' ? [] : [{ title, text: value }];
}

/**
 * @param {string} title
 * @param {[string, string][]} list
 * @returns {Section[]}
 */
function rows(title, list) {
  return list.length === 0 ? [] : [{ title, rows: list }];
}

/**
 * Text as it is, but JSON with one member a line.
 *
 * @param {unknown} value
 */
function whole(value) {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') return pretty(value);
  const parsed = /^\s*[[{]/.test(value) ? parseJson(value) : undefined;
  return parsed === undefined ? value : pretty(parsed);
}

/** @param {unknown} value */
function pretty(value) {
  return JSON.stringify(value, null, 2) ?? 'undefined';
}
