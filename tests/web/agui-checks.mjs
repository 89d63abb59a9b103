// What holds for the frames of every run, whoever answers, and what AG-UI's clients make of them.

import assert from 'node:assert/strict';
import { AbstractAgent } from '@ag-ui/client';
import { EventSchemas } from '@ag-ui/core/schemas';
import { EventStreamCodec } from '@smithy/eventstream-codec';
import { AbstractAgent as OldAbstractAgent } from 'agui-old-client';
import { EventSchemas as OldEventSchemas } from 'agui-old-core';
import { from } from 'rxjs';
import { checkValues, withDefaults } from './agui-model.mjs';
import { isTerminal, listening, reassemble } from './agui-support.mjs';

const MAX_FRAME_BYTES = 32_768;

/**
 * Checks every frame as it came over the wire, and returns the events that the client makes of
 * them, oversized ones put together again. `code` is that of a run which is to end in an error.
 */
export function checkFrames({ frames, binary }, { runId, code }) {
  assert.equal(binary, 0, 'every frame is a text message');
  const wire = frames.map((frame) => JSON.parse(frame));
  frames.forEach((frame, index) => {
    const bytes = Buffer.byteLength(frame);
    assert.ok(bytes <= MAX_FRAME_BYTES, `frame ${index} has ${bytes} bytes`);
  });
  wire.forEach(checkEvent);

  const expectedRunId = runId ?? wire[0].metadata.relay.runId;
  assert.ok(expectedRunId);
  assert.deepEqual(
    wire.map(({ metadata }) => [metadata.relay.runId, metadata.relay.seq]),
    wire.map((_, seq) => [expectedRunId, seq]),
  );

  const terminals = wire.filter(({ type }) => isTerminal(type));
  assert.equal(terminals.length, 1, 'there is one terminal event');
  const last = wire.at(-1);
  assert.equal(last, terminals[0], 'it is the last one');
  if (code) {
    assert.deepEqual([last.type, last.code], ['RUN_ERROR', code]);
    assert.equal(typeof last.metadata.relay.retryable, 'boolean');
  } else {
    assert.equal(last.type, 'RUN_FINISHED', JSON.stringify(last));
    assert.equal(last.metadata.relay.stats.frames, wire.length);
  }

  const events = reassemble(wire);
  events.forEach(checkEvent);
  return events;
}

/** Both versions of the protocol accept the event and know every field of it, with one exception. */
function checkEvent(event) {
  // Parsing strips unknown fields, and fails on a null for an absent one.
  assert.deepEqual(EventSchemas.parse(event), event);
  assert.deepEqual(OldEventSchemas.parse(event), withDefaults(withoutCacheWrites(event)));
  checkValues(event);
}

/** The event without what the old version does not know: tokens that were written to a cache. */
function withoutCacheWrites(event) {
  if (!event.usage) return event;
  return { ...event, usage: event.usage.map(({ cacheWriteInputTokens, ...usage }) => usage) };
}

/** An agent that says what was recorded, of either version of AG-UI's client. */
const recordings = [AbstractAgent, OldAbstractAgent].map(
  (Agent) =>
    class extends Agent {
      constructor(events, { threadId, messages, state }) {
        super({ threadId, initialMessages: messages, initialState: state });
        this.events = events;
      }

      run() {
        return from(this.events);
      }
    },
);

/**
 * Runs a recording as the clients would, and returns what each made of it; rejects where the order
 * of events is wrong.
 */
export async function replay(events, input) {
  const outcomes = [];
  for (const Recording of recordings) {
    const agent = new Recording(structuredClone(events), structuredClone(input));
    const ends = [];
    const complaints = [];
    const subscriber = {
      onRunFinishedEvent: ({ event }) => void ends.push(event),
      onRunErrorEvent: ({ event }) => void ends.push(event),
    };
    await listening(complaints, () => agent.runAgent({ runId: input.runId }, subscriber));
    outcomes.push({ messages: agent.messages, state: agent.state, ends, complaints });
  }
  return outcomes;
}

/** The messages of an `application/vnd.amazon.eventstream` body, whose last one may be corrupt. */
export function messagesOf(body, lastIsCorrupt) {
  const codec = new EventStreamCodec(
    (bytes) => Buffer.from(bytes).toString('utf8'),
    (text) => Buffer.from(text, 'utf8'),
  );
  const messages = [];
  for (let start = 0; start < body.length; ) {
    const end = start + body.readUInt32BE(start);
    const message = body.subarray(start, end);
    if (lastIsCorrupt && end >= body.length) {
      assert.throws(() => codec.decode(message), /checksum/i);
      break;
    }
    messages.push(codec.decode(message));
    start = end;
  }
  return messages;
}

export const ofType = (events, type) => events.filter((event) => event.type === type);

export const named = (events, name) => events.filter((event) => event.name === name);
