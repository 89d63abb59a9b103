// What calls of a model cost, and how fast they were. No DOM.

import { duration } from '../lib/format.js';
import { joined } from './phrases.js';
import { spanInWords, spanOf } from './times.js';

/** @import { Prices } from '../types.d.ts' */
/** @import { Step } from './tree.js' */

/**
 * What a model is called in the list of prices: without the ARN and the region of an inference profile.
 *
 * @param {string} model
 */
export function modelName(model) {
  return (model.split('/').at(-1) ?? model).replace(/^(?:us|eu|apac|global|jp|au|ca|us-gov)\./, '');
}

/**
 * In dollars. The longest beginning of the model's id counts; an empty one is of every model, also of one that the
 * agent does not name.
 *
 * @param {Step} step
 * @param {Prices} prices
 * @returns {number | undefined} undefined where no price is known
 */
export function costOf({ tokens, model = '' }, prices) {
  if (tokens === undefined) return undefined;
  const name = modelName(model);
  /** @type {string | undefined} */
  let found;
  for (const prefix of Object.keys(prices)) {
    if ((name.startsWith(prefix) || model.startsWith(prefix)) && prefix.length >= (found?.length ?? 0)) found = prefix;
  }
  const price = found === undefined ? undefined : prices[found];
  if (price === undefined) return undefined;
  const { input, output, cacheRead = 0, cacheWrite = 0 } = tokens;
  // Bedrock counts what the cache took part in apart from the input.
  return (
    (input * price.input +
      output * price.output +
      cacheRead * (price.cached ?? price.input) +
      cacheWrite * (price.cacheWrite ?? price.input)) /
    1e6
  );
}

/** Dollars with so many digits that something is left of little. @param {number} dollars */
export function money(dollars) {
  if (dollars === 0) return '$0';
  if (dollars < 0.00005) return '< $0.0001';
  return `$${dollars.toFixed(dollars < 0.1 ? 4 : 2)}`;
}

/** How many tokens came a second, in words; empty where nobody knows. @param {number} tokens @param {number} ms */
export function speed(tokens, ms) {
  if (!(ms > 0) || tokens === 0) return '';
  const rate = (tokens / ms) * 1000;
  return `${rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString('en')} tokens/s`;
}

/**
 * What stands above the details of a step: when it was, how fast and at what price.
 *
 * @param {Step} step
 * @param {Prices} prices
 */
export function figuresOf(step, prices) {
  const { tokens, duration: took, firstAt } = step;
  const cost = costOf(step, prices);
  return joined(
    ' · ',
    spanInWords(spanOf(step, step.start)),
    firstAt === undefined ? '' : `first token after ${duration(Math.max(firstAt - step.start, 0))}`,
    tokens === undefined ? '' : speed(tokens.output, took ?? 0),
    cost === undefined ? '' : money(cost),
  );
}
