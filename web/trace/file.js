// A trace as a file: what the page saves, and what it can show again without a connection. No DOM.

import { localTime } from '../lib/format.js';
import { get, getNumber, getString, parseJson } from '../lib/json.js';
import { RUNTIME } from '../relay/agui.js';
import { AGENT } from './bedrock-agent-event.js';
import { HARNESS, isFrame } from './harness-event.js';
import { joined } from './phrases.js';
import { sourceOf } from './readers.js';
import { partsOf, sequence, textOf } from './source.js';
import { plausible } from './times.js';

/** @import { AgentEvent, Turn } from '../types.d.ts' */

/**
 * What the trace viewer needs to know of a turn, or of the file that it was opened from.
 *
 * @typedef {Pick<Turn, 'prompt' | 'status' | 'events' | 'failure' | 'sentAt' | 'firstTextAt' | 'endedAt'> & {trace?: boolean, restored?: boolean, restarts?: number, keptEvents?: number | undefined, traceCut?: boolean, messages?: {citations: unknown[]}[], file?: string, epoch?: number | undefined}} Trace
 *   `epoch` is when the prompt of a file was sent, in ms since 1970; `keptEvents` is how many events the browser has kept
 *   of it that were not read yet, and `traceCut` whether there was no room for all of them
 */

/** Larger files are not opened: reading them would crash the tab. */
export const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** Why a file cannot be shown, in a sentence for the user. */
export class TraceFileError extends Error {}

const CHOOSE = "Choose a file that was saved with “Download”, or the agent's trace events as JSON.";

/** How much of a prompt stands in the name of a file, in characters. */
const MAX_TITLE = 40;

/** How deep in lists and objects of a file events are looked for. */
const MAX_DEPTH = 4;

/**
 * A trace as JSON, its times counted from the prompt. The events stand there as they came.
 *
 * @param {Trace} trace
 */
export function traceFile(trace) {
  const { prompt, status, events, failure, sentAt, firstTextAt, endedAt } = trace;
  const since = (/** @type {number | undefined} */ time) => (time === undefined ? undefined : time - sentAt);
  const head = JSON.stringify({
    agentRelayTrace: 1,
    sentAt: new Date(epochOf(trace) ?? NaN),
    prompt,
    status,
    failure,
    firstTextAt: since(firstTextAt),
    endedAt: since(endedAt),
  });
  const all = events.map(
    (one) =>
      `{"at":${JSON.stringify(one.at - sentAt)},${one.late ? '"late":true,' : ''}"source":${JSON.stringify(one.source)},"event":${textOf(one)}}`,
  );
  return `${head.slice(0, -1)},"events":[\n${all.join(',\n')}\n]}\n`;
}

/** When the prompt was sent, in ms since 1970, where that is known. @param {Trace} trace */
export function epochOf({ file, epoch, sentAt }) {
  return file === undefined ? performance.timeOrigin + sentAt : epoch;
}

/**
 * What to call the file of a trace: by its prompt, and by when it was asked.
 *
 * @param {string} prompt
 * @param {Date} time
 */
export function fileName(prompt, time) {
  const [first = '', ...words] = prompt.slice(0, 200).match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  let title = [...first].slice(0, MAX_TITLE).join('');
  for (const word of words) {
    if (title.length + word.length >= MAX_TITLE) break;
    title += `-${word}`;
  }
  const [day, clock] = localTime(time).split('T');
  return `${joined('-', 'trace', day, clock?.replaceAll(':', ''), title)}.json`;
}

/**
 * Reads a saved trace, or what other clients of Bedrock and its console give: events, TraceParts or what those hold, or
 * the events of a harness, one alone, in lists, or one after the other.
 *
 * @param {string} text
 * @param {string} name of the file
 * @returns {Trace}
 * @throws {TraceFileError} when it is neither
 */
export function traceOf(text, name) {
  const values = valuesOf(text, name);
  const saved = values.length === 1 ? values[0]?.value : undefined;
  const version = get(saved, 'agentRelayTrace');
  if (version !== undefined && version !== 1) {
    throw new TraceFileError(
      `${name} has version ${version} of the format, and this page knows version 1. Open it with a newer page.`,
    );
  }
  const found = values.flatMap((one) => [...eventsIn(one.value, one.text, MAX_DEPTH)]);
  // The text of an answer whose trace is told in events alone is no part of the trace.
  const isTold = found.some(({ source }) => source === HARNESS || /^(?:REASONING|TOOL_CALL_RESULT)/.test(source));
  const isAgents = found.some(({ source }) => source === RUNTIME);
  const events = isAgents
    ? found.map((one) => (isFrame(one.source) ? { ...one, source: RUNTIME } : one))
    : isTold
      ? found
      : found.filter(({ source }) => !isFrame(source));
  if (events.length === 0) throw new TraceFileError(`${name} has no trace events. ${CHOOSE}`);
  const code = getString(saved, 'failure', 'code');
  // What was saved while the agent worked has no end.
  const status = getString(saved, 'status') ?? 'done';
  return {
    prompt: getString(saved, 'prompt') ?? name,
    file: name,
    status: status === 'done' || status === 'failed' ? status : 'interrupted',
    events,
    failure:
      code === undefined
        ? undefined
        : { message: getString(saved, 'failure', 'message') ?? '', code, retryable: false, source: 'relay' },
    sentAt: 0,
    epoch: Date.parse(getString(saved, 'sentAt') ?? '') || undefined,
    firstTextAt: plausible(getNumber(saved, 'firstTextAt')),
    endedAt: plausible(getNumber(saved, 'endedAt')),
  };
}

/**
 * The value of a file, or the values: JSON Lines, or what was copied one below the other.
 *
 * @param {string} text
 * @param {string} name
 * @returns {{value: unknown, text: string}[]}
 */
function valuesOf(text, name) {
  const value = parseJson(text);
  if (value !== undefined) return [{ value, text }];
  return Array.from(sequence(text), (one, index) => {
    const value = parseJson(one.text);
    if (typeof value === 'object') return { value, text: one.text };
    const line = index === 0 ? '' : ` in line ${text.slice(0, one.at).split('\n').length}`;
    throw new TraceFileError(`${name} is not JSON${line}. ${CHOOSE}`);
  });
}

/**
 * The events in a value, in their order.
 *
 * @param {unknown} value
 * @param {string} text the same as it stands in the file
 * @param {number} depth how far to look
 * @returns {Generator<AgentEvent>}
 */
function* eventsIn(value, text, depth) {
  if (typeof value !== 'object' || value === null) return;
  const [event, trace, source] = [get(value, 'event'), get(value, 'trace'), sourceOf(value)];
  if (event !== undefined && source === undefined) {
    yield {
      at: getNumber(value, 'at') ?? 0,
      source: getString(value, 'source') ?? sourceOf(event) ?? AGENT,
      event,
      json: text,
      path: ['event'],
      ...(get(value, 'late') === true ? { late: true } : {}),
    };
  } else if (source !== undefined || (trace !== undefined && !Array.isArray(trace))) {
    yield { at: 0, source: source ?? AGENT, event: value, json: text, path: [] };
  } else if (depth > 0) {
    // Of two members with one name the last one counts.
    const parts = Array.isArray(value)
      ? partsOf(text)
      : [...new Map(partsOf(text).map((part) => [part.name, part])).values()];
    for (const [index, part] of parts.entries()) {
      yield* eventsIn(Array.isArray(value) ? value[index] : get(value, part.name), part.text, depth - 1);
    }
  }
}
