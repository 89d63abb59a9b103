// A trace for other tools: OpenTelemetry's JSON (OTLP), which Langfuse, Jaeger and collectors read, with the attributes
// of its conventions for generative AI (gen_ai.*). No DOM.

import { sourcesOf } from '../relay/citations.js';
import { knowledgeBaseOf, passagesOf } from './bedrock-agent-detail.js';
import { costOf } from './cost.js';
import { sectionsOf } from './detail.js';
import { joined } from './phrases.js';
import { spanOf } from './times.js';

/** @import { Prices } from '../types.d.ts' */
/** @import { Trace } from './file.js' */
/** @import { Section } from './sections.js' */
/** @import { Kind, Step, TraceTree } from './tree.js' */

/** A longer text is cut: tools refuse spans of more than a megabyte or so. In UTF-16 units. */
const MAX_TEXT = 100_000;
/** Times are nanoseconds in 64 bits: until the year 2554, in ms since 1970. */
const MAX_MS = 1.8e13;
/** So many passages are named, with so much of their addresses. */
const [MAX_DOCUMENTS, MAX_ADDRESS] = [100, 1000];

/** Of OTLP: what a span is, and how it ended. */
const [INTERNAL, CLIENT] = [1, 3];
const [OK, ERROR] = [1, 2];

/** What a step is to OpenTelemetry. @type {Partial<Record<Kind, string>>} */
const OPERATIONS = {
  model: 'chat',
  'pre-processing': 'chat',
  'post-processing': 'chat',
  routing: 'chat',
  tool: 'execute_tool',
  'action-group': 'execute_tool',
  code: 'execute_tool',
  'return-control': 'execute_tool',
  'knowledge-base': 'retrieval',
  collaborator: 'invoke_agent',
};

/** Numbers with a point are `doubleValue`s, whole numbers of them as well. @typedef {string | number | boolean | {double: number | undefined} | undefined} Value */

/**
 * One piece at a time, since a trace may have thousands of steps: together they are the file.
 *
 * @param {Trace} trace
 * @param {TraceTree} tree
 * @param {object} parts
 * @param {number} parts.total how long the turn took, in ms
 * @param {number} parts.epoch when the prompt was sent, in ms since 1970
 * @param {Prices} parts.prices
 * @returns {Generator<string>}
 */
export function* otelFile(trace, tree, { total, epoch, prices }) {
  const traceId = newId();
  const root = newId().slice(0, 16);
  const time = (/** @type {number} */ ms) => nanoseconds(epoch + ms);
  const failure = trace.failure;
  const span = (/** @type {object} */ own) => JSON.stringify({ traceId, ...own });

  yield `{"resourceSpans":[{"resource":${JSON.stringify({ attributes: attributes({ 'service.name': 'agent-relay' }) })},"scopeSpans":[{"scope":{"name":"agent-relay"},"spans":[\n`;
  yield span({
    spanId: root,
    name: 'invoke_agent',
    kind: CLIENT,
    startTimeUnixNano: time(0),
    endTimeUnixNano: time(Math.max(total, tree.latest)),
    attributes: attributes({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.provider.name': 'aws.bedrock',
      'gen_ai.usage.input_tokens': tree.tokens.input + tree.cachedTokens || undefined,
      'gen_ai.usage.output_tokens': tree.tokens.output || undefined,
      'gen_ai.input.messages': messages('user', trace.file === undefined ? trace.prompt : undefined),
      'gen_ai.response.time_to_first_chunk': seconds(trace.firstTextAt, trace.sentAt),
      'error.type': failure?.code,
    }),
    status: failure === undefined ? { code: OK } : { code: ERROR, message: failure.message },
  });

  /** @type {{step: Step, parentSpanId: string}[]} */
  const rest = tree.steps.toReversed().map((step) => ({ step, parentSpanId: root }));
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { step, parentSpanId } = next;
    const spanId = newId().slice(0, 16);
    for (const child of step.children.toReversed()) rest.push({ step: child, parentSpanId: spanId });
    const { from, to } = spanOf(step, total);
    const operation = OPERATIONS[step.kind];
    const subject =
      operation === 'chat' ? (step.model ?? '') : operation === 'retrieval' ? (knowledgeBaseOf(step) ?? '') : step.name;
    yield `,\n${span({
      spanId,
      parentSpanId,
      name: joined(' ', operation ?? step.kind, subject).toWellFormed(),
      kind: operation === 'chat' || operation === 'retrieval' ? CLIENT : INTERNAL,
      startTimeUnixNano: time(from),
      endTimeUnixNano: time(to),
      attributes: attributes({
        ...attributesOf(step, operation),
        'gen_ai.usage.cost': { double: costOf(step, prices) },
      }),
      status:
        step.status === 'failed'
          ? { code: ERROR, message: step.reason ?? '' }
          : step.status === 'done'
            ? { code: OK }
            : {},
    })}`;
  }
  yield '\n]}]}]}\n';
}

