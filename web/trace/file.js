// A trace as a file: what the page saves, and what it can show again without a connection. No DOM.

import { get, getList, getNumber, getString, parseJson } from '../lib/json.js';

/** @import { AgentEvent, Status, Turn } from '../types.d.ts' */

/** What the trace viewer needs to know of a turn. @typedef {Pick<Turn, 'prompt' | 'status' | 'events' | 'failure' | 'sentAt' | 'firstTextAt' | 'endedAt'>} Trace */

/** Larger files are not opened: reading them would crash the tab. */
export const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** Why a file cannot be shown, in a sentence for the user. */
export class TraceFileError extends Error {}

/**
 * A trace as JSON, its times counted from the prompt.
 *
 * @param {Trace} trace
 */
export function traceFile({ prompt, status, events, failure, sentAt, firstTextAt, endedAt }) {
  const since = (/** @type {number | undefined} */ time) => (time === undefined ? undefined : time - sentAt);
  const all = events.map(({ at, source, event }) => ({ at: at - sentAt, source, event }));
  return JSON.stringify({ agentRelayTrace: 1, prompt, status, failure, firstTextAt: since(firstTextAt), endedAt: since(endedAt), events: all }, null, 1);
}

/**
 * Reads a saved trace, or a plain list of trace events as other clients of Bedrock save it.
 *
 * @param {string} text
 * @param {string} name of the file, for want of a prompt
 * @returns {Trace}
 * @throws {TraceFileError} when it is neither
 */
export function traceOf(text, name) {
  const saved = parseJson(text);
  if (saved === undefined) throw new TraceFileError(`${name} is not JSON. Choose a file that was saved with “Download”.`);
  const version = get(saved, 'agentRelayTrace');
  if (version !== undefined && version !== 1) {
    throw new TraceFileError(`${name} has version ${version} of the format, and this page knows version 1. Open it with a newer page.`);
  }
  const events = (Array.isArray(saved) ? saved : getList(saved, 'events')).map(eventOf).filter((event) => event !== undefined);
  if (events.length === 0) throw new TraceFileError(`${name} has no trace events. Choose a file that was saved with “Download”, or a JSON list of Bedrock's trace events.`);
  const code = getString(saved, 'failure', 'code');
  return {
    prompt: getString(saved, 'prompt') ?? name,
    status: statusOf(getString(saved, 'status') ?? 'done'),
    events,
    failure: code === undefined ? undefined : { message: getString(saved, 'failure', 'message') ?? '', code, retryable: false, source: 'relay' },
    sentAt: 0,
    firstTextAt: getNumber(saved, 'firstTextAt'),
    endedAt: getNumber(saved, 'endedAt'),
  };
}

/**
 * What was saved while the agent worked has no end.
 *
 * @param {string} saved
 * @returns {Status}
 */
function statusOf(saved) {
  return saved === 'done' || saved === 'failed' ? saved : 'interrupted';
}

/**
 * @param {unknown} item
 * @returns {AgentEvent | undefined}
 */
function eventOf(item) {
  const event = get(item, 'event');
  if (event !== undefined) return { at: getNumber(item, 'at') ?? 0, source: getString(item, 'source') ?? 'bedrock-agent', event };
  const trace = get(item, 'trace');
  if (trace === undefined) return undefined;
  // An event `{trace: {trace: …}}` or what it holds.
  return { at: 0, source: 'bedrock-agent', event: get(trace, 'trace') === undefined ? { trace: item } : item };
}
