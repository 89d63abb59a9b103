// One turn: a prompt, and how frames turn it into an answer. No DOM, no sockets, no clock; every time
// is handed in, in milliseconds of one monotonic clock.

import { FragmentError, Fragments } from './fragments.js';
import { at, listAt, numberAt, parseJson, textAt } from './json.js';

/** @import { AgentFile } from './files.js' */
/** @import { ToolAnswer } from './request.js' */

/**
 * How far a turn is: sent but not yet heard of, running, or over in one of four ways. `interrupted`
 * means that the connection closed first: whether the agent finished is not known. `stopped` is the
 * reader's doing.
 *
 * @typedef {'sent' | 'running' | 'done' | 'failed' | 'interrupted' | 'stopped'} Status
 */

/**
 * One message of the agent. A turn mostly has one.
 *
 * @typedef {object} Message
 * @property {string} id
 * @property {string} text what has arrived so far; it only grows
 * @property {unknown[]} citations as Bedrock sent them
 */

/**
 * One event that is not text: a trace, or something this page has no better place for.
 *
 * @typedef {object} AgentEvent
 * @property {number} at when it arrived
 * @property {string} source `bedrock-agent`, `relay`, or the type of the frame
 * @property {unknown} event the JSON as it came
 */

/**
 * Why a turn ended without success.
 *
 * @typedef {object} Failure
 * @property {string} message a sentence for the reader
 * @property {string} code stable, for machines and support
 * @property {boolean} retryable
 * @property {'relay' | 'gateway' | 'connection'} source who reported it
 */

/**
 * An action that the agent hands to the reader: to carry it out, or (`asks`) to confirm it.
 *
 * @typedef {{id: string, name: string, arguments: string, asks: boolean}} ToolCall
 */

/**
 * What the relay counted.
 *
 * @typedef {object} Stats
 * @property {number | undefined} chunks
 * @property {number | undefined} frames
 * @property {number | undefined} firstChunkMs
 * @property {number | undefined} totalMs
 */

/**
 * A prompt and all that came of it.
 *
 * @typedef {object} Turn
 * @property {string} runId
 * @property {string} prompt
 * @property {ToolAnswer[]} answers to the tool calls before; with them, the prompt only says so in words
 * @property {boolean} trace whether traces were asked for
 * @property {Status} status
 * @property {Message[]} messages
 * @property {AgentEvent[]} events
 * @property {AgentFile[]} files
 * @property {ToolCall[]} calls
 * @property {boolean} answered whether the reader answered the calls
 * @property {boolean} intervened whether a guardrail did
 * @property {{input: number, output: number} | undefined} usage tokens
 * @property {Failure | undefined} failure
 * @property {Stats | undefined} stats
 * @property {number} sentAt
 * @property {number | undefined} firstTextAt
 * @property {number | undefined} endedAt
 * @property {number} nextSeq the sequence number that the next frame should have
 * @property {number} missing frames that never came
 * @property {number} unreadable frames that came and made no sense
 * @property {string | undefined} overruled what the gateway said before the answer came all the same
 * @property {Fragments} fragments
 */

/**
 * A turn whose prompt has just been sent.
 *
 * @param {{runId: string, prompt: string, trace: boolean, answers?: ToolAnswer[]}} run
 * @param {number} now
 * @returns {Turn}
 */
export function newTurn({ runId, prompt, trace, answers = [] }, now) {
  return {
    runId,
    prompt,
    answers,
    trace,
    status: 'sent',
    messages: [],
    events: [],
    files: [],
    calls: [],
    answered: false,
    intervened: false,
    usage: undefined,
    failure: undefined,
    stats: undefined,
    sentAt: now,
    firstTextAt: undefined,
    endedAt: undefined,
    nextSeq: 0,
    missing: 0,
    unreadable: 0,
    overruled: undefined,
    fragments: new Fragments(),
  };
}

/** @param {Turn} turn */
export function isOpen(turn) {
  return turn.status === 'sent' || turn.status === 'running';
}

