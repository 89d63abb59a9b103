// One turn: a prompt, and how frames turn it into an answer. No DOM, no sockets, no clock; every time
// is handed in, in milliseconds of one monotonic clock.

import { counted } from '../lib/format.js';
import { get, getList, getNumber, getString, parseJson } from '../lib/json.js';
import { FragmentError, Fragments } from './fragments.js';

/** @import { Failure, Message, Status, ToolAnswer, Turn } from '../types.d.ts' */

/**
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
    overtaken: false,
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
    gatewayMessage: undefined,
    fragments: new Fragments(),
  };
}

/** @param {Turn} turn */
export function isOpen(turn) {
  return turn.status === 'sent' || turn.status === 'running';
}

/**
 * Another turn begins: what a turn asked for is answered by it, or withdrawn, as the agent sees it.
 *
 * @param {Turn} turn
 * @param {ToolAnswer[]} answers
 */
export function overtake(turn, answers) {
  turn.overtaken = true;
  for (const call of turn.calls) call.reply ??= answers.find(({ id }) => id === call.id) ?? 'withdrawn';
}

/** What the user should know beside the answer and the error: one sentence each. @param {Turn} turn */
export function notesOf(turn) {
  const notes = [];
  if (turn.gatewayMessage !== undefined) {
    notes.push(`The gateway reported “${turn.gatewayMessage}”, but the answer came all the same.`);
  }
  if (turn.intervened) notes.push('A guardrail stepped in: this is its answer, not that of the model.');
  if (turn.missing > 0) {
    notes.push(`${counted(turn.missing, 'frame')} got lost on the way: this answer may have gaps.`);
  }
  if (turn.cut) notes.push('Not all of this answer was kept over the reload: there was no room for it.');
  const broken = turn.unreadable + (isOpen(turn) ? 0 : turn.fragments.incomplete);
  if (broken > 0) notes.push(`${counted(broken, 'frame')} could not be read and ${broken === 1 ? 'is' : 'are'} not shown.`);
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
 * Says whether a frame is new.
 *
 * @param {Turn} turn
 * @param {number} seq
 */
export function countFrame(turn, seq) {
  if (seq < turn.nextSeq) return false;
  turn.missing += seq - turn.nextSeq;
  turn.nextSeq = seq + 1;
  return true;
}

/** A frame shows that the run is alive, whatever the gateway said before. @param {Turn} turn */
export function reopen(turn) {
  if (turn.failure?.source === 'gateway') {
    turn.gatewayMessage = turn.failure.message;
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
 * @param {string} json the frame as it came
 * @param {number} now
 */
export function applyFrame(turn, frame, json, now) {
  const type = getString(frame, 'type') ?? '';
  switch (type) {
    case 'RUN_STARTED':
      return;
    case 'TEXT_MESSAGE_CHUNK':
      return appendText(turn, frame, now);
    case 'RAW':
      return appendEvent(turn, frame, json, now);
    case 'CUSTOM':
      return applyCustom(turn, frame, json, now);
    case 'TOOL_CALL_CHUNK':
      return addCall(turn, frame);
    case 'RUN_FINISHED':
      turn.stats = statsOf(frame);
      turn.usage = usageOf(frame);
      for (const interrupt of getList(frame, 'outcome', 'interrupts')) {
        const call = turn.calls.find(({ id }) => id === getString(interrupt, 'toolCallId'));
        if (call) Object.assign(call, { asks: true, returns: get(interrupt, 'responseSchema', 'properties', 'result') !== undefined });
      }
      return endTurn(turn, 'done', now);
    case 'RUN_ERROR':
      turn.stats = statsOf(frame);
      return endTurn(turn, 'failed', now, {
        message: getString(frame, 'message') ?? 'The run failed, and the relay gave no reason.',
        code: getString(frame, 'code') ?? 'unknown',
        retryable: get(frame, 'metadata', 'relay', 'retryable') === true,
        source: 'relay',
      });
    default:
      // A later relay may send more than this page knows: listed with the trace, never dropped.
      turn.events.push({ at: now, source: type, event: frame, json, path: [] });
  }
}

/**
 * @param {Turn} turn
 * @param {unknown} frame
 * @param {number} now
 */
function appendText(turn, frame, now) {
  const delta = getString(frame, 'delta') ?? '';
  if (delta === '') return;
  messageOf(turn, frame).text += delta;
  turn.firstTextAt ??= now;
}

/**
 * @param {Turn} turn
 * @param {unknown} frame
 * @param {string} json
 * @param {number} now
 */
function appendEvent(turn, frame, json, now) {
  const source = getString(frame, 'source') ?? 'RAW';
  const event = get(frame, 'event');
  const keepalive = source === 'relay' && get(event, 'keepalive') !== undefined;
  if (get(event, 'trace', 'trace', 'guardrailTrace', 'action') === 'INTERVENED') turn.intervened = true;
  if (!keepalive) turn.events.push({ at: now, source, event, json, path: ['event'] });
}

/**
 * @param {Turn} turn
 * @param {unknown} frame
 * @param {string} json
 * @param {number} now
 */
function applyCustom(turn, frame, json, now) {
  const name = getString(frame, 'name') ?? '';
  const value = get(frame, 'value');
  switch (name) {
    case 'bedrock.citations':
      messageOf(turn, value).citations.push(...getList(value, 'citations'));
      return;
    case 'bedrock.file':
      turn.files.push({ name: getString(value, 'name') ?? '', type: getString(value, 'type') ?? '', bytes: getString(value, 'bytes') ?? '' });
      return;
    case 'relay.fragment':
      return applyFragment(turn, value, now);
    default:
      turn.events.push({ at: now, source: name, event: value, json, path: ['value'] });
  }
}

/**
 * @param {Turn} turn
 * @param {unknown} frame
 */
function addCall(turn, frame) {
  const id = getString(frame, 'toolCallId') ?? '';
  const delta = getString(frame, 'delta') ?? '';
  const known = turn.calls.find((call) => call.id === id);
  if (known) known.arguments += delta;
  else turn.calls.push({ id, name: getString(frame, 'toolCallName') ?? 'an action', arguments: delta, asks: false, returns: true });
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
    const foreign = getString(frame, 'metadata', 'relay', 'runId') !== turn.runId;
    const nested = getString(frame, 'name') === 'relay.fragment';
    if (foreign || nested || getString(frame, 'type') === undefined) turn.unreadable += 1;
    else applyFrame(turn, frame, text, now);
  } catch (error) {
    if (!(error instanceof FragmentError)) throw error;
    turn.unreadable += 1;
  }
}

/**
 * @param {Turn} turn
 * @param {unknown} value
 * @returns {Message}
 */
function messageOf(turn, value) {
  const id = getString(value, 'messageId') ?? turn.messages.at(-1)?.id ?? turn.runId;
  let message = turn.messages.find((candidate) => candidate.id === id);
  if (message === undefined) {
    message = { id, text: '', citations: [] };
    turn.messages.push(message);
  }
  return message;
}

/**
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

/** @param {unknown} frame */
function statsOf(frame) {
  const stats = get(frame, 'metadata', 'relay', 'stats');
  return stats === undefined ? undefined : { chunks: getNumber(stats, 'chunks'), frames: getNumber(stats, 'frames') };
}

/** @param {unknown} frame */
function usageOf(frame) {
  const usage = { input: 0, output: 0 };
  const used = getList(frame, 'usage');
  for (const one of used) {
    usage.input += getNumber(one, 'inputTokens') ?? 0;
    usage.output += getNumber(one, 'outputTokens') ?? 0;
  }
  return used.length === 0 ? undefined : usage;
}

