// One turn: a prompt, and how frames turn it into an answer. No DOM, no sockets, no clock; every time
// is handed in, in milliseconds of one monotonic clock.

import { get, getList, getNumber, getString, membersOf, parseJson } from '../lib/json.js';
import { plural, t } from '../lib/words.js';
import { isAgui, isOwnForm, RUNTIME, speaksAgui } from './agui.js';
import { FragmentError, Fragments } from './fragments.js';

/** @import { AgentEvent, Failure, Message, Status, ToolAnswer, ToolCall, Turn } from '../types.d.ts' */

/** Whose events tell all of a trace. Those of others leave out what the run has frames for, which are a part of it then. */
const TELLS_ALL = 'bedrock-agent';

/** So long what was said before a join may take to come, in milliseconds. */
export const REPLAY_MS = 500;

/** What the relay says of runs of which nothing more can be had. */
const UNJOINABLE = ['no_such_run', 'run_lost'];
/** What it says when it cannot tell now. */
const REFUSALS = ['internal', 'deadline'];

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
    key: undefined,
    status: 'sent',
    reconnecting: false,
    joins: 0,
    restarts: 0,
    messages: [],
    reasoning: [],
    events: [],
    files: [],
    calls: [],
    openCalls: [],
    agent: undefined,
    stopReason: undefined,
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
    missedSeq: undefined,
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

/** Whether the answer was cut short by a limit: what there is of it is valid. @param {Turn} turn */
export function isCut(turn) {
  return turn.failure?.code === 'limit_reached';
}

/** Whether there is something to do at the end of a turn as long as no other came after it. @param {Turn} turn */
export function awaitsUser(turn) {
  return turn.calls.length + turn.answers.length > 0 || isCut(turn);
}

/** Whether it may be that an answer which does not go on here can be had all the same, by joining it. @param {Turn} turn */
export function canJoin({ key, status, failure }) {
  if (key === undefined) return false;
  return (
    status === 'moved' ||
    failure?.source === 'gateway' ||
    (status === 'interrupted' && !UNJOINABLE.includes(failure?.code ?? ''))
  );
}

/** What a user is told whose answer was joined elsewhere. */
export const MOVED_NOTE = 'This answer goes on in another window.';

/** What a user is told where an agent asks for something that only another window can answer. */
export const ELSEWHERE_NOTE =
  'It can be answered only in the window that this conversation is of: “Continue here” brings it there.';

/** Whether it asks for something that only another window can answer. @param {Turn} turn */
export function asksElsewhere({ elsewhere, calls }) {
  return elsewhere === true && calls.some(({ reply }) => reply === undefined);
}

/** What a user is told who stopped an answer. @param {Turn} turn */
export function stoppedNote({ agent }) {
  // Whether another one goes on depends on a setting of the deployment, STOP_ON_LEAVE, that a page does not know.
  return agent !== TELLS_ALL
    ? t('Stopped here. The agent itself may go on with its work: only some deployments end it.')
    : t('Stopped.');
}

/**
 * The calls that the next message of the user comes after: those of the last turn in which the agent said anything.
 *
 * @param {Turn[]} turns
 * @returns {ToolCall[]}
 */
export function lastCalls(turns) {
  return turns.findLast(({ messages, calls }) => messages.length + calls.length > 0)?.calls ?? [];
}

