// A turn as it is kept, without its events and what files are made of: those stand beside it.

import { fileSize } from '../chat/files.js';
import { get, getNumber, getString, parseJson } from '../lib/json.js';
import { t } from '../lib/words.js';
import { Fragments } from '../relay/fragments.js';
import { awaitJoin, endTurn, isOpen, newTurn, overtake } from '../relay/turn.js';

/** @import { AgentEvent, Turn } from '../types.d.ts' */

/** What a turn is as a value: what can be JSON of it, on the clock of this load. @param {Turn} turn */
export function recordOf(turn) {
  return {
    ...turn,
    events: [],
    openCalls: [],
    fragments: undefined,
    timeOrigin: performance.timeOrigin,
    savedAt: Date.now(),
  };
}

/** The same with files that have a size in place of their bytes. @param {Turn} turn @param {number} keptEvents */
export function recordBesideParts(turn, keptEvents) {
  return {
    ...recordOf(turn),
    keptEvents,
    files: turn.files.map((file) => ({
      ...file,
      bytes: '',
      dropped: file.bytes === '' ? file.dropped : fileSize(file),
    })),
  };
}

/**
 * Turns of values. What was open is to be joined, or was interrupted when the page was left.
 *
 * @param {unknown[]} values
 * @returns {Turn[]}
 */
export function turnsOf(values) {
  const turns = values.flatMap((value) => {
    const [runId, prompt] = [getString(value, 'runId'), getString(value, 'prompt')];
    if (runId === undefined || prompt === undefined) return [];
    /** @type {Turn} */
    const turn = {
      ...newTurn({ runId, prompt, trace: false }, 0),
      .../** @type {object} */ (value),
      fragments: new Fragments(),
      restored: true,
      resumedAt: undefined,
    };
    // Its times go on, on the clock of this load.
    const earlier = (getNumber(value, 'timeOrigin') ?? performance.timeOrigin) - performance.timeOrigin;
    turn.sentAt += earlier;
    for (const name of /** @type {const} */ (['firstTextAt', 'endedAt']))
      if (turn[name] !== undefined) turn[name] += earlier;
    for (const reasoning of turn.reasoning) {
      reasoning.startedAt += earlier;
      if (reasoning.endedAt !== undefined) reasoning.endedAt += earlier;
    }
    turn.joins = 0;
    if (!isOpen(turn)) return [turn];
    if (turn.key !== undefined) awaitJoin(turn);
    else {
      // When that was is not known. Turns are read before it is known which language the page speaks.
      endTurn(turn, 'interrupted', undefined, {
        get message() {
          return t(
            'The page was left before the answer was complete. What had arrived is kept; the prompt is not sent again by itself.',
          );
        },
        code: 'page_left',
        retryable: true,
        source: 'connection',
      });
    }
    return [turn];
  });
  for (const [index, turn] of turns.entries()) {
    const next = turns[index + 1];
    if (next) overtake(turn, next.answers);
  }
  return turns;
}

/** An event as it is kept: what stands in the frame that it came in is read from there again. @param {AgentEvent} event @param {Turn} turn */
export function storedEvent({ at, event, ...rest }, { sentAt }) {
  return { at: at - sentAt, ...(rest.json === undefined ? { event } : {}), ...rest };
}

/** @param {ReturnType<typeof storedEvent>} stored @param {Turn} turn @returns {AgentEvent} */
export function eventOf(stored, { sentAt }) {
  const { json, path = [] } = stored;
  return {
    ...stored,
    at: stored.at + sentAt,
    event: json === undefined ? stored.event : get(parseJson(json), ...path),
  };
}
