// Why a model stopped, in the words of the agent's service, of which there will be more.

import { visible } from '../lib/visible.js';

const COMPLETE = ['end_turn', 'tool_use', 'tool_result', 'stop_sequence'];
const INTERVENED = ['content_filtered', 'guardrail_intervened'];
const BROKEN = ['interrupted', 'partial_turn', 'hook_stopped'];

/**
 * What a reason to stop means for what was said. One that nobody knows is no failure.
 *
 * @param {string} [reason]
 * @returns {'done' | 'failed' | 'intervened'}
 */
export function outcomeOf(reason = '') {
  if (COMPLETE.includes(reason)) return 'done';
  if (INTERVENED.includes(reason)) return 'intervened';
  return BROKEN.includes(reason) || /^max_|^malformed_|_exceeded$/.test(reason) ? 'failed' : 'done';
}

/** Empty where there is nothing to say about it: the agent said everything. @param {string} [reason] */
export function stopReasonInWords(reason = 'end_turn') {
  return reason === 'end_turn' ? '' : visible(reason.replaceAll('_', ' '));
}