/** What the user should know beside the answer and the error: one sentence each. @param {Turn} turn */
export function notesOf(turn) {
  const notes = [];
  if (turn.gatewayMessage !== undefined) {
    notes.push(
      t('The gateway reported “{message}”, but the answer came all the same.', { message: turn.gatewayMessage }),
    );
  }
  if (turn.intervened) notes.push(t('A guardrail stepped in: this is its answer, not that of the model.'));
  if (turn.missing > 0) {
    notes.push(
      plural(
        turn.missing,
        '{count} frame got lost on the way: this answer may have gaps.',
        '{count} frames got lost on the way: this answer may have gaps.',
      ),
    );
  }
  if (turn.cut) notes.push(t('Not all of this answer was kept over the reload: there was no room for it.'));
  const broken = turn.unreadable + (isOpen(turn) ? 0 : turn.fragments.incomplete);
  if (broken > 0)
    notes.push(
      plural(
        broken,
        '{count} frame could not be read and is not shown.',
        '{count} frames could not be read and are not shown.',
      ),
    );
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
 * Says whether a frame is new, or comes behind others that have not come: then the run is to be joined again, once.
 *
 * @param {Turn} turn
 * @param {unknown} frame
 * @returns {'known' | 'new' | 'early'}
 */
export function countFrame(turn, frame) {
  const seq = getNumber(frame, 'metadata', 'relay', 'seq') ?? 0;
  // A frame of a run that was joined stands for all behind that one.
  const after = getNumber(frame, 'metadata', 'relay', 'after') ?? seq - 1;
  if (seq < turn.nextSeq) return 'known';
  // What has not come goes elsewhere, and is not to be taken from there.
  if (getString(frame, 'code') === 'moved') return 'new';
  const missing = Math.max(0, after + 1 - turn.nextSeq);
  if (missing > 0 && turn.key !== undefined && turn.missedSeq !== turn.nextSeq) {
    turn.missedSeq = turn.nextSeq;
    return 'early';
  }
  turn.missing += missing;
  // What a join is refused with has the number of a frame that is still to come.
  if (getString(frame, 'type') !== 'RUN_ERROR') turn.nextSeq = seq + 1;
  return 'new';
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

/** Empties a turn of before a reload, which comes anew from its beginning. @param {Turn} turn */
export function restart(turn) {
  const { key, overtaken, elsewhere, sentAt, firstTextAt, nextSeq, missing, missedSeq, restarts } = turn;
  Object.assign(turn, newTurn(turn, sentAt), {
    key,
    overtaken,
    elsewhere,
    firstTextAt,
    nextSeq,
    missing,
    missedSeq,
    restarts: restarts + 1,
    restored: false,
    keptEvents: undefined,
    cut: false,
  });
}

/** A turn is to be joined over the next connection. @param {Turn} turn */
export function awaitJoin(turn) {
  turn.status = 'running';
  turn.reconnecting = true;
  turn.failure = turn.endedAt = undefined;
  // Not all of it was kept over the reload, so it is to come from its beginning.
  if (turn.restored) Object.assign(turn, { nextSeq: 0, missing: 0, missedSeq: undefined });
}

/**
 * Takes a frame of this run, in the order of the run.
 *
 * @param {Turn} turn
 * @param {unknown} frame
 * @param {string} json the frame as it came
 * @param {number} now
 * @param {Turn[]} [turns] all of the conversation
 */
export function applyFrame(turn, frame, json, now, turns = []) {
  const type = getString(frame, 'type') ?? '';
  if (isOwnForm(type)) turn.agent ??= RUNTIME;
  switch (type) {
    case 'RUN_STARTED':
      return;
    case 'TEXT_MESSAGE_CHUNK':
    case 'TEXT_MESSAGE_CONTENT':
      return appendText(turn, type, frame, json, now);
    case 'RAW':
      return appendEvent(turn, frame, json, now);
    case 'CUSTOM':
      return applyCustom(turn, frame, json, now, turns);
    case 'TOOL_CALL_CHUNK':
      return holdCall(turn, frame, [{ at: now, source: type, event: frame, json, path: [] }]);
    case 'TOOL_CALL_START':
    case 'TOOL_CALL_ARGS':
      holdCall(turn, frame, []);
      break;
    case 'TOOL_CALL_RESULT':
      turn.events.push(...takeCall(turn, getString(frame, 'toolCallId')));
      break;
    case 'MESSAGES_SNAPSHOT':
      takeSnapshot(turn, getList(frame, 'messages'), now, turns);
      break;
    case 'RUN_FINISHED':
      noteEnd(turn, frame);
      if (get(frame, 'metadata', 'relay', 'stopped') === true) return endTurn(turn, 'stopped', now);
      if (turn.stopReason === 'guardrail_intervened') turn.intervened = true;
      handOver(turn);
      for (const interrupt of getList(frame, 'outcome', 'interrupts')) askFor(turn, interrupt);
      return endTurn(turn, 'done', now);
    case 'RUN_ERROR':
      return failTurn(turn, frame, now);
    default:
      if (/^REASONING_(?!ENCRYPTED)/.test(type)) appendReasoning(turn, type, frame, now);
  }
  // A later relay may send more than this page knows: listed with the trace, never dropped.
  record(turn, type, frame, json, now);
}

/** @param {Turn} turn @param {unknown} frame @param {number} now */
function failTurn(turn, frame, now) {
  const code = getString(frame, 'code') ?? 'unknown';
  if (code === 'moved') return endTurn(turn, 'moved', undefined);
  noteEnd(turn, frame);
  const message =
    code === 'no_such_run'
      ? t(
          'The connection closed before the answer was complete, and the relay does not have it any more. What had arrived is kept; the prompt is not sent again by itself.',
        )
      : getString(frame, 'message');
  // What a join is refused with says nothing of how the run itself ends.
  const isRefused = UNJOINABLE.includes(code) || (turn.reconnecting && REFUSALS.includes(code));
  endTurn(turn, isRefused ? 'interrupted' : 'failed', now, {
    message: message ?? t('The run failed, and the relay gave no reason.'),
    code,
    retryable: code === 'no_such_run' || get(frame, 'metadata', 'relay', 'retryable') === true,
    source: 'relay',
  });
}

/**
 * Adds a frame to the trace. Pieces of one text that come one after the other become one event, which grows.
 *
 * @param {Turn} turn
 * @param {string} type
 * @param {unknown} frame
 * @param {string} json
 * @param {number} now
 */
function record(turn, type, frame, json, now) {
  const isOwn = isAgui(type) && speaksAgui(turn);
  // It comes in any case, and only who asked for the trace has it listed.
  if (isOwn && !turn.trace) return;
  const source = isOwn ? RUNTIME : type;
  const [messageId, toolCallId, delta] = ['messageId', 'toolCallId', 'delta'].map((name) => getString(frame, name));
  if (!/_(?:CHUNK|CONTENT|ARGS)$/.test(type) || delta === undefined) {
    turn.events.push({ at: now, source, event: frame, json, path: [] });
    return;
  }
  const about = toolCallId === undefined ? { messageId } : { toolCallId };
  const last = turn.events.at(-1);
  if (
    last?.json === undefined &&
    getString(last?.event, 'type') === type &&
    Object.entries(about).every(([name, id]) => getString(last?.event, name) === id)
  ) {
    /** @type {{delta: string}} */ (last?.event).delta += delta;
  } else {
    turn.events.push({ at: now, source, event: { type, ...about, delta } });
  }
}

/**
 * @param {Turn} turn
 * @param {string} type
 * @param {unknown} frame
 * @param {number} now
 */
function appendReasoning(turn, type, frame, now) {
  const id = getString(frame, 'messageId') ?? turn.reasoning.at(-1)?.id ?? turn.runId;
  let reasoning = turn.reasoning.find((one) => one.id === id);
  if (reasoning === undefined) {
    reasoning = { id, text: '', before: turn.messages.length, startedAt: now, endedAt: undefined };
    turn.reasoning.push(reasoning);
  }
  reasoning.text += getString(frame, 'delta') ?? '';
  if (type.endsWith('_END')) reasoning.endedAt = now;
  const isLimit = reasoning.startedAt === now || reasoning.endedAt === now;
  if (isLimit && turn.resumedAt !== undefined && now - turn.resumedAt < REPLAY_MS) reasoning.late = true;
}

/**
 * @param {Turn} turn
 * @param {string} type
 * @param {unknown} frame
 * @param {string} json
 * @param {number} now
 */
function appendText(turn, type, frame, json, now) {
  const delta = getString(frame, 'delta') ?? '';
  if (delta === '') return;
  messageOf(turn, frame).text += delta;
  turn.firstTextAt ??= now;
  if (hasFramesInTrace(turn)) record(turn, type, frame, json, now);
}

/** @param {Turn} turn */
function hasFramesInTrace({ trace, agent }) {
  return trace && agent !== undefined && agent !== TELLS_ALL;
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
  if (source !== 'relay') turn.agent ??= source;
  if (get(event, 'trace', 'trace', 'guardrailTrace', 'action') === 'INTERVENED') turn.intervened = true;
  // What an agent hands on comes in any case, as its own events do.
  if (!keepalive && (turn.trace || !speaksAgui(turn)))
    turn.events.push({ at: now, source, event, json, path: ['event'] });
}

/**
 * @param {Turn} turn
 * @param {unknown} frame
 * @param {string} json
 * @param {number} now
 * @param {Turn[]} turns
 */
function applyCustom(turn, frame, json, now, turns) {
  const name = getString(frame, 'name') ?? '';
  const value = get(frame, 'value');
  // Who has no trace may learn by these alone what answers.
  if (name.startsWith('bedrock.')) turn.agent ??= TELLS_ALL;
  switch (name) {
    case 'bedrock.citations':
      messageOf(turn, value).citations.push(...getList(value, 'citations'));
      return;
    case 'bedrock.file':
      turn.files.push({
        name: getString(value, 'name') ?? '',
        type: getString(value, 'type') ?? '',
        bytes: getString(value, 'bytes') ?? '',
      });
      return;
    case 'relay.fragment':
      return applyFragment(turn, value, now, turns);
    default:
      if (speaksAgui(turn)) record(turn, 'CUSTOM', frame, json, now);
      else turn.events.push({ at: now, source: name, event: value, json, path: ['value'] });
  }
}

/**
 * A call may be of a tool that the agent runs itself: then its result follows.
 *
 * @param {Turn} turn
 * @param {unknown} frame
 * @param {AgentEvent[]} events what of it waits for the trace
 */
function holdCall(turn, frame, events) {
  const id = getString(frame, 'toolCallId') ?? '';
  const delta = getString(frame, 'delta') ?? '';
  const known = turn.openCalls.find(({ call }) => call.id === id);
  if (known) {
    known.call.arguments += delta;
    known.events.push(...events);
  } else {
    const call = {
      id,
      name: getString(frame, 'toolCallName') ?? 'an action',
      arguments: delta,
      asks: false,
      returns: true,
    };
    turn.openCalls.push({ call, events });
  }
}

/** A call has its result, and is not the user's. Gives what waited for that. @param {Turn} turn @param {string | undefined} id */
function takeCall(turn, id) {
  const events = turn.openCalls.flatMap((open) => (open.call.id === id ? open.events : []));
  turn.openCalls = turn.openCalls.filter(({ call }) => call.id !== id);
  return events;
}

/**
 * Some agents say what is new in a snapshot of all messages only. What was shown stays: text only grows.
 *
 * @param {Turn} turn
 * @param {unknown[]} messages
 * @param {number} now
 * @param {Turn[]} turns
 */
function takeSnapshot(turn, messages, now, turns) {
  const earlier = new Set(turns.flatMap((one) => (one === turn ? [] : one.messages.map(({ id }) => id))));
  const asked = messages.findLastIndex(
    (message) =>
      getString(message, 'role') === 'user' || turn.answers.some(({ id }) => id === getString(message, 'toolCallId')),
  );
  for (const one of messages.slice(asked + 1)) {
    const [id, role, text] = [getString(one, 'id') ?? '', getString(one, 'role'), getString(one, 'content') ?? ''];
    if (role === 'tool') takeCall(turn, getString(one, 'toolCallId'));
    if (role !== 'assistant' || text === '' || earlier.has(id)) continue;
    if (turn.messages.some((one) => one.text === text)) continue;
    const message = messageOf(turn, { messageId: id });
    if (text.startsWith(message.text)) message.text = text;
    turn.firstTextAt ??= now;
  }
}

/**
 * A run ended with a question.
 *
 * @param {Turn} turn
 * @param {unknown} interrupt
 */
function askFor(turn, interrupt) {
  const [id = '', toolCallId] = [getString(interrupt, 'id'), getString(interrupt, 'toolCallId')];
  let call = turn.calls.find((one) => one.id === toolCallId && one.interrupt === undefined);
  const schema = get(interrupt, 'responseSchema');
  const names = membersOf(get(schema, 'properties'));
  if (call !== undefined && id === toolCallId && !speaksAgui(turn)) {
    Object.assign(call, { asks: true, returns: names.includes('result') });
    return;
  }
  turn.agent ??= RUNTIME;
  if (call === undefined) {
    call = { id, name: getString(interrupt, 'reason') ?? 'an answer', arguments: '', asks: true, returns: true };
    turn.calls.push(call);
  }
  const value = names.length === 1 ? get(schema, 'properties', names[0] ?? '') : schema;
  const [type, choices] = [getString(value, 'type'), getList(value, 'enum')];
  const isChoice = choices.length > 0 && choices.every((one) => typeof one === 'string');
  Object.assign(call, {
    asks: true,
    returns: type !== 'boolean',
    interrupt: { id, message: getString(interrupt, 'message'), names, type, ...(isChoice ? { choices } : {}) },
  });
}

/** The agent has finished: the calls without a result are the user's to answer. @param {Turn} turn */
function handOver(turn) {
  for (const { call, events } of turn.openCalls.splice(0)) {
    turn.calls.push(call);
    if (hasFramesInTrace(turn)) turn.events.push(...events);
  }
}

/**
 * @param {Turn} turn
 * @param {unknown} value
 * @param {number} now
 * @param {Turn[]} turns
 */
function applyFragment(turn, value, now, turns) {
  try {
    const text = turn.fragments.add(value);
    if (text === undefined) return;
    const frame = parseJson(text);
    // The frame repeats the sequence number of its first piece, which has been counted already.
    const foreign = getString(frame, 'metadata', 'relay', 'runId') !== turn.runId;
    const nested = getString(frame, 'name') === 'relay.fragment';
    if (foreign || nested || getString(frame, 'type') === undefined) turn.unreadable += 1;
    else applyFrame(turn, frame, text, now, turns);
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
 * @param {number | undefined} now if that is when it ended
 * @param {Failure} [failure]
 */
export function endTurn(turn, status, now, failure) {
  turn.status = status;
  turn.reconnecting = false;
  turn.endedAt = now;
  turn.failure = failure;
}

/** What both ends of a run tell. @param {Turn} turn @param {unknown} frame */
function noteEnd(turn, frame) {
  const stats = get(frame, 'metadata', 'relay', 'stats');
  turn.stats =
    stats === undefined ? undefined : { chunks: getNumber(stats, 'chunks'), frames: getNumber(stats, 'frames') };
  turn.stopReason = getString(frame, 'metadata', 'relay', 'stopReason');
  const used = getList(frame, 'usage');
  if (used.length === 0) return;
  const sum = (/** @type {string} */ name) =>
    used.reduce((/** @type {number} */ all, one) => all + (getNumber(one, name) ?? 0), 0);
  turn.usage = { input: sum('inputTokens'), output: sum('outputTokens'), cached: sum('cachedInputTokens') };
}
