// Whose traces are understood: one reader for each kind of agent. A new one is a file of its own and a line here.
// No DOM.

import { BedrockAgentReader } from './bedrock-agent.js';
import { HarnessReader } from './harness.js';
import { RuntimeReader } from './runtime.js';

/** @import { AgentEvent } from '../types.d.ts' */

/** The first that an event is of takes it; the last one takes whatever is of no other. */
const READERS = [RuntimeReader, HarnessReader, BedrockAgentReader];

/** @param {AgentEvent} event */
export function readerOf(event) {
  return READERS.find((one) => one.owns(event)) ?? BedrockAgentReader;
}

/**
 * The source of a value of a file, where it is an event by itself.
 *
 * @param {unknown} value
 * @returns {string | undefined}
 */
export function sourceOf(value) {
  for (const one of READERS) {
    const source = one.sourceOf(value);
    if (source !== undefined) return source;
  }
  return undefined;
}