/**
 * @param {Step} step
 * @param {string | undefined} operation
 * @returns {Record<string, Value>}
 */
function attributesOf(step, operation) {
  const { kind, tokens, model, name, status, reason, firstAt, start, estimated } = step;
  const sections = sectionsOf(step);
  const texts = (/** @type {(section: Section) => boolean} */ isWanted) =>
    sections.filter(isWanted).map(textOf).join('\n') || undefined;
  const side = (/** @type {'in' | 'out'} */ one) => texts((section) => section.side === one);
  const of = (/** @type {RegExp} */ title) => texts((section) => title.test(section.title));
  return {
    'agent_relay.step.kind': kind,
    'agent_relay.step.status': status,
    'agent_relay.step.reason': reason,
    'agent_relay.step.time_estimated': estimated,
    'error.type': status === 'failed' ? (reason ?? '_OTHER') : undefined,
    'gen_ai.operation.name': operation,
    ...(operation === 'chat'
      ? {
          'gen_ai.provider.name': 'aws.bedrock',
          'gen_ai.request.model': model,
          // The conventions count what the cache had a part in as input; Bedrock counts it apart.
          'gen_ai.usage.input_tokens': tokens && tokens.input + (tokens.cacheRead ?? 0) + (tokens.cacheWrite ?? 0),
          'gen_ai.usage.output_tokens': tokens?.output,
          'gen_ai.usage.cache_read.input_tokens': tokens?.cacheRead,
          'gen_ai.usage.cache_creation.input_tokens': tokens?.cacheWrite,
          'gen_ai.input.messages': messages('user', of(/^(?:System prompt|Prompt)/)),
          'gen_ai.output.messages': messages('assistant', of(/^(?:Text|Response|Parsed response)$/)),
          'gen_ai.response.time_to_first_chunk': seconds(firstAt, start),
        }
      : operation === 'execute_tool'
        ? {
            'gen_ai.tool.name': name,
            'gen_ai.tool.call.arguments': side('in'),
            'gen_ai.tool.call.result': side('out'),
          }
        : operation === 'retrieval'
          ? {
              'gen_ai.provider.name': 'aws.bedrock',
              'gen_ai.data_source.id': knowledgeBaseOf(step),
              'gen_ai.retrieval.query.text': of(/^Query$/),
              'gen_ai.retrieval.documents': documentsOf(step),
              'agent_relay.step.text': of(/^Passage/),
            }
          : operation === 'invoke_agent'
            ? {
                'gen_ai.agent.name': name,
                'gen_ai.input.messages': messages('user', of(/^(?:Task|Text)$/)),
                'gen_ai.output.messages': messages('assistant', of(/^Answer$/)),
              }
            : { 'agent_relay.step.text': of(/^(?:Text|Reasoning|Failure|Answer)$/) }),
  };
}

/** What a knowledge base gave: where each passage is from, and how well it fits, as JSON. @param {Step} step */
function documentsOf(step) {
  const found = sourcesOf([{ retrievedReferences: passagesOf(step) }]);
  return found.length === 0
    ? undefined
    : JSON.stringify(
        found
          .slice(0, MAX_DOCUMENTS)
          .map(({ where, score }) => ({ id: where.slice(0, MAX_ADDRESS).toWellFormed(), score })),
      );
}

/** @param {Section} section */
function textOf(section) {
  return 'rows' in section ? section.rows.map(([name, value]) => `${name}: ${value}`).join('\n') : section.text;
}

/** As the conventions have messages: as JSON. @param {string} role @param {string | undefined} content */
function messages(role, content) {
  return content === undefined
    ? undefined
    : JSON.stringify([{ role, parts: [{ type: 'text', content: cut(content) }] }]);
}

/** Messages are JSON, of which the texts are cut already. @param {Record<string, Value>} values */
function attributes(values) {
  return Object.entries(values).flatMap(([key, value]) =>
    value === undefined || (typeof value === 'object' && value.double === undefined)
      ? []
      : [{ key, value: key.endsWith('.messages') ? { stringValue: value } : typed(value) }],
  );
}

/** Between two moments, where both are known. @param {number | undefined} at in ms @param {number} from */
function seconds(at, from) {
  return { double: at === undefined ? undefined : Math.max(at - from, 0) / 1000 };
}

/** OTLP writes whole numbers as strings. @param {Exclude<Value, undefined>} value */
function typed(value) {
  if (typeof value === 'object') return { doubleValue: value.double };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  return { stringValue: cut(value) };
}

/** @param {string} text */
function cut(text) {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT).toWellFormed()}…` : text.toWellFormed();
}

/** More digits than a number has, and no more than 64 bits hold. @param {number} ms since 1970 */
function nanoseconds(ms) {
  return String(
    Number.isFinite(ms) ? BigInt(Math.round(Math.min(Math.max(ms, 1), MAX_MS) * 1000)) * 1000n : 1_000_000n,
  );
}

/** Of a trace; that of a span is half as long. */
function newId() {
  return crypto.randomUUID().replaceAll('-', '');
}
