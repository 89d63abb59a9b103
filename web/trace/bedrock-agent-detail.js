// What an opened step of a Bedrock agent shows. No DOM.

import { get, getList, getString, readJson } from '../lib/json.js';
import { keyOf, sourcesOf } from '../relay/citations.js';
import { assessmentsOf, partOf, traceInfosOf } from './bedrock-agent-event.js';
import { joined } from './phrases.js';
import { beside, note, rows, text, tokenFacts, whole } from './sections.js';
import { memberText, pretty, treeOfEvent, valueOf } from './source.js';

/** @import { Section } from './sections.js' */
/** @import { Kind, Step } from './tree.js' */

/** @type {ReadonlySet<Kind>} */
const TOOLS = new Set(/** @type {const} */ (['action-group', 'code', 'return-control']));

/**
 * @param {Step} step
 * @returns {Section[]} at least one
 */
export function sectionsOf(step) {
  const parts = readParts(step);
  const sections = parts.flatMap(({ kind, body, event }) => {
    // What is not known is shown whole.
    return kind === 'unknown' ? [{ title: 'Event', text: pretty(event) }] : ofBody(body, TOOLS.has(kind));
  });
  return [...sections, ...rows('Facts', factsOf(step, parts))];
}

/** The references that a knowledge base gave. @param {Step} step */
export function passagesOf(step) {
  return readParts(step).flatMap(({ body }) => getList(body, 'retrievedReferences'));
}

/** The id of the knowledge base that was asked. @param {Step} step */
export function knowledgeBaseOf(step) {
  return readParts(step)
    .map(({ body }) => getString(body, 'knowledgeBaseId'))
    .find((id) => id !== undefined);
}

/**
 * What is a step's of its events, read anew with every digit.
 *
 * @param {Step} step
 * @returns {{event: unknown, part: unknown, kind: Kind, body: unknown}[]}
 */
function readParts({ events, parts }) {
  const read = events.map((one) => {
    const event = valueOf(treeOfEvent(one));
    const part = partOf(one.source, event);
    return { one, event, part, infos: traceInfosOf(one.source, event, part) };
  });
  return parts.flatMap(({ event: of, index }) => {
    const { event, part, infos } = read.find(({ one }) => one === of) ?? {};
    const info = infos?.[index];
    return info === undefined ? [] : [{ event, part, kind: info.kind, body: info.body }];
  });
}

/**
 * The members of the inner objects have names of their own, so one list does for all kinds.
 *
 * @param {unknown} body
 * @param {boolean} isTool whose text is a result
 * @returns {Section[]}
 */
function ofBody(body, isTool) {
  const assessments = assessmentsOf(body).map(
    ({ side, policy, what, action }) => /** @type {[string, string]} */ ([`${side}, ${policy}`, `${what} → ${action}`]),
  );
  const parameters = getList(body, 'parameters').map(
    (one) => /** @type {[string, string]} */ ([getString(one, 'name') ?? '?', memberText(one, 'value') ?? '?']),
  );
  const isPrompt = get(body, 'foundationModel') !== undefined || get(body, 'promptCreationMode') !== undefined;
  return [
    ...text('Failure', getString(body, 'failureReason')),
    ...text(
      'Reasoning',
      getString(body, 'reasoningContent', 'reasoningText', 'text') ??
        (get(body, 'reasoningContent', 'redactedContent') === undefined ? undefined : 'Redacted'),
    ),
    ...(isPrompt
      ? promptOf(getString(body, 'text'))
      : isTool
        ? beside('out', text('Result', whole(get(body, 'text'))))
        : text(get(body, 'knowledgeBaseId') === undefined ? 'Text' : 'Query', whole(get(body, 'text')))),
    ...text('Text', getString(body, 'event', 'text')),
    ...beside('in', rows('Parameters', parameters)),
    ...beside('in', text('Request body', whole(get(body, 'requestBody', 'content')))),
    ...beside('in', text('Code', getString(body, 'code'))),
    ...text('Task', getString(body, 'input', 'text')),
    ...text('Results handed in', whole(get(body, 'input', 'returnControlResults'))),
    ...text('Answer', getString(body, 'output', 'text')),
    ...text('Control handed out', whole(get(body, 'output', 'returnControlPayload'))),
    ...beside('out', text('Error', getString(body, 'executionError'))),
    ...beside('out', text('Output', getString(body, 'executionOutput'))),
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
  const tree = prompt === undefined ? undefined : readJson(prompt);
  const parsed = tree && valueOf(tree);
  const messages = getList(parsed, 'messages');
  if (messages.length === 0) return text('Prompt', whole(prompt));
  const last = messages.length - 1;
  return [
    ...fold(text('System prompt', whole(get(parsed, 'system')))),
    ...messages.flatMap((message, index) => {
      const said = text(`Prompt, ${getString(message, 'role') ?? 'message'}`, whole(get(message, 'content')));
      return index === last ? said : fold(said);
    }),
  ];
}

/** Of a long prompt only the last message is new. @param {Section[]} sections @returns {Section[]} */
function fold(sections) {
  return sections.map((section) => ({ ...section, folded: true }));
}

/**
 * @param {unknown} reference
 * @param {number} index
 * @returns {Section}
 */
function passage(reference, index) {
  const [source] = sourcesOf([{ retrievedReferences: [reference] }]);
  const title = joined(
    ' · ',
    `Passage ${index + 1}`,
    source?.label,
    source?.score === undefined ? '' : `score ${source.score.toFixed(3)}`,
  );
  const found = getString(reference, 'content', 'text') ?? pretty(get(reference, 'content'));
  return {
    title,
    key: keyOf(reference),
    text: joined('\n', found, source?.where),
  };
}

/**
 * @param {Step} step
 * @param {{part: unknown, body: unknown}[]} parts
 * @returns {[string, string][]}
 */
function factsOf(step, parts) {
  /** @type {Map<string, string>} */
  const facts = new Map();
  for (const { part, body } of parts) {
    note(facts, body, [
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
    ]);
    const metadata = get(body, 'metadata');
    note(facts, metadata, [
      ['Started', 'startTime'],
      ['Ended', 'endTime'],
      ['Request', 'clientRequestId'],
    ]);
    if (get(metadata, 'startTime') === undefined) note(facts, part, [['Sent', 'eventTime']]);
    const agent = joined(' / ', ...['agentId', 'agentAliasId', 'agentVersion'].map((name) => getString(part, name)));
    if (agent !== '') facts.set('Agent', agent);
  }
  return [...facts, ...tokenFacts(step)];
}
