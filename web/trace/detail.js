// What a step has to say when it is opened: its events as titled sections. No DOM.

import { at, listAt, numberAt, parseJson, textAt } from '../lib/json.js';
import { sourcesOf } from '../relay/citations.js';
import { assessmentsOf, findingOf } from './event.js';

/** @import { Step } from '../types.d.ts' */

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
    const { kind, body } = findingOf(source, event);
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
  const parameters = listAt(body, 'parameters').map((one) => /** @type {[string, string]} */ ([textAt(one, 'name') ?? '?', textAt(one, 'value') ?? '?']));
  const isPrompt = at(body, 'foundationModel') !== undefined || at(body, 'promptCreationMode') !== undefined;
  return [
    ...text('Failure', textAt(body, 'failureReason')),
    ...text('Reasoning', textAt(body, 'reasoningContent', 'reasoningText', 'text') ?? (at(body, 'reasoningContent', 'redactedContent') === undefined ? undefined : 'Redacted')),
    ...(isPrompt ? promptOf(textAt(body, 'text')) : text(at(body, 'knowledgeBaseId') === undefined ? 'Text' : 'Query', whole(at(body, 'text')))),
    ...text('Text', textAt(body, 'event', 'text')),
    ...rows('Parameters', parameters),
    ...text('Request body', whole(at(body, 'requestBody', 'content'))),
    ...text('Code', textAt(body, 'code')),
    ...text('Task', textAt(body, 'input', 'text')),
    ...text('Results handed in', whole(at(body, 'input', 'returnControlResults'))),
    ...text('Answer', textAt(body, 'output', 'text')),
    ...text('Control handed out', whole(at(body, 'output', 'returnControlPayload'))),
    ...text('Error', textAt(body, 'executionError')),
    ...text('Output', textAt(body, 'executionOutput')),
    ...text('Parsed response', whole(at(body, 'parsedResponse', 'text') ?? at(body, 'parsedResponse', 'rationale'))),
    ...text('Response', whole(at(body, 'rawResponse', 'content'))),
    ...listAt(body, 'retrievedReferences').map(passage),
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
  const messages = listAt(parsed, 'messages');
  if (messages.length === 0) return text('Prompt', whole(prompt));
  return [
    ...text('System prompt', whole(at(parsed, 'system'))),
    ...messages.flatMap((message) => text(`Prompt, ${textAt(message, 'role') ?? 'message'}`, whole(at(message, 'content')))),
  ];
}

/**
 * @param {unknown} reference
 * @param {number} index
 * @returns {Section}
 */
function passage(reference, index) {
  const score = numberAt(reference, 'score') ?? numberAt(reference, 'metadata', 'score') ?? numberAt(reference, 'metadata', 'x-amz-bedrock-kb-score');
  const [source] = sourcesOf([{ retrievedReferences: [reference] }]);
  const title = [`Passage ${index + 1}`, source?.label, score === undefined ? undefined : `score ${score.toFixed(3)}`].filter(Boolean).join(' · ');
  const found = textAt(reference, 'content', 'text') ?? pretty(at(reference, 'content'));
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
    const { body } = findingOf(source, event);
    const part = at(event, 'trace');
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
    ])) note(name, at(body, key));
    const metadata = at(body, 'metadata');
    note('Started', at(metadata, 'startTime'));
    note('Ended', at(metadata, 'endTime'));
    note('Request', at(metadata, 'clientRequestId'));
    if (at(metadata, 'startTime') === undefined) note('Sent', at(part, 'eventTime'));
    note('Agent', [textAt(part, 'agentId'), textAt(part, 'agentAliasId'), textAt(part, 'agentVersion')].filter(Boolean).join(' / '));
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