/**
 * What the reader should know beside the answer and the error: one sentence each.
 *
 * @param {Turn} turn
 * @returns {string[]}
 */
export function notesOf(turn) {
  const notes = [];
  if (turn.overruled !== undefined) {
    notes.push(`The gateway reported “${turn.overruled}”, but the answer came all the same.`);
  }
  if (turn.intervened) notes.push('A guardrail stepped in: this is its answer, not that of the model.');
  if (turn.missing > 0) {
    notes.push(`${frames(turn.missing)} got lost on the way: this answer may have gaps.`);
  }
  const broken = turn.unreadable + (isOpen(turn) ? 0 : turn.fragments.incomplete);
  if (broken > 0) notes.push(`${frames(broken)} could not be read and ${broken === 1 ? 'is' : 'are'} not shown.`);
  return notes;
}

/**
 * Whether nothing more can come of a turn. What the gateway says is not the end: it gives up on a
 * function that is still at work, and the frames of that function count.
 *
 * @param {Turn} turn
 */
export function isOver(turn) {
  return !isOpen(turn) && turn.failure?.source !== 'gateway';
}

/**
 * Takes note that a frame of this run came, with its sequence number.
 *
 * @param {Turn} turn
 * @param {number} seq
 * @returns {boolean} whether the frame is new: false for one that came before
 */
export function countFrame(turn, seq) {
  if (seq < turn.nextSeq) return false;
  turn.missing += seq - turn.nextSeq;
  turn.nextSeq = seq + 1;
  return true;
}

/**
 * A frame shows that the run is alive, whatever the gateway said before.
 *
 * @param {Turn} turn
 */
export function revive(turn) {
  if (turn.failure?.source === 'gateway') {
    turn.overruled = turn.failure.message;
    turn.failure = undefined;
    turn.endedAt = undefined;
  }
  turn.status = 'running';
}

/**
 * Takes a frame of this run, in the order of the run.
 *
 * @param {Turn} turn
 * @param {unknown} frame
 * @param {number} now
 */
export function applyFrame(turn, frame, now) {
  const type = textAt(frame, 'type') ?? '';
  switch (type) {
    case 'RUN_STARTED':
      return;
    case 'TEXT_MESSAGE_CHUNK':
      return appendText(turn, frame, now);
    case 'RAW':
      return appendEvent(turn, frame, now);
    case 'CUSTOM':
      return applyCustom(turn, frame, now);
    case 'TOOL_CALL_CHUNK':
      return addCall(turn, frame);
    case 'RUN_FINISHED':
      turn.stats = statsOf(frame);
      turn.usage = usageOf(frame);
      for (const interrupt of listAt(frame, 'outcome', 'interrupts')) {
        const call = turn.calls.find(({ id }) => id === textAt(interrupt, 'toolCallId'));
        if (call) call.asks = true;
      }
      return endTurn(turn, 'done', now);
    case 'RUN_ERROR':
      turn.stats = statsOf(frame);
      return endTurn(turn, 'failed', now, {
        message: textAt(frame, 'message') ?? 'The run failed, and the relay gave no reason.',
        code: textAt(frame, 'code') ?? 'unknown',
        retryable: at(frame, 'metadata', 'relay', 'retryable') === true,
        source: 'relay',
      });
    default:
      // A later relay may send more than this page knows: listed with the trace, never dropped.
      turn.events.push({ at: now, source: type, event: frame });
  }
}

/**
 * @param {Turn} turn
 * @param {unknown} frame
 * @param {number} now
 */
function appendText(turn, frame, now) {
  const delta = textAt(frame, 'delta') ?? '';
  if (delta === '') return;
  messageOf(turn, frame).text += delta;
  turn.firstTextAt ??= now;
}

/**
 * @param {Turn} turn
 * @param {unknown} frame
 * @param {number} now
 */
function appendEvent(turn, frame, now) {
  const source = textAt(frame, 'source') ?? 'RAW';
  const event = at(frame, 'event');
  const keepalive = source === 'relay' && at(event, 'keepalive') !== undefined;
  if (at(event, 'trace', 'trace', 'guardrailTrace', 'action') === 'INTERVENED') turn.intervened = true;
  if (!keepalive) turn.events.push({ at: now, source, event });
}

/**
 * @param {Turn} turn
 * @param {unknown} frame
 * @param {number} now
 */
function applyCustom(turn, frame, now) {
  const name = textAt(frame, 'name') ?? '';
  const value = at(frame, 'value');
  switch (name) {
    case 'bedrock.citations':
      messageOf(turn, value).citations.push(...listAt(value, 'citations'));
      return;
    case 'bedrock.file':
      turn.files.push({ name: textAt(value, 'name') ?? '', type: textAt(value, 'type') ?? '', bytes: textAt(value, 'bytes') ?? '' });
      return;
    case 'relay.fragment':
      return applyFragment(turn, value, now);
    default:
      turn.events.push({ at: now, source: name, event: value });
  }
}

/**
 * @param {Turn} turn
 * @param {unknown} frame
 */
function addCall(turn, frame) {
  const id = textAt(frame, 'toolCallId') ?? '';
  const delta = textAt(frame, 'delta') ?? '';
  const known = turn.calls.find((call) => call.id === id);
  if (known) known.arguments += delta;
  else turn.calls.push({ id, name: textAt(frame, 'toolCallName') ?? 'an action', arguments: delta, asks: false });
}

/**
 * @param {Turn} turn
 * @param {unknown} value
 * @param {number} now
 */
function applyFragment(turn, value, now) {
  try {
    const text = turn.fragments.add(value);
    if (text === undefined) return;
    const frame = parseJson(text);
    // The frame repeats the sequence number of its first piece, which has been counted already.
    const foreign = textAt(frame, 'metadata', 'relay', 'runId') !== turn.runId;
    const nested = textAt(frame, 'name') === 'relay.fragment';
    if (foreign || nested || textAt(frame, 'type') === undefined) turn.unreadable += 1;
    else applyFrame(turn, frame, now);
  } catch (error) {
    if (!(error instanceof FragmentError)) throw error;
    turn.unreadable += 1;
  }
}

/**
 * The message that a frame or value names, new when it is the first to name it.
 *
 * @param {Turn} turn
 * @param {unknown} value
 * @returns {Message}
 */
function messageOf(turn, value) {
  const id = textAt(value, 'messageId') ?? turn.messages.at(-1)?.id ?? turn.runId;
  let message = turn.messages.find((candidate) => candidate.id === id);
  if (message === undefined) {
    message = { id, text: '', citations: [] };
    turn.messages.push(message);
  }
  return message;
}

/**
 * Ends a turn, for good or with a failure.
 *
 * @param {Turn} turn
 * @param {Status} status
 * @param {number} now
 * @param {Failure} [failure]
 */
export function endTurn(turn, status, now, failure) {
  turn.status = status;
  turn.endedAt = now;
  turn.failure = failure;
}

/**
 * @param {unknown} frame
 * @returns {Stats | undefined}
 */
function statsOf(frame) {
  const stats = at(frame, 'metadata', 'relay', 'stats');
  if (stats === undefined) return undefined;
  return {
    chunks: numberAt(stats, 'chunks'),
    frames: numberAt(stats, 'frames'),
    firstChunkMs: numberAt(stats, 'firstChunkMs'),
    totalMs: numberAt(stats, 'totalMs'),
  };
}

/** @param {unknown} frame */
function usageOf(frame) {
  const used = listAt(frame, 'usage');
  const sum = (/** @type {string} */ key) => used.reduce((total, one) => Number(total) + (numberAt(one, key) ?? 0), 0);
  return used.length === 0 ? undefined : { input: Number(sum('inputTokens')), output: Number(sum('outputTokens')) };
}

/** @param {number} count */
function frames(count) {
  return count === 1 ? 'One frame' : `${count} frames`;
}
